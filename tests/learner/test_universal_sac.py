"""Soft actor-critic of one policy for all users: whose rewards it learns from, and for what."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Discrete
from handful.errors import HandfulError
from handful.learner.base import Objective
from handful.learner.conditioned import with_contexts
from handful.learner.soft_actor_critic import SAC
from handful.learner.universal_learners import universal_learner
from handful.learner.universal_sac import DRAWN_MIXES, UniversalSAC
from handful.methods import METHODS
from handful.methods.universal import Trials
from handful.training.config import CollectConfig, TrainConfig
from handful.training.run import Run
from handful.training.tracing import trace_learner
from handful.transitions import Transitions
from tests.environments import ContextualBandit, problem_of, push_problem
from tests.learner.test_soft_actor_critic import SMALL, batch_of, improved
from tests.training.helpers import train_tiny

EAGER = dataclasses.replace(SMALL, initial_temperature=0.1)
SETTINGS = {one.name: getattr(EAGER, one.name) for one in dataclasses.fields(SAC)}
LEARNER = UniversalSAC(**SETTINGS, context_size=3)
BANDIT = problem_of(ContextualBandit(3), np.eye(3))
PUSH = push_problem((0.5, -0.2))


def config_of(num_policies, learner=LEARNER, updates=30):
    name, _ = METHODS.describe(Trials())
    return TrainConfig(
        num_policies,
        name,
        steps=8 * updates,
        learner=learner,
        collect=CollectConfig(num_envs=1, batch_size=8),
    )


@pytest.fixture(scope="module")
def learnt():
    return train_tiny(BANDIT, config_of(8))[0].learner


@pytest.mark.parametrize("problem", [BANDIT, PUSH], ids=["finite", "box"])
def test_everything_has_the_shape_that_training_needs(problem):
    trace_learner(Run(problem, config_of(4)))


@pytest.mark.parametrize("setting", [{"context_size": 0}, {"relabelled_share": 1.5}], ids=str)
def test_settings_out_of_their_range(setting):
    with pytest.raises(HandfulError, match=next(iter(setting))):
        UniversalSAC(**setting)
    with pytest.raises(HandfulError, match="first hidden layer: give actor_sizes"):
        UniversalSAC(actor_sizes=())


def test_its_settings_are_those_of_the_learner_that_goes_on():
    assert universal_learner(EAGER, Discrete(2), 3, 0.5) == LEARNER


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_transition_is_paid_for_the_mix_that_the_networks_are_told(learnt, share):
    """For its own mix, or for one that was drawn; the context says which."""
    learner = dataclasses.replace(LEARNER, relabelled_share=share)
    minibatch = learner._minibatches(jax.random.key(3), learnt, BANDIT)(jax.random.key(4))
    contexts = minibatch.tell(learnt.actor).stack.conditioning.contexts
    # The embedding of three users can be undone, as mixes sum to 1.
    plane = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]])
    undo = np.linalg.pinv(plane @ np.asarray(learnt.embedding.axes)) @ plane
    mixes = np.asarray(contexts) @ undo + np.asarray(learnt.embedding.centre)
    known = np.asarray(learnt.mixes)
    nearest = [np.abs(known - mix).sum(axis=1).min() for mix in mixes]
    assert (max(nearest) < 1e-3) == (share == 0.0)
    # One arm is paid in each transition, the one with the number action + context.
    arms = (
        np.argmax(minibatch.sample.observations[:, 0], axis=1) + minibatch.sample.actions[:, 0]
    ) % 3
    paid = mixes[np.arange(len(mixes)), arms]
    rewards = np.asarray(minibatch.sample.rewards[:, 0])
    scale = rewards @ paid / (paid @ paid)  # the same for all mixes
    np.testing.assert_allclose(rewards, scale * paid, atol=5e-3)


def test_transitions_are_labelled_with_the_mix_that_they_were_collected_for():
    problem = problem_of(ContextualBandit())
    learner = dataclasses.replace(LEARNER, context_size=2)
    state = learner.init(jax.random.key(0), problem, 2, ())
    state = dataclasses.replace(state, rows=jnp.array([5, len(state.mixes) + 7]))
    state = learner.observe(state, batch_of([1.0, 2.0]))
    np.testing.assert_array_equal(state.replay.stored.labels[:4], [5, 5, 7, 7])


@pytest.mark.parametrize("curriculum", [True, False])
def test_where_users_lose_by_ends_mixes_are_led_and_paid_alike(curriculum):
    """Every step pays every user 1, and the fourth ends the episode long before the limit."""
    learner = dataclasses.replace(LEARNER, curriculum=curriculum)
    problem = problem_of(dataclasses.replace(ContextualBandit(3), time_limit=100), np.eye(3))
    state = learner.init(jax.random.key(0), problem, 4, ())
    start = (4, 4, 1)
    seen, ends = jnp.zeros((*start, 3)), jnp.zeros(start, bool).at[:, -1].set(True)
    whole = jnp.zeros(start, bool)
    batch = Transitions(
        seen, jnp.zeros(start, jnp.int32), jnp.zeros(start), seen + 1.0, seen, ends, whole
    )
    state = learner.observe(state, batch)
    objective, zero, one = Objective(lambda _: None, (), 0.0), jnp.zeros(()), jnp.ones(())
    args = (jax.random.key(1), state, batch, objective, zero, one, problem, None)
    after = learner.improve(*args).state
    assert bool(after.curriculum.has_begun) is curriculum
    acting = after.mixes[after.rows % len(after.mixes)]
    on_way = after.curriculum.led(after.curriculum.centres, acting * 0.0, after.users)
    assert np.allclose(acting, on_way) is curriculum
    minibatch = learner._minibatches(jax.random.key(3), after, problem)(jax.random.key(4))
    # The weights of a mix sum to 1, so that all mixes are paid the same unless they are scaled.
    assert bool(np.ptp(minibatch.sample.rewards) > 1e-3) is curriculum


def test_mixes_change_where_episodes_ended_and_nowhere_else():
    learner = dataclasses.replace(LEARNER, context_size=2)
    state = learner.init(jax.random.key(0), problem_of(ContextualBandit()), 3, ())
    ended = jnp.array([True, False, True])
    after = learner._drawn_anew(jax.random.key(1), state, ended)
    np.testing.assert_array_equal(after.rows, [3, 1, 4])
    changed = np.abs(after.mixes - state.mixes).sum(axis=1) > 0
    assert set(np.flatnonzero(changed)) <= {3, 4}
    last = dataclasses.replace(state, rows=jnp.array([0, 1, len(state.mixes) - 1]))
    after = learner._drawn_anew(jax.random.key(1), last, ended)
    changed = np.abs(after.mixes - state.mixes).sum(axis=1) > 0
    assert set(np.flatnonzero(changed)) <= {0, 1}


def test_networks_keep_what_they_compute_when_the_embedding_changes(learnt):
    """All that three users' contexts can say is refitted."""
    stale = dataclasses.replace(
        learnt, embedding=learnt.embedding._replace(axes=2.0 * learnt.embedding.axes)
    )
    fresh = LEARNER._embedded_anew(stale)
    rows = jnp.eye(3)[None] * jnp.ones((3, 1, 1))
    before, after = (
        with_contexts(state.actor, state.embedding(state.users))(rows).logits
        for state in (stale, fresh)
    )
    np.testing.assert_allclose(after, before, atol=0.02 * float(jnp.abs(before).max()))


