"""The learner itself: its settings, its statistics, what it learns from, and probes."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Box, Discrete
from handful.errors import HandfulError
from handful.learner.base import Objective
from handful.learner.normalize import Normalizer
from handful.learner.replay import Recorded
from handful.learner.soft_actor_critic import SAC, as_seen, reward_sizes
from handful.mix import Mix
from handful.population import Population
from handful.problem import RMDP
from handful.training.config import CollectConfig, TrainConfig
from handful.training.run import Run
from handful.training.tracing import trace_learner, trace_method
from handful.transitions import Transitions
from tests.environments import (
    ContextualBandit,
    Countdown,
    Push,
    TwoRooms,
    problem_of,
    push_problem,
)
from tests.training.helpers import train_tiny

SMALL = SAC(
    learning_rate=3e-3,
    temperature_rate=0.0,
    initial_temperature=1e-6,
    updates_per_transition=1.0,
    minibatch_size=64,
    capacity=2_000,
    first_transitions=0,
    target_rate=0.05,
    reward_size=1.0,
    actor_sizes=(16,),
    critic_sizes=(32,),
)
ALL = jnp.float32(1.0)


def config_of(num_policies, learner=SMALL, updates=20, method="random", **method_settings):
    return TrainConfig(
        num_policies,
        method,
        method_settings,
        steps=32 * updates,
        learner=learner,
        collect=CollectConfig(num_envs=8, batch_size=32),
    )


def batch_of(features, num_policies=2):
    """One step of two environments for each policy, which all pay the same."""
    each = (num_policies, 1, 2)
    rows = jnp.broadcast_to(jnp.array(features, jnp.float32), (*each, len(features)))
    flags, numbers = jnp.zeros(each, bool), jnp.zeros(each)
    seen = jax.random.normal(jax.random.key(7), (*each, 2))
    return Transitions(seen, jnp.zeros(each, jnp.int32), numbers, rows, seen, flags, flags)


def values_of(state, observations):
    """What the lesser twin says of every finite action, in the rewards' own unit: [K, M, A]."""
    num_policies = len(state.normalizer.count)
    rows = state.normalizer(jnp.broadcast_to(observations, (num_policies, *observations.shape)))
    return jnp.min(state.critic.of_all_actions(rows), axis=0)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be positive, not 0"),
        ({"temperature_rate": -1.0}, "temperature_rate must be 0 or more, not -1"),
        ({"target_rate": 1.5}, "target_rate must be above 0 and at most 1, not 1.5"),
        ({"target_share": 0.0}, "target_share must be above 0 and at most 1, not 0"),
        ({"capacity": 0}, "capacity must be from 1 to"),
        ({"critic_sizes": (0,)}, "critic_sizes must be a list of widths of at least 1"),
        ({"actor_sizes": (2**20,) * 2}, "actor_sizes must be at most 100 layers"),
        ({"discount": 1.5}, "discount must be above 0 and at most 1, not 1.5"),
    ],
    ids=str,
)
def test_settings_out_of_their_range(setting, told):
    with pytest.raises(HandfulError, match=told):
        SAC(**setting)


def numbered():
    environment = dataclasses.replace(ContextualBandit())
    object.__setattr__(environment, "num_symbols", 2)
    return problem_of(environment)


@pytest.mark.parametrize(
    ("problem", "settings", "told"),
    [
        (push_problem((0.5,), high=(math.inf,)), {}, "squashes actions between their bounds"),
        (numbered(), {}, "leave the learner's setting normalize_observations at false"),
        (problem_of(ContextualBandit()), {"capacity": 2**27 - 1}, None),
        (problem_of(ContextualBandit(500)), {"capacity": 2**27 - 1}, "replay buffer of"),
        (
            problem_of(ContextualBandit()),
            {"critic_sizes": (16_000,) * 2},
            "smaller critic_sizes",
        ),
    ],
    ids=["endless", "numbered", "fits", "buffer", "networks"],
)
def test_what_the_learner_cannot_learn(problem, settings, told):
    learner = SAC(**settings)
    if told is None:
        return learner.check(problem, 2)
    with pytest.raises(HandfulError, match=told):
        learner.check(problem, 2)


@pytest.mark.parametrize("problem", [push_problem((0.5, 0.1)), problem_of(ContextualBandit())])
def test_everything_has_the_shape_that_training_needs(problem):
    run = Run(problem, config_of(2))
    trace_method(run)
    trace_learner(run)


