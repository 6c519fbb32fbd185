"""Training for a welfare against the exact optimum of that welfare, in Resource Gathering.

    python studies/fair_training.py --seeds 0 1 2 3 4 --out results/fairness/training.csv

A row that is in the file is not trained again, so a study that was stopped goes on.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np

import handful

WELFARES = ("utilitarian", "nash@-10", "egalitarian")
BUDGETS = (2, 3, 5)
COLUMNS = (
    "task",
    "policies",
    "welfare",
    "method",
    "steps",
    "seed",
    "trained",
    "optimum",
    "kind",
    "percent",
    "mean",
    "worst",
    "seconds",
)


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows that are in the file."""
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def measure(
    problem: handful.RMDP, policies: int, welfare: str, method: str, steps: int, seed: int
) -> dict[str, object]:
    """Train one run and measure it on fresh episodes."""
    began = time.monotonic()
    result = handful.train(
        problem,
        policies,
        method,
        steps=steps,
        seed=seed,
        preset="fast",
        welfare=welfare,
        progress=False,
    )
    took = time.monotonic() - began
    evaluation = result.evaluation
    users = np.arange(problem.num_users)
    utilities = evaluation.deterministic.returns[evaluation.assignment, users]
    trained = float(handful.parse_welfare(welfare).value(np.asarray(utilities, np.float64)))
    best = handful.optimum(problem, policies, welfare=welfare)
    return {
        "task": problem.name,
        "policies": policies,
        "welfare": welfare,
        "method": method,
        "steps": steps,
        "seed": seed,
        "trained": trained,
        "optimum": best.welfare,
        "kind": best.kind,
        "percent": 100.0 * trained / best.welfare,
        "mean": float(np.mean(utilities)),
        "worst": float(np.min(utilities)),
        "seconds": round(took, 1),
    }


def main() -> None:
    """Train what is missing, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--policies", type=int, nargs="+", default=BUDGETS)
    parser.add_argument("--welfares", nargs="+", default=WELFARES)
    parser.add_argument("--methods", nargs="+", default=["auto"])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    problem = handful.make("resource-gathering")
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in chosen.seeds:
        for policies in chosen.policies:
            for welfare in chosen.welfares:
                for method in chosen.methods:
                    done = rows_of(chosen.out)
                    key = (str(policies), welfare, method, str(chosen.steps), str(seed))
                    names = ("policies", "welfare", "method", "steps", "seed")
                    if any(tuple(row[name] for name in names) == key for row in done):
                        continue
                    row = measure(problem, policies, welfare, method, chosen.steps, seed)
                    with chosen.out.open("a", newline="") as file:
                        writer = csv.DictWriter(file, COLUMNS)
                        if not done:
                            writer.writeheader()
                        writer.writerow(row)
                    print(row, flush=True)


if __name__ == "__main__":
    main()
