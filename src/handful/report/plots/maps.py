"""A grid as a map: its tiles, the start, the walls."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from handful.report.grid import GridMap, Tile
from handful.report.plots.style import FAINT, INK, MUTED

_HALF = 0.5
"""A tile's centre is at (column, row), its edges half a tile away."""


def draw_map(axis: Axes, grid: GridMap, fills: Mapping[Tile, str]) -> None:
    """The grid with row 0 at the top; a tile without a fill of its own is white."""
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
    """The word under a start tile of the bottom row; elsewhere it would hide what is there."""
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
