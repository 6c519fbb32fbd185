"""What a figure of a study is, and how it is written: a digest of its data is in its file."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handful.errors import HandfulError
from handful.report.plots.style import PAPER_COLUMN, PAPER_STYLE, fit_legend, write_figure

_PREFIX = "handful-data:"


@dataclass(frozen=True)
class StudyFigure:
    """A figure of a study.

    Attributes:
        name: the name of its files.
        title: what it is, in a few words.
        caption: how to read it.
        alt: what it shows, for those who cannot see it.
        data: all that is drawn, as plain values.
        build: draws it, a column wide.
        missing: what the figure would show too if the data were there, a sentence each.
    """

    name: str
    title: str
    caption: str
    alt: str
    data: Any
    build: Callable[[], Figure]
    missing: Sequence[str] = field(default=())

    @property
    def identifier(self) -> str:
        """A name for the data: it stays when fonts, colours or matplotlib change."""
        text = json.dumps(_rounded(self.data), sort_keys=True)
        return _PREFIX + hashlib.sha256(text.encode()).hexdigest()[:16]

    def write(self, *paths: Path) -> None:
        """Draw it into each path, in the suffix's format, with its identifier in the file."""
        write_figure(
            self.build, *paths, style=PAPER_STYLE, identifier=self.identifier, is_tight=False
        )


def stored_identifier(path: Path) -> str | None:
    """Read the identifier of the data that a figure's file was drawn from; None without one.

    Raises:
        HandfulError: if there is no such file.
    """
    try:
        content = path.read_bytes().decode("latin-1")
    except OSError as error:
        raise HandfulError(f"The figure '{path}' cannot be read ({error.strerror}).") from None
    found = re.search(_PREFIX + "[0-9a-f]{16}", content)
    return found.group() if found else None


def _rounded(value: Any) -> Any:
    """Round to six significant digits: sums in another order must not look like other data."""
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


_LEGEND_ROW = 0.14
"""Inches."""


def lay_out(panels: int, height: float, columns: int = 2) -> tuple[Figure, list[Axes]]:
    """Make a figure a column wide with panels side by side, each so many inches high."""
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(PAPER_COLUMN, 0.25 + rows * height), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axis in axes[panels:]:
        axis.remove()
    return figure, axes[:panels]


def legend_of(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    """Put one legend over all panels, each label once; the figure grows by its height.

    Args:
        columns: the largest number of columns; there are fewer if long labels would be cut off at
            the figure's edge.
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
