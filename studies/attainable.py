"""What a policy that goes at a speed can earn a user who wants it, and the welfare that allows.

The upper bound on the robots' welfare lets a policy keep a speed from the first step to the last.
No robot does. Every policy of every run under results/ says what can be earned in fact: its
best-served user wants about the speed at which it goes, and gets what a policy at that speed was
seen to earn. Attainable at a speed is what these returns' least concave majorant has there: a speed
that no policy went at well is taken to be no harder than its neighbours on both sides, which errs
towards too high a ceiling. The ceiling is the best choice of k speeds, chosen exactly, where a user
at distance d of a policy's speed v earns attainable(v) max(0, 1 - d / reach); users' reach is a
twentieth of the top speed.

It says what such policies could earn if they stood where users need them; a better learner would
raise it. Policies whose speed varies earn more of users around theirs than the formula has it, so
at speeds that no policy keeps the ceiling is no bound.

    python studies/attainable.py        # seconds; writes results/attainable/
"""

from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

import handful
from handful._support.files import write_text
from handful.domains.speeds.targets import FULL_RETURN, REACH
from handful.exact.facility import choose
from handful.report.plots.style import INK, STAND_OUT, write_figure
from handful.report.statistics import mean_and_error
from handful.report.study.tables import plus_minus

ROOT = Path("results")
OUT = ROOT / "attainable"
TASKS = ("half-cheetah", "hopper", "walker2d", "ant")
SPEEDS_PER_REACH = 10
USERS = 100
"""Of robots that the table has no runs of yet."""


def attained(task: str) -> pl.DataFrame:
    """Target and return of the best-served user, of every policy whose users were kept."""
    found = []
    for users in sorted(ROOT.glob("*/*-users.parquet")):
        runs = pl.read_parquet(users.with_name(users.name.replace("-users", "")))
        served = pl.read_parquet(users).filter(
            pl.col("digest").is_in(runs.filter(pl.col("task") == task)["digest"].to_list())
        )
        best = served.sort("return", "target").group_by("digest", "policy").last()
        found.append(best.select("target", "return"))
    return pl.concat(found).sort("target", "return")  # in full: the same picture every time


def attainable(policies: pl.DataFrame, top_speed: float) -> tuple[np.ndarray, np.ndarray]:
    """Speeds [M], and what is attainable at each."""
    points = np.stack([policies[name].to_numpy().astype(float) for name in policies.columns], 1)
    corners: list[np.ndarray] = []
    for point in points:  # in the order of speeds: Andrew's chain, its upper half
        while len(corners) > 1 and not _turns_right(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    speeds = np.linspace(0.0, top_speed, round(SPEEDS_PER_REACH / REACH) + 1)
    return speeds, np.interp(speeds, *np.transpose(corners))


def _turns_right(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> bool:
    return bool((b[0] - a[0]) * (c[1] - a[1]) < (b[1] - a[1]) * (c[0] - a[0]))


def ceiling(
    task: str, users: int, seed: int, num_policies: int, speeds: np.ndarray, earned: np.ndarray
) -> tuple[float, float]:
    """The ceiling for the users of a seed, and the upper bound."""
    problem = handful.make(task, users=users, population_seed=seed)
    targets = np.asarray(problem.population.attributes["target"])
    reach = REACH * problem.environment.top_speed
    nearness = np.maximum(0.0, 1.0 - np.abs(speeds[:, None] - targets) / reach)
    best = choose(earned[:, None] * nearness, num_policies, time_limit=60).welfare
    return best, handful.optimum(problem, num_policies=num_policies).welfare


def main() -> None:
    """Every robot's curve and ceilings, as a page, a table and a picture."""
    reached = pl.read_parquet(ROOT / "robots-auto" / "robots-auto.parquet")
    policies = {task: attained(task) for task in TASKS}
    curves, rows = {}, []
    for task in TASKS:
        top_speed = handful.make(task, users=1).environment.top_speed
        speeds, earned = curves[task] = attainable(policies[task], top_speed)
        runs = reached.filter(pl.col("task") == task)
        for num_policies in sorted(runs["policies"].unique()) or [5]:
            rows.append(_row(task, num_policies, runs, speeds, earned))
    table = [
        pl.DataFrame({"speed": speeds, "return": earned}).select(pl.lit(task).alias("task"), "*")
        for task, (speeds, earned) in curves.items()
    ]
    OUT.mkdir(parents=True, exist_ok=True)
    pl.concat(table).write_csv(OUT / "attainable.csv", float_precision=3)
    write_figure(lambda: _figure(policies, curves), OUT / "attainable.svg", OUT / "attainable.png")
    write_text(OUT / "attainable.md", _page(rows))
    print(_page(rows))


def _figure(
    policies: dict[str, pl.DataFrame], curves: dict[str, tuple[np.ndarray, np.ndarray]]
) -> Figure:
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots(2, 2, sharey=True)
    for task, axis in zip(TASKS, axes.flat, strict=True):
        axis.plot(policies[task]["target"], policies[task]["return"], ".", color=INK, markersize=4)
        axis.plot(*curves[task], color=STAND_OUT, linewidth=1.4)
        axis.set_title(task)
        axis.set_ylim(0, FULL_RETURN)
    for axis in axes[1]:
        axis.set_xlabel("speed, m/s")
    for axis in axes[:, 0]:
        axis.set_ylabel("return")
    return figure


def _row(
    task: str, num_policies: int, runs: pl.DataFrame, speeds: np.ndarray, earned: np.ndarray
) -> list[str]:
    """Bound and ceiling over the seeds of the table's runs, and what its methods make of them."""
    mine = runs.filter(pl.col("policies") == num_policies)
    seeds = sorted(mine["seed"].unique()) or [0, 1, 2, 3, 4]
    users = int(mine["users"][0]) if len(mine) else USERS
    found = {seed: ceiling(task, users, seed, num_policies, speeds, earned) for seed in seeds}
    ceilings, bounds = (np.array([found[seed][side] for seed in seeds]) for side in (0, 1))
    cells = [task, str(num_policies), f"{bounds.mean():.2f}", f"{ceilings.mean():.2f}"]
    cells.append(f"{100 * (ceilings / bounds).mean():.1f}")
    for method in ("auto", "em"):
        ended = mine.filter(pl.col("method") == method).sort("seed")
        share = [
            100 * welfare / found[seed][0]
            for welfare, seed in zip(ended["welfare"], ended["seed"], strict=True)
        ]
        cells.append(
            f"{plus_minus(*mean_and_error(np.array(share)))} ({len(share)})" if share else "–"
        )
    return cells


def _page(rows: list[list[str]]) -> str:
    header = ("task", "k", "bound", "ceiling", "in % of the bound")
    header += ("`auto`, % of the ceiling (seeds)", "`em`")
    lines = [
        "# What is attainable, and the ceiling that follows",
        "",
        "Made by `python studies/attainable.py`, which says how; `auto` and `em` with the preset "
        "`fast`, from [robots-auto](../robots-auto/robots-auto.md).",
        "",
        "![Return of the best-served user against speed](attainable.svg)",
        "",
        "*A dot is a policy of some run; the line is what counts as attainable.*",
        "",
        "| " + " | ".join(header) + " |",
        "|" + " --- |" * len(header),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
