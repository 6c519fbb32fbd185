"""The enumeration of closed walks against a search that remembers whole episodes."""

from functools import lru_cache

import numpy as np
import pytest

from handful.domains.resource_gathering.optimum import (
    MAX_TILES,
    MOVES,
    Grid,
    undominated_closed_walks,
)

GRIDS = [
    (Grid(1, 1, (0, 0)), 6),
    (Grid(1, 4, (0, 1)), 10),
    (Grid(2, 2, (1, 1)), 10),
    (Grid(2, 3, (1, 1)), 14),
    (Grid(2, 3, (0, 0), ((0, 1),)), 14),
    (Grid(3, 3, (2, 1)), 14),
    (Grid(3, 3, (1, 1)), 14),
    (Grid(3, 3, (0, 0), ((1, 1),)), 14),
    (Grid(3, 3, (2, 1), ((1, 0), (1, 1))), 16),
    (Grid(3, 3, (2, 1)), 7),
    (Grid(2, 2, (0, 0), ((0, 1), (1, 0))), 6),
]


def outcomes(grid: Grid, time_limit: int) -> set[tuple[frozenset[tuple[int, int]], int]]:
    """(visited tiles, steps) of all episodes that come home, bumps included, in plain Python."""
    home, found = grid.start, set()
    states = {(home, frozenset())}
    for steps in range(1, time_limit + 1):
        reached = set()
        for (row, column), visited in states:
            for down, right in MOVES:
                tile = (row + down, column + right)
                inside = 0 <= tile[0] < grid.height and 0 <= tile[1] < grid.width
                if not inside or tile in grid.blocked:
                    tile = (row, column)
                if tile == home:
                    found.add((visited | {tile}, steps))
                else:
                    reached.add((tile, visited | {tile}))
        states = reached
    return found


@lru_cache
def undominated_outcomes(
    grid: Grid, time_limit: int
) -> frozenset[tuple[frozenset[tuple[int, int]], int]]:
    found = outcomes(grid, time_limit)
    return frozenset(
        (tiles, steps)
        for tiles, steps in found
        if not any(
            tiles <= other and length <= steps and (other, length) != (tiles, steps)
            for other, length in found
        )
    )


@pytest.mark.parametrize(("grid", "time_limit"), GRIDS)
def test_walks_are_those_of_exhaustive_search(grid, time_limit):
    walks = undominated_closed_walks(grid, time_limit)
    found = {
        (frozenset(divmod(int(tile), grid.width) for tile in np.flatnonzero(visits)), int(length))
        for visits, length in zip(walks.visits(), walks.lengths, strict=True)
    }
    assert len(found) == len(walks.lengths)
    assert found == undominated_outcomes(grid, time_limit)


@pytest.mark.parametrize(("grid", "time_limit"), GRIDS)
def test_actions_visit_the_set_in_its_length(grid, time_limit):
    walks = undominated_closed_walks(grid, time_limit)
    for walk, visits in enumerate(walks.visits()):
        tile, visited = grid.start, np.zeros((grid.height, grid.width), dtype=bool)
        for step, action in enumerate(walks.actions(walk), start=1):
            tile = grid.step(tile, action)
            visited[tile] = True
            assert (tile == grid.start) == (step == walks.lengths[walk])
        np.testing.assert_array_equal(visited.ravel(), visits)


def test_only_the_bump_at_the_start_is_odd():
    walks = undominated_closed_walks(Grid(3, 4, (2, 1)), 20)
    odd = walks.lengths % 2 == 1
    assert walks.lengths[odd].tolist() == [1]
    assert walks.visits()[odd].sum() == 1


def test_a_start_without_walls_has_no_walk_of_one_step():
    assert undominated_closed_walks(Grid(3, 3, (1, 1)), 20).lengths.min() == 2
    assert len(undominated_closed_walks(Grid(3, 3, (1, 1)), 1).lengths) == 0


def test_mirrored_grids_have_mirrored_walks():
    left = undominated_closed_walks(Grid(3, 4, (2, 1), ((0, 0),)), 20)
    right = undominated_closed_walks(Grid(3, 4, (2, 2), ((0, 3),)), 20)
    mirrored = left.visits().reshape(-1, 3, 4)[:, :, ::-1].reshape(-1, 12)
    assert {(row.tobytes(), int(n)) for row, n in zip(mirrored, left.lengths, strict=True)} == {
        (row.tobytes(), int(n)) for row, n in zip(right.visits(), right.lengths, strict=True)
    }


def test_a_short_time_limit_brings_a_large_grid_into_reach():
    walks = undominated_closed_walks(Grid(50, 50, (25, 25)), 6)
    assert walks.lengths.max() == 6
    assert walks.visits().sum(axis=1).max() == 6


def test_equal_grids_share_one_enumeration():
    first = undominated_closed_walks(Grid(2, 3, (1, 1), ((0, 0), (0, 2))), 12)
    grid = Grid(2, 3, (1, 1), ((0, 2), (0, 0), (0, 2)))
    assert undominated_closed_walks(grid, 12) is first
    with pytest.raises(ValueError, match="read-only"):
        first.lengths[0] = 0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Grid(0, 3, (0, 0)), "at least one row and one column, got 0 x 3"),
        (lambda: Grid(2, 2, (2, 0)), r"Tile \(2, 0\) lies outside the grid of 2 rows"),
        (lambda: Grid(2, 2, (0, 0), ((0, -1),)), r"Tile \(0, -1\) lies outside"),
        (lambda: Grid(2, 2, (0, 0), ((0, 0),)), r"The start tile \(0, 0\) is blocked"),
        (lambda: undominated_closed_walks(Grid(2, 2, (0, 0)), 0), "at least 1 step, got 0"),
        (
            lambda: undominated_closed_walks(Grid(6, 6, (5, 3)), 40),
            f"at most {MAX_TILES} tiles in reach beside the start, got 35",
        ),
    ],
)
def test_bad_input_is_one_clear_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
