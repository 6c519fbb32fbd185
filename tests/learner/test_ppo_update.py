import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.collect.jax_rollout import collect, init_collector
from handful.environment import Discrete
from handful.learner.base import Objective
from handful.learner.gae import advantage_scale, mix_advantages
from handful.learner.losses import actor_loss, adam
from handful.learner.networks import Layer, NetworkStack, Sharing, init_actor
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies
from handful.learner.ppo import (
    PPO,
    PPOState,
    Rates,
    _epochs,
    init_learner,
    prepare,
    update,
)
from handful.mix import Mix
from handful.transitions import Transitions
from tests.environments import ContextualBandit, Weather, errands_problem, problem_of

CONFIG = PPO(minibatch_size=64, num_epochs=2, hidden_sizes=(16,))
ONE_STEP = PPO(minibatch_size=64, num_epochs=1, hidden_sizes=(4,))
NUM_ENVS, BATCH, ONE_BATCH = 8, 256, 64
RATES = Rates(jnp.array(0.01), jnp.array(0.0))
OWN_FEATURE = jnp.eye(2)


def learner_for(problem, parameters=(), config=CONFIG, num_policies=2):
    environment = problem.environment
    return init_learner(
        jax.random.key(0),
        config,
        num_policies,
        environment.observation_size,
        environment.action_space,
        problem.num_features,
        parameters,
    )


