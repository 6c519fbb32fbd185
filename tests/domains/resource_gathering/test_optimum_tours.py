"""The optimum of Resource Gathering against brute force, and its certificates."""

import json
from itertools import combinations

import numpy as np
import pytest

from handful.domains.resource_gathering import optimum as module
from handful.domains.resource_gathering.optimum import resource_gathering_optimum, simulate

# (height, width, start, blocked, time limit); the brute force below takes seconds for each.
SMALL = [
    (1, 1, (0, 0), (), 40),
    (1, 4, (0, 1), (), 40),
    (2, 2, (1, 1), (), 40),
    (2, 2, (0, 0), ((0, 1), (1, 0)), 40),
    (2, 3, (1, 1), (), 40),
    (2, 3, (0, 0), (), 40),
    (2, 3, (1, 0), ((0, 1),), 40),
    (3, 3, (2, 1), (), 40),
    (3, 3, (1, 1), (), 40),
    (3, 3, (0, 0), (), 40),
    (3, 3, (2, 1), ((1, 1),), 40),
    (3, 3, (2, 0), ((0, 1), (1, 1)), 40),
    (3, 3, (2, 1), (), 5),
    (3, 3, (1, 1), (), 1),
    (3, 3, (2, 1), (), 1),
]


def brute_force(height, width, start, blocked, time_limit) -> dict[int, float]:
    """Optimal welfare for every k, from all return vectors of all episodes.

    An episode's future depends on (position, visited, steps) alone, so the set of these that can be
    reached, bumps included, gives every return vector. Choices of k are then merged user by user:
    the set of best-of-k vectors is the set of best-of-(k - 1) vectors joined with one more each.
    """
    users = [
        (row, column) for row in range(height) for column in range(width)
        if (row, column) not in blocked
    ]  # fmt: skip
    vectors = {(0,) * len(users)}
    states = {(start, frozenset())}
    for steps in range(1, time_limit + 1):
        following = set()
        for (row, column), visited in states:
            for tile in (
                (row - 1, column),
                (row + 1, column),
                (row, column - 1),
                (row, column + 1),
            ):
                here = tile if tile in users else (row, column)
                if here == start:
                    home = visited | {start}
                    vectors.add(tuple((100 - steps) * (user in home) for user in users))
                else:
                    following.add((here, visited | {here}))
        states = following
    maximal = without_dominated(vectors)
    best_of, welfare = maximal, {}
    for k in range(1, len(users) + 1):
        if k > 1:
            best_of = without_dominated(
                {tuple(map(max, one, two)) for one in best_of for two in maximal}
            )
        welfare[k] = max(sum(vector) for vector in best_of) / len(users)
    return welfare


def without_dominated(vectors: set[tuple[int, ...]]) -> set[tuple[int, ...]]:
    rows = np.array(sorted(vectors, key=sum, reverse=True))
    kept = np.empty((0, rows.shape[1]), dtype=rows.dtype)
    for row in rows:  # whatever dominates a row has a larger sum, and came before
        if not (kept >= row).all(axis=1).any():
            kept = np.vstack([kept, row])
    return {tuple(map(int, row)) for row in kept}


@pytest.mark.parametrize("task", SMALL)
def test_brute_force_agrees_for_every_number_of_policies(task):
    for num_policies, welfare in brute_force(*task).items():
        optimum = resource_gathering_optimum(*task, num_policies)
        assert optimum.welfare == pytest.approx(welfare, abs=1e-9), num_policies
        assert_certificate_holds(task, optimum)


def test_brute_force_over_subsets_agrees():
    # A second brute force, with nothing clever in it at all: every pair and triple of tours.
    task = (2, 3, (1, 1), (), 12)
    tours = set()
    for code in range(4**7):
        actions = [code >> 2 * place & 3 for place in range(7)]
        for length in range(1, 8):
            try:
                tours.add(tuple(simulate(*task, actions[:length])))
            except ValueError:
                continue
            break
    # The longest tour that matters here takes 6 steps and visits everything.
    assert max(map(sum, tours)) == 6 * 94
    for num_policies in (1, 2, 3):
        best = max(
            sum(map(max, zip(*chosen, strict=True))) / 6
            for chosen in combinations(tours, num_policies)
        )
        assert resource_gathering_optimum(*task, num_policies).welfare == pytest.approx(best)


def assert_certificate_holds(task, optimum) -> None:
    assert optimum.kind == "exact"
    assert len(optimum.certificate) == len(optimum.returns) == optimum.num_policies
    replayed = np.array([simulate(*task, actions) for actions in optimum.certificate])
    np.testing.assert_array_equal(replayed, optimum.returns)
    served = replayed[optimum.assignment, np.arange(replayed.shape[1])]
    np.testing.assert_array_equal(served, replayed.max(axis=0))
    assert optimum.welfare == pytest.approx(served.mean())


PAPER = (5, 5, (4, 2), (), 40)


def test_the_papers_grid():
    """One tour of all tiles takes 26 steps; with 25 policies each tile is served as fast as can be.

    The distances sum to 80, so that 25 policies earn 2500 - 2 * 80 - 1, the 1 for the bump that
    serves the start tile.
    """
    welfare = []
    for num_policies in (1, 2, 3, 5, 25):
        optimum = resource_gathering_optimum(*PAPER, num_policies)
        assert_certificate_holds(PAPER, optimum)
        welfare.append(optimum.welfare)
    assert welfare == pytest.approx([74.0, 86.0, 89.28, 91.04, 93.56])
    assert sorted(map(len, optimum.certificate))[:3] == [1, 2, 2]