def test_any_context_gives_an_ordinary_policy_with_its_critics(learnt):
    contexts = LEARNER.contexts(learnt, jnp.eye(3))
    together, apart = LEARNER.at(learnt, contexts), LEARNER.apart(learnt, contexts)
    rows = jax.random.normal(jax.random.key(0), (3, 4, 3))
    np.testing.assert_allclose(apart.actor(rows).logits, together.actor(rows).logits, atol=1e-5)
    np.testing.assert_allclose(
        apart.critic.of_all_actions(rows), together.critic.of_all_actions(rows), atol=1e-4
    )
    for leaf in jax.tree.leaves((apart.actor, apart.critic)):
        assert leaf.shape[0] == 3
    # So a learner of three policies goes on from them.
    fresh = SMALL.init(jax.random.key(1), BANDIT, 3, ())
    state = SMALL.restart(fresh.with_networks(apart), learnt)
    assert jax.tree.structure(state) == jax.tree.structure(fresh)
    assert int(state.replay.size) == int(learnt.replay.size)


def test_one_policy_learns_what_every_user_wants(learnt):
    """User ``d`` wants the arm whose number, with that of the context, is ``d``."""
    networks = LEARNER.apart(learnt, LEARNER.contexts(learnt, jnp.eye(3)))
    seen = networks.normalizer(jnp.broadcast_to(jnp.eye(3), (3, 3, 3)))
    chosen = np.asarray(networks.actor(seen).mode())
    np.testing.assert_array_equal((chosen + np.arange(3)) % 3, np.arange(3)[:, None] * [1, 1, 1])


def test_gradients_reach_the_weights_of_contexts_and_not_the_contexts():
    problem = problem_of(ContextualBandit())
    learner = dataclasses.replace(LEARNER, context_size=2)
    state = learner.init(jax.random.key(0), problem, 2, ())
    assert learner.minibatch_size < DRAWN_MIXES
    before, after = improved(learner, state)
    one, other = (s.actor.stack.hidden[0].conditioning for s in (before, after.state))
    assert not np.array_equal(one.weight, other.weight)
    expected = after.state.embedding(after.state.mixes[after.state.rows])
    np.testing.assert_array_equal(other.contexts, expected)
