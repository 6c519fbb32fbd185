"""Floors by group on ICU-Sepsis, trained for, beside what the exact solver says of them.

    python -m studies.fair_floors --seeds 0

For each population, each group's floor is a share of what the best policy for this group alone
earns it. Policies are trained for these floors, with one policy and with several. What the trained
policies earn is computed from the table of the problem, so that no chance decides whether a floor
holds. A row that is in the file is not made again.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

import handful
from handful.domains.tabular.optimum import tabular_rmdp
from handful.errors import HandfulError
from studies.command import run
from studies.growing import grow

COLUMNS = (
    "seed", "share", "method", "steps", "policies", "trained_holds", "missing",
    "trained_mean", "solver_holds", "solver_mean", "measured_holds", "seconds",
)  # fmt: skip


@dataclass
class FairFloors:
    """Train for floors by group, and compare with the exact solver."""

    policies: tuple[int, ...] = (1, 2)
    """The numbers of policies."""

    shares: tuple[float, ...] = (0.9, 0.94, 0.96)
    """The floors, as shares of what each group can have alone."""

    seeds: tuple[int, ...] = field(default=(100,))
    """The seeds of populations and of training."""

    method: str = "em"
    """The method; the preset is `fast`, whose learner counts on this task."""

    steps: int = 4_000_000
    """The transitions of each policy."""

    seconds: float = 30.0
    """How long the exact solver looks for a proof."""

    out: Path = Path("results/fair-floors/fair-floors.csv")
    """The table that is written."""

    def run(self) -> None:
        """Train what is missing, and write the table."""
        parts = (
            ((seed, share, self.method, self.steps), partial(self._rows, seed, share))
            for seed in self.seeds
            for share in self.shares
        )
        grow(self.out, COLUMNS, parts)

    def _rows(self, seed: int, share: float) -> Iterator[list[object]]:
        problem = handful.make("icu-sepsis", population_seed=seed, inadmissible="nearest")
        labels = np.asarray(problem.population.attributes["group"])
        names = list(dict.fromkeys(labels.tolist()))
        averages = np.array([labels == name for name in names]) / 1.0
        averages /= averages.sum(axis=1, keepdims=True)
        table = tabular_rmdp(problem)
        assert table is not None
        own = [mean @ table.returns(table.best_policy(mean)) for mean in averages]
        floors = handful.Floor([share * one for one in own], "groups")
        begun = time.monotonic()
        trained = handful.train_frontier(
            problem,
            self.policies,
            self.method,
            steps=self.steps,
            seed=seed,
            preset="fast",
            groups="group",
            floors=floors,
            progress=False,
        )
        seconds = time.monotonic() - begun
        for number, point in zip(self.policies, trained.points, strict=True):
            earned = handful.exact_returns(problem, trained[number].policies)
            utilities = earned[trained[number].assignment, np.arange(len(labels))]
            missing = np.maximum(np.asarray(floors.least) - averages @ utilities, 0.0).max()
            try:
                best = handful.optimum(
                    problem, number, floors=floors, groups="group", seconds=self.seconds
                )
                solver = (True, round(best.welfare, 3))
            except handful.FloorsNotMet:
                solver = (False, "")
            except HandfulError:
                solver = ("unknown", "")  # no proof was found in time
            yield [
                seed, share, self.method, self.steps, number, bool(missing <= 1e-9),
                round(float(missing), 4), round(float(utilities.mean()), 3), *solver,
                point.floors_hold, round(seconds),
            ]  # fmt: skip


if __name__ == "__main__":
    run(FairFloors)
