"""Where the policies go on from when a method intervenes."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful import make, optimum
from handful.errors import HandfulError
from handful.methods import FRESH, METHODS, Intervention, PooledEM
from handful.methods.choice import choose_policies
from handful.methods.family_em import FamilyEM
from handful.training.choosing import validate
from handful.training.intervention import finish, intervene
from handful.training.run import Run
from handful.training.state import init_state
from tests.environments import ContextualBandit, problem_of, push_problem
from tests.training.helpers import assert_identical, config_of, step_of

SETTINGS = {"rounds": 2, "exploring": 0.5, "warm_up": 1, "frontier": False}


def run_to_intervention(updates):
    """A problem, its settings, and the state after some updates."""
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = config_of(2, "pooled-em", 8, SETTINGS, share_hidden=False)
    step, state = step_of(problem, config), init_state(Run(problem, config))
    for update in range(updates):
        if update in config.make_method().schedule(8, 2).interventions:
            state = intervene(Run(problem, config), state)
        state, _ = step(state)
    return problem, config, state


def rows(networks, first, count):
    return networks.take(jnp.arange(first, first + count))


def test_a_round_is_pooled_and_the_next_one_starts_from_new_networks():
    problem, config, before = run_to_intervention(2)
    after = intervene(Run(problem, config), before)
    moments = validate(Run(problem, config), before).shortlist
    validated = np.flatnonzero(np.isfinite(moments.snapshots.welfare))
    assert len(validated) == 3  # two updates, and the policies as they were then
    assert int(after.pool.count) == 2 * len(validated)
    for place, row in enumerate(validated):
        kept = rows(after.pool.networks, 2 * place, 2)
        assert_identical(kept, moments[int(row)].networks)
        np.testing.assert_array_equal(
            after.pool.returns[2 * place : 2 * place + 2], moments[int(row)].returns
        )
    fresh = [
        state.learner.actor.stack.head.weight for state in (init_state(Run(problem, config)), after)
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
    after = intervene(Run(problem, config), before)
    sources = decided[0].sources
    assert (sources != FRESH).all()
    assert_identical(after.learner.networks, after.pool.networks.take(jnp.asarray(sources)))
    np.testing.assert_array_equal(after.table.mean, after.pool.returns[sources])
    assert after.table.seen.all()
    moments = jax.tree.leaves((after.learner.actor_moments, after.learner.critic_moments))
    assert all(not np.asarray(leaf).any() for leaf in moments)


def test_pooled_policies_begin_a_discounted_table_anew():
    """The pool has their returns without discount, by which moments of a run are compared."""
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = config_of(2, "pooled-em", 8, SETTINGS, share_hidden=False)
    config = dataclasses.replace(config, discounted_table=True)
    step, state = step_of(problem, config), init_state(Run(problem, config))
    for update in range(4):
        if update in config.make_method().schedule(8, 2).interventions:
            state = intervene(Run(problem, config), state)
        state, _ = step(state)
    after = intervene(Run(problem, config), state)
    assert not after.table.seen.any()
    np.testing.assert_array_equal(after.table.mean, 0.0)
    assert np.asarray(after.table.undiscounted).any()


def test_a_method_sees_outcomes_in_the_unit_of_returns(monkeypatch):
    """Whoever keeps an outcome up for a whole episode is seen to do so: nobody earns more."""
    problem = make("glide", targets=[0.0, 1.0, 2.5])
    config = config_of(2, "family-em", 4)
    scenes = []

    def listen(self, key, state, scene):
        scenes.append(scene)
        return original(self, key, state, scene)

    original = FamilyEM.intervene
    monkeypatch.setattr(FamilyEM, "intervene", listen)
    intervene(Run(problem, config), init_state(Run(problem, config)))
    best = scenes[0].payoffs.max(axis=0)
    assert best.mean() == pytest.approx(optimum(problem, num_policies=3).welfare, rel=0.05)


def test_a_run_too_short_for_all_rounds_still_ends_with_the_choice():
    problem = problem_of(ContextualBandit(3), np.eye(3))
    config = config_of(2, "pooled-em", 4, {**SETTINGS, "rounds": 5}, share_hidden=False)
    ends = config.make_method().schedule(4, 2).interventions
    assert len(ends) < 5
    step, state = step_of(problem, config), init_state(Run(problem, config))
    for update in range(4):
        if update in ends:
            state = intervene(Run(problem, config), state)
            assert bool(state.table.seen.all()) == (update == ends[-1])
        state, _ = step(state)


def test_every_round_finds_its_own_and_the_run_goes_on_to_its_end():
    problem, config, state = run_to_intervention(8)
    first_round = 3 * 2  # moments and policies
    assert int(state.pool.count) == 2 * first_round
    assert int(state.update) == config.num_updates
    assert np.isfinite(state.shortlist.best.welfare)
    first, second = (
        rows(state.pool.networks, i, 2).actor.stack.head.weight for i in (0, first_round)
    )
    assert not np.allclose(first, second)
    assert state.policies(problem).num_policies == 2


def test_the_run_hands_out_the_best_of_all_rounds():
    problem, config, state = run_to_intervention(8)
    after = finish(Run(problem, config), state)
    assert after.shortlist.is_validated
    pooled = problem.population.returns(np.asarray(after.pool.returns)[: int(after.pool.count)])
    best, _ = choose_policies(pooled, 2)
    chosen = after.chosen(Run(problem, config))
    served = config.make_method().weights(chosen.assignment)
    utilities = problem.population.returns(np.asarray(chosen.returns))[served, np.arange(3)]
    # A moment of the last shortlist may be worth just as much.
    assert utilities.mean() == pytest.approx(pooled[best].max(axis=0).mean())
    assert float(chosen.welfare) == pytest.approx(utilities.mean())


def test_who_explores_keeps_the_network_and_gets_back_the_first_spread():
    problem = push_problem((-0.5, 0.0, 0.5))
    config = config_of(2, "pooled-em", 8, {**SETTINGS, "frontier": True}, share_hidden=False)
    step, state = step_of(problem, config), init_state(Run(problem, config))
    for _ in range(2):
        state, _ = step(state)
    narrow = eqx.tree_at(lambda s: s.learner.actor.log_std, state, jnp.full((2, 1), -3.0))
    after = intervene(Run(problem, config), narrow)
    assert after.assignment.is_frontier
    np.testing.assert_array_equal(after.learner.actor.log_std, config.learner.initial_log_std)
    heads = np.asarray(after.pool.networks.actor.stack.head.weight)
    for head in np.asarray(after.learner.actor.stack.head.weight):
        assert any(np.array_equal(head, kept) for kept in heads)


def test_users_are_clustered_by_episodes_with_sampled_actions(monkeypatch):
    """Nothing but the actions differs between these episodes, which all begin alike."""
    pytest.importorskip("sklearn")
    problem = push_problem((0.5, -0.5, 0.0), spread=0.0)
    config = config_of(2, "cluster", method_settings={"num_episodes": 12})
    seen = []

    def group(rewards, num_groups, seed):
        seen.append(rewards)
        return np.arange(3) % num_groups

    monkeypatch.setattr("handful.methods.clustering.kmeans_groups", group)
    state = init_state(Run(problem, config))
    intervene(Run(problem, config), state)
    (rewards,) = seen
    assert rewards.shape == (3, 12)
    assert len(np.unique(rewards[0])) > 6  # some pushes are as hard as can be


class Undecided(PooledEM):
    """It starts all policies anew whenever it is asked, also at the end."""

    def intervene(self, key, state, scene):
        return Intervention(state)


def test_a_method_that_hands_out_nothing_of_its_pool_is_refused(monkeypatch):
    monkeypatch.setitem(METHODS, "undecided", Undecided)
    problem = problem_of(ContextualBandit(3), np.eye(3))
    run = Run(problem, config_of(2, "undecided", 4, SETTINGS, share_hidden=False))
    state, _ = step_of(problem, run.config)(init_state(run))
    with pytest.raises(HandfulError, match="'undecided' must choose policies of its pool"):
        finish(run, state)
