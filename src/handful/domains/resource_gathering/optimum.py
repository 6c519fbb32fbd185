"""Resource Gathering: the best tours, exactly.

Closed walks on a grid: which sets of tiles can be visited, and how fast.

A *closed walk* leaves the start tile, moves over free tiles and stops the first time it stands on
the start tile again. For the best return only two things about it matter: the set of tiles it
visits and its length. This module lists every pair (set, length) that is not dominated by another
(a superset visited in no more steps) and can turn each back into actions.

Two facts keep the search small and exact:

* *Bumping into a wall never helps away from the start.* It changes neither the position nor the
  visited set, so leaving the bump out gives a shorter closed walk with the same set. At the start
  a bump is itself a closed walk, of one step, that visits the start alone: the only one of odd
  length that matters (without bumps the two colours of a chessboard alternate, so a closed walk is
  even).
* *Only the first arrival at (visited set, position) matters.* What can still be done depends on
  that pair alone, so a later arrival can be replaced by the earlier one.

So a breadth-first search over (visited set, position) finds the shortest length of every set. Sets
are bits of an integer, the positions at which a set was reached are bits of a second integer, and
one layer of the search is a handful of NumPy operations on all sets at once: 5 x 5 tiles give
812,064 sets, of which 5,081 are undominated, in about five seconds and 200 MB.

The highest welfare that k policies can reach in Resource Gathering, with its proof.

Why closed walks are enough. The return vector of any policy, stochastic or not, is the average of
the return vectors of the walks it may take, so it lies in their convex hull. For a fixed assignment
of users to policies the mean return is linear in each policy's vector, hence highest at a corner:
a deterministic walk. An episode that does not come home earns nothing, so only closed walks count,
and of these only the undominated ones; k of them are chosen exactly
(`handful.exact.facility`). A shortest walk never repeats a (position, visited tiles) pair, so a
deterministic policy that sees these two attains it: it need not see the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise

import numpy as np

from handful.domains.resource_gathering.environment import ResourceGathering, TileRewards
from handful.exact.bound import Optimum, nothing_known
from handful.exact.facility import choose
from handful.exact.reachable import ListedPolicies
from handful.problem import RMDP

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""(row, column) step of actions 0 up, 1 down, 2 left, 3 right: MO-Gymnasium's numbering."""

MAX_TILES = 26
"""Most tiles beside the start that are enumerated: there are 2 ** tiles sets, at 10 bytes each."""

_NEVER = np.iinfo(np.uint8).max  # length of a set that no closed walk visits


@dataclass(frozen=True)
class Grid:
    """A rectangle of tiles, one of them the start, some of them blocked.

    Attributes:
        height: number of rows.
        width: number of columns.
        start: (row, column) of the start tile.
        blocked: (row, column) of every tile that cannot be entered, sorted, without repeats.

    Raises:
        ValueError: if the grid is empty, or a tile lies outside it, or the start is blocked.
    """

    height: int
    width: int
    start: tuple[int, int]
    blocked: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(
                f"A grid needs at least one row and one column, got {self.height} x {self.width}."
            )
        # Normalised, so that equal grids hash alike and the enumeration's cache finds them.
        object.__setattr__(self, "blocked", tuple(sorted(set(self.blocked))))
        for tile in (self.start, *self.blocked):
            if not (0 <= tile[0] < self.height and 0 <= tile[1] < self.width):
                raise ValueError(
                    f"Tile {tile} lies outside the grid of {self.height} rows and "
                    f"{self.width} columns."
                )
        if self.start in self.blocked:
            raise ValueError(f"The start tile {self.start} is blocked.")

    def step(self, tile: tuple[int, int], action: int) -> tuple[int, int]:
        """Return the tile on which `action` taken on `tile` ends.

        Walls and blocked tiles bump back.
        """
        row, column = tile[0] + MOVES[action][0], tile[1] + MOVES[action][1]
        free = 0 <= row < self.height and 0 <= column < self.width
        return (row, column) if free and (row, column) not in self.blocked else tile

    def distances(self) -> dict[tuple[int, int], int]:
        """Return the steps from the start to every reachable tile, nearest first."""
        steps, queue = {self.start: 0}, [self.start]
        for tile in queue:
            for action in range(len(MOVES)):
                reached = self.step(tile, action)
                if reached not in steps:
                    steps[reached] = steps[tile] + 1
                    queue.append(reached)
        return steps


