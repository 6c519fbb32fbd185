"""What all figures look like, and how they are saved: the same data give the same bytes."""

import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy

from handful._support.files import write_atomically
from handful._support.palette import HUES, mix, policy_colour
from handful.results.labels import method_of

INK = "#222222"
MUTED = "#595959"
FAINT = "#D0D0D0"
STAND_OUT = "#D55E00"
"""The colour of the one thing in a chart that must be seen."""

_DASHES = ((), (4.0, 1.2), (1.3, 1.2), (5.0, 1.2, 1.3, 1.2))
"""Lengths of line and gap by round through the hues; nothing is a solid line."""

MAX_VECTOR_POINTS = 12_000
"""The most points of all lines of a figure; with more, lines become pictures inside the SVG."""

_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 9.5,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "path",
    "svg.hashsalt": "handful",
    "text.color": INK,
    "text.parse_math": False,  # a user's name may hold dollar signs
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}


PAPER_COLUMN = 3.3
"""Inches, of a column of a paper."""

PAPER_STYLE: dict[str, Any] = {
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.titlesize": 7.5,
    "font.size": 7,
    "grid.linewidth": 0.5,
    "legend.fontsize": 6.5,
    "xtick.labelsize": 6.5,
    "xtick.major.size": 2.5,
    "ytick.labelsize": 6.5,
    "ytick.major.size": 2.5,
}
"""The differences from the house style for figures that are a column wide."""


