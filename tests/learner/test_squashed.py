import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.collect.acting import Chooser
from handful.environment import Box
from handful.learner.networks import Sharing, init_stack
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies
from handful.learner.policies_file import load_policies, save_policies
from handful.learner.squashed import SquashedGaussian, constant_actor, squashed_actor
from handful.squashing import HIGHEST_LOG_STD, LOWEST_LOG_STD, mean_and_log_std

K, O = 3, 5  # noqa: E741
SPACE = Box((-1.0, 2.0), (1.0, 6.0))
LOW, HIGH = np.float32([-1.0, 2.0]), np.float32([1.0, 6.0])


def policies_of(gain=1.0):
    stack = init_stack(jax.random.key(3), K, (O, 8, 4), gain, Sharing.NOTHING)
    seen = 4.0 + 2.0 * jax.random.normal(jax.random.key(4), (K, 50, O))
    normalizer = Normalizer.identity(K, O).update(seen)
    return Policies(squashed_actor(stack, SPACE), normalizer, SPACE)


def rows(number):
    return np.random.default_rng(0).normal(4.0, 3.0, (K, number, O)).astype(np.float32)


def test_outputs_are_means_and_clipped_logarithms_of_spreads():
    mean, log_std = mean_and_log_std(np.float32([1.0, -2.0, 0.5, 9.0]))
    np.testing.assert_array_equal(mean, [1.0, -2.0])
    np.testing.assert_array_equal(log_std, [0.5, HIGHEST_LOG_STD])
    np.testing.assert_array_equal(mean_and_log_std(jnp.array([0.0, -9.0]))[1], [LOWEST_LOG_STD])


def test_density_adds_up_to_one_between_the_bounds():
    space = Box((-2.0,), (4.0,))
    grid = jnp.linspace(-2.0, 4.0, 60_001)[1:-1, None]
    shape = jnp.ones_like(grid)
    density = jnp.exp(SquashedGaussian(0.4 * shape, -0.5 * shape, space).log_prob(grid))
    assert float(jnp.sum(density) * 6.0 / 60_000) == pytest.approx(1.0, abs=1e-3)


def test_drawn_actions_come_with_their_density_on_the_scale_of_one():
    shape = (4000, 2)
    distribution = SquashedGaussian(jnp.full(shape, 0.3), jnp.full(shape, -1.0), SPACE)
    actions, log_probs = distribution.draw(jax.random.key(0))
    assert float(jnp.abs(actions).max()) < 1.0
    expected = distribution.log_prob(distribution.stretch(actions)) + np.log(1.0 * 2.0)
    np.testing.assert_allclose(log_probs, expected, atol=2e-3)
    np.testing.assert_allclose(np.median(actions, axis=0), np.tanh([0.3, 0.3]), atol=0.02)
    np.testing.assert_allclose(distribution.mode()[0], [np.tanh(0.3), 4 + 2 * np.tanh(0.3)])


def test_policies_act_on_the_host_as_in_jax():
    policies, observations = policies_of(), rows(6)
    there = policies(jnp.asarray(observations)).mode()
    for policy in range(K):
        here = policies.act(observations[policy], policy)
        np.testing.assert_allclose(here, there[policy], rtol=1e-4, atol=1e-5)
    inside = jax.jit(lambda row: policies.act(row, 1))(observations[1, 0])
    np.testing.assert_allclose(inside, there[1, 0], rtol=1e-5)
    choose = Chooser(policies.on_host(), SPACE, None, (K, 6), 1)
    np.testing.assert_allclose(choose(observations).actions, there, rtol=1e-4, atol=1e-5)


def test_collected_actions_stay_inside_and_have_their_density():
    policies, observations = policies_of(), rows(40)
    keys = jax.random.split(jax.random.key(1), K)
    choice = Chooser(policies.on_host(), SPACE, keys, (K, 40), 1)(observations)
    assert (choice.raw >= LOW).all()
    assert (choice.raw <= HIGH).all()
    np.testing.assert_array_equal(choice.raw, choice.actions)
    expected = policies(jnp.asarray(observations)).log_prob(jnp.asarray(choice.raw))
    # Single precision says little of the density next to a bound.
    away = np.abs((choice.raw - (LOW + HIGH) / 2) / ((HIGH - LOW) / 2)).max(axis=-1) < 0.999
    np.testing.assert_allclose(choice.log_probs[away], expected[away], atol=0.02)


@pytest.mark.parametrize("chance", ["rng", "key"])
def test_a_called_policy_varies_as_its_spread_says(chance):
    policies = policies_of()
    row = rows(1)[2, 0]
    distribution = policies(jnp.broadcast_to(row, (K, 1, O)))
    mean, log_std = (np.asarray(x)[2, 0] for x in (distribution.mean, distribution.log_std))
    given = {"rng": np.random.default_rng(0), "key": jax.random.key(0)}
    actions = policies.act(np.tile(row, (4000, 1)), 2, **{chance: given[chance]})
    drawn = np.arctanh(np.clip((actions - [0.0, 4.0]) / [1.0, 2.0], -0.999999, 0.999999))
    np.testing.assert_allclose(np.median(drawn, axis=0), mean, atol=0.1 * np.exp(log_std).max())
    np.testing.assert_allclose(
        np.subtract(*np.quantile(drawn, [0.75, 0.25], axis=0)), 1.349 * np.exp(log_std), rtol=0.1
    )


def test_a_constant_action_may_be_a_bound():
    actions = jnp.array([[-1.0, 6.0], [0.0, 4.0], [0.5, 3.0]])
    actor = constant_actor(policies_of().actor, actions, O)
    np.testing.assert_allclose(actor(jnp.asarray(rows(2))).mode()[:, 1], actions, atol=1e-5)


def test_a_file_holds_squashed_policies(tmp_path):
    path, policies = tmp_path / "policies.safetensors", policies_of()
    save_policies(path, policies, "digest")
    loaded = load_policies(path)
    assert jax.tree.structure(loaded) == jax.tree.structure(policies)
    observations = rows(3)
    np.testing.assert_array_equal(loaded.act(observations[0], 0), policies.act(observations[0], 0))
