"""Environments that draw a part for each episode, and the parameter of every task that asks so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import handful
from handful.environment import Environment, HostEnvironment
from handful.envs.drawn import DrawInJax, DrawOnHost, Parts, num_parts, without_draw
from handful.envs.wrapper import unwrapped
from handful.errors import HandfulError
from handful.training.preflight import check_shapes
from tests.environments import TMaze, problem_of
from tests.host_environments import track_problem

KEY = jax.random.key(0)


def test_an_environment_in_jax_shows_the_part_until_the_episode_ends():
    plain = problem_of(TMaze(), np.eye(2))
    problem = handful.with_draw(plain, 3)
    environment = problem.environment
    assert isinstance(environment, DrawInJax)
    assert isinstance(environment, Environment)
    assert (environment.observation_size, num_parts(problem), num_parts(plain)) == (5, 3, 1)
    check_shapes(problem)
    state, seen = environment.reset(KEY)
    raw_state, raw = TMaze().reset(KEY)
    np.testing.assert_array_equal(seen[:2], raw)
    for _ in range(3):
        state, step = environment.step(KEY, state, jnp.array(0))
        raw_state, raw_step = TMaze().step(KEY, raw_state, jnp.array(0))
        np.testing.assert_array_equal(step.observation[:2], raw_step.observation)
        np.testing.assert_array_equal(step.observation[2:], seen[2:])
        assert step.terminated == raw_step.terminated
    assert without_draw(problem).environment == plain.environment
    assert without_draw(plain) is plain


def test_all_parts_are_equally_likely_in_jax():
    environment = handful.with_draw(problem_of(TMaze(), np.eye(2)), 4).environment
    _, seen = jax.vmap(environment.reset)(jax.random.split(KEY, 4000))
    np.testing.assert_array_equal(jnp.sum(seen[:, 2:], axis=1), 1.0)
    np.testing.assert_allclose(jnp.mean(seen[:, 2:], axis=0), 0.25, atol=0.03)


def test_an_environment_on_the_host_shows_the_part_until_the_episode_ends():
    problem = handful.with_draw(track_problem(), 2)
    environment = problem.environment
    assert isinstance(environment, DrawOnHost)
    assert isinstance(environment, HostEnvironment)
    environment.check_installed()
    batch, plain = environment.open(4, 0, 1), track_problem().environment.open(4, 0, 1)
    first = batch.reset(np.arange(4))
    np.testing.assert_array_equal(first[:, :-2], plain.reset(np.arange(4)))
    np.testing.assert_array_equal(first[:, -2:].sum(axis=0), [2, 2])
    actions = np.full((4, 1), 0.5)
    step = batch.step(actions)
    np.testing.assert_array_equal(step.observation[:, :-2], plain.step(actions).observation)
    np.testing.assert_array_equal(step.observation[:, -2:], first[:, -2:])
    batch.close()
    plain.close()


@given(st.integers(2, 7), st.lists(st.integers(1, 5), max_size=8), st.integers(0, 99))
def test_parts_are_dealt_without_replacement(parts, sizes, seed):
    dealt = Parts(5, parts, seed)
    seen = [dealt.begin(np.zeros((size, 1)), np.arange(size))[:, 1:] for size in sizes]
    numbers = np.concatenate([np.zeros(0, int), *(one.argmax(axis=1) for one in seen)])
    for start in range(0, len(numbers) - parts + 1, parts):
        assert sorted(numbers[start : start + parts]) == list(range(parts))


def test_only_episodes_that_begin_get_another_part():
    dealt = Parts(3, 50, 0)
    first = dealt.begin(np.zeros((3, 1)), np.arange(3))
    again = dealt.begin(np.zeros((1, 1)), np.array([1]))
    later = dealt.add(np.ones((3, 1)))
    np.testing.assert_array_equal(later[[0, 2], 1:], first[[0, 2], 1:])
    np.testing.assert_array_equal(later[1, 1:], again[0, 1:])
    assert (again[0, 1:] != first[1, 1:]).any()
    np.testing.assert_array_equal(later[:, 0], 1.0)


def test_policies_are_called_with_an_observation_and_a_part():
    environment = handful.with_draw(problem_of(TMaze(), np.eye(2)), 3).environment
    read = environment.read_observation
    one = read({"observation": [0.5, 2.0], "draw": 2})
    np.testing.assert_array_equal(one, [0.5, 2.0, 0, 0, 1])
    many = read({"observation": np.ones((2, 2)), "draw": np.array([1, 0])})
    np.testing.assert_array_equal(many, [[1, 1, 0, 1, 0], [1, 1, 1, 0, 0]])
    np.testing.assert_array_equal(read([1.0, 2.0, 3.0, 4.0, 5.0]), [1, 2, 3, 4, 5])
    for draw in (3, -1, 0.5, [0, 1]):
        with pytest.raises(HandfulError, match="whole number from 0 to 2 for each"):
            read({"observation": [0.5, 2.0], "draw": draw})
    with pytest.raises(HandfulError, match="and not of 'observation'"):
        read({"observation": [0.5, 2.0]})


def test_every_task_takes_windows_and_draws_by_its_parameters():
    problem = handful.make("glide", users=5, population_seed=1, draw=4, history=2)
    plain = handful.make("glide", users=5, population_seed=1)
    size = plain.environment.observation_size
    assert problem.environment.observation_size == 2 * (size + 1) + 4
    assert (problem.name, problem.parameters["draw"], problem.parameters["history"]) == (
        "glide",
        4,
        2,
    )
    again = handful.make(problem.name, **problem.parameters)
    assert again.environment == problem.environment
    assert handful.make("glide", users=5, draw=None).environment == plain.environment
    assert handful.optimum(problem, 2).welfare == handful.optimum(plain, 2).welfare


def test_wrappers_on_the_host_are_looked_through():
    problem = handful.with_draw(handful.with_history(track_problem(), 2), 3)
    inner, observer = unwrapped(problem.environment, 2, 0)
    assert inner == track_problem().environment
    first = observer.begin(np.full((2, 3), 7.0), np.arange(2))
    np.testing.assert_array_equal(first[:, :8], [[0, 0, 0, 0, 1, 7, 7, 7]] * 2)
    np.testing.assert_array_equal(first[:, 8:].sum(axis=1), 1.0)
    later = observer.add(np.full((2, 3), 9.0))
    np.testing.assert_array_equal(later[:, :8], [[1, 7, 7, 7, 1, 9, 9, 9]] * 2)
    same, nothing = unwrapped(inner, 2, 0)
    assert same is inner
    np.testing.assert_array_equal(nothing.begin(np.ones((2, 3)), np.arange(2)), np.ones((2, 3)))


def test_what_cannot_draw(as_users_call):
    problem = problem_of(TMaze(), np.eye(2))
    for parts in (1, 101):
        with pytest.raises(HandfulError, match="draw must be from 2 to 100"):
            handful.with_draw(problem, parts)
    with pytest.raises(HandfulError, match="draw must be a whole number"):
        handful.with_draw(problem, 2.5)
    with pytest.raises(HandfulError, match="draw a part already"):
        handful.with_draw(handful.with_draw(problem, 2), 2)
    with pytest.raises(HandfulError, match="with_draw takes a problem"):
        handful.with_draw(TMaze(), 2)
    moves = np.zeros((2, 2, 2))  # either action leads on, and then ends the episode
    moves[0, :, 1] = 1.0
    numbered = handful.tabular_problem(moves, rewards=np.ones((1, 2, 2)))
    with pytest.raises(HandfulError, match="numbers its observations"):
        handful.with_draw(numbered, 2)
