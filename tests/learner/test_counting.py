"""Counts against values by hand, a linear system, and policy iteration on the true arrays."""

import dataclasses
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.domains.tabular.problem import tabular_problem
from handful.environment import Discrete
from handful.exact.tabular import Dynamics, policy_iteration
from handful.learner import counting
from handful.learner.base import Objective
from handful.learner.counted_model import Model, estimate, values_of
from handful.learner.counting import LEAST_TEMPERATURE, Counting, CountingState, plan
from handful.learner.experience import Experience
from handful.learner.networks import Sharing, init_actor, init_critic
from handful.learner.normalize import Normalizer
from handful.mix import Mix
from handful.transitions import Transitions

S, A, D, K = 5, 3, 2, 2


def learner_of(num_symbols, num_actions, num_features, num_policies=K):
    key, space, alone = jax.random.key(0), Discrete(num_actions), Sharing.NOTHING
    return CountingState(
        init_actor(key, num_policies, 1, space, (), alone, num_symbols=num_symbols),
        init_critic(key, num_policies, 1, num_features, (), alone, num_symbols),
        Normalizer.identity(num_policies, 1, np.inf),
        Experience.empty(num_symbols, num_actions, num_features),
    )


def improve(state, model, batch, mix, temperature):
    """Ten steps of policy iteration, and what they say of the batch."""
    temperature = max(temperature, LEAST_TEMPERATURE)
    after = state.with_networks(plan(state.networks, model, mix, temperature, 10))
    return after, counting._metrics(after, batch, model.discount)


def count(state, batch, horizon, discount):
    """The state with a batch counted, and the model that follows."""
    after = Counting().observe(state, batch)
    return after, estimate(after.experience, horizon, discount)


def random_model(seed, horizon=1000):
    """Any step may end the episode, by a tenth."""
    rng = np.random.default_rng(seed)
    moves = 0.9 * rng.dirichlet(np.ones(S), size=(S, A))
    features, starts = rng.normal(size=(S, A, D)), rng.dirichlet(np.ones(S))
    return Model(*map(jnp.asarray, (moves, features, starts)), horizon, 1.0)


def batch_of(observations, actions, features, number, terminated=True):
    """One step of each of K policies."""
    shape = (len(observations), 1, 1)
    seen = jnp.reshape(jnp.asarray(observations, jnp.float32), (*shape, 1)) / number
    ends = jnp.full(shape, terminated)
    return Transitions(
        observations=seen,
        actions=jnp.reshape(jnp.asarray(actions), shape),
        log_probs=jnp.full(shape, jnp.log(0.5)),
        features=jnp.reshape(jnp.asarray(features, jnp.float32), (*shape, -1)),
        next_observations=seen,
        terminated=ends,
        truncated=~ends,
    )


def test_frequencies_with_the_other_actions_for_a_prior():
    """Action 0 taken 5 times, always on to 1 for 2; action 1 15 times, always the end for 0."""
    experience = Experience(
        visits=jnp.array([[5, 15], [0, 0]]),
        followed=jnp.zeros((2, 2, 2), jnp.int32).at[0, 0, 1].set(5),
        features=jnp.zeros((2, 2, 1)).at[0, 0, 0].set(10.0),
        starts=jnp.array([3, 1]),
    )
    model = estimate(experience, 7, 0.5)
    # What is usual in 0: on to 1 by 5 of 20, for 10 / 20.
    np.testing.assert_allclose(model.moves[0, :, 1], [(5 + 5 / 4) / 10, (0 + 5 / 4) / 20])
    np.testing.assert_allclose(model.features[0, :, 0], [(10 + 5 / 2) / 10, (0 + 5 / 2) / 20])
    np.testing.assert_array_equal(model.moves[1], 0.0)  # never seen: the end, for nothing
    np.testing.assert_array_equal(model.features[1], 0.0)
    np.testing.assert_allclose(model.starts, [0.75, 0.25])
    assert (model.horizon, model.discount) == (7, 0.5)


def test_many_visits_outweigh_the_prior():
    """The model of all visits is the true one to the precision of the counts."""
    truth = random_model(1)
    visits = 1_000_000
    experience = Experience(
        visits=jnp.full((S, A), visits),
        followed=jnp.rint(truth.moves * visits).astype(jnp.int32),
        features=truth.features * visits,
        starts=jnp.rint(truth.starts * visits).astype(jnp.int32),
    )
    model = estimate(experience, 1000, 1.0)
    for found, expected in zip(model[:3], truth[:3], strict=True):
        np.testing.assert_allclose(found, expected, atol=5e-5)


def test_values_are_those_of_the_linear_system():
    model, actions = random_model(2), np.array([[0, 1, 2, 0, 1], [2, 2, 2, 2, 2]])
    found = values_of(model, jnp.asarray(actions))
    for values, chosen in zip(found, actions, strict=True):
        moves, paid = (np.asarray(part)[np.arange(S), chosen] for part in model[:2])
        np.testing.assert_allclose(values, np.linalg.solve(np.eye(S) - moves, paid), rtol=1e-4)


