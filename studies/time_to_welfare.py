"""How soon the presets `paper` and `fast` reach a welfare, from the runs of two studies.

With `fast` also the method `planned-em`, which left the library: `courses.csv` has its runs.

Each run has one core of a machine with two, while the other one is as busy:

    handful sweep studies/robots.yaml --tasks half-cheetah hopper --methods em --workers 1 &
    handful sweep studies/robots-fast.yaml --workers 1 & wait
    python studies/time_to_welfare.py      # writes results/time-to-welfare/

What is known of runs whose folders are gone stays in `courses.csv`, from which all else is made.
"""

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from handful._support.files import write_text
from handful.report.plots.style import WIDTH, legend_above, single, write_figure
from handful.report.study.training import Course, draw_courses, mean_course
from handful.run_folder import RunFolder
from handful.sweep.study_file import read_study

PAPER, FAST = Path("studies/robots.yaml"), Path("studies/robots-fast.yaml")
STUDIES = {"paper": PAPER, "fast": FAST}
"""The study behind each course's name, whose runs of `em` these are."""
COURSE_NAMES = (*STUDIES, "fast, planned")
"""All names of courses in the file, in the order of the page."""
TASKS = ("half-cheetah", "hopper")
OUT = Path("results/time-to-welfare")
COURSES = OUT / "courses.csv"
POINTS = 400
"""Of each run that are kept."""
SCHEMA = {
    "task": pl.String,
    "settings": pl.String,
    "seed": pl.Int64,
    "transitions": pl.Int64,
    "seconds": pl.Float64,
    "welfare": pl.Float64,
}
STEP = 2.5
"""Between the levels of welfare in the table."""


def finished_runs() -> pl.DataFrame:
    """Transitions, seconds and welfare at the kept updates of every finished run."""
    frames = []
    for name, study in STUDIES.items():
        for request in read_study(study).runs():
            folder, is_meant = RunFolder(request.folder), request.config.method == "em"
            if request.task not in TASKS or not is_meant or not folder.is_finished:
                continue
            records = folder.read_metrics()
            kept = np.unique(np.linspace(0, len(records) - 1, POINTS).astype(int))
            run = {"task": request.task, "settings": name, "seed": request.config.seed}
            columns = ("transitions", "seconds", "welfare")
            frames += [run | {column: records[i][column] for column in columns} for i in kept]
    return pl.DataFrame(frames, schema=SCHEMA)


def update_courses() -> pl.DataFrame:
    """What is in the file and what the folders say now, which counts more."""
    courses, run = finished_runs(), ["task", "settings", "seed"]
    if COURSES.exists():
        before = pl.read_csv(COURSES, schema=SCHEMA)
        courses = pl.concat([before.join(courses, run, "anti"), courses])
    courses = courses.sort(*run, "transitions").with_columns(pl.col("seconds", "welfare").round(3))
    OUT.mkdir(parents=True, exist_ok=True)
    courses.write_csv(COURSES)
    return courses


def by_settings(courses: pl.DataFrame, task: str, clock: str) -> dict[str, dict[int, Course]]:
    """The runs on a task by settings and seed, over the column `clock`."""
    runs: dict[str, dict[int, Course]] = {name: {} for name in COURSE_NAMES}
    for (name, seed), run in courses.filter(task=task).group_by(
        "settings", "seed", maintain_order=True
    ):
        runs[name][seed] = Course(run[clock].to_numpy(), run["welfare"].to_numpy())
    return {name: seeds for name, seeds in runs.items() if seeds}


def seconds_to(course: Course, level: float) -> float | None:
    """When welfare first was that high; None if it never was."""
    reached = course.welfare >= level
    return float(course.seconds[np.argmax(reached)]) if reached.any() else None


def figure_of(runs: dict[str, dict[int, Course]]) -> Figure:
    """Welfare against wall-clock, a colour a group of runs."""
    named = {
        f"{name} (mean of {len(seeds)})" if len(seeds) > 1 else f"{name} (one run)": [
            *seeds.values()
        ]
        for name, seeds in runs.items()
    }
    figure, axis = single(WIDTH, 3.6)
    draw_courses(axis, named, unit=60.0)
    axis.set_xlabel("minutes of training")
    axis.set_ylabel("welfare (mean return of a user)")
    legend_above(figure, columns=4)
    return figure


def table(runs: dict[str, dict[int, Course]], unit: str, scale: float) -> list[str]:
    """When each level was reached: by every seed, and by the mean of the seeds."""
    top = max(course.welfare.max() for seeds in runs.values() for course in seeds.values())
    names = [f"{name} (seeds {', '.join(map(str, seeds))})" for name, seeds in runs.items()]
    header = [f"welfare, then {unit}", *names, *(f"mean of {name}" for name in runs)]
    lines = [f"| {' | '.join(header)} |", "|" + " --- |" * len(header)]

    def reached(course: Course, level: float) -> str:
        when = seconds_to(course, level)
        return "never" if when is None else f"{when / scale:.1f}"

    for level in np.arange(STEP, top, STEP):
        each = [", ".join(reached(one, level) for one in seeds.values()) for seeds in runs.values()]
        means = [reached(mean_course([*seeds.values()]), level) for seeds in runs.values()]
        lines.append(f"| {level:g} | {' | '.join([*each, *means])} |")
    return lines


def main() -> None:
    """Write the courses, a figure a task and the page with all of them."""
    courses = update_courses()
    page = [
        "# Time to a welfare: `paper` against `fast`",
        "",
        "Made by `python studies/time_to_welfare.py` from runs of `studies/robots.yaml` (`em`, "
        "`paper`) and `studies/robots-fast.yaml` (`em` and `planned-em`, `fast`), with k = 5 and "
        "n = 100. Each run had one "
        "core of two, while the other one was busy with other runs. Welfare is that of the "
        "moving-average returns in training, with sampled actions; the tables have the minutes of "
        "training, compilation included, until it first was that high, seed by seed, and when the "
        "mean of the seeds was. How busy the machine was varied, so transitions are there too "
        "(thousands a policy): a second of any of them has about as many.",
    ]
    for task in TASKS:
        runs = by_settings(courses, task, "seconds")
        counted = by_settings(courses, task, "transitions")
        figures = [OUT / f"{task}.{kind}" for kind in ("svg", "png")]
        write_figure(partial(figure_of, runs), *figures)
        page += ["", f"## {task}", "", f"![Welfare against time]({task}.png)", ""]
        page += [*table(runs, "minutes", 60), "", *table(counted, "1,000 transitions", 1000)]
    write_text(OUT / "time-to-welfare.md", "\n".join(page) + "\n")
    print("\n".join(page))


if __name__ == "__main__":
    main()
