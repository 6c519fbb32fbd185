"""Findings: what a user of a run should know at its end, each with what to do about it.

A run can end without an error and still be worth little: policies that nobody has, users who are
better served elsewhere, training that was stopped while it rose. Everything here is worked out from
what the run measured anyway (its metrics, validation, evaluation), and from what constant actions
earn. Nothing is found that chance alone explains, so that a finding is worth reading.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from handful._support.text import count
from handful.evaluation.alternatives import Alternative, ConstantActions
from handful.methods.schedule import WarmUp
from handful.run_folder import RunFolder
from handful.training.watching.callbacks import OwnCallback, Report
from handful.types import NumpyArray


class Moment(NamedTuple):
    """Two numbers of an update.

    Attributes:
        welfare: the moving average of training returns, with sampled actions.
        moved: the share of users whose policy the update changed.
    """

    welfare: float
    moved: float


class History(OwnCallback):
    """Keeps two numbers of every update.

    Args:
        folder: the run's, whose metrics tell of the updates before this process; None if the run
            is not kept, and so has no such updates.
        first_update: updates that the run goes on from.
    """

    def __init__(self, folder: RunFolder | None, first_update: int) -> None:
        records = folder.salvage_metrics(first_update) if folder and first_update else []
        self.moments = [Moment(r["welfare"], r.get("moved", 0.0)) for r in records]

    def on_update(self, report: Report) -> None:
        """Keep the numbers of an update."""
        self.moments.append(Moment(report.metrics["welfare"], report.metrics["moved"]))


LAST_PART = 0.25
"""The last share of the updates, in which assignments should have come to rest."""

MANY = 0.1
"""An update swings if at least this share of the users change policies in it."""

OFTEN = 0.25
"""Swinging is a finding if at least this share of the updates of the last part swing."""

FEWEST_SWINGS = 3
"""Swinging is a finding if at least so many updates swing: two could be one step there and back."""

STILL_RISING = 0.1
"""The share of its whole range by which welfare may rise in the last part of training."""

FEWEST_UPDATES = 12
"""A run must have so many updates for its rise to be judged."""


@dataclass(frozen=True)
class Finding:
    """Something about a run that its user should know.

    Attributes:
        kind: a short name, the same in every run.
        message: what was found, with its numbers.
        advice: what to do.
    """

    kind: str
    message: str
    advice: str

    def record(self) -> dict[str, str]:
        """Give it in the form that ``evaluation.json`` holds."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Ending:
    """All that is known of a run when it ends.

    Attributes:
        method: the assignment method's name.
        assigns_best: whether its rule is that each user has the policy that serves them best.
        users_per_policy: int [K], how many users each policy serves in the final assignment.
        welfare: the welfare of the final assignment, by evaluation.
        welfare_stderr: the standard error of ``welfare``.
        alternatives: the handed-out assignment beside others, by name
            (:mod:`handful.evaluation.alternatives`).
        constants: the welfare of constant actions.
        history: two numbers of every update.
        warm_up: the warm-up of the method, if it has any.
        starts_at_random: whether only E-steps move users from the random assignment that the method
            begins with.
    """

    method: str
    assigns_best: bool
    users_per_policy: NumpyArray
    welfare: float
    welfare_stderr: float
    alternatives: Mapping[str, Alternative]
    constants: ConstantActions | None
    history: Sequence[Moment]
    warm_up: WarmUp | None
    starts_at_random: bool


def find(ending: Ending) -> list[Finding]:
    """Find everything about a run that its user should know; an empty list if all is well."""
    parts = (
        _below_a_constant_action(ending),
        _below_one_policy(ending),
        _idle_policies(ending),
        _better_served_elsewhere(ending),
        _never_moved(ending),
        _cut_warm_up(ending),
        _swinging(ending),
        _still_rising(ending),
    )
    return [finding for part in parts for finding in part]


def _below_a_constant_action(ending: Ending) -> Iterator[Finding]:
    constants = ending.constants
    if constants is None:
        return
    best = constants.best
    constant, stderr = float(constants.welfare[best]), float(constants.welfare_stderr[best])
    noise = float(np.hypot(stderr, ending.welfare_stderr))
    if constant - ending.welfare > 2.0 * noise + 1e-6 * abs(constant):
        yield Finding(
            "below-constant-action",
            f"The policies are worth {ending.welfare:.2f}, and the same action at every step for "
            f"everybody ({constants.names[best]}) is worth {constant:.2f}.",
            "Train for more steps. If that does not help, look at how observations, actions and "
            "rewards are scaled: handful check-env says where ranges are far apart.",
        )


