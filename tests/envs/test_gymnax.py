"""The adapter, on an environment with gymnax's interface, and on gymnax where it is installed."""

import re
import sys
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful._support.installing import install_command
from handful.environment import Environment
from handful.envs.gymnax import GymnaxEnvironment, gymnax_environment
from handful.errors import HandfulError

KEY = jax.random.key(0)


class Parameters(NamedTuple):
    max_steps_in_episode: int = 3
    edge: float = 2.0


class Walk:
    """As gymnax would have it: a place on a line that actions move, lost beyond an edge."""

    name = "Walk"
    default_params = Parameters()
    actions = SimpleNamespace(low=-1.0, high=np.full((2, 1), 1.5), shape=(2, 1))

    def action_space(self, params):
        return self.actions

    def reset_env(self, key, params):
        state = Place(jnp.zeros(()), jnp.zeros((), jnp.int32))
        return self.look(state), state

    def look(self, state):
        return {"place": state.place, "time": jnp.full((2,), state.time)}

    def step_env(self, key, state, action, params):
        assert action.shape == self.actions.shape
        state = Place(state.place + action.sum(), state.time + 1)
        lost = jnp.abs(state.place) > params.edge
        return self.look(state), state, -jnp.abs(state.place), lost, {}

    def is_truncated(self, state, params):
        return state.time >= params.max_steps_in_episode


class Place(NamedTuple):
    place: jax.Array
    time: jax.Array


def steps(environment, actions):
    state, observation = environment.reset(KEY)
    taken = []
    for action in actions:
        state, step = environment.step(KEY, state, jnp.array(action))
        taken.append(step)
    return observation, taken


def test_spaces_and_observations_are_made_flat():
    environment = GymnaxEnvironment(Walk())
    assert isinstance(environment, Environment)
    assert hash(environment) == hash(environment)
    assert environment.action_space == handful.Box((-1.0, -1.0), (1.5, 1.5))
    assert (environment.observation_size, environment.time_limit) == (3, 3)
    first, (step,) = steps(environment, [[1.0, 0.5]])
    np.testing.assert_array_equal(first, [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(step.observation, [1.5, 1.0, 1.0])
    outcome = step.outcome
    assert (outcome.observation["place"], outcome.next_observation["place"]) == (0.0, 1.5)
    assert outcome.reward == -1.5


def test_an_end_is_told_from_a_cut_and_nothing_restarts():
    environment = GymnaxEnvironment(Walk())
    _, taken = steps(environment, [[0.5, 0.5]] * 2 + [[1.0, 1.0]])
    assert [bool(step.terminated) for step in taken] == [False, False, True]
    assert [bool(step.truncated) for step in taken] == [False, False, False]
    np.testing.assert_array_equal(taken[-1].observation, [4.0, 3.0, 3.0])
    _, taken = steps(environment, [[0.5, 0.0]] * 3)
    assert [bool(step.truncated) for step in taken] == [False, False, True]


def test_parameters_may_be_the_callers():
    environment = GymnaxEnvironment(Walk(), Parameters(max_steps_in_episode=7, edge=0.1))
    assert environment.time_limit == 7
    assert steps(environment, [[0.5, 0.5]])[1][0].terminated


def test_users_are_paid_by_the_whole_transition():
    population = handful.Population.from_parameters(
        {"place": [-1.0, 1.0]},
        lambda outcome, users: outcome.reward + outcome.next_observation["place"] * users["place"],
        ["place"],
    )
    _, (step,) = steps(GymnaxEnvironment(Walk()), [[1.0, 0.5]])
    np.testing.assert_allclose(population.rewards(step.outcome), [-3.0, 0.0])


@pytest.mark.parametrize(
    ("space", "limit", "sentence"),
    [
        (SimpleNamespace(spaces=()), 3, "of the kind SimpleNamespace: handful takes discrete"),
        (SimpleNamespace(low=-np.inf, high=1.0, shape=(1,)), 3, "have no bounds"),
        (SimpleNamespace(n=2), 0, "max_steps_in_episode of Walk must be at least 1, not 0"),
    ],
)
def test_what_does_not_fit_is_one_clear_sentence(monkeypatch, space, limit, sentence):
    monkeypatch.setattr(Walk, "actions", space)
    with pytest.raises(HandfulError, match=sentence):
        GymnaxEnvironment(Walk(), Parameters(limit))


def test_without_gymnax_its_name_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnax", None)
    with pytest.raises(
        HandfulError, match=f"needs gymnax .*{re.escape(install_command('gymnax'))}"
    ):
        gymnax_environment("CartPole-v1")


@pytest.mark.gymnax
@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "Catch-bsuite"])
def test_gymnax_itself_agrees_step_for_step(name, allow_rank_promotion):
    import gymnax

    environment = gymnax_environment(name)
    theirs, parameters = gymnax.make(name)
    state, observation = environment.reset(KEY)
    their_observation, their_state = theirs.reset_env(KEY, parameters)
    np.testing.assert_array_equal(observation, np.ravel(their_observation))
    assert environment.observation_size == observation.size
    act = jax.jit(environment.step)
    for i in range(40):
        key = jax.random.fold_in(KEY, i)
        action = theirs.action_space(parameters).sample(key)
        state, step = act(key, state, jnp.ravel(action) if action.shape else action)
        their_observation, their_state, reward, over, _ = theirs.step_env(
            key, their_state, action, parameters
        )
        np.testing.assert_allclose(
            step.observation, np.ravel(their_observation), rtol=1e-5, atol=1e-6
        )
        assert step.outcome.reward == pytest.approx(float(reward), rel=1e-5)
        assert bool(step.terminated) == bool(over)
        if over:
            break


@pytest.mark.gymnax
def test_no_such_environment_of_gymnax():
    with pytest.raises(HandfulError, match="cannot make 'Nothing-v0'"):
        gymnax_environment("Nothing-v0")
