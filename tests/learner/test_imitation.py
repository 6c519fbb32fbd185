import jax
import jax.numpy as jnp
import numpy as np

from handful.environment import Box, Discrete
from handful.learner import PPO
from handful.learner.imitation import imitate
from handful.learner.ppo import init_learner

K, L, O, ACTIONS = 2, 6, 5, 3  # noqa: E741


def a_learner(**changes):
    config = PPO(hidden_sizes=(16,), share_hidden=False, **changes)
    return init_learner(jax.random.key(0), config, K, O, Discrete(ACTIONS), 2, ())


OBSERVATIONS = jax.random.normal(jax.random.key(1), (K, L, O))
TAKEN = jax.random.randint(jax.random.key(2), (K, L), 0, ACTIONS)


def likeliest(learner):
    return np.asarray(learner.actor(learner.normalizer(OBSERVATIONS)).mode())


def test_policies_come_to_do_what_was_done():
    learner = a_learner(random_actions=0.1)
    every = jnp.ones((K, L), bool)
    step = jax.jit(imitate)
    for _ in range(30):
        learner = step(learner, OBSERVATIONS, TAKEN, every)
    np.testing.assert_array_equal(likeliest(learner), TAKEN)


def test_steps_after_the_end_and_policies_without_an_episode_teach_nothing():
    is_step = jnp.array([[True, True, False, False, False, False], [False] * L])
    other = TAKEN.at[0, 2:].set((TAKEN[0, 2:] + 1) % ACTIONS)
    start = a_learner()
    one = imitate(start, OBSERVATIONS, TAKEN, is_step)
    same = imitate(start, OBSERVATIONS, other, is_step)
    jax.tree.map(np.testing.assert_array_equal, one, same)
    second = lambda tree: jax.tree.map(lambda leaf: leaf[1], tree.actor.stack)  # noqa: E731
    jax.tree.map(np.testing.assert_array_equal, second(one), second(start))
    assert not np.array_equal(one.actor.stack.head.weight[0], start.actor.stack.head.weight[0])


def test_only_the_actor_changes():
    start = a_learner()
    after = imitate(start, OBSERVATIONS, TAKEN, jnp.ones((K, L), bool))
    for name in ("critic", "critic_moments", "actor_moments", "normalizer"):
        jax.tree.map(np.testing.assert_array_equal, getattr(after, name), getattr(start, name))


def test_a_spread_that_is_not_learnt_stays():
    config = PPO(hidden_sizes=(16,), share_hidden=False)
    start = init_learner(jax.random.key(0), config, K, O, Box((-1.0,), (1.0,)), 2, ())
    taken = jax.random.normal(jax.random.key(2), (K, L, 1))
    every = jnp.ones((K, L), bool)
    learnt, kept = (imitate(start, OBSERVATIONS, taken, every, learns) for learns in (True, False))
    assert not np.array_equal(learnt.actor.log_std, start.actor.log_std)
    np.testing.assert_array_equal(kept.actor.log_std, start.actor.log_std)
    assert not np.array_equal(kept.actor.stack.head.weight, start.actor.stack.head.weight)
