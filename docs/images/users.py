"""Draws a run's users by two of their weights, in the colour of the policy that serves them.

    python docs/images/users.py RUN OUT.png X Y [--table USERS.csv]

X and Y are names of features; the table is needed only where the run's problem has no name.
"""

import argparse
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import handful
from handful._support.palette import policy_colour
from handful.run_folder import RunFolder


def weights_of(folder: RunFolder, names: list[str], table: Path | None) -> dict[str, np.ndarray]:
    """Each named feature's weights [N]."""
    if table is not None:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {name: np.array([float(row[name]) for row in rows]) for name in names}
    described = folder.read_config()["problem"]
    problem = handful.make(described["name"], **described["parameters"])
    columns = problem.environment.feature_names  # type: ignore[union-attr]
    return {name: problem.population.coefficients[:, columns.index(name)] for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs=2)
    parser.add_argument("--table", type=Path)
    asked = parser.parse_args()
    folder = RunFolder(asked.run)
    weights = weights_of(folder, asked.names, asked.table)
    assignment = np.array(folder.read_evaluation()["assignment"])
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    for policy in range(assignment.max() + 1):
        mine, color = assignment == policy, policy_colour(policy)
        x, y = (weights[name][mine] for name in asked.names)
        axes.scatter(x, y, s=18, color=color, label=f"policy {policy} ({mine.sum()} users)")
    axes.set(xlabel=f"weight of {asked.names[0]}", ylabel=f"weight of {asked.names[1]}")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(asked.out, dpi=110)


if __name__ == "__main__":
    main()
