"""``report.html`` of a frontier: how many policies are needed, and what each budget is worth."""

from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from handful._support.files import write_text
from handful.frontier.answer import answer, with_interval
from handful.frontier.folder import FrontierFolder
from handful.frontier.points import Frontier, Level
from handful.report.page import image_source, templates, write_report
from handful.report.plots.frontier import draw_frontier, draw_steps
from handful.report.plots.style import WIDTH, legend_above, write_figure
from handful.report.run import read_run
from handful.report.wording import count, number, task_title
from handful.run_folder import RunFolder


class BudgetRow(NamedTuple):
    """A row of the table of budgets, and the address of the budget's own report, if it is there."""

    policies: int
    welfare: str
    gain: str
    share: str
    optimum: str
    users: str
    transitions: str
    report: str | None


class RunNotes(NamedTuple):
    """What is to know of one budget's run."""

    policies: str
    messages: list[str]


def write_frontier_report(path: str | Path) -> Path:
    """Write the picture and the page of a frontier, and the pages of its budgets' runs.

    No episode is played.

    Args:
        path: the folder of the frontier.

    Returns:
        the page, ``report.html``.

    Raises:
        HandfulError: if there is no frontier in the folder, or a file in it is damaged.
    """
    folder = FrontierFolder(path)
    frontier, record = folder.read()
    here = RunFolder(folder.path)  # it keeps files out of folders that are links
    svg = here.subfolder(folder.plots) / "frontier.svg"
    write_figure(lambda: _figure(frontier), svg, svg.with_suffix(".png"))
    there = [k for k in frontier.budgets if RunFolder(folder.run(k)).is_finished]
    for budget in there:
        write_report(folder.run(budget))
    context = {
        "name": folder.path.resolve().name,
        "title": task_title(record["problem"]),
        "method": record["method"],
        "users": count(record["num_users"], "user"),
        "transitions": record["transitions"],
        "frontier": frontier,
        "is_mean": frontier.welfare_function == "utilitarian",
        "picture": {
            "title": "How many policies are needed",
            "alt": alternative_text(frontier),
            "caption": "Above: the welfare with each number of policies, on fresh episodes; below: "
            "what one more policy adds, from each budget to the next, hollow where the gain is not "
            "shown. Bars and bands are 95 % intervals over evaluation episodes.",
            "source": image_source(svg),
            "is_wide": True,
        },
        "answer": answer(frontier, number),
        "levels": [
            _level("One policy for everybody", frontier.one_policy),
            _level("A policy for each user", frontier.ceiling),
        ],
        "rows": budget_rows(frontier, folder, there),
        "notes": [notes for k in there if (notes := _notes(k, folder.run(k))).messages],
        "chosen_from": count(frontier.ceiling.num_policies, "policy"),
        "count": count,
        "number": number,
    }
    write_text(folder.report, templates().get_template("frontier.html.j2").render(context))
    return folder.report


def alternative_text(frontier: Frontier) -> str:
    """Say what the picture shows, for those who cannot see it."""
    points = "; ".join(
        f"{count(p.num_policies, 'policy')}: {number(p.welfare.value)}" for p in frontier.points
    )
    return (
        f"Welfare against the number of policies. {points}; one policy for everybody: "
        f"{number(frontier.one_policy.welfare.value)}; a policy for each user, estimated: "
        f"{number(frontier.ceiling.welfare.value)}."
    )


def budget_rows(frontier: Frontier, folder: FrontierFolder, there: list[int]) -> list[BudgetRow]:
    """Make the table of budgets.

    Args:
        frontier: the frontier.
        folder: its folder.
        there: the budgets whose run folders are there.
    """
    gains = {step.more: step.per_policy for step in frontier.steps}
    rows = []
    for point in frontier.points:
        k = point.num_policies
        share = frontier.share_of_gain(k)
        spare = len(point.spare)
        bound = ", bound" if point.optimum_kind == "upper bound" else ""
        rows.append(
            BudgetRow(
                policies=k,
                welfare=with_interval(point.welfare, number),
                gain=with_interval(gains[k], number) if k in gains else "–",
                share="–" if share is None else f"{share:z.0%}",
                optimum="–" if point.optimum is None else f"{number(point.optimum)}{bound}",
                users=f"{k - spare} of {k}",
                transitions="–" if point.transitions is None else f"{point.transitions:,}",
                report=f"{folder.run(k).name}/report.html" if k in there else None,
            )
        )
    return rows


def _notes(budget: int, run: Path) -> RunNotes:
    results = read_run(run).results
    found = [] if results is None else results.record.get("findings", [])
    return RunNotes(count(budget, "policy"), [finding["message"] for finding in found])


def _level(name: str, level: Level) -> dict[str, Any]:
    return {
        "name": name,
        "value": number(level.welfare.value),
        "stderr": number(level.welfare.stderr),
        "optimum": None if level.optimum is None else number(level.optimum),
        "is_exact": level.optimum_kind == "exact",
    }


def _figure(frontier: Frontier) -> Figure:
    if not frontier.steps:
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        draw_frontier(figure.subplots(), frontier)
    else:
        figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, height_ratios=(2.2, 1.0))
        draw_frontier(upper, frontier)
        upper.set_xlabel("")
        draw_steps(lower, frontier.steps, frontier.budgets)
    legend_above(figure, columns=2)
    return figure