@dataclass(frozen=True, eq=False)
class ClosedWalks:
    """Every undominated closed walk of a grid, up to a length.

    Attributes:
        grid: the grid walked on.
        max_length: the longest walk considered, in steps.
        tiles: (row, column) of the tiles behind the bits of a set, lowest bit first; the start,
            which every closed walk visits, has no bit.
        sets: the visited sets, bits over `tiles`, uint32 [M].
        lengths: the fewest steps that visit each set and return, int64 [M].
        layers: for each number of steps from 1, the sets of tiles that are first reached at some
            position after that many steps (sorted, uint32), and those positions (bits over `tiles`,
            uint32).
    """

    grid: Grid
    max_length: int
    tiles: tuple[tuple[int, int], ...]
    sets: np.ndarray
    lengths: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    def visits(self) -> np.ndarray:
        """Return which tiles each walk visits, bool [M, H * W], the grid in row-major order."""
        visits = np.zeros((len(self.sets), self.grid.height * self.grid.width), dtype=bool)
        for bit, (row, column) in enumerate(self.tiles):
            visits[:, row * self.grid.width + column] = _has(self.sets, bit)
        visits[:, self.grid.start[0] * self.grid.width + self.grid.start[1]] = True
        return visits

    def actions(self, walk: int) -> tuple[int, ...]:
        """Return a shortest action sequence for the walk with this index: `lengths[walk]` actions.

        It is read backwards from the layers of the search. A predecessor of a state first reached
        after t steps was itself first reached after exactly t - 1, or the state would have been
        reached sooner, so the layer before always holds one.
        """
        visited, path = int(self.sets[walk]), [self.grid.start]
        for steps in range(int(self.lengths[walk]) - 1, 0, -1):
            visited, position = self._state_before(steps, visited, path[-1])
            path.append(position)
        path.append(self.grid.start)
        return _actions_along(self.grid, path[::-1])

    def _state_before(
        self, steps: int, visited: int, arrived: tuple[int, int]
    ) -> tuple[int, tuple[int, int]]:
        """Return a state of layer `steps` that a move to `arrived` turns into the set `visited`."""
        sets, positions = self.layers[steps - 1]
        reach = _neighbour_bits(self.grid, self.tiles)
        entered = 0 if arrived == self.grid.start else 1 << self.tiles.index(arrived)
        for before in (visited & ~entered, visited):  # the move entered a new tile, or an old one
            row = int(np.searchsorted(sets, np.uint32(before)))
            if row < len(sets) and sets[row] == before:
                possible = int(positions[row]) & reach[arrived]
                if possible:
                    return before, self.tiles[(possible & -possible).bit_length() - 1]
        raise AssertionError("a layer of the search lacks a predecessor")


@lru_cache(maxsize=4)
def undominated_closed_walks(grid: Grid, max_length: int) -> ClosedWalks:
    """Find every undominated closed walk of at most `max_length` steps, shortest first.

    A walk is undominated if no other visits a superset of its tiles in at most as many steps. There
    may be none: with `max_length` 1 if the start has no wall to bump into.

    The result is cached, and its arrays are read-only.

    Raises:
        ValueError: if `max_length` is below 1, or more than `MAX_TILES` tiles beside the start can
            be visited and left again in time.
    """
    if max_length < 1:
        raise ValueError(f"The longest walk must have at least 1 step, got {max_length}.")
    tiles = tuple(
        tile for tile, steps in grid.distances().items() if steps and 2 * steps <= max_length
    )
    if len(tiles) > MAX_TILES:
        raise ValueError(
            f"The exact optimum is for at most {MAX_TILES} tiles in reach beside the start, "
            f"got {len(tiles)}."
        )
    layers, shortest = _search(grid, tiles, max_length)
    if any(grid.step(grid.start, action) == grid.start for action in range(len(MOVES))):
        shortest[0] = 1  # one bump at the start visits the start alone
    sets = _undominated(shortest)
    lengths = shortest[sets].astype(np.int64)
    order = np.argsort(lengths, kind="stable")
    walks = ClosedWalks(grid, max_length, tiles, sets[order], lengths[order], layers)
    for array in (walks.sets, walks.lengths, *(part for layer in layers for part in layer)):
        array.setflags(write=False)
    return walks