def _below_one_policy(ending: Ending) -> Iterator[Finding]:
    one = ending.alternatives["one_policy"]
    if one.is_better:
        yield Finding(
            "below-one-policy",
            f"A single one of the policies for everybody is worth {one.gain:.2f} ± "
            f"{one.gain_stderr:.2f} more than the assignment that is handed out (welfare "
            f"{ending.welfare:.2f}).",
            _reassign(ending),
        )


def _idle_policies(ending: Ending) -> Iterator[Finding]:
    users = ending.users_per_policy
    idle = [policy for policy, served in enumerate(users) if not served]
    if idle:
        numbers = ", ".join(str(policy) for policy in idle)
        is_one, busy = len(idle) == 1, int(np.sum(users > 0))
        yield Finding(
            "idle-policies",
            f"{count(len(idle), 'policy')} of {len(users)} {'serves' if is_one else 'serve'} "
            f"nobody and {'is' if is_one else 'are'} spare "
            f"({'number' if is_one else 'numbers'} {numbers}): {count(busy, 'policy')} "
            f"{'serves' if busy == 1 else 'serve'} all {count(int(users.sum()), 'user')}.",
            "A smaller budget would have been enough for this result. To make use of all policies, "
            "train for more steps, with another seed or with another method.",
        )


def _better_served_elsewhere(ending: Ending) -> Iterator[Finding]:
    other = ending.alternatives["reassigned"]
    if other.is_better:
        yield Finding(
            "better-served-elsewhere",
            f"{count(other.users_moved, 'user')} of {int(np.sum(ending.users_per_policy))} would "
            f"be better served by another of the policies: with the best policy for everyone, "
            f"welfare would be {other.gain:.2f} ± {other.gain_stderr:.2f} higher.",
            _reassign(ending),
        )


def _reassign(ending: Ending) -> str:
    if ending.assigns_best:
        return (
            "Hand out the assignment that validation speaks for: the setting "
            "final_assignment=validation, which is the default."
        )
    return (
        f"The method '{ending.method}' keeps its own rule. evaluation.json names each user's best "
        f"policy ('reassigned'), and methods like em assign users by it."
    )


def _never_moved(ending: Ending) -> Iterator[Finding]:
    if len(ending.users_per_policy) == 1 or not ending.starts_at_random:
        return
    if any(moment.moved > 0.0 for moment in ending.history):
        return
    yield Finding(
        "never-moved",
        f"In all {count(len(ending.history), 'update')} no user was moved to another policy: each "
        f"policy was trained for the random group of users that it began with.",
        "Train for more steps, or choose a shorter warm-up.",
    )


def _cut_warm_up(ending: Ending) -> Iterator[Finding]:
    warm_up = ending.warm_up
    if warm_up is not None and warm_up.is_cut:
        yield Finding(
            "short-run",
            f"The run of {count(len(ending.history), 'update')} is too short for its warm-up: "
            f"{warm_up.setting} asks for {count(warm_up.asked, 'update')} and was cut to "
            f"{warm_up.updates}.",
            "Train for more steps, so that the method has time to move users.",
        )


def _swinging(ending: Ending) -> Iterator[Finding]:
    last = _last_part(ending.history)
    swings = [moment.moved for moment in last if moment.moved >= MANY]
    if len(swings) >= max(FEWEST_SWINGS, OFTEN * len(last)):
        yield Finding(
            "swinging",
            f"The assignment did not come to rest: in {len(swings)} of the last "
            f"{count(len(last), 'update')}, a share of {MANY:.0%} or more of the users changed "
            f"policies (in the mean {np.mean(swings):.0%}).",
            "Returns of an update are too noisy to assign users by: choose larger batches, a "
            "smaller return_mixing, or rarer E-steps (e_step_every).",
        )


def _still_rising(ending: Ending) -> Iterator[Finding]:
    welfare = np.array([moment.welfare for moment in ending.history])
    if len(welfare) < FEWEST_UPDATES:
        return
    last = np.array([moment.welfare for moment in _last_part(ending.history)])
    early, middle, late = (float(part.mean()) for part in np.array_split(last, 3))
    spread = float(np.ptp(welfare))
    if early < middle < late and late - early > STILL_RISING * spread:
        yield Finding(
            "still-rising",
            f"Welfare in training was still rising when it ended: from {early:.2f} to {late:.2f} "
            f"in the last {count(len(last), 'update')}, of a rise of {spread:.2f} in all.",
            "Train for more steps.",
        )


def _last_part(history: Sequence[Moment]) -> Sequence[Moment]:
    return history[-max(int(LAST_PART * len(history)), 1) :] if history else []