@pytest.mark.parametrize(("discount", "value"), [(1.0, 7.0), (0.5, 1.984375)])
def test_policies_that_never_end_earn_what_the_horizon_allows(discount, value):
    """A step for ever pays 1."""
    model = Model(jnp.ones((1, 1, 1)), jnp.ones((1, 1, 1)), jnp.ones(1), 7, discount)
    np.testing.assert_allclose(values_of(model, jnp.zeros((1, 1), int)), [[[value]]])


@pytest.mark.parametrize("seed", range(5))
def test_every_policy_finds_the_best_for_its_own_mix(seed):
    model, mix = random_model(seed), np.array([[1.0, 0.3], [-1.0, 2.0]])
    batch = batch_of([0, 0], [0, 0], [[0.0] * D] * K, S)
    learner, _ = improve(learner_of(S, A, D), model, batch, jnp.asarray(mix), 0.1)
    dynamics = Dynamics(np.asarray(model.moves, float), 1.0)
    found = counting.likeliest_actions(learner.actor)
    for j in range(K):
        reward = np.asarray(model.features, float) @ mix[j]
        best = policy_iteration(dynamics, reward)
        np.testing.assert_array_equal(found[j], best)
        value = dynamics.evaluate(best, reward[np.arange(S), best])
        np.testing.assert_allclose(learner.critic.head.weight[j] @ mix[j], value, rtol=1e-3)
    returns = counting.returns_of(model, learner.actor)
    everything = values_of(model, jnp.array(list(itertools.product(range(A), repeat=S))))
    everyone = np.einsum("s,psd,kd->kp", model.starts, everything, mix)
    np.testing.assert_allclose(np.sum(returns * mix, axis=1), everyone.max(axis=1), rtol=1e-4)


def test_returns_are_without_the_discount_that_a_policy_learns_by():
    """One state whose action pays 1 in each of three steps: 3, and 1 + 1/2 + 1/4 by discount."""
    learner = learner_of(1, 2, 1)
    model = Model(jnp.ones((1, 2, 1)), jnp.ones((1, 2, 1)), jnp.ones(1), horizon=3, discount=0.5)
    np.testing.assert_allclose(counting.returns_of(model, learner.actor), 3.0)
    np.testing.assert_allclose(counting.returns_of(model, learner.actor, 0.5), 1.75)


def bandit():
    """Two arms that pay 1 and 0.5 and end the episode."""
    features = jnp.array([[[1.0], [0.5]]])
    return Model(jnp.zeros((1, 2, 1)), features, jnp.ones(1), 1, 1.0)


def test_policies_are_a_softmax_of_advantages():
    batch = batch_of([0, 0], [0, 1], [[1.0], [0.5]], 1)
    mix = jnp.array([[1.0], [-1.0]])
    learner, metrics = improve(learner_of(1, 2, 1), bandit(), batch, mix, 0.5)
    np.testing.assert_allclose(learner.actor.stack.head.weight[:, 0], [[0, -1], [-1, 0]])
    np.testing.assert_array_equal(learner.actor.stack.head.bias, 0.0)
    np.testing.assert_allclose(learner.critic.head.weight[:, 0, 0], [1.0, 0.5])
    likely = 1 / (1 + np.exp(-1))
    entropy = -likely * np.log(likely) - (1 - likely) * np.log(1 - likely)
    np.testing.assert_allclose(metrics["entropy"], [entropy] * 2, rtol=1e-5)
    # Policy 0 took arm 0 and policy 1 arm 1, each with probability a half.
    ratio = 2 * likely
    np.testing.assert_allclose(metrics["approx_kl"], [ratio - 1 - np.log(ratio)] * 2, rtol=1e-4)
    np.testing.assert_allclose(metrics["critic_loss"], 0.0, atol=1e-12)


def test_policies_that_like_one_of_equal_actions_keep_it():
    """Both arms pay 1 of what policy 0 wants; the second one pays 5 of something else as well."""
    features = jnp.array([[[1.0, 0.0], [1.0, 5.0]]])
    model = Model(jnp.zeros((1, 2, 1)), features, jnp.ones(1), 1, 1.0)
    learner = learner_of(1, 2, 2, 1)
    likes = lambda arm: jax.nn.one_hot(jnp.full((1, 1), arm), 2)  # noqa: E731
    for arm, value in ((0, [1.0, 0.0]), (1, [1.0, 5.0])):
        acts = eqx.tree_at(lambda s: s.actor.stack.head.weight, learner, likes(arm))
        after = plan(acts.networks, model, jnp.array([[1.0, 0.0]]), 1.0, 3)
        np.testing.assert_allclose(after.critic.head.weight[0, 0], value)