def _search(
    grid: Grid, tiles: tuple[tuple[int, int], ...], max_length: int
) -> tuple[tuple[tuple[np.ndarray, np.ndarray], ...], np.ndarray]:
    """Search breadth first over (visited set, position), without bumps and returns to the start.

    Returns:
        The layers of first arrivals, as in `ClosedWalks`, and the fewest steps in which each set
        can be visited and the start reached again, uint8 [2 ** len(tiles)].
    """
    reach = _neighbour_bits(grid, tiles)
    reached = np.zeros(1 << len(tiles), dtype=np.uint32)  # positions by set, in earlier layers
    arriving = np.zeros_like(reached)  # the same in the layer being built
    shortest = np.full(1 << len(tiles), _NEVER, dtype=np.uint8)
    first = [1 << bit for bit in range(len(tiles)) if reach[grid.start] >> bit & 1]
    frontier = np.array(first, dtype=np.uint32)  # after one step: one tile visited, and stood on
    arriving[frontier] = frontier
    layers: list[tuple[np.ndarray, np.ndarray]] = []
    for steps in range(1, max_length):
        positions = arriving[frontier]
        arriving[frontier] = 0
        reached[frontier] |= positions
        layers.append((frontier, positions))
        home = frontier[(positions & np.uint32(reach[grid.start])) != 0]
        shortest[home] = np.minimum(shortest[home], steps + 1)
        touched = [frontier[:0]]
        for bit, tile in enumerate(tiles):
            entered = np.uint32(1 << bit)
            after = frontier[(positions & np.uint32(reach[tile])) != 0] | entered
            after = after[(reached[after] & entered) == 0]
            # A set may occur twice (it was there with and without the tile): the same bit is set.
            arriving[after] |= entered
            touched.append(after)
        frontier = np.unique(np.concatenate(touched))
        if not len(frontier):
            break
    return tuple(layers), shortest


def _undominated(shortest: np.ndarray) -> np.ndarray:
    """Return the sets, uint32 [M], that have no superset visited in at most as many steps."""
    num_tiles = len(shortest).bit_length() - 1
    best = shortest.copy()  # becomes the fewest steps among all supersets, the set itself included
    for bit in range(num_tiles):
        pairs = best.reshape(-1, 2, 1 << bit)  # without the tile, with the tile
        np.minimum(pairs[:, 0], pairs[:, 1], out=pairs[:, 0])
    sets = np.flatnonzero(shortest < _NEVER).astype(np.uint32)
    for bit in range(num_tiles):
        lacks = ~_has(sets, bit)
        larger = sets | np.uint32(1 << bit)
        sets = sets[~(lacks & (best[larger] <= shortest[sets]))]
    return sets


def _has(sets: np.ndarray, bit: int) -> np.ndarray:
    return (sets >> np.uint32(bit)) & np.uint32(1) == 1


def _neighbour_bits(grid: Grid, tiles: tuple[tuple[int, int], ...]) -> dict[tuple[int, int], int]:
    """Return the bits of the other `tiles` one move away, for every tile and the start."""
    bits = {tile: 1 << bit for bit, tile in enumerate(tiles)}
    return {
        tile: sum(
            bits.get(neighbour, 0)
            for neighbour in {grid.step(tile, action) for action in range(len(MOVES))} - {tile}
        )
        for tile in (grid.start, *tiles)
    }


