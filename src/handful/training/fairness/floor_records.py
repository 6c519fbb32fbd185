"""Whether floors hold in a result: by how much not, for whom, with intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful._support.text import count
from handful.choice.floors import Floor, group_means
from handful.choice.pool import Pool
from handful.evaluation.played import Played, WithOutside
from handful.evaluation.returns import Evaluation, mean_and_stderr
from handful.training.run import Run
from handful.training.watching.findings import Finding
from handful.types import NumpyArray

MOST_LISTED = 1000
"""The most users or groups below a floor that a record lists, those with most missing first."""

SPREADS = 1.96
"""The standard errors on either side of a mean in an interval of 95 %, of one user at a time."""


@dataclass(frozen=True)
class Short:
    """A user or a group below a floor.

    Attributes:
        name: the name of the user or the group.
        least: the floor.
        value: what the evaluation's episodes earned in the mean, or the outside option.
        stderr: its standard error over episodes.
    """

    name: str
    least: float
    value: float
    stderr: float

    @property
    def short(self) -> float:
        """How much is missing to the floor."""
        return self.least - self.value

    @property
    def is_certain(self) -> bool:
        """Whether the whole interval lies below the floor."""
        return self.value + SPREADS * self.stderr < self.least

    def record(self) -> dict[str, Any]:
        """Return it in the types of JSON, with an interval of 95 % of what is missing."""
        spread = SPREADS * self.stderr
        return {
            "name": self.name,
            "least": self.least,
            "value": self.value,
            "stderr": self.stderr,
            "short": self.short,
            "short_low": self.short - spread,
            "short_high": self.short + spread,
        }


@dataclass(frozen=True)
class FloorRecord:
    """What an evaluation says of a floor.

    Attributes:
        floor: the floor.
        holds: whether it holds, by the means.
        below: how many users, or groups, are below it.
        certain: how many of them are below it with their whole interval.
        shorts: the users, or groups, below it, those with most missing first.
        parts: the share of each set of users that reaches a floor of a share, by the set's name.
    """

    floor: Floor
    holds: bool
    below: int
    certain: int
    shorts: tuple[Short, ...]
    parts: tuple[tuple[str, float], ...] = ()

    def sentence(self) -> str:
        """Say whether the floor holds."""
        what = {"everyone": "user", "share": "user", "groups": "group"}[self.floor.of]
        name = "The floor" if self.floor.of == "everyone" else f"The floor of {self.floor.of}"
        if self.floor.of == "share":
            name = f"The floor of {100 * self.floor.share:g} % of the users"
        if self.holds and not self.below:
            return f"{name} holds for every {what}."
        worst = self.shorts[0]
        state = "holds" if self.holds else "does not hold"
        return (
            f"{name} {state}: {count(self.below, what)} below it, {self.certain} of them with the "
            f"whole interval of 95 %; most is missing to '{worst.name}', "
            f"{worst.short:.3g} ± {SPREADS * worst.stderr:.2g}."
        )

    def record(self) -> dict[str, Any]:
        """Return it in the types of JSON."""
        return {
            "of": self.floor.of,
            **({"share": self.floor.share} if self.floor.of == "share" else {}),
            **({"reached": dict(self.parts)} if self.parts else {}),
            "holds": self.holds,
            "below": self.below,
            "certain": self.certain,
            "shorts": [short.record() for short in self.shorts],
            "sentence": self.sentence(),
        }


def floor_records(run: Run, evaluation: Evaluation) -> tuple[FloorRecord, ...]:
    """Return what an evaluation says of each floor of a run.

    Args:
        run: the run.
        evaluation: the evaluation of its final policies.
    """
    floors, measured = run.claims.floors, evaluation.deterministic
    if not floors:
        return ()
    played: Played = measured.played
    if run.claims.options is not None:
        played = WithOutside(played, run.claims.options)
    pool = run.claims.pool(measured.utilities[None])
    served = _Served(played, evaluation.assignment)
    users = run.problem.population.user_ids
    return tuple(_record(floor, pool, measured.utilities, served, users) for floor in floors)


def described_floors(records: Sequence[FloorRecord]) -> dict[str, Any]:
    """Return the entries of ``evaluation.json`` on floors; none if there are no floors."""
    if not records:
        return {}
    return {
        "floors_hold": all(one.holds for one in records),
        "floors": [one.record() for one in records],
    }


def of_floors(records: Sequence[FloorRecord]) -> Iterator[Finding]:
    """Yield a finding for each floor that does not hold."""
    for one in records:
        if not one.holds:
            yield Finding(
                "floor-missed",
                one.sentence(),
                "Ask handful choose, with a table of more policies, whether so many policies can "
                "meet it; give more policies or more steps, or lower the floor.",
            )


@dataclass(frozen=True, eq=False)
class _Served:
    """What users got in each episode.

    Attributes:
        played: the returns; the last policy is the outside option if users have any.
        assignment: each user's policy [N], -1 for the last one.
    """

    played: Played
    assignment: NumpyArray

    def errors(self) -> NumpyArray:
        """Return the standard error of each user's mean, [N]."""
        found = np.empty(len(self.assignment))
        for users, returns in self.played.chunks():
            own = returns[:, self.assignment[users], np.arange(returns.shape[2])]
            found[users] = mean_and_stderr(own)[1]
        return found

    def errors_of(self, averages: NumpyArray) -> NumpyArray:
        """Return the standard error of means of users' returns, [G], by a matrix [G, N]."""
        totals = np.zeros((self.played.shape[0], len(averages)))
        for users, returns in self.played.chunks():
            own = returns[:, self.assignment[users], np.arange(returns.shape[2])]
            totals += own @ averages[:, users].T
        return mean_and_stderr(totals)[1]


def _record(
    floor: Floor, pool: Pool, utilities: NumpyArray, served: _Served, users: Sequence[str]
) -> FloorRecord:
    levels = floor.levels(pool)
    if floor.of == "groups":
        averages = group_means(pool)
        values, errors = averages @ utilities, served.errors_of(averages)
        names = [str(name) for name in pool.group_names]
    else:
        values, errors, names = utilities, served.errors(), [str(user) for user in users]
    missing = levels - values
    below = np.flatnonzero(missing > pool.slack)
    order = below[np.argsort(-missing[below], kind="stable")]
    shorts = [
        Short(names[row], float(levels[row]), float(values[row]), float(errors[row]))
        for row in order.tolist()
    ]
    parts = ()
    if floor.of == "share":
        parts = tuple(
            (name, float(np.mean(missing[rows] <= pool.slack)))
            for name, rows, _ in floor.parts(pool)
        )
    return FloorRecord(
        floor=floor,
        holds=not floor.misses(pool, utilities),
        below=len(shorts),
        certain=sum(one.is_certain for one in shorts),
        shorts=tuple(shorts[:MOST_LISTED]),
        parts=parts,
    )