def collect_with(problem, learner, batch_size=BATCH, num_policies=2):
    keys = jax.random.split(jax.random.key(1), num_policies)
    collector = init_collector(keys, problem, NUM_ENVS)
    policies = Policies(learner.actor, learner.normalizer, problem.environment.action_space)
    return collect(collector, problem, policies, batch_size // NUM_ENVS)[1]


def run_update(
    learner, transitions, parameters=(), mix_fn=None, rates=RATES, config=CONFIG, rate=0.002
):
    """The learner, the assignment's parameters and the metrics after an update."""
    mix_fn = mix_fn or (lambda _: OWN_FEATURE)
    objective = Objective(lambda p: Mix(mix_fn(p), jnp.ones(2)), parameters, rate)
    return update(jax.random.key(2), learner, transitions, objective, rates, config, 0.9, None)[:3]


@pytest.fixture(scope="module")
def bandit():
    """A problem, a fresh learner, a batch, and what one update makes of them."""
    problem = problem_of(ContextualBandit())
    learner = learner_for(problem)
    transitions = collect_with(problem, learner)
    return problem, learner, transitions, jax.jit(run_update)(learner, transitions)


def action_probabilities(learner, observations):
    """[K, contexts, A]."""
    actor, normalizer = learner.actor, learner.normalizer
    return jax.nn.softmax(actor(normalizer(jnp.stack([observations] * 2))).logits)


def test_update_makes_each_policys_own_best_action_likelier_in_every_context(bandit):
    _, before, _, (after, _, _) = bandit
    old, new = (action_probabilities(learner, jnp.eye(2)) for learner in (before, after))
    for policy in range(2):
        for context in range(2):
            best = (policy - context) % 2  # feature (action + context) % 2 is its own
            assert new[policy, context, best] > old[policy, context, best] + 0.02


def test_update_moves_every_array(bandit):
    _, before, _, (after, _, _) = bandit
    for name in ("actor", "critic", "actor_moments", "critic_moments", "normalizer"):
        pairs = zip(*(jax.tree.leaves(getattr(x, name)) for x in (before, after)), strict=True)
        assert all(np.any(old != new) for old, new in pairs), name


def test_normaliser_takes_in_observations_and_never_final_ones(bandit):
    """The final observations of this environment are poison."""
    _, _, transitions, (after, _, _) = bandit
    seen = np.asarray(transitions.observations).reshape(2, -1, 2)
    assert transitions.next_observations.min() > 1e5
    np.testing.assert_allclose(after.normalizer.mean, seen.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(after.normalizer.variance, seen.var(axis=1), atol=1e-5)


def test_mixing_in_every_minibatch_equals_mixing_once(bandit):
    """End-to-end and hard assignment differ by what learns, not by what the actors see."""
    problem, _, transitions, (expected, _, _) = bandit
    logits = jnp.array([[30.0, 0.0], [0.0, 30.0]])
    learner = learner_for(problem, logits)
    found, kept, _ = jax.jit(
        lambda learner: run_update(
            learner, transitions, logits, lambda p: jax.nn.softmax(p, axis=1).T, rate=0.0
        )
    )(learner)
    np.testing.assert_array_equal(kept, logits)
    for one, other in zip(*(jax.tree.leaves(x.actor) for x in (found, expected)), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_a_feature_that_nobody_wants_may_ruin_the_critic_alone(bandit):
    """Squares of 1e30 are infinite in single precision; a mix of 0 keeps them from the actor."""
    _, learner, transitions, _ = bandit
    features = transitions.features.at[1, ..., 0].set(1e30)
    ruined = dataclasses.replace(transitions, features=features)
    objective = Objective(lambda _: Mix(OWN_FEATURE, jnp.ones(2)), (), 0.0)
    done = update(jax.random.key(2), learner, ruined, objective, RATES, CONFIG, 0.9, None)
    assert done.is_finite.tolist() == [True, False]
    assert np.isfinite(done.metrics["entropy"]).all()


def test_statistics_stay_as_they_are_where_normalising_is_switched_off():
    config = dataclasses.replace(ONE_STEP, normalize_observations=False)
    problem = problem_of(Weather())
    learner = learner_for(problem, config=config)
    transitions = collect_with(problem, learner, ONE_BATCH)
    after, _, _ = jax.jit(lambda x: run_update(x, transitions, config=config))(learner)
    np.testing.assert_array_equal(after.normalizer.mean, 0.0)
    np.testing.assert_array_equal(after.normalizer.count, 0.0)


@pytest.fixture(scope="module")
def one_step():
    return jax.jit(lambda learner, batch: run_update(learner, batch, config=ONE_STEP))


@pytest.mark.parametrize("round_", [1, 2, 3])
def test_ratios_are_one_before_the_first_gradient_step(one_step, round_):
    """Learning sees observations exactly as acting did, however the statistics move between."""
    problem = problem_of(Weather())
    learner = learner_for(problem, config=ONE_STEP)
    for _ in range(round_):
        transitions = collect_with(problem, learner, ONE_BATCH)
        learner, _, metrics = one_step(learner, transitions)
        np.testing.assert_allclose(metrics["approx_kl"], 0.0, atol=1e-6)
        np.testing.assert_array_equal(metrics["clip_fraction"], 0.0)
    assert learner.normalizer.mean.min() > 90.0


def test_first_gradient_step_moves_by_the_learning_rate(one_step):
    problem = problem_of(Weather())
    learner = learner_for(problem, config=ONE_STEP)
    after, _, _ = one_step(learner, collect_with(problem, learner, ONE_BATCH))
    moved = np.abs(after.critic.head.bias - learner.critic.head.bias)
    np.testing.assert_allclose(moved, float(RATES.learning_rate), rtol=0.02)


def test_assignment_parameters_move_by_their_own_rate():
    problem = problem_of(ContextualBandit())
    logits = jnp.array([[0.3, 0.0], [0.0, 0.1]])
    learner = learner_for(problem, logits, ONE_STEP)
    transitions = collect_with(problem, learner, ONE_BATCH)
    mix_fn = lambda p: jax.nn.softmax(p, axis=1).T  # noqa: E731
    moved = jax.jit(lambda batch: run_update(learner, batch, logits, mix_fn, config=ONE_STEP)[1])(
        transitions
    )
    np.testing.assert_allclose(np.abs(moved - logits), 0.002, rtol=0.05)


def test_assignment_parameters_move_down_the_actors_loss():
    """By Adam's first step each entry moves by its rate, against the sign of its gradient."""
    problem = errands_problem()
    logits = jnp.array([[0.3, 0.0], [0.0, 0.1], [-0.2, 0.4], [0.5, -0.5]])
    learner = worn(learner_for(problem, logits, ONE_STEP))
    transitions = collect_with(problem, learner, ONE_BATCH)
    wants = problem.population.coefficients
    mix_fn = lambda p: jax.nn.softmax(p, axis=1).T @ wants  # noqa: E731

    @jax.jit
    def gradient_and_step(learner, transitions):
        batch, _ = prepare(learner, transitions, ONE_STEP, 0.9)
        scale = advantage_scale(mix_advantages(batch.advantages, mix_fn(logits)))
        loss = lambda p: actor_loss((learner.actor, p), batch, mix_fn, scale, 0.2, 0.0)[0]  # noqa: E731
        after = run_update(learner, transitions, logits, mix_fn, config=ONE_STEP)[1]
        return jax.grad(loss)(logits), after - logits

    gradient, moved = gradient_and_step(learner, transitions)
    assert np.abs(gradient).min() > 1e-4
    np.testing.assert_allclose(moved, -0.002 * np.sign(gradient), rtol=0.05)


@pytest.fixture(scope="module")
def first_critic_loss():
    """Of two steps in one environment whose values are its observations."""
    config = PPO(minibatch_size=2, num_epochs=1, gae_lambda=1.0)
    actor = init_actor(jax.random.key(0), 1, 1, Discrete(2), (), Sharing.HIDDEN)
    critic = NetworkStack((), Layer(jnp.ones((1, 1, 1)), jnp.zeros((1, 1, 1))))
    init, identity = adam(config.adam_epsilon).init, Normalizer.identity(1, 1)
    learner = PPOState(actor, critic, identity, (init(actor), init(())), init(critic))
    mix_fn = lambda _: jnp.ones((1, 1))  # noqa: E731

    def run(transitions):
        key = jax.random.key(0)
        objective = Objective(lambda p: Mix(mix_fn(p), jnp.ones(1)), (), 0.0)
        improved = update(key, learner, transitions, objective, RATES, config, 0.5, None)
        return improved.metrics["critic_loss"]

    return jax.jit(run)


@pytest.mark.parametrize(
    ("terminated", "truncated", "targets"),
    [
        # Values are the observations, the discount is a half and lambda 1: the first step's
        # advantage is 1 + 8/2 - 0 plus half of the second's, 0 + 7/2 - 0, unless it ended there.
        pytest.param(False, False, [5.0 + 1.75, 3.5], id="going on"),
        pytest.param(False, True, [5.0, 3.5], id="truncated: the final observation counts"),
        pytest.param(True, False, [1.0, 3.5], id="terminated: nothing counts"),
    ],
)
def test_value_targets_use_the_final_observation_and_not_the_resets(
    first_critic_loss, terminated, truncated, targets
):
    """The first loss is half the mean square of targets less values, and values are 0 here."""

    def column(*values, dtype=jnp.float32):
        return jnp.array(values, dtype).reshape(1, 2, 1)

    loss = first_critic_loss(
        Transitions(
            observations=column(0, 0)[..., None],
            actions=column(0, 0, dtype=jnp.int32),
            log_probs=column(-0.69, -0.69),
            features=column(1, 0)[..., None],
            next_observations=column(8, 7)[..., None],
            terminated=column(terminated, 0, dtype=bool),
            truncated=column(truncated, 0, dtype=bool),
        )
    )
    np.testing.assert_allclose(loss, 0.5 * np.mean(np.square(targets)), rtol=1e-5)


def test_every_epoch_passes_over_the_whole_batch_in_an_order_of_its_own():
    """In minibatches of 64 of 256, three times: each position once an epoch."""
    config = PPO(minibatch_size=64, num_epochs=3)

    def write_down(carry, positions):
        count, seen = carry
        return (count + 1, seen.at[count].set(positions[0])), count.astype(jnp.float32)

    seen = jnp.full((100, 64), -1)
    run = lambda key: _epochs(write_down, (0, seen), jnp.arange(256)[None], key, config)  # noqa: E731
    (count, seen), mean = jax.jit(run)(jax.random.key(0))
    assert int(count) == 3 * 4
    assert float(mean) == np.mean(range(12))
    epochs = np.asarray(seen[:12]).reshape(3, 256)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), [range(256)] * 3)
    agree = [np.mean(a == b) for a, b in zip(epochs, (*epochs[1:], np.arange(256)), strict=True)]
    assert max(agree) < 0.05


def test_actors_and_critics_take_every_gradient_step_of_every_epoch():
    config = dataclasses.replace(ONE_STEP, minibatch_size=16, num_epochs=3)
    problem = errands_problem()
    learner = learner_for(problem, config=config)
    transitions = collect_with(problem, learner, ONE_BATCH)
    mix_fn = lambda _: jnp.ones((2, 3))  # noqa: E731
    after, _, _ = jax.jit(lambda x: run_update(x, transitions, mix_fn=mix_fn, config=config))(
        learner
    )
    (actor, _), critic = after.actor_moments, after.critic_moments
    assert (int(actor.count), int(critic.count)) == (12, 12)


def worn(learner, seed=5):
    """A learner whose critics are no longer near zero, and whose statistics are of something."""
    keys = iter(jax.random.split(jax.random.key(seed), 50))
    shaken = jax.tree.map(
        lambda leaf: leaf + 0.3 * jax.random.normal(next(keys), leaf.shape), learner.critic
    )
    seen = np.array([90.0, -20.0, 6.0]) + np.random.default_rng(seed).normal(0, 15, (2, 40, 3))
    normalizer = learner.normalizer.update(jnp.asarray(seen, jnp.float32))
    return dataclasses.replace(learner, critic=shaken, normalizer=normalizer)


def test_advantages_and_value_targets_by_their_definition():
    """In NumPy, with statistics and values that matter, pay in every step and both kinds of end."""
    problem = errands_problem()
    learner = worn(learner_for(problem, config=CONFIG))
    batch = collect_with(problem, learner)
    actor_batch, critic_batch = jax.jit(lambda s, t: prepare(s, t, CONFIG, 0.9))(learner, batch)
    assert batch.terminated.any()
    assert batch.truncated.any()

    mean, variance = learner.normalizer.mean, learner.normalizer.variance

    def standard(observations):
        flat = np.asarray(observations, np.float64).reshape(2, -1, 3)
        return np.clip((flat - mean[:, None]) / np.sqrt(variance + 1e-8)[:, None], -10, 10)

    def values(observations):
        found = learner.critic(jnp.asarray(standard(observations), jnp.float32))
        return np.asarray(found, np.float64).reshape(*batch.features.shape)

    before, after = values(batch.observations), values(batch.next_observations)
    assert np.abs(before).mean() > 0.1
    advantages = np.zeros(batch.features.shape)
    tail = np.zeros_like(advantages[:, 0])
    for t in reversed(range(batch.features.shape[1])):
        goes_on = ~np.asarray(batch.terminated[:, t])[..., None]
        cut = np.asarray(batch.terminated[:, t] | batch.truncated[:, t])[..., None]
        delta = np.asarray(batch.features[:, t]) + 0.9 * goes_on * after[:, t] - before[:, t]
        tail = delta + 0.9 * CONFIG.gae_lambda * ~cut * tail
        advantages[:, t] = tail
    close = {"rtol": 2e-4, "atol": 2e-3}
    np.testing.assert_allclose(actor_batch.observations, standard(batch.observations), **close)
    np.testing.assert_allclose(critic_batch.observations, standard(batch.observations), **close)
    np.testing.assert_allclose(actor_batch.advantages, advantages.reshape(2, -1, 3), **close)
    targets = (advantages + before).reshape(2, -1, 3)
    np.testing.assert_allclose(critic_batch.targets, targets, **close)
    np.testing.assert_array_equal(actor_batch.actions, batch.actions.reshape(2, -1))
    np.testing.assert_array_equal(actor_batch.log_probs, batch.log_probs.reshape(2, -1))
