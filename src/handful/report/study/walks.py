"""The walks of the policies on a map, for several budgets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from handful._support.palette import policy_colour
from handful.report.grid import GridMap, grid_from
from handful.report.plots.maps import draw_map
from handful.report.plots.style import PAPER_COLUMN, tint
from handful.report.plots.walks import MAX_OVERLAID, draw_walks
from handful.report.study.collection import Collection
from handful.report.study.figure import StudyFigure
from handful.report.words import count, number, task_title
from handful.results.labels import method_of
from handful.types import NumpyArray

METHOD = "em"


@dataclass(frozen=True, eq=False)
class WalkedMap:
    """The walks of one run.

    Attributes:
        policies: budget k.
        seed: of the run.
        grid: the map.
        walks: [T + 1, 2] of each policy, the start first.
        served: by tile, the policy that serves its user; empty where users are no tiles.
        welfare: of the run.
    """

    policies: int
    seed: int
    grid: GridMap
    walks: Sequence[NumpyArray]
    served: dict[tuple[int, int], int]
    welfare: float

    @property
    def visited(self) -> set[tuple[int, int]]:
        """Every tile on some policy's walk."""
        return {(int(row), int(column)) for walk in self.walks for row, column in walk}

    @property
    def mean_length(self) -> float:
        """Steps of a walk, over policies."""
        return float(np.mean([len(walk) - 1 for walk in self.walks]))

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "policies": self.policies,
            "walks": [walk.tolist() for walk in self.walks],
            "served": sorted([*tile, policy] for tile, policy in self.served.items()),
        }


def walkers(collection: Collection, task: str) -> str:
    """The label of the runs whose walks are shown.

    It is the label of `METHOD`, alone or with words of its settings, where a run has it; else the
    first label of the task.
    """
    labels = collection.labels(task)
    first = next(iter(labels), METHOD)
    return next((label for label in labels if method_of(label) == METHOD), first)


def walked_maps(collection: Collection, task: str, label: str = METHOD) -> list[WalkedMap]:
    """For each budget that fits on a map, the run of the lowest seed whose walks were kept."""
    found = []
    for cell in collection.best(task, label):
        for digest, seed, welfare in zip(cell.digests, cell.seeds, cell.welfare, strict=True):
            grid = grid_from(collection.environments.get(digest, {}))
            walks = collection.walks_of(digest)
            if grid is not None and len(walks) == cell.policies:
                start = np.array([grid.start])
                full = [np.concatenate([start, walk]) for walk in walks]
                served = _served(collection, digest, grid)
                found.append(WalkedMap(cell.policies, seed, grid, full, served, float(welfare)))
                break
    return found


def walks_figure(collection: Collection, task: str, budgets: Sequence[int]) -> StudyFigure | None:
    """The maps of some budgets; None if no walks were kept."""
    label = walkers(collection, task)
    maps = [one for one in walked_maps(collection, task, label) if one.policies in budgets]
    if not maps:
        return None
    missing = sorted(set(budgets) - {one.policies for one in maps})
    blocked = "hatched tiles are blocked, " if any(one.grid.blocked for one in maps) else ""
    stays = any((walk == walk[0]).all() for one in maps for walk in one.walks)
    dot = " A dot without a number is a policy that stays there." if stays else ""
    steps = "; ".join(
        f"{count(one.policies, 'policy')}: {number(one.mean_length)} steps a walk on average, "
        f"welfare {number(one.welfare)}"
        for one in maps
    )
    return StudyFigure(
        "walks",
        f"The policies' walks: {task_title(task)}",
        f"One episode of each policy with its likeliest actions, for {label} with k = "
        f"{', '.join(str(one.policies) for one in maps)} (seed {maps[0].seed}). A tile has the "
        f"colour of the policy that serves its user; {blocked}the framed tile is the start.{dot} "
        f"T is the mean number of steps.",
        f"Maps of a grid with the policies' closed walks from the start tile. {steps}.",
        [one.to_dict() for one in maps],
        lambda: _build(maps),
        [f"k = {k}: no walks of {label} were kept." for k in missing],
    )


def _served(collection: Collection, digest: str, grid: GridMap) -> dict[tuple[int, int], int]:
    users = collection.users.filter(digest=digest)
    served = dict(zip(users["user"], users["policy"], strict=True))
    names = {tile: f"tile-{tile[0]}-{tile[1]}" for tile in grid.open_tiles}
    if set(names.values()) != set(served):
        return {}
    return {tile: int(served[name]) for tile, name in names.items()}


def _build(maps: Sequence[WalkedMap]) -> Figure:
    columns = min(2, len(maps))
    rows = -(-len(maps) // columns)
    side = PAPER_COLUMN / columns
    ratio = maps[0].grid.height / maps[0].grid.width
    figure = Figure(figsize=(PAPER_COLUMN, rows * (side * ratio + 0.16)), layout="constrained")
    for number_of, one in enumerate(maps):
        axis = figure.add_subplot(rows, columns, number_of + 1)
        fills = {tile: tint(policy_colour(policy)) for tile, policy in one.served.items()}
        draw_map(axis, one.grid, fills)
        tile_points = 72 * side / one.grid.width
        if one.policies <= MAX_OVERLAID:
            draw_walks(axis, one.walks, tile_points)
        axis.set_title(f"k = {one.policies}: T = {one.mean_length:.1f}", loc="center", pad=2)
    return figure