@pytest.mark.parametrize(("progress", "temperature"), [(0.0, 0.5), (0.5, 0.375), (1.0, 0.25)])
def test_an_update_is_for_the_mean_user_by_the_temperature_of_the_moment(progress, temperature):
    """Arms that pay 1 and 0 were each tried once, and the prior of five visits draws them together:
    to (1 + 5 / 2) / 6 and (0 + 5 / 2) / 6, which are a sixth apart."""
    problem = tabular_problem(np.zeros((1, 2, 1)), np.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
    learner = Counting(temperature=0.5, final_temperature=0.25)
    arms = problem.num_features
    state = learner.init(jax.random.key(0), problem, 2, ())
    paid = np.eye(2, arms)
    batch = batch_of([0, 0], [0, 1], paid, 1)
    state = learner.observe(state, batch)
    # Policy 0 has four users who want the first feature, policy 1 has one who wants the second.
    mix = Mix(jnp.asarray(paid) * jnp.array([[4.0], [1.0]]), jnp.array([4.0, 1.0]))
    done = learner.improve(
        jax.random.key(1),
        state,
        batch,
        Objective(lambda _: mix, (), 0.0),
        jnp.asarray(progress),
        jnp.asarray(1.0),
        problem,
        None,
    )
    gap = -1 / 6 / temperature
    np.testing.assert_allclose(
        done.state.actor.stack.head.weight[:, 0], [[0.0, gap], [gap, 0.0]], rtol=1e-5, atol=1e-7
    )
    assert done.metrics["temperature"] == pytest.approx(temperature)
    # What is said of the policies is said of those that come out of the update.
    likely = 1 / (1 + np.exp(gap))
    np.testing.assert_allclose(
        done.metrics["approx_kl"], 2 * likely - 1 - np.log(2 * likely), rtol=1e-3
    )
    assert done.is_finite.tolist() == [True, True]
    assert done.parameters == ()


def test_without_a_temperature_policies_are_greedy():
    batch = batch_of([0, 0], [0, 1], [[1.0], [0.5]], 1)
    learner, metrics = improve(learner_of(1, 2, 1), bandit(), batch, jnp.ones((2, 1)), 0.0)
    np.testing.assert_allclose(metrics["entropy"], 0.0, atol=1e-6)
    assert np.isfinite(metrics["approx_kl"]).all()
    np.testing.assert_array_equal(counting.likeliest_actions(learner.actor), [[0], [0]])


def test_a_cut_episode_counts_what_would_have_followed():
    """One action, which leads back to where it was taken and pays 1, cut after a step: the critic's
    error is 0 where it says what the horizon allows, give or take the step that is left."""
    learner, model = count(
        learner_of(1, 1, 1, 1), batch_of([0], [0], [[1.0]], 1, terminated=False), 10, 0.5
    )
    np.testing.assert_allclose(model.moves, 1.0)
    _, metrics = improve(
        learner,
        model,
        batch_of([0], [0], [[1.0]], 1, terminated=False),
        jnp.ones((1, 1)),
        0.1,
    )
    np.testing.assert_allclose(metrics["critic_loss"], 0.0, atol=1e-5)


def test_an_episode_that_ended_counts_nothing_that_would_have_followed():
    """The same action, but the episode ends with it: it is worth the 1 that it pays and no more."""
    batch = batch_of([0], [0], [[1.0]], 1, terminated=True)
    learner, model = count(learner_of(1, 1, 1, 1), batch, 10, 0.5)
    learner, metrics = improve(learner, model, batch, jnp.ones((1, 1)), 0.1)
    np.testing.assert_allclose(learner.critic.head.weight, 1.0)
    np.testing.assert_allclose(metrics["critic_loss"], 0.0, atol=1e-5)


def test_all_policies_count_into_one_table():
    batch = batch_of([0, 0], [0, 1], [[1.0], [0.5]], 1)
    learner, _ = count(learner_of(1, 2, 1), batch, 1, 1.0)
    np.testing.assert_array_equal(learner.experience.visits, [[1, 1]])


def test_what_was_counted_outlives_the_policies():
    batch = batch_of([0, 0], [0, 1], [[1.0], [0.5]], 1)
    before, fresh = Counting().observe(learner_of(1, 2, 1), batch), learner_of(1, 2, 1)
    after = Counting().restart(fresh, before)
    np.testing.assert_array_equal(after.experience.visits, [[1, 1]])
    assert after.actor is fresh.actor


def test_policies_that_have_not_changed_differ_in_nothing_from_those_that_acted():
    """They acted with chance of their own to explore with, which is theirs too."""
    learner = learner_of(S, A, D)
    table = jnp.zeros((K, S, A)).at[:, :, 0].set(2.0)
    actor = eqx.tree_at(lambda a: a.stack.head.weight, learner.actor, table)
    actor = dataclasses.replace(actor, random_actions=0.3)
    learner = dataclasses.replace(learner, actor=actor)
    batch = batch_of([1, 2], [0, 1], np.zeros((2, D)), S)
    flat = batch.flat()
    log_probs = actor(flat.observations).log_prob(flat.actions).reshape(batch.log_probs.shape)
    batch = dataclasses.replace(batch, log_probs=log_probs)
    metrics = counting._metrics(learner, batch, 1.0)
    np.testing.assert_allclose(metrics["approx_kl"], 0.0, atol=1e-6)
