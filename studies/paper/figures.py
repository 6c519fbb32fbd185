"""Figures 1 to 5 of the paper and our own, and the tables in the pages, from the results alone.

    python -m studies.paper.figures

No run folders are needed: everything is drawn from the tables in ``results/``. A figure, or a part
of one, that has no data is left out, and the command says so.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from handful._support.files import write_text
from handful.domains.resource_gathering.pictures import walks_figure
from handful.domains.speeds.pictures import assignments_figure
from handful.errors import HandfulError
from handful.report.study.budgets import percent_figure, welfare_figure
from handful.report.study.collection import Collection
from handful.report.study.figure import StudyFigure
from handful.report.study.figures import sort_out, study_figures
from handful.report.study.reading import read_collection
from handful.report.study.spread import profiles_figure, spread_figure
from handful.report.study.training import training_figure
from handful.report.wording import task_title
from studies.command import run
from studies.paper.experiments import BUDGET, GRID_TASK, ROBOTS, TASKS, WALKED
from studies.paper.pages import filled_page, has_blocks

INDEX = "figures.md"
"""The page that lists the figures, in their folder."""

PAGES = (Path("docs/study.md"), Path("docs/results.md"), Path("README.md"))
"""The command fills in the tables of these pages unless pages are named, if they ask for any."""


@dataclass
class Figures:
    """Draw every figure of the studies from their tables, and fill in the tables of the pages."""

    results: tyro.conf.Positional[Path] = Path("results")
    """The folder of results, with tables in it or in its folders."""

    out: Path | None = None
    """The folder for the figures; by default 'figures' in the folder of results."""

    pages: tuple[Path, ...] | None = None
    """Pages whose generated tables are filled in; by default docs/study.md, docs/results.md and
    README.md, if they have any."""

    pdf: bool = False
    """Whether to write PDF files too."""

    def run(self) -> None:
        """Read and check everything, then draw and write."""
        out = self.out or self.results / "figures"
        if out.exists() and not out.is_dir():
            raise HandfulError(f"'{out}' is no folder: name another one with --out.")
        collection = read_collection(self.results)
        pages = self.pages
        if pages is None:
            pages = [page for page in PAGES if page.is_file() and has_blocks(page)]
        texts = {page: filled_page(page, collection) for page in pages}
        figures, left_out = collected_figures(collection)
        kinds = ("svg", "png", "pdf") if self.pdf else ("svg", "png")
        written = write_figures(figures, left_out, out, kinds)
        for page, text in texts.items():
            if has_blocks(page):
                write_text(page, text)
                written.append(page)
            else:
                print(f"'{page}' asks for no table, so it stays as it is", file=sys.stderr)
        print(*written, sep="\n")
        for sentence in [*left_out, *(s for figure in figures for s in figure.missing)]:
            print(f"left out: {sentence}", file=sys.stderr)


def collected_figures(collection: Collection) -> tuple[list[StudyFigure], list[str]]:
    """The figures of a folder of results, and a sentence for each one that is left out.

    They are the paper's where any of its tasks is in the results, else those of any study.
    """
    others = [task for task in collection.tasks if task not in TASKS]
    if others == collection.tasks:
        return study_figures(collection)
    figures, left_out = paper_figures(collection)
    passed_over = [
        f"{task_title(task)}, which is none of the paper's tasks: 'handful report' draws a study."
        for task in others
    ]
    return figures, [*left_out, *passed_over]


def paper_figures(collection: Collection) -> tuple[list[StudyFigure], list[str]]:
    """The paper's five figures and ours, and a sentence for each one that has no data."""
    return sort_out(
        {
            "walks": walks_figure(collection, GRID_TASK, WALKED),
            "resource-gathering": welfare_figure(
                collection, [GRID_TASK], "resource-gathering", "Welfare in Resource Gathering"
            ),
            "robots": welfare_figure(collection, ROBOTS, "robots", "Welfare of the robots' users"),
            "assignments-half-cheetah": assignments_figure(
                collection, ROBOTS[:1], "assignments-half-cheetah", BUDGET
            ),
            "assignments": assignments_figure(collection, ROBOTS[1:], "assignments", BUDGET),
            "percent-of-optimum": percent_figure(collection, TASKS),
            "training": training_figure(collection, TASKS, BUDGET),
            "spread": spread_figure(collection, TASKS),
            "profiles": profiles_figure(collection, TASKS),
        }
    )


def write_figures(
    figures: Sequence[StudyFigure], left_out: Sequence[str], out: Path, kinds: Sequence[str]
) -> list[Path]:
    """Write every figure in each kind (svg, png, pdf), and the page that lists them.

    Returns:
        The files that were written, the page last.
    """
    written = []
    for figure in figures:
        paths = [out / f"{figure.name}.{kind}" for kind in kinds]
        figure.write(*paths)
        written += paths
    lines = ["# Figures", ""]
    lines += ["Made by `python -m studies.paper.figures` from the tables beside this folder.", ""]
    for figure in figures:
        lines += [f"## {figure.title}", "", f"![{figure.alt}]({figure.name}.svg)", ""]
        lines += [figure.caption, ""]
        if figure.missing:
            lines += ["Not in it:", "", *(f"- {sentence}" for sentence in figure.missing), ""]
    if left_out:
        lines += ["## Left out", "", *(f"- {sentence}" for sentence in left_out), ""]
    write_text(out / INDEX, "\n".join(lines).rstrip() + "\n")
    return [*written, out / INDEX]


if __name__ == "__main__":
    run(Figures)
