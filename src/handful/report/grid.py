"""Runs on a grid: the map, the walks on it, and whether each tile is a user's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful.report.run import Run
from handful.types import NumpyArray

Tile = tuple[int, int]
"""Row and column, from the top left."""


@dataclass(frozen=True)
class GridMap:
    """A grid of tiles.

    Attributes:
        height, width: in tiles.
        start: where episodes start.
        blocked: tiles that cannot be entered.
    """

    height: int
    width: int
    start: Tile
    blocked: tuple[Tile, ...]

    @property
    def open_tiles(self) -> tuple[Tile, ...]:
        """In row-major order, without the blocked ones."""
        tiles = ((row, column) for row in range(self.height) for column in range(self.width))
        return tuple(tile for tile in tiles if tile not in self.blocked)

    def has(self, tile: Tile) -> bool:
        """Whether it lies on the map."""
        return 0 <= tile[0] < self.height and 0 <= tile[1] < self.width


def grid_of(run: Run) -> GridMap | None:
    """The run's grid, if its environment describes one."""
    return grid_from(run.problem["environment"])


def grid_from(environment: Mapping[str, Any]) -> GridMap | None:
    """The grid that the fields of an environment describe, if they do."""
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
    """Each policy's walk, [T + 1, 2] rows and columns with the start first, if it left a trace."""
    walks = tuple(_walk(trace, grid) for trace in run.traces)
    found = tuple(walk for walk in walks if walk is not None)
    return found if len(found) == len(walks) == run.num_policies else None


def users_are_tiles(run: Run, grid: GridMap) -> bool:
    """Whether user i is the owner of the grid's i-th open tile, as the names say."""
    return run.users == tuple(f"tile-{row}-{column}" for row, column in grid.open_tiles)


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
