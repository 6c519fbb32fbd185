"""How soon the presets `paper` and `fast` reach a welfare, from the runs of two studies.

The runs of a seed must have been made side by side, each on a core of its own, so that whatever
else the machine did slowed both down:

    taskset -c 0 handful sweep studies/robots.yaml --tasks half-cheetah --methods em --workers 1 &
    taskset -c 1 handful sweep studies/robots-fast.yaml --tasks half-cheetah --workers 1 & wait
    python studies/time_to_welfare.py half-cheetah hopper      # writes results/time-to-welfare/
"""

import sys
from pathlib import Path

import numpy as np

from handful.experiments.study import read_study
from handful.reports.figures import write_time_figure
from handful.reports.plots.time import Course
from handful.runs import RunFolder, write_text

STUDIES = {"paper": Path("studies/robots.yaml"), "fast": Path("studies/robots-fast.yaml")}
OUT = Path("results/time-to-welfare")
STEP = 2.5
"""Between the levels of welfare in the table."""


def courses(study: Path, task: str) -> list[Course]:
    """The finished runs of `em` on a task, in the order of their seeds."""
    folders = [
        RunFolder(request.folder)
        for request in read_study(study).runs()
        if request.task == task and request.config.method == "em"
    ]
    records = [folder.read_metrics() for folder in folders if folder.is_finished]
    return [
        Course(*(np.array([r[name] for r in run]) for name in ("seconds", "welfare")))
        for run in records
    ]


def table(by_preset: dict[str, list[Course]]) -> list[str]:
    """Minutes to each level, seed by seed, up to the highest that any run reached."""
    top = max(course.welfare.max() for runs in by_preset.values() for course in runs)
    lines = [f"| welfare | {' | '.join(by_preset)} |", "| --- |" + " --- |" * len(by_preset)]
    for level in np.arange(STEP, top, STEP):
        cells = []
        for runs in by_preset.values():
            times = [course.seconds_to(level) for course in runs]
            cells.append(", ".join("never" if t is None else f"{t / 60:.1f}" for t in times))
        lines.append(f"| {level:g} | {' | '.join(cells)} |")
    return lines


def main(tasks: list[str]) -> None:
    """Write a figure a task and the page with all of them."""
    page = [
        "# Time to a welfare: `paper` against `fast`",
        "",
        f"Made by `python studies/time_to_welfare.py {' '.join(tasks)}` from the runs of `em` in "
        "`studies/robots.yaml` and `studies/robots-fast.yaml` (k = 5, n = 100). The two runs of a "
        "seed ran side by side, on a core each. Welfare is that of the moving-average returns in "
        "training, with sampled actions; the tables have the minutes of training, compilation "
        "included, until it first was that high, seed by seed.",
    ]
    for task in tasks:
        by_preset = {preset: courses(study, task) for preset, study in STUDIES.items()}
        OUT.mkdir(parents=True, exist_ok=True)
        write_time_figure(by_preset, *(OUT / f"{task}.{kind}" for kind in ("svg", "png")))
        page += ["", f"## {task}", "", f"![Welfare against time]({task}.png)", ""]
        page += table(by_preset)
    write_text(OUT / "time-to-welfare.md", "\n".join(page) + "\n")
    print("\n".join(page))


if __name__ == "__main__":
    main(sys.argv[1:])