@pytest.mark.slow
def test_the_papers_grid_for_every_number_of_policies():
    totals = []
    for num_policies in range(1, 26):
        optimum = resource_gathering_optimum(*PAPER, num_policies)
        assert_certificate_holds(PAPER, optimum)
        totals.append(round(25 * optimum.welfare))
    assert totals == [
        *(1850, 2150, 2232, 2260, 2276, 2288, 2294, 2300, 2304, 2308, 2312),
        *range(2314, 2340, 2),
        2339,
    ]


def test_welfare_grows_with_the_budget():
    task = (3, 4, (2, 1), ((1, 2),), 40)
    welfare = [resource_gathering_optimum(*task, k).welfare for k in range(1, 12)]
    assert welfare == sorted(welfare)
    assert welfare[-1] <= 100


def test_mirrored_grids_have_the_same_optimum():
    for num_policies in range(1, 11):
        left = resource_gathering_optimum(3, 4, (2, 0), ((1, 1), (0, 3)), 40, num_policies)
        right = resource_gathering_optimum(3, 4, (2, 3), ((1, 2), (0, 0)), 40, num_policies)
        assert left.welfare == right.welfare


def test_a_corridor_is_walked_as_far_as_it_pays():
    task = (1, 60, (0, 0), tuple((0, column) for column in range(27, 60)), 500)
    optimum = resource_gathering_optimum(*task, 1)
    assert_certificate_holds(task, optimum)
    # A tour to the d-th tile earns (d + 1) * (100 - 2 d), most for d = 24 and 25.
    assert optimum.welfare == pytest.approx(1300 / 27)


def test_spare_policies_repeat_the_first_walk():
    optimum = resource_gathering_optimum(2, 2, (0, 0), ((0, 1), (1, 0)), 40, 2)
    assert optimum.certificate[0] == optimum.certificate[1]
    assert optimum.returns.tolist() == [[99.0, 0.0], [99.0, 0.0]]
    assert optimum.assignment.tolist() == [0, 0]


def test_nobody_can_be_served_in_one_step_without_a_wall():
    optimum = resource_gathering_optimum(3, 3, (1, 1), (), 1, 2)
    assert optimum.welfare == 0.0
    assert optimum.returns.tolist() == [[0.0] * 9] * 2


def test_to_dict_is_json():
    optimum = resource_gathering_optimum(2, 2, (1, 1), (), 40, 2)
    record = json.loads(json.dumps(optimum.to_dict()))
    assert record["welfare"] == optimum.welfare
    assert record["kind"] == "exact"
    assert [tuple(actions) for actions in record["certificate"]] == list(optimum.certificate)
    assert np.array(record["returns"]).shape == (2, 4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((2, 2, (1, 1), (), 40, 0), r"from 1 to the number of users \(4\), got 0"),
        ((2, 2, (1, 1), ((0, 0),), 40, 4), r"from 1 to the number of users \(3\), got 4"),
        ((2, 2, (1, 1), (), 0, 1), "The time limit must be at least 1 step, got 0"),
        ((2, 2, (5, 1), (), 40, 1), r"Tile \(5, 1\) lies outside the grid"),
        ((9, 9, (8, 4), (), 40, 1), "at most 26 tiles in reach beside the start, got 80"),
    ],
)
def test_bad_input_is_one_clear_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        resource_gathering_optimum(*arguments)


@pytest.mark.parametrize("walk", [(0, 1, 0, 1), (0,), (0, 0, 0, 0)])
def test_a_wrong_certificate_is_found_out(monkeypatch, walk):
    real = module._candidates
    monkeypatch.setattr(module, "_candidates", lambda *args: (real(*args)[0], lambda _: walk))
    with pytest.raises(RuntimeError, match="optimum"):
        resource_gathering_optimum(3, 3, (2, 1), (), 40, 1)


@pytest.mark.parametrize(
    ("actions", "returns"),
    [
        ((1,), [0, 0, 0, 99]),  # a bump against the wall below the start
        ((0, 1), [0, 98, 0, 98]),
        ((0, 0, 1), [0, 97, 0, 97]),  # a bump on the way costs a step
        ((0, 2, 1, 3), [96, 96, 96, 96]),
        ((0, 2, 2, 2, 1, 3), [94, 94, 94, 94]),  # home with the last step
        ((0, 2, 2, 2, 2, 1), [0, 0, 0, 0]),  # cut at the limit, not home
    ],
)
def test_simulate_by_hand(actions, returns):
    assert simulate(2, 2, (1, 1), (), 6, actions) == returns


def test_simulate_treats_blocked_tiles_as_walls_without_users():
    assert simulate(2, 2, (1, 1), ((0, 1),), 6, (0,)) == [0, 0, 99]


@pytest.mark.parametrize(
    ("actions", "sentence"),
    [
        ((0,), "did not end within 1 actions"),
        ((0, 1, 0), "ended after 2 of 3 actions"),
        ((4,), "Actions are 0 to 3, got 4"),
    ],
)
def test_simulate_refuses_what_is_not_one_episode(actions, sentence):
    with pytest.raises(ValueError, match=sentence):
        simulate(2, 2, (1, 1), (), 40, actions)
