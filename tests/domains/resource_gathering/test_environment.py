import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.domains.resource_gathering.task import make_resource_gathering
from handful.errors import HandfulError
from handful.problem import make
from handful.training.config import find_preset

UP, DOWN, LEFT, RIGHT = range(4)
KEY = jax.random.key(0)


def walk(problem, actions):
    """Each step's (position, visited, time step, rewards) as plain numbers."""
    state, _ = problem.environment.reset(KEY)
    for action in actions:
        state, step = problem.environment.step(KEY, state, jnp.asarray(action))
        rewards = problem.population.returns(np.asarray(problem.population.features(step.outcome)))
        yield tuple(state.position.tolist()), set(np.flatnonzero(state.visited)), step, rewards


def last(problem, actions):
    return list(walk(problem, actions))[-1]


def test_bump_at_the_start_is_the_shortest_tour():
    position, visited, step, rewards = last(make("resource-gathering"), [DOWN])
    assert position == (4, 2)
    assert visited == {22}
    assert step.terminated
    assert not step.truncated
    np.testing.assert_array_equal(rewards, 99.0 * (np.arange(25) == 22))


def test_tour_pays_every_visited_tile_and_the_start_100_less_its_steps():
    _, _, step, rewards = last(make("resource-gathering"), [UP, LEFT, DOWN, RIGHT])
    assert step.terminated
    tour = {3 * 5 + 2, 3 * 5 + 1, 4 * 5 + 1, 4 * 5 + 2}
    np.testing.assert_array_equal(rewards, [96.0 * (tile in tour) for tile in range(25)])


def test_nothing_is_earned_before_the_tour_closes():
    for *_, step, rewards in walk(make("resource-gathering"), [UP, UP, LEFT, DOWN, DOWN]):
        assert not step.terminated
        assert not rewards.any()


def test_bumps_take_time():
    *_, rewards = last(make("resource-gathering"), [LEFT, LEFT, LEFT, LEFT, RIGHT, RIGHT])
    np.testing.assert_array_equal(np.unique(rewards), [0.0, 94.0])
    assert np.count_nonzero(rewards) == 3


def test_episode_is_cut_at_the_time_limit_with_nothing_earned():
    steps = list(walk(make("resource-gathering", time_limit=5), [UP, LEFT, RIGHT, LEFT, RIGHT]))
    assert [bool(step.truncated) for *_, step, _ in steps] == [False] * 4 + [True]
    *_, step, rewards = steps[-1]
    assert not step.terminated
    assert not rewards.any()


def test_coming_home_in_the_last_step_counts_as_coming_home():
    *_, step, rewards = last(make("resource-gathering"), [UP, *[LEFT, RIGHT] * 19, DOWN])
    assert step.terminated
    assert not step.truncated
    assert rewards.max() == 60.0
    assert np.count_nonzero(rewards) == 3


@pytest.mark.parametrize("observe_time", [True, False])
def test_observation_is_position_then_visited_then_time(observe_time):
    problem = make("resource-gathering", height=2, width=3, observe_time=observe_time)
    _, first = problem.environment.reset(KEY)
    _, _, step, _ = last(problem, [UP, LEFT])
    start, after = np.zeros((2, 6)), np.zeros((2, 6))
    start[0, 4] = 1
    after[0, 0] = after[1, 0] = after[1, 1] = 1
    times = ([0.0], [2 / 40]) if observe_time else ([], [])
    np.testing.assert_array_equal(first, np.concatenate([*start, times[0]]))
    np.testing.assert_allclose(step.observation, np.concatenate([*after, times[1]]))
    assert problem.environment.observation_size == len(first) == 12 + observe_time


def test_blocked_tiles_have_no_user_and_cannot_be_entered():
    problem = make("resource-gathering", height=3, width=3, blocked=((1, 1), (1, 1)))
    assert problem.num_users == 8
    assert "tile-1-1" not in problem.population.user_ids
    position, visited, *_ = last(problem, [LEFT, UP, RIGHT])
    assert position == (1, 0)
    assert visited == {6, 3}
    *_, rewards = last(problem, [LEFT, RIGHT])
    served = [user for user, r in zip(problem.population.user_ids, rewards, strict=True) if r]
    assert served == ["tile-2-0", "tile-2-1"]


