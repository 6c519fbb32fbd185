"""The pictures of a report: which a run has, how each is laid out, and what each shows in words."""

from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handful._support.palette import policy_colour
from handful.report.grid import GridMap, grid_of, users_are_tiles, walks_of
from handful.report.plots.curves import Reference, draw_entropy, draw_users, draw_welfare
from handful.report.plots.maps import draw_map, label_start
from handful.report.plots.served import (
    MAX_ROOMY_ROWS,
    MAX_USERS_NAMED,
    TableOrder,
    draw_returns,
    draw_tile_returns,
    draw_utilities,
    tile_fills,
)
from handful.report.plots.style import (
    WIDTH,
    Picture,
    legend_above,
    legend_below,
    policy_handle,
    single,
    tint,
)
from handful.report.plots.walks import MAX_OVERLAID, draw_walk, draw_walks
from handful.report.run import Curves, Results, Run
from handful.report.speed_figures import by_target, speed_pictures
from handful.report.speeds import speeds_of
from handful.report.words import count, number
from handful.types import NumpyArray

_MAX_TILE = 0.95
_MAX_MAP = 6.6


def pictures(run: Run) -> list[Picture]:
    """All pictures that a run's folder has the data for."""
    found = []
    grid, results = grid_of(run), run.results
    if grid is not None and results is not None:
        found += _grid_pictures(run, grid, results)
    speeds = speeds_of(run)
    if speeds is not None and results is not None:
        found += speed_pictures(run, speeds, results)
    if results is not None:
        found += _result_pictures(run, results)
    if run.curves is not None:
        found += _curve_pictures(run, run.curves)
    return found


def _grid_pictures(run: Run, grid: GridMap, results: Results) -> list[Picture]:
    found = []
    tiles = grid.open_tiles if users_are_tiles(run, grid) else ()
    walks = walks_of(run, grid)
    if walks is not None:
        overlaid = len(walks) <= MAX_OVERLAID
        layout = _overlaid_walks if overlaid else _walk_panels
        steps = ", ".join(f"policy {k} {len(walk) - 1}" for k, walk in enumerate(walks))
        where = "on one map" if overlaid else "on a map each"
        found.append(
            Picture(
                "walks",
                "The policies' walks",
                f"The walks of {count(len(walks), 'policy')} from the start tile, {where}, in one "
                f"episode with their likeliest actions. Steps: {steps}.",
                partial(layout, grid, walks, results, tiles),
            )
        )
    if tiles:
        sizes = ", ".join(f"policy {k} {n}" for k, n in enumerate(results.users_per_policy))
        found.append(
            Picture(
                "served",
                "Who is served by whom",
                f"A map with a tile for each user, coloured by the policy that serves them, with "
                f"their return. Users served: {sizes}.",
                partial(_served_map, grid, results),
            )
        )
    return found


def _result_pictures(run: Run, results: Results) -> list[Picture]:
    low, high = results.utilities.min(), results.utilities.max()
    return [
        Picture(
            "returns",
            "Every user's return from every policy",
            f"A table of colours, {count(run.num_policies, 'policy')} by "
            f"{count(len(run.users), 'user')}, with a frame round the users whom each policy "
            f"serves.",
            partial(_returns, run, results),
        ),
        Picture(
            "utilities",
            "The spread of welfare",
            f"Users from worst to best served: from {number(low)} to {number(high)}, "
            f"{number(results.utilities.mean())} on average.",
            partial(_utilities, results),
        ),
    ]


def _curve_pictures(run: Run, curves: Curves) -> list[Picture]:
    latest = f"{count(curves.transitions[-1], 'transition')} per policy"
    return [
        Picture(
            "learning_curve",
            "Welfare during training",
            f"Welfare in training, a moving average with sampled actions, reaches "
            f"{number(curves.welfare[-1])} after {latest}.",
            partial(_learning_curve, run, curves),
        ),
        Picture(
            "policies",
            "Entropy and users of each policy during training",
            f"Two charts by policy over {latest}: the entropy of its actions, and how many users "
            f"it serves.",
            partial(_policies, curves),
        ),
    ]


def _map_figure(grid: GridMap) -> tuple[Figure, Axes, float]:
    """A figure that a map fills, and the side of its tiles in points."""
    tile = min(_MAX_TILE, _MAX_MAP / grid.width)
    figure = Figure(figsize=(tile * grid.width, tile * grid.height))
    return figure, figure.add_axes((0, 0, 1, 1)), 72 * tile


def _overlaid_walks(
    grid: GridMap, walks: tuple[NumpyArray, ...], results: Results, tiles: tuple
) -> Figure:
    figure, axis, tile_points = _map_figure(grid)
    tints = [tint(policy_colour(policy)) for policy in range(len(walks))]
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
        own = ["white"] * len(walks)
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
    tints = [tint(policy_colour(policy)) for policy in range(num_policies)]
    draw_map(axis, grid, tile_fills(grid.open_tiles, results, tints))
    label_start(axis, grid)
    draw_tile_returns(axis, grid.open_tiles, results, tile_points)
    return figure


def _returns(run: Run, results: Results) -> Figure:
    names = 1.0 if len(run.users) <= MAX_USERS_NAMED else 0.4
    row = 0.26 if run.num_policies <= MAX_ROOMY_ROWS else 0.13
    figure, axis = single(6.6, 0.5 + names + max(1.0, row * run.num_policies))
    speeds = speeds_of(run)
    order = TableOrder.by_return(results) if speeds is None else by_target(speeds, results)
    image = draw_returns(axis, results, run.users, order)
    figure.colorbar(image, ax=axis, label="return", pad=0.015, fraction=0.04)
    return figure


def _utilities(results: Results) -> Figure:
    figure, axis = single(WIDTH, 2.7)
    draw_utilities(axis, results)
    legend_above(figure, columns=1)
    return figure


def _learning_curve(run: Run, curves: Curves) -> Figure:
    figure, axis = single(WIDTH, 3.4)
    reference = None
    if run.results is not None:
        record = run.results.record
        reference = Reference(
            record["welfare"], record["welfare_stderr"], record["optimum"], record["optimum_kind"]
        )
    draw_welfare(axis, curves, reference)
    legend_above(figure, columns=2)
    return figure


def _policies(curves: Curves) -> Figure:
    handles = [policy_handle(policy) for policy in range(curves.users.shape[1])]
    columns = min(5, len(handles))
    legend = 0.2 * -(-len(handles) // columns)
    figure = Figure(figsize=(WIDTH, 4.4 + legend), layout="constrained")
    upper, lower = figure.subplots(2, 1)
    draw_entropy(upper, curves)
    draw_users(lower, curves)
    figure.legend(handles=handles, ncols=columns, loc="outside lower center")
    return figure
