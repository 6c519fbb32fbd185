"""One conditioned policy: its forms agree, and it is trained for the mixes it collected for."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.environment import Box, Discrete
from handful.errors import HandfulError
from handful.learner import PPO, Counting
from handful.learner.base import Objective
from handful.learner.curriculum import PACE
from handful.learner.networks import has_policy_axis
from handful.learner.normalize import CLIP, Normalizer
from handful.learner.policies import Policies
from handful.learner.policies_file import load_policies, save_policies
from handful.learner.universal import UniversalPPO
from handful.learner.universal_learners import universal_learner
from handful.mix import Mix
from handful.transitions import Transitions

LANES = 6
BOX = Box(low=(-1.0,), high=(1.0,))


@pytest.fixture(scope="module")
def problem():
    return handful.make("glide", users=5)


@pytest.fixture(scope="module")
def learner():
    return UniversalPPO(hidden_sizes=(8, 8), context_size=3, num_epochs=1)


@pytest.fixture(scope="module")
def state(problem, learner):
    state = learner.init(jax.random.key(0), problem, LANES, ())
    head = jax.random.normal(jax.random.key(1), state.actor.stack.head.weight.shape)
    return eqx.tree_at(lambda s: s.actor.stack.head.weight, state, head)


def policies_of(problem, networks):
    return Policies(networks.actor, networks.normalizer, problem.environment.action_space)


def batch_of(problem, ended):
    shape = (LANES, 4, 1)
    key = jax.random.key(2)
    size = problem.environment.observation_size
    terminated = jnp.zeros(shape, bool).at[:, 2, 0].set(jnp.asarray(ended))
    return Transitions(
        observations=jax.random.normal(key, (*shape, size)),
        actions=jax.random.normal(key, (*shape, problem.environment.action_space.size)),
        log_probs=jnp.full(shape, -1.0),
        features=jax.random.uniform(key, (*shape, problem.num_features)),
        next_observations=jax.random.normal(key, (*shape, size)),
        terminated=terminated,
        truncated=jnp.zeros(shape, bool),
    )


def improve(learner, state, batch, problem, weight=1.0):
    mix = Mix(weight * jnp.ones((LANES, problem.num_features)), jnp.ones(LANES))
    objective = Objective(lambda _: mix, (), 0.0)
    observed = learner.observe(state, batch)
    zero, one = jnp.zeros(()), jnp.ones(())
    return learner.improve(
        jax.random.key(3), observed, batch, objective, zero, one, problem, None
    ).state


def test_policies_apart_are_the_conditioned_policy_at_their_contexts(problem, learner, state):
    contexts = learner.contexts(state, jnp.asarray(problem.population.coefficients))
    observations = jax.random.normal(jax.random.key(4), (5, 7, 2))
    together = policies_of(problem, learner.at(state, contexts))
    apart = policies_of(problem, learner.apart(state, contexts))
    one, other = together(observations), apart(observations)
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-6)
    np.testing.assert_allclose(one.log_std, other.log_std)
    same = together(jnp.broadcast_to(observations[:1], observations.shape)).mean[:, 0]
    assert np.ptp(np.asarray(same), axis=0).max() > 1e-3  # policies differ by their contexts
    shared, own = learner.at(state, contexts), learner.apart(state, contexts)
    np.testing.assert_allclose(shared.critic(observations), own.critic(observations), atol=1e-5)
    assert all(jax.tree.leaves(has_policy_axis(own.actor)))


@pytest.mark.parametrize("is_normalised", [True, False])
@pytest.mark.parametrize("which", [("learner", "state"), ("explorer", "explored")])
def test_parts_of_policies_that_draw_are_the_policy_at_their_contexts(
    problem, which, is_normalised, request
):
    """Two policies of three parts each, at six contexts."""
    learner, state = (request.getfixturevalue(name) for name in which)
    clip = CLIP if is_normalised else jnp.inf
    met = Normalizer.identity(LANES, 2, clip)
    if is_normalised:
        rows = 2.0 + 3.0 * jax.random.normal(jax.random.key(6), (LANES, 50, 2))
        met = met.update(rows, together=True)
    state = dataclasses.replace(state, normalizer=met)
    contexts = jax.random.normal(jax.random.key(5), (2, 3, state.embedding.axes.shape[1]))
    observations = jax.random.normal(jax.random.key(4), (7, 2))
    drawing = learner.drawing(state, contexts)
    actor = drawing.actor(drawing.normalizer(shown(observations, 2, 3)))
    alone = learner.at(state, contexts.reshape(6, -1))
    raw = jnp.broadcast_to(observations, (6, 7, 2))
    expected = alone.actor(alone.normalizer(raw))
    np.testing.assert_allclose(actor.mean.reshape(6, 7, -1), expected.mean, atol=1e-5)
    np.testing.assert_allclose(actor.log_std.reshape(6, 7, -1), expected.log_std)
    critic = drawing.critic(drawing.normalizer(shown(observations, 2, 3)))
    np.testing.assert_allclose(
        critic.reshape(6, 7, -1), alone.critic(alone.normalizer(raw)), atol=1e-4
    )
    assert all(jax.tree.leaves(has_policy_axis(drawing.actor)))


def shown(observations, policies, parts):
    """Return observations of each part of each policy, [K, M * B, O + M]."""
    vectors = jnp.repeat(jnp.eye(parts), len(observations), axis=0)
    rows = jnp.concatenate([jnp.tile(observations, (parts, 1)), vectors], axis=1)
    return jnp.broadcast_to(rows, (policies, *rows.shape))


def test_the_host_and_the_file_of_policies_know_conditioned_policies(
    problem, learner, state, tmp_path
):
    contexts = learner.contexts(state, jnp.asarray(problem.population.coefficients))
    policies = policies_of(problem, learner.at(state, contexts))
    observations = np.random.default_rng(0).normal(size=(5, 3, 2)).astype(np.float32)
    expected = policies(jnp.asarray(observations))
    np.testing.assert_allclose(policies.on_host()(observations), expected.mean, atol=1e-5)
    assert policies.on_host().log_std.shape == (5, 1)
    save_policies(tmp_path / "p.safetensors", policies, "run")
    found = load_policies(tmp_path / "p.safetensors")(jnp.asarray(observations))
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-6)
    np.testing.assert_allclose(found.log_std, expected.log_std)


def test_taking_policies_takes_contexts_and_leaves_the_network(problem, learner, state):
    contexts = learner.contexts(state, jnp.asarray(problem.population.coefficients))
    policies = policies_of(problem, learner.at(state, contexts))
    observations = jax.random.normal(jax.random.key(4), (5, 2, 2))
    taken = policies.take(jnp.array([3, 1]))
    expected = policies(observations[jnp.array([0, 3, 2, 0, 4])]).mean[jnp.array([3, 1])]
    np.testing.assert_allclose(taken(observations[jnp.array([0, 3])]).mean, expected, atol=1e-6)


def test_only_mixes_whose_episodes_ended_are_drawn_again(problem, learner, state):
    ended = [True, False, True, False, False, True]
    after = improve(learner, state, batch_of(problem, ended), problem)
    changed = np.any(np.asarray(after.mixes != state.mixes), axis=1)
    assert not changed[[1, 3, 4]].any()
    assert changed.any()
    np.testing.assert_allclose(
        after.actor.stack.conditioning.contexts, after.embedding(after.mixes), atol=1e-5
    )


@pytest.mark.parametrize(("target", "factor"), [(1e9, 1.2), (1e-9, 1 / 1.2)])
def test_the_step_size_follows_how_much_the_policies_change(
    problem, learner, state, target, factor
):
    batch = batch_of(problem, [False] * LANES)
    timid_or_bold = dataclasses.replace(learner, target_kl=target)
    after = improve(timid_or_bold, state, batch, problem)
    assert float(after.pace) == pytest.approx(factor)
    assert float(improve(timid_or_bold, after, batch, problem).pace) == pytest.approx(factor**2)
    assert float(improve(learner, state, batch, problem).pace) == 1.0
    # Adam's first step is as long as its rate.
    weight = state.critic.head.weight
    steps = [
        np.abs(improve(learner, s, batch, problem).critic.head.weight - weight).max()
        for s in (state, dataclasses.replace(state, pace=jnp.asarray(factor)))
    ]
    assert (steps[1] > steps[0]) == (factor > 1)


def test_what_the_assignment_says_is_not_what_it_is_trained_for(problem, learner, state):
    batch = batch_of(problem, [False] * LANES)
    one, other = (improve(learner, state, batch, problem, weight) for weight in (1.0, -5.0))
    np.testing.assert_array_equal(one.actor.stack.head.weight, other.actor.stack.head.weight)
    assert np.any(np.asarray(one.actor.stack.head.weight != state.actor.stack.head.weight))


def test_it_is_trained_for_its_own_mixes(problem, learner, state):
    batch = batch_of(problem, [False] * LANES)
    turned = dataclasses.replace(state, mixes=-state.mixes)
    one, other = (improve(learner, s, batch, problem) for s in (state, turned))
    assert np.any(np.asarray(one.actor.stack.head.weight != other.actor.stack.head.weight))


def test_the_mixes_it_is_trained_for_change_what_its_critic_learns(problem, learner, state):
    batch = batch_of(problem, [False] * LANES)
    first, last = (jnp.zeros_like(state.mixes).at[:, user].set(1.0) for user in (0, -1))

    def moved(mixes, mix_weight):
        weighing = dataclasses.replace(learner, mix_weight=mix_weight)
        after = improve(weighing, dataclasses.replace(state, mixes=mixes), batch, problem)
        return np.asarray(after.critic.head.weight)

    np.testing.assert_array_equal(moved(first, 0.0), moved(last, 0.0))
    assert np.any(moved(first, learner.mix_weight) != moved(last, learner.mix_weight))


def test_the_moment_is_the_mean_over_all_transitions(problem, learner, state):
    batch = batch_of(problem, [False] * LANES)
    features = np.asarray(batch.features).reshape(-1, 5)
    once = learner.observe(state, batch)
    np.testing.assert_allclose(once.moment, features.T @ features / len(features), rtol=1e-4)
    empty = dataclasses.replace(batch, features=jnp.zeros_like(batch.features))
    later = learner.observe(dataclasses.replace(once, updates=jnp.asarray(1)), empty)
    np.testing.assert_allclose(later.moment, once.moment / 2, rtol=1e-5)


def test_it_has_the_settings_that_belong_to_the_problem():
    learner = PPO(discount=0.7, hidden_sizes=(9,), initial_log_std=-2.0, num_epochs=3)
    made = universal_learner(learner, BOX, 5, 0.25)
    assert isinstance(made, UniversalPPO)
    assert (made.discount, made.hidden_sizes, made.initial_log_std) == (0.7, (9,), -2.0)
    assert (made.context_size, made.group_share) == (5, 0.25)
    assert made.num_epochs == UniversalPPO().num_epochs
    finite = universal_learner(learner, Discrete(3), 5, 0.25)
    assert (made.target_kl, finite.target_kl) == (None, 0.02)
    assert finite.num_epochs == 2 * made.num_epochs


@pytest.mark.parametrize("learner", [Counting(), PPO(hidden_sizes=(), share_hidden=False)])
def test_learners_without_a_hidden_layer_of_ours_have_no_universal_form(learner):
    assert universal_learner(learner, BOX, 8, 0.5) is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"context_size": 0}, "context_size"),
        ({"group_share": 1.5}, "group_share"),
        ({"hidden_sizes": ()}, "hidden_sizes"),
    ],
)
def test_bad_settings_are_refused(settings, words):
    with pytest.raises(HandfulError, match=words):
        UniversalPPO(**settings)


@pytest.mark.parametrize("curriculum", [True, False])
def test_where_users_lose_by_ends_it_is_led_in_smaller_steps(problem, learner, state, curriculum):
    """Each episode of the batch ends after three steps, and all steps pay."""
    led = dataclasses.replace(learner, curriculum=curriculum)
    batch = batch_of(problem, [True] * LANES)
    first = improve(led, state, batch, problem)
    assert bool(first.curriculum.has_begun) is curriculum
    assert float(first.pace) == (PACE if curriculum else 1.0)
    users = jnp.asarray(problem.population.coefficients)
    on_way = first.curriculum.led(first.curriculum.centres, jnp.zeros_like(first.mixes), users)
    assert np.array_equal(first.mixes, on_way) is curriculum
    later = dataclasses.replace(state, updates=jnp.asarray(1))
    assert not improve(led, later, batch, problem).curriculum.has_begun  # the first batch decides


@pytest.fixture(scope="module")
def explorer(learner):
    return dataclasses.replace(learner, stretch=4)


@pytest.fixture(scope="module")
def explored(problem, explorer):
    """An exploring learner's state after a batch whose rewards are rare."""
    state = explorer.init(jax.random.key(0), problem, LANES, ())
    batch = batch_of(problem, [True] * LANES)
    rare = dataclasses.replace(batch, features=jnp.zeros_like(batch.features))
    return improve(explorer, state, rare, problem)


