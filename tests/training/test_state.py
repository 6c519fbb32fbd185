import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.collect.returns import FinishedEpisodes
from handful.methods import METHODS
from handful.training.run import Run
from handful.training.state import ReturnTable, init_state
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import arrays_of, assert_identical, config_of

MIXING = 0.05


def finished(*of_each_policy):
    totals, counts = zip(*of_each_policy, strict=True)
    return FinishedEpisodes(jnp.array(totals), jnp.array(counts, jnp.int32))


def test_first_mean_is_taken_whole_and_later_ones_are_mixed_in():
    table = ReturnTable.empty(2, 1)
    table = table.update(finished(([30.0], 3), ([0.0], 0)), MIXING)
    np.testing.assert_allclose(table.mean, [[10.0], [0.0]])
    assert table.seen.tolist() == [True, False]
    table = table.update(finished(([40.0], 2), ([8.0], 4)), MIXING)
    np.testing.assert_allclose(table.mean, [[0.95 * 10 + 0.05 * 20], [2.0]], rtol=1e-6)
    assert table.seen.tolist() == [True, True]


def test_policy_that_finished_nothing_keeps_its_mean():
    table = ReturnTable(jnp.array([[7.0, 1.0], [3.0, 2.0]]), jnp.array([True, True]))
    updated = table.update(finished(([0.0, 0.0], 0), ([5.0, 4.0], 1)), 1.0)
    np.testing.assert_array_equal(updated.mean, [[7.0, 1.0], [5.0, 4.0]])


def test_beside_discounted_means_a_table_keeps_plain_ones_also_of_who_finished_nothing():
    table = ReturnTable.empty(2, 1, discounted=True)
    totals, discounted = jnp.array([[30.0], [8.0]]), jnp.array([[6.0], [4.0]])
    table = table.update(FinishedEpisodes(totals, jnp.array([3, 2]), discounted), MIXING)
    np.testing.assert_allclose(table.mean, [[2.0], [2.0]])
    np.testing.assert_allclose(table.undiscounted, [[10.0], [4.0]])
    nothing = jnp.zeros((2, 1))
    later = table.update(FinishedEpisodes(nothing, jnp.array([0, 0]), nothing), 1.0)
    np.testing.assert_allclose(later.undiscounted, [[10.0], [4.0]])


def test_mean_of_nothing_is_no_nan_and_no_mean_counts_as_zero():
    table = ReturnTable.empty(1, 2).update(finished(([0.0, 0.0], 0)), MIXING)
    np.testing.assert_array_equal(table.mean, 0.0)
    assert not table.seen.any()
    table = table.update(finished(([6.0, -2.0], 2)), MIXING)
    np.testing.assert_array_equal(table.mean, [[3.0, -1.0]])


@pytest.mark.parametrize("method", sorted(METHODS))
def test_same_seed_starts_alike_and_another_one_does_not(method):
    problem = problem_of(ContextualBandit(), np.eye(2)[[0, 1, 0]])
    settings = {"policy": (0, 1, 0)} if method == "fixed" else {}
    shared = not METHODS[method].info.keeps_pool
    config = config_of(2, method, method_settings=settings, share_hidden=shared)
    state = init_state(Run(problem, config))
    assert_identical(state, init_state(Run(problem, config)))
    other = init_state(Run(problem, dataclasses.replace(config, seed=1)))
    before, after = arrays_of(state), arrays_of(other)
    for part in (".learner.actor.", ".learner.critic.", ".collector.keys"):
        assert any(
            not np.array_equal(values, after[name])
            for name, values in before.items()
            if name.startswith(part)
        ), part


@pytest.mark.parametrize("seed", [2**31, 2**32 - 1])
def test_largest_seeds_can_be_used(seed):
    config = dataclasses.replace(config_of(2), seed=seed)
    init_state(Run(problem_of(ContextualBandit(), np.eye(2)), config))


def test_no_two_streams_of_chance_start_alike():
    state = init_state(Run(problem_of(ContextualBandit(), np.eye(2)), config_of(2)))
    keys = [state.key, *state.collector.keys]
    assert len({tuple(jax.random.key_data(key).tolist()) for key in keys}) == 3