def test_a_gradient_step_for_every_other_transition_and_at_least_one():
    assert [SAC().steps_after(n) for n in (640, 10, 1)] == [320, 5, 1]


def test_rewards_have_the_size_of_their_mix():
    """Over features (3, 4) and (1, 0) the mix (1, 1) pays 7 and 1, and (0, 2) pays 8 and 0."""
    features = np.array([[3.0, 4.0], [1.0, 0.0]])
    moment = jnp.asarray(features.T @ features / 2)
    found = reward_sizes(jnp.array([[1.0, 1.0], [0.0, 2.0]]), moment)
    np.testing.assert_allclose(found, [5.0, np.sqrt(32.0)], rtol=1e-6)


def test_what_is_observed():
    problem = problem_of(ContextualBandit())
    state = SMALL.init(jax.random.key(0), problem, 2, ())
    first, second = batch_of([1.0, 2.0]), batch_of([3.0, 0.0])
    for batch in (first, second):
        state = SMALL.observe(state, batch)
    assert int(state.replay.size) == 8
    np.testing.assert_allclose(state.moment, [[5.0, 1.0], [1.0, 2.0]], rtol=1e-6)
    # All policies' observations count for every policy.
    np.testing.assert_array_equal(state.normalizer.count, [8, 8])
    np.testing.assert_array_equal(state.normalizer.mean[0], state.normalizer.mean[1])