def test_where_rewards_are_rare_policies_differ_in_their_interest_in_novelty(explored):
    interest = np.asarray(explored.exploration.interest)
    assert len(np.unique(interest)) == LANES
    assert interest.min() >= 0
    contexts = explored.actor.stack.conditioning.contexts
    assert contexts.shape == (LANES, 4)
    np.testing.assert_allclose(contexts[:, -1], interest)
    np.testing.assert_allclose(
        contexts[:, :-1], explored.embedding(explored.mixes), rtol=1e-4, atol=1e-5
    )


def test_where_rewards_vary_nobody_explores(problem, explorer):
    state = explorer.init(jax.random.key(0), problem, LANES, ())
    after = improve(explorer, state, batch_of(problem, [True] * LANES), problem)
    assert not after.exploration.is_due
    assert not np.asarray(after.exploration.interest).any()


def test_policies_that_are_handed_out_want_no_novelty_and_judge_none(problem, explorer, explored):
    contexts = explorer.contexts(explored, jnp.asarray(problem.population.coefficients))
    assert contexts.shape == (5, 3)
    observations = jax.random.normal(jax.random.key(4), (5, 7, 2))
    together, apart = explorer.at(explored, contexts), explorer.apart(explored, contexts)
    for networks in (together, apart):
        assert networks.critic(observations).shape == (5, 7, problem.num_features)
    np.testing.assert_allclose(together.critic(observations), apart.critic(observations), atol=1e-5)
    np.testing.assert_array_equal(together.actor.stack.conditioning.contexts[:, -1], 0.0)


def test_another_embedding_leaves_what_is_made_of_novelty(explorer, explored):
    other = dataclasses.replace(explored, moment=explored.moment + jnp.diag(jnp.arange(1.0, 6.0)))
    after = explorer._embedded_anew(other)
    before, changed = (s.actor.stack.conditioning.weight for s in (explored, after))
    np.testing.assert_allclose(changed[-1], before[-1], rtol=1e-3, atol=1e-5)
    assert np.abs(changed[:-1] - before[:-1]).max() > 1e-3
