"""How often the interval of a robust choice holds the true welfare, on tables whose truth is known.

    python -m studies.robust_choice --out results/robust-choice/robust-choice.csv

Each seed draws true returns of 12 policies for 30 users, and measures them with normal errors. From
what was measured, three policies are chosen. What the choice is measured to be worth, what it is
said to be worth without luck, and the interval are held against what it is truly worth: the welfare
of the true returns of the assignment. True returns are

* ``equal``: the same everywhere, so that the choice is nothing but luck;
* ``independent``: normal, with the standard deviation 1;
* ``clusters``: 5 for one of three policies of each user, and 0 for the others;
* ``preferences``: three normal features of each policy, weighed by three of each user;
* ``heavy``: from Student's t with 2 degrees of freedom.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

import handful
from studies.command import run

POLICIES, USERS, CHOSEN = 12, 30, 3


class Row(NamedTuple):
    """One line of the result; differences are from the true welfare, in the unit of returns."""

    welfare: str
    truth: str
    error: float
    seeds: int
    measured_too_high: float
    mended_too_high: float
    half_width: float
    held: float


@dataclass
class RobustChoice:
    """Measure the coverage of the intervals of robust choices."""

    out: Path | None = None
    """A CSV file for the result."""

    seeds: int = 40
    """How many tables to draw for each line, from seed 0 on."""

    draws: int = 20
    """How many further measurements each choice draws."""

    welfare: tuple[str, ...] = ("utilitarian", "nash", "cvar:0.2", "egalitarian")
    """The welfare functions."""

    errors: tuple[float, ...] = (0.3, 1.0)
    """The standard errors of the measured returns."""

    def run(self) -> None:
        """Choose, print, and write."""
        print("welfare       truth         error  measured    mended  half width  held")
        rows = []
        for name in self.welfare:
            for truth in TRUTHS:
                for error in self.errors:
                    rows.append(measure(name, truth, error, self.seeds, self.draws))
                    row = rows[-1]
                    print(
                        f"{name:12}  {truth:12}  {error:5g}  {row.measured_too_high:+8.3f}  "
                        f"{row.mended_too_high:+8.3f}  {row.half_width:10.3f}  {row.held:.3f}",
                        flush=True,
                    )
        if self.out is not None:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            with self.out.open("w", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(Row._fields)
                for row in rows:
                    writer.writerow(
                        f"{entry:.4g}" if isinstance(entry, float) else entry for entry in row
                    )


def draw(truth: str, rng: np.random.Generator) -> np.ndarray:
    """Draw true returns, [M, N]; all lie above 0 nearly always."""
    return 10.0 + TRUTHS[truth](rng)


def measure(name: str, truth: str, error: float, seeds: int, draws: int) -> Row:
    """Choose from a table of each seed, and hold the choice against the truth."""
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        true = draw(truth, rng)
        returns = true + error * rng.standard_normal(true.shape)
        made = handful.choose_robustly(
            returns, CHOSEN, standard_errors=error, welfare=name, draws=draws, seed=seed
        )
        served = true[made.selection.assignment, np.arange(USERS)]
        worth = float(handful.parse_welfare(name).value(served))
        half = (made.high - made.low) / 2.0
        held = made.low <= worth <= made.high
        found.append((made.selection.welfare - worth, made.welfare - worth, half, held))
    measured, mended, half, held = np.mean(np.array(found, float), axis=0).tolist()
    return Row(name, truth, error, seeds, measured, mended, half, held)


def _clusters(rng: np.random.Generator) -> np.ndarray:
    true = np.zeros((POLICIES, USERS))
    true[rng.permutation(POLICIES)[:3][rng.integers(0, 3, USERS)], np.arange(USERS)] = 5.0
    return true


def _preferences(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((POLICIES, 3)) @ rng.standard_normal((3, USERS))


TRUTHS = {
    "equal": lambda rng: np.zeros((POLICIES, USERS)),
    "independent": lambda rng: rng.standard_normal((POLICIES, USERS)),
    "clusters": _clusters,
    "preferences": _preferences,
    "heavy": lambda rng: rng.standard_t(2, (POLICIES, USERS)),
}


if __name__ == "__main__":
    run(RobustChoice)
