"""The pictures of Resource Gathering: of a run and of a study."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handful._support.palette import policy_colour, policy_colours
from handful.domains.resource_gathering import name_of_owner
from handful.domains.resource_gathering.plots import (
    MAX_OVERLAID,
    GridMap,
    draw_map,
    draw_tile_returns,
    draw_walk,
    draw_walks,
    grid_from,
    grid_of,
    label_start,
    tile_fills,
    users_are_tiles,
    walks_of,
)
from handful.domains.resource_gathering.walks import WALKS
from handful.report.pictures import Picture, TaskPictures
from handful.report.plots.style import PAPER_COLUMN, legend_below, policy_handle, tint
from handful.report.run import Results, Run
from handful.report.study.collection import Collection
from handful.report.study.figure import StudyFigure
from handful.report.wording import count, number, task_title
from handful.results.labels import method_of
from handful.types import NumpyArray

_MAX_TILE = 0.95


_MAX_MAP = 6.6


def run_pictures(run: Run) -> TaskPictures | None:
    """Show the walks on the map, and who is served where; None for a run on no grid."""
    grid, results = grid_of(run), run.results
    if grid is None or results is None:
        return None
    found = []
    tiles = grid.open_tiles if users_are_tiles(run, grid) else ()
    walks = walks_of(run, grid)
    if walks is not None:
        found.append(_walks_picture(grid, walks, results, tiles))
    if tiles:
        sizes = ", ".join(f"policy {k} {n}" for k, n in enumerate(results.users_per_policy))
        found.append(
            Picture(
                "served",
                "Who is served by whom",
                f"A map with a tile for each user, coloured by the policy that serves them, with "
                f"their return. Users served: {sizes}.",
                partial(_served_map, grid, results),
                caption="Each tile is a user, in the colour of the policy that serves them, with "
                "their mean return.",
            )
        )
    return TaskPictures(found)


def _walks_picture(
    grid: GridMap, walks: tuple[NumpyArray, ...], results: Results, tiles: tuple
) -> Picture:
    overlaid = len(walks) <= MAX_OVERLAID
    layout = _overlaid_walks if overlaid else _walk_panels
    steps = ", ".join(f"policy {k} {len(walk) - 1}" for k, walk in enumerate(walks))
    where = "on one map" if overlaid else "on a map each"
    return Picture(
        "walks",
        "The policies' walks",
        f"The walks of {count(len(walks), 'policy')} from the start tile, {where}, in one episode "
        f"with their likeliest actions. Steps: {steps}.",
        partial(layout, grid, walks, results, tiles),
        caption="One episode of each policy with its likeliest actions; T is its number of steps. "
        "A tile has the colour of the policy that serves its user. Hatched tiles are blocked, the "
        "framed tile is the start, a dot marks where a walk begins, and a cross where one ends "
        "that did not come home.",
        heading="The policies on the map",
        comes_first=True,
        is_kept_as_png=True,
    )


def _map_figure(grid: GridMap) -> tuple[Figure, Axes, float]:
    """Make a figure that a map fills; also return its axis, and a tile's side in points."""
    tile = min(_MAX_TILE, _MAX_MAP / grid.width)
    figure = Figure(figsize=(tile * grid.width, tile * grid.height))
    return figure, figure.add_axes((0, 0, 1, 1)), 72 * tile


def _overlaid_walks(
    grid: GridMap, walks: tuple[NumpyArray, ...], results: Results, tiles: tuple
) -> Figure:
    figure, axis, tile_points = _map_figure(grid)
    tints = [tint(colour) for colour in policy_colours(len(walks))]
    draw_map(axis, grid, tile_fills(tiles, results, tints) if tiles else {})
    label_start(axis, grid)
    draw_walks(axis, walks, tile_points)
    handles = [policy_handle(k, _walk_label(k, walk, results)) for k, walk in enumerate(walks)]
    columns = 2 if grid.width >= 5 and len(handles) > 1 else 1
    legend_below(figure, axis, handles, columns, points_down=22.0)
    return figure


