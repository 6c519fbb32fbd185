"""Training against the exact optimum of each welfare, in Resource Gathering.

    python studies/fair_training.py --committed results/resource-gathering --out results/fairness

judges the committed runs, which were trained for the mean, by every welfare: nothing is trained.

    python studies/fair_training.py --train --seeds 0 1 2 3 4 --out results/fairness

trains for each welfare itself. A row that is in the file is not made again, so that a study that
was stopped goes on.
"""

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import polars as pl

import handful

WELFARES = ("utilitarian", "nash@-10", "egalitarian")
BUDGETS = (2, 3, 5)
SECONDS = 60.0
"""The seconds for the proof of each optimum; the mean bounds what is not closed by then."""
NAMES = ("policies", "trained_for", "method", "steps", "seed", "judged_by")
COLUMNS = (*NAMES, "welfare", "optimum", "kind", "percent", "mean", "worst")


class Judge:
    """Compares utilities with the optimum of a welfare, which is computed once.

    Args:
        rows: rows that were made before, with the optima that they were compared with.
    """

    def __init__(self, rows: Sequence[Mapping[str, str]] = ()) -> None:
        self.problem = handful.make("resource-gathering")
        self._known = {
            (int(row["policies"]), row["judged_by"]): (float(row["optimum"]), row["kind"])
            for row in rows
        }

    def row(self, utilities: np.ndarray, policies: int, welfare: str) -> dict[str, object]:
        """Judge utilities [N] by a welfare."""
        key = policies, welfare
        if key not in self._known:
            best = handful.optimum(self.problem, policies, welfare=welfare, seconds=SECONDS)
            self._known[key] = best.welfare, best.kind
        optimum, kind = self._known[key]
        value = float(handful.parse_welfare(welfare).value(utilities))
        return {
            "policies": policies,
            "judged_by": welfare,
            "welfare": value,
            "optimum": optimum,
            "kind": kind,
            "percent": 100.0 * value / optimum,
            "mean": float(utilities.mean()),
            "worst": float(utilities.min()),
        }


def committed(folder: Path, seeds: list[int]) -> Iterator[tuple[dict[str, object], np.ndarray]]:
    """Give the runs of a committed study, with what each user earns."""
    runs = pl.read_parquet(folder / f"{folder.name}.parquet")
    users = pl.read_parquet(folder / f"{folder.name}-users.parquet")
    for run in runs.sort("method", "policies", "seed").iter_rows(named=True):
        if run["seed"] in seeds and run["policies"] in BUDGETS:
            earned = users.filter(pl.col("digest") == run["digest"])["return"]
            about = {
                "trained_for": "utilitarian",
                **{name: run[name] for name in ("policies", "method", "steps", "seed")},
            }
            yield about, earned.to_numpy().astype(np.float64)


def train(policies: int, welfare: str, method: str, steps: int, seed: int) -> np.ndarray:
    """Train one run; give what each user earns on fresh episodes."""
    result = handful.train(
        handful.make("resource-gathering"),
        policies,
        method,
        steps=steps,
        seed=seed,
        preset="fast",
        welfare=welfare,
        progress=False,
    )
    found = result.evaluation
    users = np.arange(result.problem.num_users)
    return found.deterministic.returns[found.assignment, users].astype(np.float64)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Read the rows that are in the file."""
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def add(path: Path, row: dict[str, object]) -> None:
    """Write one more row."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def table(rows: list[dict[str, str]]) -> list[str]:
    """Make a table in Markdown: percent of the optimum of each welfare, mean ± standard error."""
    lines = [
        "| trained for | method | steps | k | seeds | " + " | ".join(WELFARES) + " |",
        "| --- | --- | --- | --- | --- | " + " | ".join("---" for _ in WELFARES) + " |",
    ]
    keys = dict.fromkeys(tuple(row[name] for name in NAMES[:4]) for row in rows)
    for policies, trained_for, method, steps in keys:
        cells, seeds = [], set()
        for welfare in WELFARES:
            own = [
                row
                for row in rows
                if tuple(row[name] for name in NAMES[:4]) == (policies, trained_for, method, steps)
                and row["judged_by"] == welfare
            ]
            percent = [float(row["percent"]) for row in own]
            seeds |= {row["seed"] for row in own}
            error = stdev(percent) / len(percent) ** 0.5 if len(percent) > 1 else float("nan")
            cells.append(f"{mean(percent):.2f} ± {error:.2f}" if percent else "–")
        lines.append(
            f"| {trained_for} | `{method}` | {int(steps):,} | {policies} | {len(seeds)} | "
            + " | ".join(cells)
            + " |"
        )
    return lines


def main() -> None:
    """Judge what is missing, and write the rows and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--committed", type=Path, help="the folder of a study's results")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--policies", type=int, nargs="+", default=BUDGETS)
    parser.add_argument("--welfares", nargs="+", default=WELFARES)
    parser.add_argument("--methods", nargs="+", default=["auto"])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / "resource-gathering.csv"
    rows = rows_of(path)
    judge, done = Judge(rows), {tuple(row[name] for name in NAMES) for row in rows}

    def judged(about: dict[str, object], utilities: np.ndarray | None) -> None:
        for welfare in WELFARES:
            key = tuple(str({**about, "judged_by": welfare}[name]) for name in NAMES)
            if key not in done and utilities is not None:
                policies = int(str(about["policies"]))
                add(path, {**about, **judge.row(utilities, policies, welfare)})

    if chosen.committed is not None:
        for about, utilities in committed(chosen.committed, chosen.seeds):
            judged(about, utilities)
    if chosen.train:
        for seed in chosen.seeds:
            for policies in chosen.policies:
                for welfare in chosen.welfares:
                    for method in chosen.methods:
                        key = (str(policies), welfare, method, str(chosen.steps), str(seed))
                        if any(row[:5] == key for row in done):
                            continue
                        utilities = train(policies, welfare, method, chosen.steps, seed)
                        about = dict(
                            zip(
                                NAMES[:5],
                                (policies, welfare, method, chosen.steps, seed),
                                strict=True,
                            )
                        )
                        judged(about, utilities)
    (chosen.out / "resource-gathering.md").write_text("\n".join(table(rows_of(path))) + "\n")


if __name__ == "__main__":
    main()
