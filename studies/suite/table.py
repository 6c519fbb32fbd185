"""The suite's table: a row for each problem and method, as CSV and as a page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from handful._support.files import write_text
from studies.suite.rows import DEVELOPMENT, RESULTS, Reference, Row, title

TABLE, PAGE = RESULTS / "suite.csv", RESULTS / "suite.md"

SHARES = ("exact", "runs")
"""The kinds of reference that the share of the gain is of; the first that is known counts."""

PERCENTS = ("exact", "upper bound", "runs")
"""The same for the percent of the best possible."""


@dataclass(frozen=True)
class Line:
    """A problem and a method over seeds.

    Attributes:
        size: ``development`` or ``evaluation``.
        problem, method, k, steps: as in :class:`~studies.suite.rows.Row`.
        reference: the kind of reference of the shares.
        seeds: how many.
        welfare, share, percent: each seed's, [seeds]; a share or percent is NaN where it has no
            meaning.
        transitions, seconds: means.
        stands_for: the methods that stood for it.
    """

    size: str
    problem: str
    method: str
    k: int
    steps: int
    reference: str
    seeds: int
    welfare: np.ndarray
    share: np.ndarray
    percent: np.ndarray
    transitions: float
    seconds: float
    stands_for: tuple[str, ...]


def share_of_gain(welfare: float, best_single: float, best: float) -> float:
    """How much of what k policies can add to one is there, in percent.

    (welfare - best single) / (best k - best single); NaN where k policies can add nothing.
    """
    gain = best - best_single
    if gain <= 1e-9 * max(abs(best), abs(best_single)):
        return float("nan")
    return 100.0 * (welfare - best_single) / gain


def lines_of(rows: Iterable[Row], references: Iterable[Reference]) -> list[Line]:
    """Bring the rows of each problem and method together."""
    known = {reference.key: reference.welfare for reference in references}
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        size = "development" if row.seed >= DEVELOPMENT else "evaluation"
        groups.setdefault((size, row.problem, row.k, row.steps, row.method), []).append(row)
    found = []
    for (size, problem, k, steps, method), group in groups.items():
        kind = next((one for one in SHARES if (problem, group[0].seed, 1, one) in known), "")
        above = next((one for one in PERCENTS if (problem, group[0].seed, k, one) in known), "")
        singles, best, highest = (
            [known.get((problem, row.seed, budget, of), np.nan) for row in group]
            for budget, of in ((1, kind), (k, kind), (k, above))
        )
        welfare = [row.welfare for row in group]
        shares = list(map(share_of_gain, welfare, singles, best))
        percents = [
            100.0 * got / limit if limit > 0 else np.nan
            for got, limit in zip(welfare, highest, strict=True)
        ]
        found.append(
            Line(
                size,
                problem,
                method,
                k,
                steps,
                kind,
                len(group),
                np.array(welfare),
                np.array(shares),
                np.array(percents),
                float(np.mean([row.transitions for row in group])),
                float(np.mean([row.seconds for row in group])),
                tuple(sorted({row.stands_for for row in group} - {method})),
            )
        )
    return found


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """The mean over seeds and its standard error; NaN for what is not known."""
    if np.isnan(values).any():
        return float("nan"), float("nan")
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return float(values.mean()), float(error)


def write_table(lines: Sequence[Line]) -> None:
    """Write the table and its page."""
    header = ["size", "problem", "method", "stands for", "k", "steps a policy", "seeds"]
    header += ["welfare", "welfare error", "share of gain %", "share error", "lowest share"]
    header += ["percent of best", "reference", "transitions in all", "seconds"]
    rows = [",".join(header)]
    for line in lines:
        welfare, error = mean_and_error(line.welfare)
        share, share_error = mean_and_error(line.share)
        cells: list[object] = [line.size, title(line.problem), line.method]
        cells += ["/".join(line.stands_for), line.k, line.steps, line.seeds, f"{welfare:.4f}"]
        cells += [f"{error:.4f}", f"{share:.1f}", f"{share_error:.1f}", f"{line.share.min():.1f}"]
        cells += [f"{mean_and_error(line.percent)[0]:.1f}", line.reference]
        cells += [f"{line.transitions:.0f}", f"{line.seconds:.0f}"]
        rows.append(",".join("" if cell in ("nan", "") else str(cell) for cell in cells))
    write_text(TABLE, "\n".join(rows) + "\n")
    write_text(PAGE, "\n".join(_page(lines)) + "\n")


def _page(lines: Sequence[Line]) -> list[str]:
    text = [
        "# The suite",
        "",
        "Made by `python -m studies.suite`; [docs/suite.md](../../docs/suite.md) says what is in "
        "it. Means over seeds ± their standard errors. The share of the gain is (welfare − best "
        "single) / (best k − best single), both from the reference: the exact optimum, or the "
        "best choice of the policies of all runs with the same users. Percent are of the optimum, "
        "of an upper bound where only that is known, or of the best of all runs. Transitions are "
        "all that were played before evaluation.",
    ]
    for size in ("evaluation", "development"):
        mine = [line for line in lines if line.size == size]
        if not mine:
            continue
        seeds = "0 to 4" if size == "evaluation" else "from 100 on"
        text += ["", f"## Seeds {seeds} ({size})", "", *_overview(mine)]
        for problem in dict.fromkeys(line.problem for line in mine):
            text += ["", f"### {title(problem)}", "", _header(), "|" + " --- |" * 9]
            text += [_row(line) for line in mine if line.problem == problem]
    return text


def _overview(lines: Sequence[Line]) -> list[str]:
    """The mean shares of the gain of every problem and method with three policies."""
    methods = list(dict.fromkeys(line.method for line in lines))
    shares = {(line.problem, line.method): _cell(line.share, 0) for line in lines if line.k == 3}
    text = ["Share of the gain with three policies, %:", "", f"| problem | {' | '.join(methods)} |"]
    text.append("|" + " --- |" * (1 + len(methods)))
    for problem in dict.fromkeys(line.problem for line in lines):
        cells = [shares.get((problem, method), "") for method in methods]
        text.append(f"| {title(problem)} | {' | '.join(cells)} |")
    return text


def _header() -> str:
    names = ["method", "k", "seeds", "welfare", "share of the gain, %", "lowest share"]
    names += ["% of the best", "transitions in all", "seconds"]
    return f"| {' | '.join(names)} |"


def _row(line: Line) -> str:
    method = f"`{line.method}`" + (f" ({', '.join(line.stands_for)})" if line.stands_for else "")
    lowest = line.share.min()
    cells = [method, str(line.k), str(line.seeds), _cell(line.welfare, 3), _cell(line.share, 1)]
    cells += ["–" if np.isnan(lowest) else f"{lowest:.1f}", _cell(line.percent, 1)]
    cells += [f"{line.transitions:,.0f}", f"{line.seconds:,.0f}"]
    return f"| {' | '.join(cells)} |"


def _cell(values: np.ndarray, digits: int) -> str:
    mean, error = mean_and_error(values)
    if np.isnan(mean):
        return "–"
    return f"{mean:.{digits}f}" + ("" if np.isnan(error) else f" ± {error:.{digits}f}")
