"""A run keeps the best moments that it had in training, apart from each other."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.training.run import Run
from handful.training.state import SHORTLIST_LENGTH, Pool, Pooled, Shortlist, init_state
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import assert_identical, config_of, step_of


@pytest.fixture(scope="module")
def run():
    """Every state and metrics of eight wild updates."""
    problem = problem_of(ContextualBandit(3), np.eye(3))
    wild = {"learning_rate": 0.3, "final_learning_rate": 0.3}
    config = config_of(2, "random", updates=8, share_hidden=False, **wild)
    step, states, metrics = step_of(problem, config), [init_state(Run(problem, config))], []
    for _ in range(config.num_updates):
        state, measured = step(states[-1])
        states.append(state)
        metrics.append(measured)
    return Run(problem, config), states, metrics


@pytest.fixture
def offered(run):
    """What is kept of moments with this welfare; a moment's returns say which it was."""
    this, states, _ = run
    like = states[0].present(this, 0.0)

    def offer(welfare, spacing):
        shortlist = states[0].shortlist
        for update, worth in enumerate(welfare):
            moment = dataclasses.replace(
                like, welfare=jnp.asarray(worth), returns=jnp.full_like(like.returns, update)
            )
            shortlist = shortlist.offer(moment, jnp.asarray(update), spacing)
        return shortlist

    return offer


def kept(shortlist):
    """Which moments are in the list, and that what they were worth went with them."""
    is_there = np.isfinite(shortlist.snapshots.welfare)
    moments = np.asarray(shortlist.updates)[is_there]
    np.testing.assert_array_equal(shortlist.snapshots.returns[is_there, 0, 0], moments)
    return sorted(moments.tolist())


def test_the_best_moments_are_kept(offered):
    shortlist = offered([5.0, 1.0, 7.0, 3.0, 2.0, 6.0, 4.0], spacing=1)
    assert kept(shortlist) == [0, 2, 5, 6]
    assert shortlist.best.welfare == 7.0


def test_a_moment_close_to_the_latest_takes_its_place_or_none(offered):
    assert kept(offered([5.0, 6.0, 4.0], spacing=3)) == [1]
    assert kept(offered([5.0, 6.0, 4.0, 1.0, 2.0], spacing=3)) == [1, 4]


def test_what_is_no_number_or_no_better_is_left_out(offered):
    assert kept(offered([1.0, jnp.nan, 2.0], spacing=1)) == [0, 2]
    full = [4.0] * SHORTLIST_LENGTH
    assert kept(offered([*full, 4.0], spacing=1)) == list(range(SHORTLIST_LENGTH))


def test_a_moment_holds_the_policies_that_collected_its_batch(run):
    """Those from before the update that saw them do well."""
    _, states, metrics = run
    shortlist = states[-1].shortlist
    best_so_far = [float(measured.best_welfare) for measured in metrics]
    assert best_so_far == sorted(best_so_far)
    assert float(shortlist.best.welfare) == best_so_far[-1]
    for row, update in enumerate(shortlist.updates.tolist()):
        assert_identical(shortlist[row].networks, states[update].learner.networks)


def test_a_run_hands_out_the_best_or_on_request_the_latest(run):
    this, states, _ = run
    state = states[-1]
    assert_identical(state.chosen(this).networks, state.shortlist.best.networks)
    config = dataclasses.replace(this.config, keep_best=False)
    latest = state.chosen(Run(this.problem, config))
    assert_identical(latest.networks, state.learner.networks)


def test_policies_that_are_handed_out_take_no_random_actions():
    """Half of all actions are drawn from all alike while such a policy trains, and none later."""
    problem = problem_of(ContextualBandit(3), np.eye(3))
    run = Run(problem, config_of(2, random_actions=0.5))
    state = init_state(run)
    sure = eqx.tree_at(lambda s: s.learner.actor.stack.head.bias, state, replace_fn=_favour_first)
    observations = jnp.zeros((2, 1, 3))
    training = jax.nn.softmax(sure.policies(problem)(observations).logits)
    np.testing.assert_allclose(training[..., 0], 2 / 3, rtol=1e-3)
    handed_out = sure.present(run, 0.0).policies(problem)
    np.testing.assert_allclose(jax.nn.softmax(handed_out(observations).logits)[..., 0], 1.0)


def _favour_first(biases):
    return biases + 50.0 * jax.nn.one_hot(0, biases.shape[-1])[None, None]


def test_before_the_first_update_there_is_only_the_latest(run):
    this, states, _ = run
    assert states[0].shortlist.is_empty
    assert_identical(states[0].chosen(this).networks, states[0].learner.networks)


def test_a_pool_fills_its_rows_in_order(run):
    _, states, _ = run
    one, two = (state.shortlist.best for state in (states[3], states[-1]))
    mixes = jnp.ones_like(one.returns)
    pool = Pool.empty(one, shortlists=1)
    pool = pool.add(Pooled(one.returns, mixes, one.networks))
    pool = pool.add(Pooled(two.returns, 2 * mixes, two.networks))
    assert pool.returns.shape[0] == 2 * SHORTLIST_LENGTH
    assert int(pool.count) == 4
    assert_identical(pool.networks.take(jnp.arange(2)), one.networks)
    assert_identical(pool.networks.take(jnp.arange(2, 4)), two.networks)
    np.testing.assert_array_equal(pool.returns[:4], np.concatenate([one.returns, two.returns]))
    np.testing.assert_array_equal(pool.mixes[:, 0], [1, 1, 2, 2, *[0] * (len(pool.mixes) - 4)])


def test_a_shortlist_is_a_pytree_of_arrays(run):
    _, states, _ = run
    shortlist = states[0].shortlist
    assert isinstance(shortlist, Shortlist)
    assert all(leaf.shape[:1] == (SHORTLIST_LENGTH,) for leaf in jax.tree.leaves(shortlist)[:-1])
