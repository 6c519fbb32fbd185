"""How the panels of a column-wide figure are laid out, and their one legend."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handful.reports.plots.style import PAPER_COLUMN, fit_legend

_LEGEND_ROW = 0.14
"""Inches."""


def lay_out(panels: int, height: float, columns: int = 2) -> tuple[Figure, list[Axes]]:
    """A figure a column wide with panels side by side, each so many inches high."""
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(PAPER_COLUMN, 0.25 + rows * height), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axis in axes[panels:]:
        axis.remove()
    return figure, axes[:panels]


def legend_of(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    """One legend over all panels, each label once; the figure grows by its height.

    Args:
        columns: at most; fewer where long labels would be cut off at the figure's edge.
    """
    found = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if not found:
        return
    columns = fit_legend(
        figure,
        columns,
        handles=list(found.values()),
        labels=list(found),
        columnspacing=1.0,
        labelspacing=0.25,
        borderaxespad=0.1,
    )
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + _LEGEND_ROW * -(-len(found) // columns))