def _walk_panels(
    grid: GridMap, walks: tuple[NumpyArray, ...], results: Results, tiles: tuple
) -> Figure:
    columns = 5 if grid.width <= 1.5 * grid.height else 3
    rows = -(-len(walks) // columns)
    side = _MAX_MAP / columns
    figure = Figure(
        figsize=(_MAX_MAP, rows * (side * grid.height / grid.width + 0.42)), layout="constrained"
    )
    for k, walk in enumerate(walks):
        axis = figure.add_subplot(rows, columns, k + 1)
        own = ["white"] * (len(walks) + 1)
        own[k] = tint(policy_colour(k))
        draw_map(axis, grid, tile_fills(tiles, results, own) if tiles else {})
        draw_walk(axis, walk, k)
        served = count(results.users_per_policy[k], "user")
        axis.set_title(f"policy {k}\nT = {len(walk) - 1}, {served}", fontsize=8.5)
    return figure


def _walk_label(policy: int, walk: NumpyArray, results: Results) -> str:
    served = count(results.users_per_policy[policy], "user")
    return f"policy {policy}: T = {len(walk) - 1}, {served}"


def _served_map(grid: GridMap, results: Results) -> Figure:
    figure, axis, tile_points = _map_figure(grid)
    num_policies = len(results.returns)
    tints = [tint(colour) for colour in policy_colours(num_policies)]
    draw_map(axis, grid, tile_fills(grid.open_tiles, results, tints))
    label_start(axis, grid)
    draw_tile_returns(axis, grid.open_tiles, results, tile_points)
    return figure


METHOD = "em"
"""The method whose walks a study shows, if it has runs of it."""

MOST_MAPS = 4
"""A figure of walks shows at most so many budgets."""


@dataclass(frozen=True, eq=False)
class WalkedMap:
    """The walks of one run.

    Attributes:
        policies: budget k.
        seed: the seed of the run.
        grid: the map.
        walks: the tiles [T + 1, 2] of each policy's walk, the start first.
        served: the policy that serves the user of each tile, by tile; empty if users are not tiles.
        welfare: the welfare of the run.
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
        """The mean number of steps of a walk, over policies."""
        return float(np.mean([len(walk) - 1 for walk in self.walks]))

    def to_dict(self) -> dict[str, Any]:
        """Return what is drawn, as plain values."""
        return {
            "policies": self.policies,
            "walks": [walk.tolist() for walk in self.walks],
            "served": sorted([*tile, policy] for tile, policy in self.served.items()),
        }


def walkers(collection: Collection, task: str) -> str:
    """Choose the label of the runs whose walks are shown.

    It is the label of `METHOD`, alone or with words of its settings, if a run has it; else the
    first label of the task.
    """
    labels = collection.labels(task)
    first = next(iter(labels), METHOD)
    return next((label for label in labels if method_of(label) == METHOD), first)


def walked_maps(collection: Collection, task: str, label: str = METHOD) -> list[WalkedMap]:
    """Find for each budget the run of the lowest seed whose walks were kept."""
    found = []
    for cell in collection.best(task, label):
        for digest, seed, welfare in zip(cell.digests, cell.seeds, cell.welfare, strict=True):
            grid = grid_from(collection.environments.get(digest, {}))
            walks = _kept_walks(collection, digest)
            if grid is not None and len(walks) == cell.policies:
                start = np.array([grid.start])
                full = [np.concatenate([start, walk]) for walk in walks]
                served = _served(collection, digest, grid)
                found.append(WalkedMap(cell.policies, seed, grid, full, served, float(welfare)))
                break
    return found


def study_pictures(collection: Collection, tasks: Sequence[str]) -> list[StudyFigure]:
    """Draw the maps of the first task of which walks were kept."""
    for task in tasks:
        label = walkers(collection, task)
        if walked_maps(collection, task, label):
            budgets = sorted({cell.policies for cell in collection.of(task, label)})
            figure = walks_figure(collection, task, budgets[:MOST_MAPS])
            return [] if figure is None else [figure]
    return []


def walks_figure(collection: Collection, task: str, budgets: Sequence[int]) -> StudyFigure | None:
    """Draw the maps of some budgets; None if no walks were kept."""
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


def _kept_walks(collection: Collection, digest: str) -> list[NumpyArray]:
    """Return each policy's tiles [T, 2] after every step of an episode, if its walks were kept."""
    rows = collection.kept[WALKS.kind].filter(digest=digest)
    walks = rows.partition_by("policy", maintain_order=True)
    return [walk.select("row", "column").to_numpy().astype(int) for walk in walks]


def _served(collection: Collection, digest: str, grid: GridMap) -> dict[tuple[int, int], int]:
    users = collection.users.filter(digest=digest)
    served = dict(zip(users["user"], users["policy"], strict=True))
    names = {tile: name_of_owner(*tile) for tile in grid.open_tiles}
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