def _actions_along(grid: Grid, path: list[tuple[int, int]]) -> tuple[int, ...]:
    """Return the actions that lead from each tile of the path to the next."""
    return tuple(
        next(action for action in range(len(MOVES)) if grid.step(here, action) == there)
        for here, there in pairwise(path)
    )


FULL_REWARD = 100
"""The return of a visited tile's user before the number of steps is subtracted (section 4.1 of the
paper)."""


def resource_gathering_optimum(
    height: int,
    width: int,
    start: tuple[int, int],
    blocked: Iterable[tuple[int, int]],
    time_limit: int,
    num_policies: int,
) -> Optimum:
    """Find the optimum of Resource Gathering for `num_policies` policies, and its walks.

    Users are the tiles that are not blocked, in row-major order (N of them). The walks are
    enumerated once for a grid and time limit and kept in memory, so that other numbers of policies
    take seconds. Where fewer than `num_policies` walks serve every user as well as can be, the
    first walk is repeated.

    Args:
        height: rows of the grid.
        width: columns of the grid.
        start: (row, column) of the tile where episodes start and end.
        blocked: (row, column) of the tiles that cannot be entered.
        time_limit: steps after which an episode is cut.
        num_policies: the budget k, from 1 to the number of users.

    Raises:
        ValueError: if an argument is out of range, or the grid is too large to enumerate
            (`handful.domains.resource_gathering.optimum.MAX_TILES`).
        RuntimeError: if the solver could not prove optimality, or the replay of the walks in a
            separate simulator disagrees with the enumeration.
    """
    grid = Grid(height, width, start, tuple(blocked))
    num_users = height * width - len(grid.blocked)
    if time_limit < 1:
        raise ValueError(f"The time limit must be at least 1 step, got {time_limit}.")
    if not 1 <= num_policies <= num_users:
        raise ValueError(
            f"The number of policies must be from 1 to the number of users ({num_users}), "
            f"got {num_policies}."
        )
    candidates, actions_of = _candidates(grid, time_limit)
    choice = choose(candidates, num_policies)
    spare = num_policies - len(choice.indices)
    rows = np.append(choice.indices, np.repeat(choice.indices[:1], spare))
    optimum = Optimum(
        welfare=choice.welfare,
        kind="exact",
        num_policies=num_policies,
        returns=candidates[rows].astype(np.float64),
        assignment=choice.assignment,
        certificate=tuple(actions_of(int(row)) for row in rows),
        explanation=(
            f"Every policy's returns are an average over walks; all {len(candidates)} undominated "
            f"walks of at most {time_limit} steps were enumerated, and price bounds with "
            f"mixed-integer programming prove that no choice of {num_policies} has a higher "
            "welfare than these, which a separate simulator replayed."
        ),
    )
    _check(optimum, partial(simulate, height, width, start, grid.blocked, time_limit))
    return optimum


def _candidates(grid: Grid, time_limit: int) -> tuple[np.ndarray, Callable[[int], tuple[int, ...]]]:
    """Return the returns of undominated walks to users, int64 [M, N], and the actions of each."""
    # A walk of FULL_REWARD steps or more earns nobody anything, as not coming home does.
    walks = undominated_closed_walks(grid, min(time_limit, FULL_REWARD - 1))
    is_user = np.ones((grid.height, grid.width), dtype=bool)
    for tile in grid.blocked:
        is_user[tile] = False
    if not len(walks.lengths):
        # One step, and no wall to bump into: nobody can come home in time, whatever the action.
        return np.zeros((1, int(is_user.sum())), dtype=np.int64), lambda _: (0,)
    returns = walks.visits() * (FULL_REWARD - walks.lengths[:, None])
    return returns[:, is_user.ravel()], walks.actions


