import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.environment import Environment, HostEnvironment
from handful.envs.history import HistoryInJax, HistoryOnHost, Windows
from handful.errors import HandfulError
from handful.exact.bound import Optimum
from handful.training.preflight import check_shapes
from handful.types import Preset
from tests.environments import TMaze, problem_of
from tests.host_environments import track_problem

KEY = jax.random.key(0)
FAST = Preset("fast", True)


def test_windows_begin_empty_and_lose_their_oldest_rows():
    windows = Windows(2, 3, 1)
    first = windows.begin(np.array([[5.0], [6.0]]))
    np.testing.assert_array_equal(first[0].reshape(3, 2), [[0, 0], [0, 0], [1, 5]])
    windows.add(np.array([[7.0], [8.0]]))
    windows.add(np.array([[9.0], [10.0]]))
    later = windows.add(np.array([[11.0], [12.0]]))
    np.testing.assert_array_equal(later[0].reshape(3, 2), [[1, 7], [1, 9], [1, 11]])
    again = windows.begin(np.array([[20.0]]), np.array([1]))
    np.testing.assert_array_equal(again.reshape(3, 2), [[0, 0], [0, 0], [1, 20]])
    following = windows.add(np.array([[13.0], [21.0]]))
    np.testing.assert_array_equal(following[0].reshape(3, 2), [[1, 9], [1, 11], [1, 13]])
    np.testing.assert_array_equal(following[1].reshape(3, 2), [[0, 0], [1, 20], [1, 21]])


def test_windows_that_were_handed_out_stay_as_they_are():
    windows = Windows(1, 2, 1)
    first = windows.begin(np.array([[5.0]]))
    second = windows.add(np.array([[6.0]]))
    windows.add(np.array([[7.0]]))
    np.testing.assert_array_equal(first, [[0, 0, 1, 5]])
    np.testing.assert_array_equal(second, [[1, 5, 1, 6]])


def test_an_environment_in_jax_gives_windows():
    problem = handful.with_history(problem_of(TMaze(corridor=2), np.eye(2)), 3)
    environment = problem.environment
    assert isinstance(environment, HistoryInJax)
    assert isinstance(environment, Environment)
    assert (environment.observation_size, environment.time_limit) == (9, 3)
    check_shapes(problem)
    state, seen = environment.reset(KEY)
    cue = float(state.state.cue)
    np.testing.assert_array_equal(seen.reshape(3, 3), [[0, 0, 0], [0, 0, 0], [1, cue, 0]])
    state, step = environment.step(KEY, state, jnp.array(0))
    np.testing.assert_array_equal(
        step.observation.reshape(3, 3), [[0, 0, 0], [1, cue, 0], [1, 0, 0.5]]
    )
    state, step = environment.step(KEY, state, jnp.array(0))
    state, step = environment.step(KEY, state, jnp.array(0))
    assert step.terminated
    np.testing.assert_array_equal(
        step.observation.reshape(3, 3), [[1, 0, 0.5], [1, 0, 1], [1, 0, 1.5]]
    )


def test_both_kinds_give_the_same_windows():
    """Windows in NumPy, as policies are deployed with, are those of an environment in JAX."""
    environment = handful.with_history(problem_of(TMaze(), np.eye(2)), 4).environment
    windows = environment.windows()
    state, seen = environment.reset(KEY)
    inner, first = TMaze().reset(KEY)
    np.testing.assert_array_equal(windows.begin(np.asarray(first)[None])[0], seen)
    for _ in range(5):
        state, step = environment.step(KEY, state, jnp.array(1))
        inner, raw = TMaze().step(KEY, inner, jnp.array(1))
        np.testing.assert_array_equal(
            windows.add(np.asarray(raw.observation)[None])[0], step.observation
        )


def test_an_environment_on_the_host_gives_windows():
    problem = handful.with_history(track_problem(), 2)
    environment = problem.environment
    assert isinstance(environment, HistoryOnHost)
    assert isinstance(environment, HostEnvironment)
    assert environment.observation_size == 8
    environment.check_installed()
    batch = environment.open(3, 0, 1)
    first = batch.reset(np.arange(3))
    assert first.shape == (3, 8)
    np.testing.assert_array_equal(first[:, :5], [[0, 0, 0, 0, 1]] * 3)
    step = batch.step(np.full((3, 1), 0.5))
    np.testing.assert_array_equal(step.observation[:, 0], 1.0)  # the mark of the older row
    np.testing.assert_array_equal(step.observation[:, :4], first[:, 4:])
    np.testing.assert_allclose(step.observation[:, 7], first[:, 7] + 0.5)
    again = batch.reset(np.array([1]))
    np.testing.assert_array_equal(again[:, :5], [[0, 0, 0, 0, 1]])
    batch.close()


def test_windows_are_not_normalised_and_have_no_name_to_make_them_by():
    problem = handful.make("glide")
    windows = handful.with_history(problem, 2)
    settings = windows.learner_settings(2, FAST)
    plain = problem.learner_settings(2, FAST)
    assert settings == {**plain, "normalize_observations": False}
    assert (windows.name, dict(windows.parameters)) == ("custom", {})
    assert windows.environment.never_terminates
    assert handful.optimum(windows, 2).welfare == handful.optimum(problem, 2).welfare


def test_a_solver_is_asked_of_the_problem_without_windows():
    solved = Optimum(2.0, "exact", 2, np.eye(2), np.arange(2), ((0,), (1,)), "It is.")
    asked = []

    def solver(problem, num_policies):
        asked.append(problem)
        return solved

    plain = handful.RMDP(TMaze(), handful.Population.from_array(np.eye(2)), solver=solver)
    assert handful.optimum(handful.with_history(plain, 3), 2) is solved
    assert asked == [plain]


def test_what_windows_cannot_be_made_of(as_users_call):
    problem = problem_of(TMaze(), np.eye(2))
    for length in (0, 1001):
        with pytest.raises(HandfulError, match="length must be from 1 to 1,000"):
            handful.with_history(problem, length)
    with pytest.raises(HandfulError, match="length must be a whole number"):
        handful.with_history(problem, 2.5)
    with pytest.raises(HandfulError, match="with_history takes a problem"):
        handful.with_history(TMaze(), 2)
    moves = np.zeros((2, 2, 2))  # either action leads on, and then ends the episode
    moves[0, :, 1] = 1.0
    numbered = handful.tabular_problem(moves, rewards=np.ones((1, 2, 2)))
    with pytest.raises(HandfulError, match="numbers its observations"):
        handful.with_history(numbered, 2)
