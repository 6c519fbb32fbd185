"""What a frontier is made of: budgets, the worth of more policies, and what they stand beside."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A number that was measured over episodes.

    Attributes:
        value: the mean.
        stderr: its standard error over episodes; 0 if nothing is random.
        low: the lower end of its interval, with 95 % confidence.
        high: the upper end.
    """

    value: float
    stderr: float
    low: float
    high: float

    def __repr__(self) -> str:
        """Show the number and its standard error."""
        return f"{self.value:.2f} ± {self.stderr:.2f}"


@dataclass(frozen=True)
class Point:
    """What one budget is worth.

    Attributes:
        num_policies: the budget ``K``.
        welfare: the welfare on fresh episodes.
        users_per_policy: how many users each policy serves.
        transitions: the transitions behind the budget, of all its policies together, with
            validation and with what it shares with other budgets; None if it is not known.
        optimum: the highest welfare that any ``K`` policies can reach, or a bound on it; None if it
            is not known.
        optimum_kind: ``exact`` or ``upper bound``, or None.
        floors_hold: whether all floors hold, by the means of these episodes; None without floors.
    """

    num_policies: int
    welfare: Estimate
    users_per_policy: tuple[int, ...]
    transitions: int | None = None
    optimum: float | None = None
    optimum_kind: str | None = None
    floors_hold: bool | None = None

    @property
    def spare(self) -> tuple[int, ...]:
        """The policies that serve nobody, by their numbers."""
        return tuple(policy for policy, users in enumerate(self.users_per_policy) if not users)


@dataclass(frozen=True)
class Step:
    """What the policies from one budget to the next are worth.

    Attributes:
        fewer: the smaller budget.
        more: the larger budget.
        gain: the welfare of the larger budget less that of the smaller one.
        per_policy: the gain divided by the number of policies that are added: the marginal worth of
            one more policy.
    """

    fewer: int
    more: int
    gain: Estimate
    per_policy: Estimate

    @property
    def is_shown(self) -> bool:
        """Whether the gain is beyond chance: its interval lies above 0."""
        return self.gain.low > 0.0


@dataclass(frozen=True)
class Level:
    """A welfare that the budgets are compared with.

    Attributes:
        welfare: what was measured.
        num_policies: how many policies the choice was made from.
        optimum: the highest possible welfare of its kind, or a bound on it; None if it is not
            known.
        optimum_kind: ``exact`` or ``upper bound``, or None.
    """

    welfare: Estimate
    num_policies: int
    optimum: float | None = None
    optimum_kind: str | None = None


@dataclass(frozen=True)
class Frontier:
    """Welfare at every budget, and what it stands beside.

    Attributes:
        points: the budgets, ascending.
        steps: the worth of more policies, from each budget to the next.
        one_policy: the best single policy for everybody.
        ceiling: each user's best policy of all that are known: an estimate of what a policy for
            each user would earn.
        num_episodes: how many episodes each policy played.
        seed: the seed of these episodes.
        welfare_function: the name of the welfare function.
    """

    points: tuple[Point, ...]
    steps: tuple[Step, ...]
    one_policy: Level
    ceiling: Level
    num_episodes: int
    seed: int
    welfare_function: str

    @property
    def budgets(self) -> tuple[int, ...]:
        """The budgets, ascending."""
        return tuple(point.num_policies for point in self.points)

    @property
    def has_floors(self) -> bool:
        """Whether users have floors."""
        return any(point.floors_hold is not None for point in self.points)

    @property
    def smallest_with_floors(self) -> int | None:
        """The smallest budget with which all floors hold; None if there is none."""
        return next((point.num_policies for point in self.points if point.floors_hold), None)

    def share_of_gain(self, num_policies: int) -> float | None:
        """Give how much of what personalising can gain the budget gains.

        Args:
            num_policies: one of the budgets.

        Returns:
            the welfare above that of one policy, as a share of the ceiling above it; None if the
            ceiling is no higher than one policy by more than chance.
        """
        one, ceiling = self.one_policy.welfare, self.ceiling.welfare
        room = ceiling.value - one.value
        if room <= 2.0 * float(np.hypot(one.stderr, ceiling.stderr)):
            return None
        point = self.points[self.budgets.index(num_policies)]
        return (point.welfare.value - one.value) / room

    def smallest_enough(self, share: float = 0.9) -> int:
        """Give the smallest budget that gains nearly what the best budget gains over one policy.

        Args:
            share: how much of that gain is enough, from 0 to 1.

        Returns:
            the number of policies.
        """
        one, best = self.one_policy.welfare.value, max(p.welfare.value for p in self.points)
        enough = one + share * (best - one)
        return next(p.num_policies for p in self.points if p.welfare.value >= min(enough, best))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields with lists in place of tuples, ready for JSON."""
        record = asdict(self)
        return record | {
            "points": [
                {**point, "users_per_policy": list(point["users_per_policy"])}
                for point in record["points"]
            ],
            "steps": list(record["steps"]),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Frontier":
        """Make the frontier that :meth:`to_dict` described, perhaps read back from JSON."""
        points = tuple(
            Point(
                **{
                    **point,
                    "welfare": Estimate(**point["welfare"]),
                    "users_per_policy": tuple(point["users_per_policy"]),
                }
            )
            for point in record["points"]
        )
        steps = tuple(
            Step(
                step["fewer"],
                step["more"],
                Estimate(**step["gain"]),
                Estimate(**step["per_policy"]),
            )
            for step in record["steps"]
        )
        levels = {
            name: Level(**{**record[name], "welfare": Estimate(**record[name]["welfare"])})
            for name in ("one_policy", "ceiling")
        }
        return cls(
            points,
            steps,
            **levels,
            num_episodes=record["num_episodes"],
            seed=record["seed"],
            welfare_function=record["welfare_function"],
        )
