"""Floors by group on the artificial pancreas, trained for, beside what its bound says of them.

    python -m studies.fair_floors_glucose --seeds 0

The users are three groups of nearly the same size, by their glucose targets, and every group's mean
must reach the same floor. Policies are trained for it, with one policy and with several. What is
known of this task is a bound, glucose that is kept perfectly, so it can say that floors are
impossible, and never that they are possible: that only a policy shows which meets them. What
policies earn is measured by days of their own. A floor of 0 is none: that row is trained for the
mean. A row that is in the file is not made again.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

import handful
from handful.errors import HandfulError
from handful.evaluation.returns import mean_and_stderr
from studies.command import run
from studies.growing import grow

COLUMNS = (
    "seed", "floor", "method", "steps", "policies", "trained_holds", "worst_group", "worst_mean",
    "worst_stderr", "trained_mean", "bound_allows", "measured_holds", "seconds",
)  # fmt: skip

GROUPS = ("low target", "middle target", "high target")
"""The groups, from the third with the lowest targets to that with the highest."""

MEASURING_STREAM = 7_000
"""What is added to a seed for the days by which policies are measured."""


@dataclass
class GlucoseFloors:
    """Train for floors by group, and compare with what the bound says."""

    policies: tuple[int, ...] = (1, 2, 3)
    """The numbers of policies."""

    floors: tuple[float, ...] = (0.0, 75.0, 94.0)
    """The floors, the same for each group; 0 for none."""

    seeds: tuple[int, ...] = field(default=(100,))
    """The seeds of populations and of training."""

    method: str = "em"
    """The method; the preset is `fast`."""

    steps: int = 400_000
    """The transitions of each policy."""

    days: int = 1_000
    """The days by which each policy is measured."""

    seconds: float = 30.0
    """How long a proof is looked for that floors are impossible."""

    out: Path = Path("results/fair-floors/glucose.csv")
    """The table that is written."""

    def run(self) -> None:
        """Train what is missing, and write the table."""
        parts = (
            ((seed, floor, self.method, self.steps), partial(self._rows, seed, floor))
            for seed in self.seeds
            for floor in self.floors
        )
        grow(self.out, COLUMNS, parts)

    def _rows(self, seed: int, floor: float) -> Iterator[list[object]]:
        problem = handful.make("glucose", population_seed=seed)
        groups = groups_by_target(np.asarray(problem.population.attributes["target"]))
        asked = {"floors": handful.Floor(floor, "groups"), "groups": groups} if floor else {}
        begun = time.monotonic()
        trained = handful.train_frontier(
            problem,
            self.policies,
            self.method,
            steps=self.steps,
            seed=seed,
            preset="fast",
            progress=False,
            **asked,
        )
        seconds = time.monotonic() - begun
        for number, point in zip(self.policies, trained.points, strict=True):
            result = trained[number]
            means, errors = self._measured(problem, result, groups, seed)
            worst = int(np.argmin(means))
            weights = [groups.count(name) for name in GROUPS]
            yield [
                seed, floor, self.method, self.steps, number,
                bool(means.min() >= floor) if floor else "",
                GROUPS[worst], round(float(means[worst]), 2), round(float(errors[worst]), 2),
                round(float(np.average(means, weights=weights)), 2),
                self._allowed(problem, number, floor, groups), point.floors_hold if floor else "",
                round(seconds),
            ]  # fmt: skip

    def _measured(
        self, problem: handful.RMDP, result: handful.TrainResult, groups: list[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return each group's mean by days of their own, and its standard error, [3] each."""
        again = handful.evaluate(
            problem,
            result.policies,
            result.assignment,
            seed=seed + MEASURING_STREAM,
            num_episodes=self.days,
        )
        everyone = np.arange(problem.num_users)
        returns = again.deterministic.played.of(everyone)  # [E, K, N]
        earned = returns[:, result.assignment, everyone]
        members = [np.array([one == name for one in groups]) for name in GROUPS]
        by_group = np.stack([earned[:, own].mean(axis=1) for own in members], axis=1)
        return mean_and_stderr(by_group)

    def _allowed(
        self, problem: handful.RMDP, number: int, floor: float, groups: list[str]
    ) -> object:
        """Return whether the bound leaves floors possible, or why that is not known."""
        if not floor:
            return ""
        floors = handful.Floor(floor, "groups")
        try:
            handful.optimum(problem, number, floors=floors, groups=groups, seconds=self.seconds)
        except handful.FloorsNotMet:
            return False
        except HandfulError:
            return "unknown"  # no proof was found in time
        return True


def groups_by_target(targets: np.ndarray) -> list[str]:
    """Return the group of each user: thirds of the users by their targets [N]."""
    places = np.argsort(np.argsort(targets, kind="stable"), kind="stable")
    return [GROUPS[place * len(GROUPS) // len(targets)] for place in places]


if __name__ == "__main__":
    run(GlucoseFloors)
