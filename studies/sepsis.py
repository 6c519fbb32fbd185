"""ICU-Sepsis: the best k policies, what EM finds of them, and how near the learner comes.

    python studies/sepsis.py exact      # optimum, EM and bounds; half an hour on a busy machine
    python studies/sepsis.py learner    # policies trained from counts; half an hour
    python studies/sepsis.py gradients  # policies trained by PPO
    python studies/sepsis.py page       # results/icu-sepsis/: the table and the picture

The first three add rows to CSV files and leave out what is there already, so they can be stopped.
Populations are those of seeds 0, 1 and 2. Welfare is exact throughout: of trained policies the
likeliest action in every state is taken, and the policy's worth computed from a linear system.
"""

import csv
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import handful
from handful._support.files import write_text
from handful._support.palette import policy_colour
from handful.domains.tabular.optimum import tabular_rmdp
from handful.exact.em import exact_em

SEEDS = (0, 1, 2)
BUDGETS = (1, 2, 3, 5)
RULE = "nearest"  # for inadmissible actions: it has the best policies of the others, and is learnt
OUT = Path("results/icu-sepsis")
EXACT = OUT / "exact.csv"


class Learner(NamedTuple):
    """How policies are trained: with so many transitions a policy, by budget."""

    method: str
    preset: str
    steps: dict[int, int]
    file: Path


LEARNERS = {
    # All policies count into one table, so that what matters is how many transitions there are.
    "learner": Learner(
        "pooled-em",
        "fast",
        {2: 15_000_000, 3: 10_000_000, 5: 6_000_000},
        OUT / "learner.csv",
    ),
    "gradients": Learner(
        "em", "paper", dict.fromkeys(BUDGETS[1:], 4_000_000), OUT / "gradients.csv"
    ),
}


def run_exact() -> None:
    """A row a seed and budget: the optimum, and the mean of EM from ten random starts."""
    for seed in SEEDS:
        problem = handful.make("icu-sepsis", population_seed=seed)
        rmdp = tabular_rmdp(problem)
        for k in BUDGETS:
            if _known(EXACT, seed, k):
                continue
            start = time.perf_counter()
            best = handful.optimum(problem, k)
            seconds = time.perf_counter() - start
            rng = np.random.default_rng(seed)
            em = [exact_em(rmdp, rng.permutation(rmdp.num_users) % k, k).welfare for _ in range(10)]
            _add(
                EXACT,
                {
                    "seed": seed,
                    "k": k,
                    "kind": best.kind,
                    "welfare": best.welfare,
                    "em_mean": np.mean(em),
                    "em_best": np.max(em),
                    "own_optima": rmdp.own_optima.mean(),
                    "seconds": seconds,
                },
            )


def run_learner(learner: Learner) -> None:
    """A row a seed and budget: the welfare of trained policies."""
    for seed in SEEDS:
        for k, steps in learner.steps.items():
            if _known(learner.file, seed, k):
                continue
            problem = handful.make("icu-sepsis", population_seed=seed, inadmissible=RULE)
            start = time.perf_counter()
            result = handful.train(
                problem,
                k,
                learner.method,
                steps=steps,
                seed=seed,
                preset=learner.preset,
                run_settings={"final_assignment": "method"},  # as the committed rows have it
            )
            seconds = time.perf_counter() - start
            returns = handful.exact_returns(problem, result.policies)
            served = returns[result.assignment, np.arange(problem.num_users)].mean()
            row = {"seed": seed, "k": k, "steps": steps, "welfare": served}
            row["reassigned"] = returns.max(axis=0).mean()
            _add(learner.file, {**row, "seconds": seconds})


