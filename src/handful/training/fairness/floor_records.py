"""Whether floors hold in a result: by how much not, for whom, with intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful._support.text import count
from handful.choice.floors import Floor, group_means
from handful.choice.pool import Pool
from handful.evaluation.played import Played, WithOutside
from handful.evaluation.returns import mean_and_stderr
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

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> "Short":
        """Return what :meth:`record` described."""
        return cls(*(values[name] for name in ("name", "least", "value", "stderr")))


@dataclass(frozen=True)
class FloorRecord:
    """What episodes say of a floor.

    Attributes:
        floor: the floor.
        episodes: the number of episodes of each policy by which it is judged.
        holds: whether it holds, by the means.
        below: how many users, or groups, are below it.
        certain: how many of them are below it with their whole interval.
        unsure: how many users, or groups, have the floor within their interval of 95 %.
        shorts: the users, or groups, below it, those with most missing first.
        parts: the share of each set of users that reaches a floor of a share, by the set's name.
    """

    floor: Floor
    episodes: int
    holds: bool
    below: int
    certain: int
    unsure: int
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
            "episodes": self.episodes,
            "holds": self.holds,
            "below": self.below,
            "certain": self.certain,
            "unsure": self.unsure,
            "shorts": [short.record() for short in self.shorts],
            "sentence": self.sentence(),
        }

    @classmethod
    def from_record(cls, floor: Floor, values: Mapping[str, Any]) -> "FloorRecord":
        """Return what :meth:`record` described."""
        counted = {
            name: values[name] for name in ("episodes", "holds", "below", "certain", "unsure")
        }
        shorts = tuple(Short.from_record(one) for one in values["shorts"])
        parts = tuple((values.get("reached") or {}).items())
        return cls(floor, **counted, shorts=shorts, parts=parts)


def floor_records(run: Run, played: Played, assignment: NumpyArray) -> tuple[FloorRecord, ...]:
    """Return what episodes say of each floor of a run.

    Args:
        run: the run.
        played: what every user earned in every episode of the final policies.
        assignment: each user's policy [N], -1 for a user whom no policy fits.
    """
    floors = run.claims.floors
    if not floors:
        return ()
    if run.claims.options is not None:
        played = WithOutside(played, run.claims.options)
    served = _Served(played, assignment)
    utilities = served.means()
    pool = run.claims.pool(utilities[None])
    users = run.problem.population.user_ids
    return tuple(_record(floor, pool, utilities, served, users) for floor in floors)


def stored_floors(run: Run, record: Mapping[str, Any]) -> tuple[FloorRecord, ...] | None:
    """Return the records of floors that ``evaluation.json`` holds.

    Args:
        run: the run.
        record: the contents of the file.

    Returns:
        the records; None if an earlier version wrote the file, whose records were of the
        evaluation's own episodes.
    """
    stored = record.get("floors", [])
    if len(stored) != len(run.claims.floors) or any("episodes" not in one for one in stored):
        return None
    pairs = zip(run.claims.floors, stored, strict=True)
    return tuple(FloorRecord.from_record(floor, one) for floor, one in pairs)


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

    def means(self) -> NumpyArray:
        """Return each user's mean, [N]."""
        found = np.empty(len(self.assignment))
        for users, returns in self.played.chunks():
            everyone = np.arange(returns.shape[2])
            found[users] = np.mean(returns, axis=0)[self.assignment[users], everyone]
        return found

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
        episodes=served.played.shape[0],
        holds=not floor.misses(pool, utilities),
        below=len(shorts),
        certain=sum(one.is_certain for one in shorts),
        unsure=int(np.sum(np.abs(missing) <= SPREADS * errors)),
        shorts=tuple(shorts[:MOST_LISTED]),
        parts=parts,
    )