def policy_dashes(policy: int) -> tuple[float, tuple[float, ...]]:
    """Return the line style that goes with a policy's colour."""
    return 0.0, _DASHES[policy // len(HUES) % len(_DASHES)]


def tint(colour: str) -> str:
    """Return a colour that is light enough to write on."""
    return mix(colour, "#FFFFFF", 0.74)


def policy_handle(policy: int, label: str | None = None) -> Line2D:
    """Make a policy's line for a legend."""
    return Line2D(
        [],
        [],
        color=policy_colour(policy),
        linestyle=policy_dashes(policy),
        linewidth=2.6,
        label=f"policy {policy}" if label is None else label,
    )


TITLE_LETTERS = 40
"""The most letters of a line of a panel's title."""


def set_title(axis: Axes, text: str, **how: Any) -> None:
    """Set a panel's title in as many lines as it takes, so that a long name stays on the page."""
    lines = textwrap.wrap(text, TITLE_LETTERS, break_on_hyphens=False)
    axis.set_title("\n".join(lines), **how)


def legend_below(
    figure: Figure, axis: Axes, handles: Sequence[Artist], columns: int, points_down: float = 0.0
) -> None:
    """Put a legend under an axis and its labels, left-aligned with the axis."""
    axis.legend(
        handles=list(handles),
        ncols=columns,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=offset_copy(axis.transAxes, figure, y=-points_down, units="points"),
        borderaxespad=0,
        handlelength=1.9,
        columnspacing=1.4,
    )


def legend_above(figure: Figure, columns: int) -> None:
    """Put a legend of everything labelled over the axes, where it hides no data.

    Args:
        columns: the largest number of columns; there are fewer if long labels would make the legend
            wider than the figure.
    """
    fit_legend(figure, columns, columnspacing=1.4)


def fit_legend(figure: Figure, columns: int, **options: Any) -> int:
    """Put a legend over the axes, with fewer columns if long labels make it too wide.

    Args:
        columns: the largest number of columns.
        options: the options of `Figure.legend`.

    Returns:
        its number of columns.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    options |= {"loc": "outside upper left", "handlelength": 1.8}
    for fewer in range(columns, 1, -1):
        legend = figure.legend(ncols=fewer, **options)
        if legend.get_window_extent(renderer).width <= figure.bbox.width:
            return fewer
        legend.remove()
    figure.legend(ncols=1, **options)
    return 1


def label_transitions(axis: Axes, last: float) -> None:
    """Label the x axis of what is shown over training."""
    axis.set_xlabel("transitions per policy")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_xlim(0, last)


def write_figure(
    build: Callable[[], Figure],
    *paths: Path,
    style: Mapping[str, Any] | None = None,
    identifier: str | None = None,
    is_tight: bool = True,
) -> None:
    """Build a figure in the house style and save it under each path, in the suffix's format.

    Args:
        build: draws it.
        paths: ending in .svg, .png or .pdf.
        style: the differences from the house style, as matplotlib's parameters.
        identifier: the text that the file's metadata keep.
        is_tight: cut the paper to what is drawn, else keep its size.
    """
    settings = _STYLE.copy()
    settings.update(style or {})
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A user's name may hold characters that the font lacks; they are drawn as boxes, and the
        # report's tables have the names in full.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = build()
        paper = {"bbox_inches": "tight", "pad_inches": 0.06} if is_tight else {}
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            kind = path.suffix.removeprefix(".")
            write_atomically(
                path,
                lambda temporary, kind=kind: figure.savefig(
                    temporary, format=kind, metadata=_metadata(kind, identifier), dpi=200, **paper
                ),
            )


def _metadata(kind: str, identifier: str | None) -> dict[str, Any]:
    """Return metadata without a date, so that two writes of a figure are the same file."""
    if kind == "pdf":
        return {"CreationDate": None, "Keywords": identifier}
    found = {} if identifier is None else {"Identifier": identifier}
    return found | ({"Date": None} if kind == "svg" else {})


class Look(NamedTuple):
    """The look of a method's line.

    Attributes:
        colour: ``#rrggbb``.
        marker: the marker by matplotlib's name, so that colour is not all that tells lines apart.
        dashes: lengths of line and gap; nothing is a solid line.
    """

    colour: str
    marker: str
    dashes: tuple[float, ...] = ()


_BLUE, _ORANGE, _GREEN, _PINK, _RED, _SKY, _GREY = HUES

_LOOKS = {
    "em": Look(_BLUE, "o"),
    "end-to-end": Look(_ORANGE, "s"),
    "cluster": Look(_GREEN, "^"),
    "random": Look(_GREY, "v"),
    "fixed": Look(mix(_GREY, "#FFFFFF", 0.4), "<"),
    "soft-em": Look(_SKY, "P"),
    "pooled-em": Look(mix(_PINK, "#000000", 0.45), "X"),
    "planned-em": Look(_PINK, "D"),
    "family-em": Look(mix(_RED, "#000000", 0.6), "d"),
    "elite-em": Look(mix(_BLUE, "#000000", 0.55), "p"),
    "branching-em": Look(mix(_BLUE, "#FFFFFF", 0.5), ">"),
    "universal": Look(mix(_GREEN, "#000000", 0.5), "$U$"),
    "auto": Look(_RED, "*"),
}
"""The looks of methods in the order of legends: the paper's methods, then ours. There are more
methods than hues: the last of ours have shades that stay apart from all others also for the
colour-blind. Methods that left the library have their looks still, because kept results show
them."""

PAPER_METHODS = ("em", "end-to-end", "cluster", "random")

_OTHER_MARKERS = "h8H"
_SUFFIX_DASHES = ((4.0, 1.0, 1.0, 1.0), (1.0, 0.8), (2.2, 1.1))
"""The dashes of a method whose label has words for its settings, which choose among them."""


def method_rank(label: str) -> tuple[int, str]:
    """Return a key that sorts labels: known methods as in legends, others after them by name."""
    names = list(_LOOKS)
    name = method_of(label)
    return (names.index(name) if name in names else len(names), label)


def method_looks(labels: Iterable[str]) -> dict[str, Look]:
    """Return the look of each method of a figure, by its label.

    The library's methods look the same in every figure. Methods of other packages follow after
    them, in the order of their names. With other settings a line is dashed and its colour darker.

    Args:
        labels: all labels of the figure, also if it has several panels.
    """
    labels = list(dict.fromkeys(labels))
    others = sorted({method_of(label) for label in labels} - _LOOKS.keys())
    looks = {**_LOOKS, **{name: _other_look(number) for number, name in enumerate(others)}}
    return {label: _with_settings(looks[method_of(label)], label) for label in labels}


def _other_look(number: int) -> Look:
    """Return the look of another package's method, by its place among those of the figure."""
    marker = _OTHER_MARKERS[number % len(_OTHER_MARKERS)]
    return Look(policy_colour(len(_LOOKS) + number), marker)


def _with_settings(look: Look, label: str) -> Look:
    """Return the look of a label that has words of its settings behind the method's name."""
    words = label.removeprefix(method_of(label))
    if not words:
        return look
    dashes = _SUFFIX_DASHES[sum(words.encode()) % len(_SUFFIX_DASHES)]
    return look._replace(colour=mix(look.colour, "#000000", 0.3), dashes=dashes)


WIDTH = 5.8
"""Inches, of figures without a size of their own: a column of a page, and legible on a phone."""


def single(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a figure (inches) with one axis."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()
