"""What is taken off the returns that a learner knows, and what prices then follow."""

import dataclasses
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.choice.floors import Floor
from handful.domains.tabular.optimum import exact_returns
from handful.training.choosing import make_appraiser, validate
from handful.training.config import make_config
from handful.training.fairness.claims import Claims
from handful.training.fairness.optimism import FEWEST, Optimism, first_optimism
from handful.training.run import Run
from handful.training.state import init_state
from handful.training.step import train_step
from tests.training.test_counting import COUNTS, lottery


def after(excesses):
    found = Optimism.unknown(1, 1)
    for excess in excesses:
        found = found.after(jnp.asarray([[excess]], jnp.float32))
    return found


def test_optimism_that_falls_with_the_root_of_the_time_is_known_exactly():
    number = 9
    found = after(6.0 / np.sqrt(np.arange(1, number + 1)))
    np.testing.assert_allclose(found.mean, [[6.0]], rtol=1e-5)
    np.testing.assert_allclose(found.correction, [[2.0]], rtol=1e-3)


def test_the_mean_its_error_and_the_correction_by_hand():
    """The batches count 1, 8, 27 and so on, less what is lost to earlier ones."""
    excesses = np.array([5.0, 4.0, 3.0, 3.0, 2.0, 2.0])
    times = np.arange(1, 7)
    weights = np.ones(6)
    for time in times[1:]:
        share = 4.0 / (time + 3.0)
        weights[: time - 1] *= 1.0 - share
        weights[time - 1] = share
    scaled = excesses * np.sqrt(times)
    mean = weights @ scaled
    squares = weights @ weights
    error = np.sqrt(weights @ (scaled - mean) ** 2 * squares / (1.0 - squares))
    found = after(excesses)
    np.testing.assert_allclose(found.mean, [[mean]], rtol=1e-5)
    assert mean > 2.0 * error > 0.0
    np.testing.assert_allclose(found.correction, [[(mean + 2.0 * error) / np.sqrt(6.0)]], rtol=1e-5)
    below = after(-excesses)
    np.testing.assert_allclose(below.correction, -found.correction, rtol=1e-6)


def test_few_batches_and_batches_that_contradict_each_other_correct_nothing():
    assert after([3.0] * (FEWEST - 1)).correction == 0.0
    assert after([3.0] * FEWEST).correction > 0.0
    assert after([3.0, -3.0] * 5).correction == 0.0


def run_of(floors, updates=32, **settings):
    problem = lottery(num_states=20, num_actions=10)
    small = {**COUNTS, "batch_size": 512}
    config = make_config(
        problem, 1, "em", "paper", settings=small, steps=updates * 512, seed=100, **settings
    )
    return Run(problem, dataclasses.replace(config, claims=floors))


def test_only_runs_with_floors_whose_learner_knows_returns_are_corrected():
    with_floors = run_of(Claims(floors=(Floor(0.5),)))
    assert first_optimism(with_floors) is not None
    assert first_optimism(run_of(Claims())) is None
    assert first_optimism(run_of(Claims(floors=(Floor(0.5),)), discounted_table=True)) is None
    assert init_state(run_of(Claims())).optimism is None


@pytest.fixture(scope="module")
def trained():
    """A run of few transitions, whose model is therefore too hopeful."""
    run = run_of(Claims(floors=(Floor(0.1),)))
    step = jax.jit(lambda state: train_step(state, run)[0])
    state, before = init_state(run), []
    for _ in range(run.num_updates):
        state = step(state)
        before.append(state)
    return run, before


def test_corrected_returns_are_nearer_to_what_policies_earn(trained):
    run, states = trained
    errors = {"said": [], "corrected": []}
    for earlier, later in pairwise(states[10:]):
        truth = exact_returns(run.problem, earlier.policies(run.problem))[0]
        coefficients = run.problem.population.coefficients
        corrected = coefficients @ np.asarray(later.table.mean[0])
        removed = coefficients @ np.asarray(later.optimism.correction[0])
        errors["said"].append(np.mean(corrected + removed - truth))
        errors["corrected"].append(np.mean(corrected - truth))
    assert np.mean(errors["said"]) > 0.0
    assert abs(np.mean(errors["corrected"])) < np.mean(errors["said"])


def test_moments_are_kept_in_the_second_half_and_stay_as_they_were_judged(trained):
    run, states = trained
    half = run.planned_updates // 2
    assert states[half - 1].shortlist.is_empty
    assert not states[half].shortlist.is_empty
    last = states[-1]
    found = validate(run, last)
    kept = np.asarray(found.shortlist.updates) < run.num_updates
    known = np.isfinite(np.asarray(last.shortlist.snapshots.welfare))
    before = np.asarray(last.shortlist.snapshots.welfare)[kept & known]
    np.testing.assert_array_equal(
        np.asarray(found.shortlist.snapshots.welfare)[kept & known], before
    )
    assert len(before) > 0
    present = found.shortlist[int(np.argmax(found.shortlist.updates))]
    said = run.learner.returns(last.learner, last.learner.actor, run.learnt, 1.0)
    said = np.asarray(said) * run.learnt.return_scale
    np.testing.assert_allclose(present.returns, said - last.optimism.correction, rtol=1e-5)
    worth = make_appraiser(run, last)(last.policies(run.problem))
    np.testing.assert_allclose(worth.returns, present.returns, rtol=1e-5)
