"""Where the policies go on from when a method intervenes."""

import jax
import jax.numpy as jnp
import numpy as np

from handful.assignment import FRESH, PooledEM
from handful.training.intervention import intervene
from handful.training.state import init_state
from handful.training.validation import validate
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import assert_identical, config_of, step_of

SETTINGS = {"rounds": 2, "exploring": 0.5, "warm_up": 1, "frontier": False}


def run_to_intervention(updates):
    """A problem, its settings, and the state after some updates."""
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = config_of(2, "pooled-em", 8, SETTINGS, share_hidden=False)
    step, state = step_of(problem, config), init_state(problem, config)
    for update in range(updates):
        if update in config.make_method().interventions(8, 2):
            state = intervene(problem, config, state)
        state, _ = step(state)
    return problem, config, state


def rows(networks, first, count):
    return networks.take(jnp.arange(first, first + count))


def test_a_round_is_pooled_and_the_next_one_starts_from_new_networks():
    problem, config, before = run_to_intervention(2)
    after = intervene(problem, config, before)
    assert int(after.pool.count) == 2
    best = validate(problem, config, before).shortlist.best
    assert_identical(rows(after.pool.networks, 0, 2), best.networks)
    np.testing.assert_array_equal(after.pool.returns[:2], best.returns)
    fresh = [
        state.learner.actor.stack.head.weight for state in (init_state(problem, config), after)
    ]
    np.testing.assert_allclose(*[np.linalg.norm(weights) for weights in fresh], rtol=1e-5)
    assert not np.allclose(*fresh)
    assert not after.table.seen.any()
    assert after.shortlist.is_empty
    assert not after.shortlist.is_validated
    assert int(after.update) == 2


def test_after_the_last_round_policies_go_on_from_their_rows_of_the_pool(monkeypatch):
    problem, config, before = run_to_intervention(4)
    decided = []
    original = PooledEM.intervene

    def listen(self, key, state, scene):
        decided.append(original(self, key, state, scene))
        return decided[-1]

    monkeypatch.setattr(PooledEM, "intervene", listen)
    after = intervene(problem, config, before)
    sources = decided[0].sources
    assert (sources != FRESH).all()
    assert_identical(after.learner.networks, after.pool.networks.take(jnp.asarray(sources)))
    np.testing.assert_array_equal(after.table.mean, after.pool.returns[sources])
    assert after.table.seen.all()
    moments = jax.tree.leaves((after.learner.actor_moments, after.learner.critic_moments))
    assert all(not np.asarray(leaf).any() for leaf in moments)


def test_a_run_too_short_for_all_rounds_still_ends_with_the_choice():
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = config_of(2, "pooled-em", 4, {**SETTINGS, "rounds": 5}, share_hidden=False)
    ends = config.make_method().interventions(4, 2)
    assert len(ends) < 5
    step, state = step_of(problem, config), init_state(problem, config)
    for update in range(4):
        if update in ends:
            state = intervene(problem, config, state)
            assert bool(state.table.seen.all()) == (update == ends[-1])
        state, _ = step(state)


def test_every_round_finds_its_own_and_the_run_goes_on_to_its_end():
    problem, config, state = run_to_intervention(8)
    assert int(state.pool.count) == 4
    assert int(state.update) == config.num_updates
    assert np.isfinite(state.shortlist.best.welfare)
    first, second = (rows(state.pool.networks, i, 2).actor.stack.head.weight for i in (0, 2))
    assert not np.allclose(first, second)
    assert state.policies(problem).num_policies == 2
