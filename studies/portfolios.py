"""Exact portfolios of policies beside those of *Navigating the Social Welfare Frontier*.

    python -m studies.portfolios --healthcare healthcare.csv --disaster natural_disaster.csv

Kim, Moondra, Verma, Pollack, Kong, Tambe and Gupta (ICML 2025) choose a few policies for one
planner, who learns later which power mean is wanted. Their repository
(github.com/jaimoondra/approximation-portfolios-for-rl, commit e31384b) holds both tables, as
``data/sclm_real_world/policy_rewards.csv`` and ``data/natural_disaster/policy_rewards.csv``, and
the metric: the worst ratio over 500 exponents (``generate_p_grid``), whose alpha is 0.6 in the
notebook of the healthcare table and 0.95 in that of the disaster table. The notebook leaves out
users of the healthcare table for whom the first policy earns nothing, and so does this study.

Two things are printed for each number of policies: the exact best ratio, which is new, and the
ratio of the authors' own choice, measured here (each of their policies is the best at an exponent
that they published) beside the value that they published.
"""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

import handful
from handful.choice.portfolio import exponent_grid, ratios
from handful.errors import HandfulError
from studies.command import run


class Published(NamedTuple):
    """A portfolio of the authors' line search."""

    exponents: tuple[float, ...]
    ratio: float


class Table(NamedTuple):
    """A table of the authors: its alpha, and what they published, by the number of policies."""

    name: str
    alpha: float
    published: dict[int, Published]


HEALTHCARE = Table(
    "healthcare",
    0.6,
    {
        1: Published((-1.724,), 0.9235673961490934),
        2: Published((-2.864, 0.034), 0.9820359281437125),
        3: Published((-4.333, -0.333, 0.333), 0.9820359281437125),
        4: Published((-6.641, -0.433, -0.075, 0.463), 0.9820359281437125),
        5: Published((-9.216, -4.108, -0.437, -0.078, 0.461), 0.9937204501890369),
        6: Published((-13.801, -6.4, -0.594, -0.22, 0.085, 0.542), 0.9991761359253057),
        7: Published((-17.793, -3.698, -0.549, -0.186, -0.038, 0.222, 0.611), 1.0),
    },
)

DISASTER = Table(
    "natural disaster",
    0.95,
    {
        1: Published((-1.079,), 0.6852411038295565),
        2: Published((-1.792, 0.302), 0.8955633648394501),
        3: Published((-4.156, -0.289, 0.033), 0.9919120527382209),
        4: Published((-4.864, -0.466, -0.1, 0.588), 0.9999999999999987),
    },
)


class Row(NamedTuple):
    """One line of the result."""

    table: str
    policies: int
    exact: float
    is_proven: bool
    measured: float
    published: float
    seconds: float


@dataclass
class Portfolios:
    """Choose the exact portfolios of both tables."""

    healthcare: Path
    """The authors' healthcare table: a row a user, columns 'Score for reward function N'."""

    disaster: Path
    """The authors' disaster table: a row a policy, a column a user."""

    out: Path | None = None
    """A CSV file for the result."""

    def run(self) -> None:
        """Choose, print, and write."""
        rows = [
            *compare(HEALTHCARE, read_healthcare(self.healthcare)),
            *compare(DISASTER, read_disaster(self.disaster)),
        ]
        print("table             K   exact   proven  authors' choice  as published  seconds")
        for row in rows:
            print(
                f"{row.table:16}  {row.policies}  {row.exact:.4f}  {row.is_proven!s:6}  "
                f"{row.measured:15.4f}  {row.published:12.4f}  {row.seconds:7.1f}"
            )
        if self.out is not None:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            with self.out.open("w", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(name for name in Row._fields if name != "seconds")
                for row in rows:
                    numbers = (f"{row.exact:.6f}", row.is_proven, f"{row.measured:.6f}")
                    writer.writerow((row.table, row.policies, *numbers, f"{row.published:.6f}"))


def compare(table: Table, returns: np.ndarray) -> list[Row]:
    """Choose exactly for every number of policies that the authors have, and measure theirs.

    Args:
        table: what the authors published.
        returns: the table of returns, [M, N].
    """
    exponents = exponent_grid(returns.shape[1], table.alpha)
    shares = ratios(returns, exponents)
    rows = []
    for number, authors in table.published.items():
        began = time.monotonic()
        chosen = handful.choose(returns, number, welfare=f"portfolio:{table.alpha:g}")
        took = time.monotonic() - began
        theirs = ratios(returns, np.array(authors.exponents)).argmax(axis=0)
        measured = float(shares[theirs].max(axis=0).min())
        is_proven = chosen.is_proven
        rows.append(
            Row(table.name, number, chosen.welfare, is_proven, measured, authors.ratio, took)
        )
    return rows


def read_healthcare(path: Path) -> np.ndarray:
    """Read the healthcare table as policies × users, less users whom the first policy gives 0."""
    with path.open(newline="") as file:
        lines = list(csv.reader(file))
    columns = [i for i, name in enumerate(lines[0]) if name.startswith("Score for reward function")]
    if not columns:
        raise HandfulError(f"'{path}' has no column 'Score for reward function 0'.")
    scores = np.array([[float(line[i]) for i in columns] for line in lines[1:]])
    return scores[scores[:, 0] != 0.0].T


def read_disaster(path: Path) -> np.ndarray:
    """Read the disaster table, policies × users."""
    with path.open(newline="") as file:
        lines = list(csv.reader(file))
    return np.array([[float(cell) for cell in line] for line in lines[1:]])


if __name__ == "__main__":
    run(Portfolios)
