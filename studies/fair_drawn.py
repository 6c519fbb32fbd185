"""What policies that draw are worth to the worst served users, and what the mean loses.

    python -m studies.fair_drawn --task half-cheetah --seeds 0 1 --out results/fair-drawn

trains policies for the mean that draw nothing, and policies for the worst served that draw one of
several parts for each episode, with as many transitions. A run is kept in the folder ``--runs``, so
that a study that was stopped goes on, and a run that is finished is only read.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import handful
from handful._support.files import write_csv
from studies.command import run


@dataclass
class FairDrawn:
    """Train for the mean without a draw, and for the worst served with one."""

    task: str = "half-cheetah"
    """The task; it draws its users by a seed."""

    policies: int = 5
    """How many policies there are."""

    users: int = 100
    """How many users."""

    draw: int = 8
    """How many parts each policy has."""

    level: float = 0.1
    """The share of the users who count as the worst served."""

    steps: int = 2_000_000
    """The transitions of each policy."""

    seeds: tuple[int, ...] = field(default=(100,))
    """The seeds of the users and of training."""

    runs: Path = Path("runs/fair-drawn")
    """The folder of the runs."""

    out: Path = Path("results/fair-drawn")
    """The folder of the table that is written."""

    def run(self) -> None:
        """Train what is missing, write the table, and print it."""
        worst = f"cvar:{self.level:g}"
        kinds = {"mean": ("utilitarian", None), "worst": (worst, self.draw)}
        header = ["task", "seed", "policies", "draw", "welfare"]
        header += ["mean", "worst_share", "worst", "transitions"]
        rows: list[list[object]] = []
        self.out.mkdir(parents=True, exist_ok=True)
        for seed in self.seeds:
            for kind, (welfare, draw) in kinds.items():
                path = self.runs / f"{self.task}-{kind}-{seed}"
                result = self._trained(path, seed, welfare, draw)
                utilities = np.asarray(result.evaluation.deterministic.utilities, np.float64)
                found = [
                    float(utilities.mean()),
                    float(handful.CVaR(self.level).value(utilities)),
                    float(utilities.min()),
                ]
                about = [self.task, seed, self.policies, draw or 1, welfare]
                rows.append([*about, *found, result.transitions])
                print(", ".join(f"{x:.2f}" if isinstance(x, float) else str(x) for x in rows[-1]))
                write_csv(self.out / "fair-drawn.csv", header, rows)

    def _trained(
        self, path: Path, seed: int, welfare: str, draw: int | None
    ) -> handful.TrainResult:
        if path.exists():
            return handful.resume(path)
        self.runs.mkdir(parents=True, exist_ok=True)
        return handful.train(
            handful.make(self.task, users=self.users, population_seed=seed, draw=draw),
            self.policies,
            "universal",
            welfare=welfare,
            steps=self.steps,
            seed=seed,
            preset="fast",
            out=path,
        )


if __name__ == "__main__":
    run(FairDrawn)
