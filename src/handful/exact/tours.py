"""The highest welfare that k policies can reach in Resource Gathering, with its proof.

Why closed walks are enough. The return vector of any policy, stochastic or not, is the average of
the return vectors of the walks it may take, so it lies in their convex hull. For a fixed assignment
of users to policies the mean return is linear in each policy's vector, hence highest at a corner:
a deterministic walk. An episode that does not come home earns nothing, so only closed walks count,
and of these only the undominated ones (`handful.exact.walks`); k of them are chosen exactly
(`handful.exact.facility`). A shortest walk never repeats a (position, visited tiles) pair, so a
deterministic policy that sees these two attains it: it need not see the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from handful.exact.facility import choose
from handful.exact.optimum import Optimum
from handful.exact.walks import Grid, undominated_closed_walks

FULL_REWARD = 100
"""What a visited tile's user earns less the number of steps taken (section 4.1 of the paper)."""


def resource_gathering_optimum(
    height: int,
    width: int,
    start: tuple[int, int],
    blocked: Iterable[tuple[int, int]],
    time_limit: int,
    num_policies: int,
) -> Optimum:
    """The optimum of Resource Gathering for `num_policies` policies, and walks that attain it.

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
            (`handful.exact.walks.MAX_TILES`).
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
    """Returns of the undominated walks to the users, int64 [M, N], and the actions of each."""
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
        RuntimeError: on any difference.
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