def simulate(
    height: int,
    width: int,
    start: tuple[int, int],
    blocked: Iterable[tuple[int, int]],
    time_limit: int,
    actions: Sequence[int],
) -> list[int]:
    """Play `actions` by the rules of Resource Gathering; the return of each user [N].

    Written apart from the enumeration, in plain Python, so that an error in one shows in the other.

    Raises:
        ValueError: if the episode does not end exactly with the last action.
    """
    walls = {(int(row), int(column)) for row, column in blocked}
    home = (int(start[0]), int(start[1]))
    users = [(i, j) for i in range(height) for j in range(width) if (i, j) not in walls]
    row, column = home
    visited: set[tuple[int, int]] = set()
    for steps, action in enumerate(actions, start=1):
        if action == 0:
            target = (row - 1, column)
        elif action == 1:
            target = (row + 1, column)
        elif action == 2:
            target = (row, column - 1)
        elif action == 3:
            target = (row, column + 1)
        else:
            raise ValueError(f"Actions are 0 to 3, got {action}.")
        if target in users:  # otherwise a bump against a wall or a blocked tile
            row, column = target
        visited.add((row, column))
        if (row, column) == home or steps == time_limit:
            if steps != len(actions):
                raise ValueError(f"The episode ended after {steps} of {len(actions)} actions.")
            came_home = (row, column) == home
            return [100 - steps if came_home and user in visited else 0 for user in users]
    raise ValueError(f"The episode did not end within {len(actions)} actions.")


def _check(optimum: Optimum, play: Callable[[Sequence[int]], list[int]]) -> None:
    """Compare what is claimed with what the simulator sees, in plain Python.

    Raises:
        RuntimeError: if there is any difference.
    """
    try:
        replayed = [play(actions) for actions in optimum.certificate]
    except ValueError as error:
        raise RuntimeError(f"A walk of the optimum breaks the rules: {error}") from error
    best = [max(returns) for returns in zip(*replayed, strict=True)]
    served = [replayed[policy][user] for user, policy in enumerate(optimum.assignment)]
    welfare = sum(best) / len(best)
    if (
        optimum.returns.tolist() != replayed
        or served != best
        or abs(optimum.welfare - welfare) > 1e-9
    ):
        raise RuntimeError(
            f"The walks of the optimum earn a welfare of {welfare} when replayed, with "
            f"{optimum.welfare} claimed, or serve other users than claimed."
        )


def reachable(problem: RMDP) -> ListedPolicies:
    """Give what walks earn the owners of the tiles; :func:`solve` says for which problems.

    Raises:
        ValueError: if no optimum is known for the problem; see :func:`solve`.
    """
    environment = _checked(problem)
    grid = Grid(
        environment.height,
        environment.width,
        environment.start,  # type: ignore[arg-type]
        tuple(environment.blocked),
    )
    candidates, actions_of = _candidates(grid, environment.time_limit)
    return ListedPolicies(candidates, actions_of, "undominated walks")


def solve(problem: RMDP, num_policies: int) -> Optimum:
    """Find the exact optimum of a problem whose users are the owners of the tiles.

    Args:
        problem: a problem whose environment is
            :class:`~handful.domains.resource_gathering.environment.ResourceGathering`.
        num_policies: the budget k.

    Raises:
        ValueError: if the problem has another environment or other users, for whom no optimum is
            known, or if the grid is too large to enumerate.
        RuntimeError: if the solver could not prove optimality.
    """
    environment = _checked(problem)
    return resource_gathering_optimum(
        height=environment.height,
        width=environment.width,
        start=environment.start,  # type: ignore[arg-type]
        blocked=environment.blocked,
        time_limit=environment.time_limit,
        num_policies=num_policies,
    )


def _checked(problem: RMDP) -> ResourceGathering:
    """Return the environment if the users own its tiles."""
    environment, population = problem.environment, problem.population
    if (
        not isinstance(environment, ResourceGathering)
        or population.features != TileRewards(environment.open_cells)
        or population.reward_fn is not None
        or not np.array_equal(population.coefficients, np.eye(len(environment.open_cells)))
    ):
        raise ValueError(nothing_known(problem.name, "users who each own one tile of the grid"))
    return environment
