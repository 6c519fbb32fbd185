"""A grid as a map, the policies' walks on it (the paper's figure 1), and who is served where.

Each policy keeps to a lane of its own: its walk is shifted diagonally by a little, so that walks
over the same tiles lie side by side whether they go across or down. Within its lane a walk keeps to
the right, so that a way out and the way back are two lines too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from handful._support.palette import policy_colour
from handful.domains.resource_gathering import name_of_owner
from handful.report.plots.style import FAINT, INK, MUTED
from handful.report.run import Results, Run
from handful.types import NumpyArray

Tile = tuple[int, int]
"""Row and column, from the top left."""


@dataclass(frozen=True)
class GridMap:
    """A grid of tiles.

    Attributes:
        height, width: the size of the map in tiles.
        start: the tile on which episodes start.
        blocked: tiles that cannot be entered.
    """

    height: int
    width: int
    start: Tile
    blocked: tuple[Tile, ...]

    @property
    def open_tiles(self) -> tuple[Tile, ...]:
        """The tiles that can be entered, in row-major order."""
        tiles = ((row, column) for row in range(self.height) for column in range(self.width))
        return tuple(tile for tile in tiles if tile not in self.blocked)

    def has(self, tile: Tile) -> bool:
        """Say whether a tile lies on the map."""
        return 0 <= tile[0] < self.height and 0 <= tile[1] < self.width


def grid_of(run: Run) -> GridMap | None:
    """Return the run's grid, or None if its environment describes none."""
    return grid_from(run.problem["environment"])


