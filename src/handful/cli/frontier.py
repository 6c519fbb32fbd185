"""How training for several budgets ends on the screen."""

from pathlib import Path

from handful._support.controls import shell_line
from handful._support.installing import install_command
from handful._support.text import count
from handful.cli.output import can_report, print_json, show
from handful.frontier.answer import answer, with_interval
from handful.frontier.folder import FrontierFolder
from handful.frontier.points import Frontier, Level


def frontier_summary(frontier: Frontier) -> list[str]:
    """Describe a frontier: a line for each budget, and what it stands beside.

    Args:
        frontier: the frontier.

    Returns:
        the lines.
    """
    gains = {step.more: step.per_policy for step in frontier.steps}
    lines = [
        f"{'policies':>8}  {'welfare (95 % interval)':>27}  {'one more policy adds':>27}  "
        f"{'best possible':>15}  in use"
    ]
    for point in frontier.points:
        k = point.num_policies
        gain = with_interval(gains[k], _written) if k in gains else ""
        best = "" if point.optimum is None else _best(point.optimum, point.optimum_kind)
        lines.append(
            f"{k:8}  {with_interval(point.welfare, _written):>27}  {gain:>27}  {best:>15}  "
            f"{k - len(point.spare)} of {k}"
        )
    function = frontier.welfare_function
    kind = "" if function == "utilitarian" else f" (welfare is {function})"
    lines.append(
        f"one policy for everybody {_level(frontier.one_policy)}, a policy for each user, "
        f"estimated, {_level(frontier.ceiling)}{kind}"
    )
    lines += answer(frontier, _written)
    for point in frontier.points:
        if point.spare:
            numbers = ", ".join(map(str, point.spare))
            lines.append(
                f"note: with {count(point.num_policies, 'policy')}, "
                f"{count(len(point.spare), 'policy')} "
                f"{'serves nobody and is' if len(point.spare) == 1 else 'serve nobody and are'} "
                f"spare ({numbers})."
            )
    return lines


def announce_frontier(path: Path, json: bool) -> None:
    """Write the reports of a frontier and its runs, and print how it ended and where to look.

    Args:
        path: the folder of the frontier.
        json: whether to print the record of the frontier as JSON.

    Raises:
        OSError: if a report cannot be written.
    """
    folder = FrontierFolder(path)
    frontier, record = folder.read()
    has_report = can_report()
    if has_report:
        from handful.report.frontier import write_frontier_report

        write_frontier_report(path)
    if json:
        print_json(record)
        return
    show(*frontier_summary(frontier))
    if has_report:
        show(f"report: {folder.report}")
    else:
        show(
            f"for plots and a report: {install_command('report')}, then "
            f"{shell_line('handful', 'report', path)}"
        )


def _written(value: float) -> str:
    return f"{value:.2f}"


def _level(level: Level) -> str:
    return f"{level.welfare.value:.2f} ± {level.welfare.stderr:.2f}"


def _best(optimum: float, kind: str | None) -> str:
    return f"{optimum:.2f} {'exact' if kind == 'exact' else 'bound'}"