def test_features_are_users_and_the_reward_is_not_discounted():
    problem = make_resource_gathering()
    np.testing.assert_array_equal(problem.population.coefficients, np.eye(25))
    assert problem.discount == 1.0
    assert problem.return_scale == 100.0


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"height": 0}, "at least one tile, not 0 x 5"),
        ({"width": -1}, "at least one tile, not 5 x -1"),
        ({"time_limit": 0}, "at least 1 step"),
        ({"start": (5, 0)}, r"Tile \(5, 0\) lies outside the 5 x 5 grid"),
        ({"start": (0, -1)}, r"Tile \(0, -1\) lies outside"),
        ({"blocked": ((0, 7),)}, r"Tile \(0, 7\) lies outside"),
        ({"start": (0, 0), "blocked": ((0, 0),)}, "start tile .* must not be blocked"),
    ],
)
def test_grid_that_makes_no_sense_is_refused(parameters, sentence):
    with pytest.raises(HandfulError, match=sentence):
        make("resource-gathering", **parameters)


@st.composite
def grids(draw):
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    tiles = [(r, c) for r in range(height) for c in range(width)]
    start = draw(st.sampled_from(tiles))
    others = [tile for tile in tiles if tile != start]
    blocked = draw(st.sets(st.sampled_from(others), max_size=4)) if others else set()
    limit = draw(st.integers(1, 8))
    return {
        "height": height,
        "width": width,
        "start": start,
        "blocked": tuple(blocked),
        "time_limit": limit,
    }


def plain_walk(grid, actions):
    """The same rules in plain Python."""
    moves = {UP: (-1, 0), DOWN: (1, 0), LEFT: (0, -1), RIGHT: (0, 1)}
    (row, column), visited = grid.start, set()
    for steps, action in enumerate(actions, start=1):
        target = (row + moves[action][0], column + moves[action][1])
        inside = 0 <= target[0] < grid.height and 0 <= target[1] < grid.width
        if inside and target not in grid.blocked:
            row, column = target
        visited.add((row, column))
        home = (row, column) == grid.start
        truncated = steps == grid.time_limit and not home
        yield (row, column), frozenset(visited), home, truncated, (100 - steps) * home
        if home or truncated:
            return


@settings(max_examples=40)
@given(grids(), st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_any_walk_on_any_grid_follows_the_rules(parameters, actions):
    problem = make_resource_gathering(**parameters)
    grid = problem.environment
    open_tiles = [(cell // grid.width, cell % grid.width) for cell in grid.open_cells]
    expected = list(plain_walk(grid, actions))
    seen = set()
    for step, (position, visited, home, truncated, worth) in zip(
        walk(problem, actions[: len(expected)]), expected, strict=True
    ):
        assert step[0] == position
        assert position not in grid.blocked
        tiles = {(int(cell) // grid.width, int(cell) % grid.width) for cell in step[1]}
        assert tiles == visited >= seen
        seen = tiles
        assert (bool(step[2].terminated), bool(step[2].truncated)) == (home, truncated)
        np.testing.assert_array_equal(step[3], [worth * (tile in visited) for tile in open_tiles])


@pytest.mark.parametrize(
    ("num_policies", "preset", "expected"),
    [
        (1, "fast", {"entropy_coefficient": 0.05, "num_envs": 32, "learning_rate": 2e-3}),
        (1, "paper", {"entropy_coefficient": 0.05}),
        (5, "fast", {"entropy_coefficient": 0.01}),
        (25, "fast", {"entropy_coefficient": 0.002}),
    ],
)
def test_settings_by_budget(num_policies, preset, expected):
    asked = make("resource-gathering").learner_settings(num_policies, find_preset(preset))
    assert asked == pytest.approx(expected)