def test_a_transition_pays_each_policy_for_its_own_mix():
    stored = Recorded(
        observations=jnp.array([[1.0], [3.0]]),
        actions=jnp.array([[2.0], [4.0]]),
        features=jnp.array([[1.0, 0.0], [2.0, 5.0]]),
        next_observations=jnp.array([[2.0], [4.0]]),
        terminated=jnp.array([False, True]),
    )
    normalizer = Normalizer(jnp.ones(2), jnp.array([[1.0], [1.0]]), jnp.full((2, 1), 4.0))
    mix = jnp.array([[1.0, 0.0], [10.0, -1.0]])
    sample = as_seen(stored, normalizer, mix, Box((2.0,), (4.0,)))
    np.testing.assert_array_equal(sample.rewards, [[1.0, 2.0], [10.0, 15.0]])
    np.testing.assert_allclose(sample.observations[1, :, 0], [0.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(sample.next_observations[0, :, 0], [0.5, 1.5], atol=1e-6)
    np.testing.assert_allclose(sample.actions[0, :, 0], [-1.0, 1.0])
    np.testing.assert_array_equal(sample.goes_on, [[1.0, 0.0], [1.0, 0.0]])


def improved(learner, state, pace=ALL, mixes=((1.0, 0.0), (0.0, 1.0))):
    problem = problem_of(ContextualBandit())
    batch = batch_of([1.0, 2.0])
    state = learner.observe(state, batch)
    objective = Objective(lambda _: Mix(jnp.array(mixes), jnp.ones(2)), (), 0.0)
    args = (jax.random.key(1), state, batch, objective, ALL, pace, problem, None)
    return state, learner.improve(*args)


def changed(before, after):
    leaves = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    return any(not np.array_equal(one, other) for one, other in leaves)


def first_state(learner=SMALL):
    return learner.init(jax.random.key(0), problem_of(ContextualBandit()), 2, ())


def test_nothing_is_learnt_before_there_is_something_to_learn_from():
    learner = dataclasses.replace(SMALL, first_transitions=5)
    before, after = improved(learner, first_state())
    assert not changed(before.networks, after.state.networks)
    before, after = improved(learner, after.state)
    assert changed(before.networks.actor, after.state.networks.actor)
    assert changed(before.networks.critic, after.state.networks.critic)
    assert after.is_finite.all()


def test_no_pace_keeps_the_policies():
    before, after = improved(SMALL, first_state(), pace=jnp.float32(0.0))
    assert not changed(before.networks, after.state.networks)


def test_the_scale_of_a_mix_changes_nothing():
    ones = improved(SMALL, first_state())[1].state.networks
    many = improved(SMALL, first_state(), mixes=((64.0, 0.0), (0.0, 64.0)))[1].state.networks
    for one, other in zip(jax.tree.leaves(ones), jax.tree.leaves(many), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_mix_that_never_paid_is_no_fault():
    _, after = improved(SMALL, first_state(), mixes=((0.0, 0.0), (2.0, -1.0)))
    assert after.is_finite.all()
    assert not changed(jnp.isfinite(after.metrics["critic_loss"]), jnp.array([True, True]))


def test_new_policies_begin_with_all_experience():
    _, learnt = improved(SMALL, first_state())
    fresh = SMALL.init(jax.random.key(5), problem_of(ContextualBandit()), 2, ())
    kept = fresh.with_networks(learnt.state.networks.take(jnp.array([1, 0])))
    for new in (fresh, kept):
        state = SMALL.restart(new, learnt.state)
        assert not changed(state.replay, learnt.state.replay)
        assert not changed(state.moment, learnt.state.moment)
        assert not changed(state.actor, new.actor)
        assert not changed(state.target_critic, new.critic)
        assert not changed(state.normalizer.take(jnp.array([1, 0])), learnt.state.normalizer)


def test_time_limit_bootstraps_from_what_would_have_come():
    """Reward 1 for ever is worth 1 / (1 - 0.9) = 10, however early episodes are cut."""
    problem = problem_of(Countdown(5, truncates=True), np.eye(2))
    learner = dataclasses.replace(SMALL, learning_rate=0.02)
    state, _ = train_tiny(problem, config_of(1, learner, updates=40))
    # Both users are served by policy 0: their mean user wants (0.5, 0.5) of (1, 2), always 1.5.
    np.testing.assert_allclose(values_of(state.learner, jnp.ones((1, 1))), 10.0, rtol=0.08)


def test_terminal_state_is_worth_nothing():
    """With 3, 2, 1 steps left: 1 + 0.9 + 0.81, 1 + 0.9, 1."""
    problem = problem_of(Countdown(3, truncates=False), np.eye(2))
    state, _ = train_tiny(problem, config_of(1))
    found = values_of(state.learner, jnp.eye(4)[:3])
    np.testing.assert_allclose(found[0], np.array([[2.71] * 2, [1.9] * 2, [1.0] * 2]), rtol=0.06)


def test_truncated_episode_is_worth_its_final_observation_and_not_the_resets():
    """Room 0 leads to room 1, worth the reward r, and is cut there: worth 0.9 r."""
    problem = problem_of(TwoRooms(), np.eye(2))
    state, _ = train_tiny(problem, config_of(1))
    found = values_of(state.learner, jnp.eye(2))
    np.testing.assert_allclose(found[0, 0] / found[0, 1], [0.9, 0.9], rtol=0.04)


def test_each_policy_learns_from_everybody_what_its_own_users_want():
    """Three arms; users 0 and 2 share policy 1 and want feature 2, user 1 has policy 0."""
    problem = problem_of(ContextualBandit(3), np.eye(3)[[2, 0, 2]])
    state, _ = train_tiny(problem, config_of(2, method="fixed", policy=(1, 0, 1)))
    policies = state.policies(problem)
    for context, row in enumerate(np.eye(3, dtype=np.float32)):
        assert (policies.act(row, 0) + context) % 3 == 0
        assert (policies.act(row, 1) + context) % 3 == 2


def test_squashed_policies_learn_their_users_targets():
    """In units of the environment, which are far from those that networks put out."""
    goals = jnp.array([32.0, 18.0])
    users = Population.from_function(lambda a: 1.0 - ((a - goals) / 20.0) ** 2, 2)
    problem = RMDP(Push(low=(0.0,), high=(40.0,)), users, discount=0.9)
    config = config_of(2, method="fixed", policy=(0, 1), updates=30)
    state, _ = train_tiny(problem, config)
    observation = jax.random.normal(jax.random.key(0), (3,))
    for policy, target in enumerate((32.0, 18.0)):
        assert state.policies(problem).act(observation, policy)[0] == pytest.approx(target, abs=4)


def test_finite_actions_keep_the_entropy_that_they_shall_have():
    learner = dataclasses.replace(
        SMALL, temperature_rate=0.03, initial_temperature=0.1, target_share=0.5
    )
    problem = problem_of(ContextualBandit(3), np.eye(3)[[0, 0, 1]])
    _, metrics = train_tiny(problem, config_of(1, learner, updates=40))
    assert isinstance(problem.environment.action_space, Discrete)
    assert float(metrics.learner["entropy"][0]) == pytest.approx(0.5 * np.log(3.0), abs=0.15)
