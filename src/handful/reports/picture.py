"""What a picture of a report is, before it is drawn."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 5.8
"""Inches, of figures without a size of their own: a column of a page, and legible on a phone."""


@dataclass(frozen=True)
class Picture:
    """A figure of a report.

    Attributes:
        name: of its file.
        title: what it is.
        alt: what it shows, for those who cannot see it.
        build: draws it.
    """

    name: str
    title: str
    alt: str
    build: Callable[[], Figure]


def single(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure (inches) with one axis."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()
