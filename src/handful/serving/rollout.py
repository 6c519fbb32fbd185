"""A second bundle beside the first: in the shadow, for a share of the users, or for all of them.

Each user belongs to one of the two by the digest of their name, so that nobody changes from one
answer to the next. Outcomes of users, a number of the caller's between two limits, decide: every
user counts once, weighted by the inverse of the share of their bundle. Their mean is the difference
of the two bundles' mean outcomes, and :class:`~handful._support.betting.Bet` tests it after each.
"""

import hashlib
import threading
from dataclasses import dataclass
from typing import Any

from handful._support.betting import Bet
from handful.errors import HandfulError

SHADOW, SHARE, FULL, ROLLED_BACK = "shadow", "share", "full", "rolled back"
STAGES = (SHADOW, SHARE, FULL)


@dataclass(frozen=True)
class Plan:
    """How a second bundle is rolled out.

    Attributes:
        stage: ``shadow`` computes its actions and compares them, ``share`` lets it serve a share of
            the users until the test decides, and ``full`` lets it serve all of them.
        share: the share of the users whom it serves, above 0 and below 1.
        low, high: the limits of outcomes. A value beyond them is refused.
        margin: the loss of mean outcome, in the unit of outcomes, that counts as none.
        alpha: the probability of each wrong decision, however often the test is looked at.

    Raises:
        HandfulError: if a setting is outside its range.
    """

    stage: str = SHADOW
    share: float = 0.1
    low: float = 0.0
    high: float = 1.0
    margin: float = 0.05
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise HandfulError(f"stage must be one of {', '.join(STAGES)}, not {self.stage!r}.")
        if not (0 < self.share < 1 and 0 < self.alpha < 1):
            raise HandfulError("share and alpha must be above 0 and below 1.")
        if not 0 <= self.margin < self.high - self.low < float("inf"):
            raise HandfulError("high must be above low by more than margin, which is from 0 on.")


class Rollout:
    """The state of a rollout.

    Args:
        plan: how the second bundle is rolled out.
        salt: a text that makes this division of users another than that of other rollouts, such as
            the bundles' digests.
    """

    def __init__(self, plan: Plan, salt: str) -> None:
        self.plan, self.stage = plan, plan.stage
        self._salt, self._lock = salt, threading.Lock()
        self._counted: set[str] = set()
        # Outcomes from 0 to 1 weigh 1 / share, or -1 / (1 - share): this maps them to 0 to 1.
        self._lowest = -1.0 / (1.0 - plan.share)
        self._range = 1.0 / plan.share - self._lowest
        bound = (-plan.margin / (plan.high - plan.low) - self._lowest) / self._range
        self._better, self._worse = Bet(bound), Bet(1.0 - bound)

    def is_second(self, user: str) -> bool:
        """Return whether a user is served by the second bundle now."""
        if self.stage == SHARE:
            return self._in_share(user)
        return self.stage == FULL

    def _in_share(self, user: str) -> bool:
        digest = hashlib.sha256(f"{self._salt}\0{user}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < self.plan.share * 2**64

    def check_outcome(self, value: Any) -> float:
        """Return an outcome as a number.

        Raises:
            HandfulError: if it is not a number within the limits.
        """
        plan = self.plan
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not plan.low <= value <= plan.high:
            raise HandfulError(
                f"An outcome is a number from {plan.low:g} to {plan.high:g}, not {value!r}."
            )
        return float(value)

    def add(self, user: str, value: float) -> bool:
        """Take in the outcome of a user, and decide if it is clear enough.

        Args:
            user: the user's name; only their first outcome counts.
            value: the outcome, within the limits.

        Returns:
            whether it counted.
        """
        plan = self.plan
        with self._lock:
            if self.stage != SHARE or user in self._counted:
                return False
            self._counted.add(user)
            unit = (value - plan.low) / (plan.high - plan.low)
            weighted = unit / plan.share if self._in_share(user) else -unit / (1.0 - plan.share)
            position = min(max((weighted - self._lowest) / self._range, 0.0), 1.0)
            self._better.add(position)
            self._worse.add(1.0 - position)
            if self._worse.is_won(plan.alpha):
                self.stage = ROLLED_BACK
            elif self._better.is_won(plan.alpha):
                self.stage = FULL
            return True

    def record(self) -> dict[str, Any]:
        """Return the state as JSON: the stage, the outcomes, and both tests' evidence."""
        return {
            "stage": self.stage,
            "share": self.plan.share,
            "outcomes": self._better.count,
            "log_evidence_not_worse": self._better.highest,
            "log_evidence_worse": self._worse.highest,
        }
