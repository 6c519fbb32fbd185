"""Training on environments whose right values and actions are known by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.evaluation.returns import evaluate
from tests.environments import ContextualBandit, Countdown, TwoRooms, problem_of, push_problem
from tests.training.helpers import config_of, train_tiny

QUICK = {"learning_rate": 0.01, "final_learning_rate": 0.0005, "num_epochs": 4}


def values_of(state, observations):
    """The critics' values of raw observations: [K, M, D]."""
    num_policies = state.learner.normalizer.count.shape[0]
    observations = jnp.broadcast_to(observations, (num_policies, *observations.shape))
    return state.learner.critic(state.learner.normalizer(observations))


def test_time_limit_bootstraps_from_what_would_have_come():
    """Reward 1 for ever is worth 1 / (1 - 0.9) = 10, however early episodes are cut."""
    problem = problem_of(Countdown(5, truncates=True), np.eye(2))
    state, _ = train_tiny(problem, config_of(1, updates=60, **QUICK))
    np.testing.assert_allclose(values_of(state, jnp.ones((1, 1))), [[[10.0, 20.0]]], rtol=0.05)


def test_terminal_state_is_worth_nothing():
    """With 3, 2, 1 steps left: 1 + 0.9 + 0.81, 1 + 0.9, 1."""
    problem = problem_of(Countdown(3, truncates=False), np.eye(2))
    state, _ = train_tiny(problem, config_of(1, updates=40, **QUICK))
    expected = np.array([2.71, 1.9, 1.0])
    found = values_of(state, jnp.eye(4)[:3])
    np.testing.assert_allclose(found[0], np.stack([expected, 2 * expected], -1), rtol=0.05)


def test_truncated_episode_is_worth_its_final_observation_and_not_the_resets():
    """Room 0 leads to room 1, worth (1, 3), and is cut there: worth (0.9, 2.7).

    With the reset's observation instead it would be worth (0.69, 2.08), as terminated nothing.
    """
    problem = problem_of(TwoRooms(), np.eye(2))
    state, _ = train_tiny(problem, config_of(1, updates=40, **QUICK))
    found = values_of(state, jnp.eye(2))
    np.testing.assert_allclose(found[0], [[0.9, 2.7], [1.0, 3.0]], rtol=0.04)


@pytest.mark.parametrize(
    "sharing", [{"share_hidden": True}, {"share_hidden": False}, {"family": True}], ids=str
)
def test_each_policy_learns_what_its_own_users_want_and_what_all_features_are_worth(sharing):
    """Three arms; users 0 and 2 share policy 1 and want feature 2, user 1 has policy 0."""
    problem = problem_of(ContextualBandit(3), np.eye(3)[[2, 0, 2]])
    settings = {"method_settings": {"policy": (1, 0, 1)}, **sharing}
    config = config_of(2, "fixed", updates=40, **settings, **QUICK)
    state, _ = train_tiny(problem, config)
    served = config.make_method().weights(state.assignment)
    evaluation = evaluate(problem, state.policies(problem), served, num_episodes=40)
    np.testing.assert_array_equal(evaluation.deterministic.returns, [[0, 1, 0], [1, 0, 1]])
    assert evaluation.welfare == 1.0
    successor_features = values_of(state, jnp.eye(3))
    np.testing.assert_allclose(successor_features[0], np.eye(3)[[0, 0, 0]], atol=0.1)
    np.testing.assert_allclose(successor_features[1], np.eye(3)[[2, 2, 2]], atol=0.1)


def test_continuous_policies_learn_their_users_targets_and_narrow():
    problem = push_problem((0.6, -0.3))
    config = config_of(2, "fixed", updates=60, method_settings={"policy": (0, 1)}, **QUICK)
    state, _ = train_tiny(problem, config)
    policies = state.policies(problem)
    observation = jax.random.normal(jax.random.key(0), (3,))
    for policy, target in enumerate((0.6, -0.3)):
        assert policies.act(observation, policy)[0] == pytest.approx(target, abs=0.15)
    assert (state.learner.actor.log_std < -0.5).all()
