"""Recall: a memory of stretches, and learning from those that paid more than expected."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import Box, Discrete
from handful.learner import recall as module
from handful.learner.conditioned import with_contexts
from handful.learner.losses import adam
from handful.learner.networks import Sharing, init_actor, init_critic
from handful.learner.normalize import Normalizer
from handful.learner.recall import Learnt, Recall, judged, relearn
from handful.transitions import Transitions


def batch_of(lanes, steps, actions, features):
    start = (lanes, steps, 1)
    seen, flags = jnp.ones((*start, 2)), jnp.zeros(start, bool)
    return Transitions(
        observations=seen,
        actions=jnp.broadcast_to(jnp.asarray(actions), start),
        log_probs=jnp.zeros(start),
        features=jnp.broadcast_to(jnp.asarray(features, jnp.float32), (*start, 2)),
        next_observations=seen,
        terminated=jnp.ones(start, bool),
        truncated=flags,
    )


def test_the_oldest_stretches_are_forgotten_first(monkeypatch):
    monkeypatch.setattr(module, "MOST_STRETCHES", 5)
    memory = Recall.empty(3, 2, Discrete(4), 2)
    for number in range(3):
        memory = memory.keep(batch_of(2, 3, number, [number, 0.0]))
    assert int(memory.number) == 6
    # The sixth stretch has taken the place of the first.
    np.testing.assert_array_equal(memory.kept.features[:, 0, 0, 0], [2, 0, 1, 1, 2])
    np.testing.assert_array_equal(memory.kept.actions[:, 2, 0], [2, 0, 1, 1, 2])


def test_only_what_was_kept_is_drawn():
    memory = Recall.empty(3, 2, Discrete(4), 2).keep(batch_of(2, 3, 1, [7.0, 0.0]))
    drawn = memory.draw(jax.random.key(0), 20)
    assert drawn.features.shape == (20, 3, 2)
    assert np.all(np.asarray(drawn.features[..., 0]) == 7.0)


def test_the_memory_has_a_limit_and_room_for_continuous_actions():
    memory = Recall.empty(128, 400, Box((-1.0,) * 3, (1.0,) * 3), 5)
    slots, numbers = len(memory.kept.actions), sum(x.size for x in jax.tree.leaves(memory.kept))
    assert memory.kept.actions.shape == (slots, 128, 1, 3)
    assert numbers <= max(module.MOST_NUMBERS, module.LEARNT * 128 * 812)
    assert len(Recall.empty(1, 1, Discrete(2), 1).kept.actions) == module.MOST_STRETCHES


@pytest.mark.parametrize("liked", [0, 1])
def test_an_action_is_learnt_by_those_whom_it_pays(liked):
    """Action 1 pays the first feature, and costs the second. Each mix weighs one of them."""
    space = Discrete(3)
    actor = init_actor(
        jax.random.key(0), 1, 2, space, (8,), Sharing.CONDITIONED, 0.0, context_size=2
    )
    critic = init_critic(jax.random.key(1), 1, 2, 3, (8,), Sharing.CONDITIONED, context_size=2)
    start = adam(1e-5).init
    before = Learnt(actor, critic, start(actor), start(critic))
    mixes = jnp.tile(jnp.eye(2)[liked][None], (16, 1))
    stretches = batch_of(16, 4, 1, [5.0, -5.0]).flat()
    normalizer = Normalizer.identity(1, 2)
    lesson = judged(critic, normalizer, stretches, mixes, mixes, 0.9, jnp.ones(()))
    after = relearn(jax.random.key(2), before, lesson, jnp.asarray(0.01), 0.5, 1e-5, True)

    def chance(learnt):
        acting = with_contexts(learnt.actor, mixes)
        return np.exp(acting(stretches.observations).log_prob(stretches.actions))

    if liked == 0:
        assert chance(after).min() > chance(before).max() + 0.02
        value = module._values(after.critic, mixes, stretches.observations, 2)
        old = module._values(before.critic, mixes, stretches.observations, 2)
        assert abs(5.0 - value[0, 0, 0]) < abs(5.0 - old[0, 0, 0])
    else:
        np.testing.assert_allclose(chance(after), chance(before), atol=1e-6)
        np.testing.assert_allclose(
            *(jax.tree.leaves(one.critic)[0] for one in (after, before)), atol=1e-6
        )