def write_page() -> None:
    """The table of what there is, and the picture of the best five policies."""
    exact = {(row["seed"], row["k"]): row for row in _rows(EXACT)}
    lines = [
        "# ICU-Sepsis",
        "",
        "Made by `python studies/sepsis.py`: 100 users, means over the populations of the seeds "
        "named. EM: exact steps, ten random starts. Welfare of trained policies is that of their "
        f"likeliest actions, computed exactly (rule `{RULE}`). A gain, with its standard error "
        "over seeds, is how far welfare comes from that of the best single policy to that of the "
        "best k.",
        "",
        "| k | best | proof | EM, mean | EM, best of 10 | gains of EM | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for k in BUDGETS:
        rows = [exact[str(seed), str(k)] for seed in SEEDS if (str(seed), str(k)) in exact]
        kinds = ", ".join(sorted({row["kind"] for row in rows}))
        means = [np.mean([float(row[name]) for row in rows]) for name in _COLUMNS]
        gains = [_gain(row["em_mean"], row, exact) for row in rows if k > 1]
        cells = [f"{mean:.3f}" for mean in means[1:]]
        cells = [f"{means[0]:.3f}", kinds, *cells, _percent(gains), _seeds(rows)]
        lines.append(f"| {k} | {' | '.join(cells)} |")
    own = np.mean([float(row["own_optima"]) for (_, k), row in exact.items() if k == "1"])
    lines += ["", f"A policy of their own for every user would bring {own:.3f}."]
    for learner in LEARNERS.values():
        lines += _learner_lines(learner, exact)
    write_text(OUT / "icu-sepsis.md", "\n".join(lines) + "\n")
    draw(OUT / "icu-sepsis.png")
    print("\n".join(lines))


def _learner_lines(learner: Learner, exact: dict[tuple[str, str], dict[str, str]]) -> list[str]:
    lines = [
        "",
        f"Trained by `{learner.method}` with the preset `{learner.preset}`:",
        "",
        "| k | transitions a policy | welfare | gain | each seed | if assigned anew | seconds "
        "| seeds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for k, steps in learner.steps.items():
        rows = [row for row in _rows(learner.file) if row["k"] == str(k)]
        if not rows:
            continue
        gains = [_gain(row["welfare"], row, exact) for row in rows]
        cells = [
            f"{steps:,}",
            f"{np.mean([float(row['welfare']) for row in rows]):.3f}",
            _percent(gains),
            ", ".join(f"{gain:.1f}" for gain in gains),
            _percent([_gain(row["reassigned"], row, exact) for row in rows]),
            f"{np.mean([float(row['seconds']) for row in rows]):.0f}",
            _seeds(rows),
        ]
        lines.append(f"| {k} | {' | '.join(cells)} |")
    return lines


def _percent(gains: list[float]) -> str:
    """A mean with its standard error."""
    if not gains:
        return ""
    error = f" ± {np.std(gains, ddof=1) / np.sqrt(len(gains)):.1f}" if len(gains) > 1 else ""
    return f"{np.mean(gains):.1f}{error} %"


_COLUMNS = ("welfare", "em_mean", "em_best")


def draw(path: Path) -> None:
    """Users by what treatment costs them, in the colour of the policy that serves them."""
    problem = handful.make("icu-sepsis", population_seed=0)
    best, rmdp = handful.optimum(problem, 5), tabular_rmdp(problem)
    prices = problem.population.attributes
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axis = figure.add_subplot()
    features = [rmdp.feature_returns(np.array(policy)) for policy in best.certificate]
    for j in np.argsort([-values[0] for values in features]):
        mine = best.assignment == j
        survival, fluid, vasopressor = features[j]
        axis.scatter(
            prices["fluid_price"][mine],
            prices["vasopressor_price"][mine],
            color=policy_colour(int(j)),
            label=f"{survival:.1f} % survive; {fluid:.2f} days of fluid, {vasopressor:.3f} of "
            f"vasopressor; {mine.sum()} users",
        )
    axis.set(xscale="log", yscale="log")
    axis.set_xlabel("price of a day at the highest fluid level (points of survival)")
    axis.set_ylabel("price of a day at the highest\nvasopressor level (points of survival)")
    figure.legend(loc="outside upper left", frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def _gain(welfare: str, row: dict[str, str], exact: dict[tuple[str, str], dict[str, str]]) -> float:
    one, best = (float(exact[row["seed"], k]["welfare"]) for k in ("1", row["k"]))
    return 100.0 * (float(welfare) - one) / (best - one)


def _seeds(rows: list[dict[str, str]]) -> str:
    return ", ".join(row["seed"] for row in rows)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _known(path: Path, seed: int, k: int) -> bool:
    return any((row["seed"], row["k"]) == (str(seed), str(k)) for row in _rows(path))


def _add(path: Path, row: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow({k: f"{v:.5f}" if isinstance(v, float) else v for k, v in row.items()})
    print(row, flush=True)


if __name__ == "__main__":
    trains = {name: partial(run_learner, learner) for name, learner in LEARNERS.items()}
    {"exact": run_exact, **trains, "page": write_page}[sys.argv[1]]()