def grid_from(environment: Mapping[str, Any]) -> GridMap | None:
    """Return the grid that the fields of an environment describe, or None."""
    try:
        return GridMap(
            int(environment["height"]),
            int(environment["width"]),
            _tile(environment["start"]),
            tuple(_tile(tile) for tile in environment["blocked"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def walks_of(run: Run, grid: GridMap) -> tuple[NumpyArray, ...] | None:
    """Return each policy's walk, [T + 1, 2] rows and columns from the start on, or None."""
    walks = tuple(_walk(trace, grid) for trace in run.traces)
    found = tuple(walk for walk in walks if walk is not None)
    return found if len(found) == len(walks) == run.num_policies else None


def users_are_tiles(run: Run, grid: GridMap) -> bool:
    """Say whether user i is the owner of the grid's i-th open tile, as the names tell."""
    return run.users == tuple(name_of_owner(*tile) for tile in grid.open_tiles)


def _walk(trace: Mapping[str, Any], grid: GridMap) -> NumpyArray | None:
    try:
        tiles = [grid.start, *(_tile(position) for position in trace["position"])]
    except (KeyError, TypeError, ValueError):
        return None
    return np.array(tiles) if all(grid.has(tile) for tile in tiles) else None


def _tile(entry: Sequence[Any]) -> Tile:
    row, column = entry
    if row != int(row) or column != int(column):
        raise ValueError("a tile is two whole numbers")
    return int(row), int(column)


_HALF = 0.5
"""A tile's centre is at (column, row), its edges half a tile away."""


def draw_map(axis: Axes, grid: GridMap, fills: Mapping[Tile, str]) -> None:
    """Draw the grid with row 0 at the top; a tile without a fill of its own is white."""
    for tile in grid.open_tiles:
        axis.add_patch(_square(tile, facecolor=fills.get(tile, "white"), edgecolor=FAINT))
    for tile in grid.blocked:
        axis.add_patch(_square(tile, facecolor="#F2F2F2", edgecolor="#A6A6A6", hatch="////"))
    axis.add_patch(_square(grid.start, inset=0.03, fill=False, edgecolor=INK, linewidth=1.8))
    axis.set_xlim(-_HALF - 0.02, grid.width - _HALF + 0.02)
    axis.set_ylim(grid.height - _HALF + 0.02, -_HALF - 0.02)
    axis.set_aspect("equal")
    axis.set_axis_off()


def label_start(axis: Axes, grid: GridMap) -> None:
    """Write "start" under a start tile of the bottom row; elsewhere it would hide other tiles."""
    row, column = grid.start
    if row < grid.height - 1:
        return
    axis.annotate(
        "start",
        (column, row + _HALF),
        xytext=(0, -3),
        textcoords="offset points",
        ha="center",
        va="top",
        color=MUTED,
        fontsize=9,
        annotation_clip=False,
    )


def _square(tile: Tile, inset: float = 0.0, **style: object) -> Rectangle:
    row, column = tile
    side = 1 - 2 * inset
    corner = (column - _HALF + inset, row - _HALF + inset)
    return Rectangle(corner, side, side, **{"linewidth": 0.8, **style})  # type: ignore[arg-type]


def draw_tile_returns(
    axis: Axes, tiles: Sequence[Tile], results: Results, tile_points: float
) -> None:
    """Write in each tile its user's return and, if it fits, the policy that serves them.

    Args:
        tile_points: a tile's side on paper.
    """
    size = min(12.0, 0.27 * tile_points)
    names_fit = tile_points >= 44
    for tile, policy, utility in zip(tiles, results.assignment, results.utilities, strict=True):
        row, column = tile
        text = f"{utility:.0f}" if utility == round(utility) or size < 9 else f"{utility:.1f}"
        axis.text(
            column,
            row - 0.1 * names_fit,
            text,
            ha="center",
            va="center",
            fontsize=size,
            fontweight="bold",
        )
        if names_fit:
            name = f"policy {policy}" if policy >= 0 else "no policy"
            axis.text(column, row + 0.22, name, ha="center", va="center", fontsize=8)


def tile_fills(
    tiles: Sequence[Tile], results: Results, colours: Sequence[str]
) -> Mapping[Tile, str]:
    """Return the colour of each user's tile, which is that of their policy.

    The last of the colours is that of users whom no policy fits.
    """
    return {
        tile: colours[int(policy)] for tile, policy in zip(tiles, results.assignment, strict=True)
    }


MAX_OVERLAID = 7
"""Policies that one map shows legibly, each in a hue of its own; more get a map each."""


@dataclass(frozen=True)
class Pen:
    """How a walk is drawn.

    Attributes:
        width: the width of the line, in points.
        keep_right: how far it runs to the right of its lane's middle, in tiles.
        arrow: length of an arrowhead, in tiles.
    """

    width: float
    keep_right: float
    arrow: float


BOLD_PEN = Pen(width=2.6, keep_right=0.034, arrow=0.13)
"""The pen for a map that fills a column, with tiles of `_ROOMY_TILE`."""

FINE_PEN = Pen(width=1.5, keep_right=0.07, arrow=0.3)
"""The pen for small maps side by side."""

_TURN = 0.24
"""The radius of a rounded corner, in tiles."""

_ROOMY_TILE = 60.0
"""Side in points; on smaller tiles lines and numbers shrink with them."""

_LANE_STEP = 0.135
_LANES_SPAN = 0.56
"""The span of the lanes in tiles; the lanes share the span when there are many."""

_ARROWHEAD = np.array([[0.58, 0.0], [-0.42, 0.48], [-0.23, 0.0], [-0.42, -0.48]])
"""Points along x, its length 1."""


def lane_offset(policy: int, num_policies: int) -> float:
    """Return how far a policy's walk is shifted right and down, in tiles."""
    if num_policies == 1:
        return 0.0
    step = min(_LANE_STEP, _LANES_SPAN / (num_policies - 1))
    return (policy - (num_policies - 1) / 2) * step


def draw_walks(axis: Axes, walks: Sequence[NumpyArray], tile_points: float) -> None:
    """Draw every policy's walk on one map, each with its number on it.

    Args:
        tile_points: a tile's side on paper.
    """
    scale = min(1.0, tile_points / _ROOMY_TILE)
    pen = replace(BOLD_PEN, width=scale * BOLD_PEN.width, arrow=BOLD_PEN.arrow / scale**0.5)
    taken: list[NumpyArray] = []
    for policy, walk in enumerate(walks):
        offset = lane_offset(policy, len(walks))
        draw_walk(axis, walk, policy, pen, offset)
        steps = _steps(walk, offset, pen.keep_right)
        if len(steps):
            taken.append(_roomiest(steps.mean(axis=1), taken))
            _draw_badge(axis, taken[-1], policy, size=max(6.5, 9 * scale))


def draw_walk(
    axis: Axes, walk: NumpyArray, policy: int, pen: Pen = FINE_PEN, offset: float = 0.0
) -> None:
    """Draw a walk [T + 1, 2] (rows, columns) as a smooth line with arrowheads, from a dot on.

    A walk that does not come home ends with a cross.
    """
    colour = policy_colour(policy)
    is_closed = bool((walk[-1] == walk[0]).all())
    steps = _steps(walk, offset, pen.keep_right)
    start, end = walk[[0, -1], ::-1] + offset
    if len(steps):
        path = _smooth(steps, pen.keep_right, is_closed)
        start, end = np.asarray(path.vertices)[[0, -1]]
        line = {"edgecolor": colour, "linewidth": pen.width, "zorder": 3}
        axis.add_patch(PathPatch(path, fill=False, capstyle="round", joinstyle="round", **line))
        # A light rim keeps arrowheads apart from the lines of others that pass underneath.
        heads = PolyCollection(
            [_arrowhead(step, pen.arrow) for step in steps[::2]],
            facecolors=colour,
            edgecolors="white",
            linewidths=0.2 * pen.width,
            zorder=5,
        )
        axis.add_collection(heads, autolim=False)
    axis.plot(*start, marker="o", markersize=2 + 1.7 * pen.width, color=colour, zorder=4)
    if not is_closed:
        axis.plot(*end, marker="X", markersize=4 + 2 * pen.width, color=colour, mec="w", zorder=6)


def _steps(walk: NumpyArray, offset: float, keep_right: float) -> NumpyArray:
    """Return each step's two ends (x, y) as drawn, [steps, 2, 2], without bumps."""
    points = walk[:, ::-1].astype(float)
    moved = (np.diff(points, axis=0) != 0).any(axis=1)
    steps = np.stack([points[:-1], points[1:]], axis=1)[moved]
    return steps + offset + keep_right * _right(_headings(steps))[:, None]


def _headings(steps: NumpyArray) -> NumpyArray:
    """Return unit vectors in the directions of steps, [steps, 2]."""
    difference = steps[:, 1] - steps[:, 0]
    return difference / np.linalg.norm(difference, axis=1, keepdims=True)


def _right(headings: NumpyArray) -> NumpyArray:
    """Return the right-hand side of headings [..., 2]; y points down."""
    return np.stack([-headings[..., 1], headings[..., 0]], axis=-1)


def _smooth(steps: NumpyArray, keep_right: float, is_closed: bool) -> Path:
    """Return one path through all steps with rounded corners and round turning points."""
    headings = _headings(steps)
    first, last = [steps[0, 0]], [steps[-1, 1]]
    if is_closed:
        meeting = _corner(last[0], headings[-1], headings[0], keep_right)
        # Where the walk leaves as it came in, both lines lead to the middle between them.
        middle = (first[0] + last[0]) / 2
        first, last = ([middle, *first], [*last, middle]) if meeting is None else ([meeting],) * 2
    vertices, codes = first, [Path.MOVETO, Path.LINETO][: len(first)]
    for before, after, ahead, onward in zip(
        steps[:-1, 1], steps[1:, 0], headings[:-1], headings[1:], strict=True
    ):
        corner = _corner(before, ahead, onward, keep_right)
        if corner is None:
            bulge = 2 * keep_right * ahead
            vertices = [*vertices, before, before + bulge, after + bulge, after]
            codes = [*codes, Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        elif ahead @ onward < 0.999:
            vertices = [*vertices, corner - _TURN * ahead, corner, corner + _TURN * onward]
            codes = [*codes, Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, *last], [*codes, *[Path.LINETO] * len(last)])


def _corner(
    end: NumpyArray, ahead: NumpyArray, onward: NumpyArray, keep_right: float
) -> NumpyArray | None:
    """Return the crossing of a step's line and the next one's; None if the walk turns back.

    The step's line ends at ``end``.
    """
    cosine = float(ahead @ onward)
    if cosine < -0.999:
        return None
    tile = end - keep_right * _right(ahead)
    return tile + keep_right * (_right(ahead) + _right(onward)) / (1 + cosine)


def _arrowhead(step: NumpyArray, length: float) -> NumpyArray:
    """Return an arrowhead on the middle of a step, which points along it."""
    x, y = _headings(step[None])[0]
    return step.mean(axis=0) + length * _ARROWHEAD @ np.array([[x, y], [-y, x]])


def _roomiest(candidates: NumpyArray, taken: Sequence[NumpyArray]) -> NumpyArray:
    """Return the candidate farthest from what is there already, at first the walk's middle."""
    if not taken:
        return candidates[len(candidates) // 2]
    distances = np.linalg.norm(candidates[:, None] - np.array(taken)[None], axis=2).min(axis=1)
    return candidates[int(np.argmax(distances))]


def _draw_badge(axis: Axes, spot: NumpyArray, policy: int, size: float) -> None:
    edge = policy_colour(policy)
    axis.annotate(
        str(policy),
        (float(spot[0]), float(spot[1])),
        ha="center",
        va="center_baseline",
        fontsize=size,
        fontweight="bold",
        zorder=7,
        bbox={"boxstyle": "circle,pad=0.22", "facecolor": "white", "edgecolor": edge, "lw": 1.8},
    )
