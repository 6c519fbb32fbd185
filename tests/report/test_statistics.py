"""The statistics: by hand, by what must hold of any numbers, and against rliable's numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ttest_ind

from handful.errors import HandfulError
from handful.report.statistics import (
    Estimate,
    difference_interval,
    estimate_improvement,
    estimate_iqm,
    estimate_profile,
    improvement,
    interquartile_mean,
    mean_and_error,
    mean_interval,
    profile,
)

REFERENCE = json.loads((Path(__file__).parent / "rliable.json").read_text())
"""Scores and what rliable 1.2 makes of them: see studies/rliable_reference.py."""

WIDTHS_APART = 0.1
"""How far two bootstraps' ends may be apart, in widths of the interval."""

score = st.integers(0, 100).map(float)
strata = st.lists(
    st.integers(1, 6).flatmap(lambda runs: arrays(float, runs, elements=score)),
    min_size=1,
    max_size=4,
)


def reference_strata(method: str, budgets: set[str] | None = None) -> list[np.ndarray]:
    runs = REFERENCE["scores"][method]
    return [np.array(runs[k]) for k in sorted(budgets or set(runs), key=int)]


def assert_close(found, reference):
    value, low, high = reference
    assert found.value == pytest.approx(value, abs=1e-9)
    width = max(high - low, 1e-9)
    assert abs(found.low - low) < WIDTHS_APART * width
    assert abs(found.high - high) < WIDTHS_APART * width


def test_mean_and_standard_error_by_hand():
    # Deviations -2, 0, 2: variance 8 / 2, error 2 / sqrt(3).
    assert mean_and_error(np.array([1.0, 3.0, 5.0])) == (3.0, pytest.approx(2 / 3**0.5))
    assert mean_and_error(np.array([4.0])) == (4.0, None)


def test_interquartile_mean_by_hand():
    # Eight runs in two strata: two go at either end, and 3, 4, 5 and 6 are left.
    assert interquartile_mean([np.array([100.0, 1, 4, 3]), np.array([5.0, 6, 2, 90])]) == 4.5
    # Three runs: a quarter of them, rounded down, is none.
    assert interquartile_mean([np.array([0.0, 3, 9])]) == 4.0


def test_improvement_by_hand():
    # Of the four pairs 2 > 1, 2 = 2, 3 > 1, 3 > 2; in the other stratum all are lost.
    ours, theirs = [np.array([2.0, 3]), np.array([0.0])], [np.array([1.0, 2]), np.array([1.0, 5])]
    assert improvement(ours, theirs) == pytest.approx((3.5 / 4 + 0) / 2)


def test_profile_by_hand():
    # A run at the threshold is not above it; strata weigh alike however many runs they have.
    scores = [np.array([50.0, 90, 100]), np.array([95.0])]
    shares = profile(scores, np.array([0.0, 90, 97]))
    np.testing.assert_allclose(shares, [1, (1 / 3 + 1) / 2, (1 / 3 + 0) / 2])


@pytest.mark.parametrize("method", ["em", "end-to-end", "random", "cluster"])
def test_interquartile_mean_as_rliable_has_it(method):
    assert_close(estimate_iqm(reference_strata(method)), REFERENCE["rliable"]["iqm"][method])


@pytest.mark.parametrize("pair", list(REFERENCE["rliable"]["improvement"]))
def test_improvement_as_rliable_has_it(pair):
    first, second = pair.split(" over ")
    budgets = set(REFERENCE["scores"][first]) & set(REFERENCE["scores"][second])
    found = estimate_improvement(
        reference_strata(first, budgets), reference_strata(second, budgets)
    )
    assert_close(found, REFERENCE["rliable"]["improvement"][pair])


@pytest.mark.parametrize("method", ["em", "end-to-end", "random", "cluster"])
def test_profile_as_rliable_has_it(method):
    thresholds = np.array(REFERENCE["rliable"]["thresholds"])
    found = estimate_profile(reference_strata(method), thresholds)
    for ours, theirs in zip(found, REFERENCE["rliable"]["profile"][method], strict=True):
        # A share of 20 or 30 runs moves in steps; two bootstraps' ends are at most one apart.
        np.testing.assert_allclose(ours, theirs, atol=0.051)
    np.testing.assert_allclose(found[0], REFERENCE["rliable"]["profile"][method][0], atol=1e-12)


@given(strata, st.randoms(use_true_random=False))
def test_names_of_seeds_and_tasks_change_nothing(scores, random):
    shuffled = [np.array(random.sample(list(runs), len(runs))) for runs in scores]
    random.shuffle(shuffled)
    assert interquartile_mean(scores) == pytest.approx(interquartile_mean(shuffled))
    thresholds = np.array([10.0, 50.0])
    np.testing.assert_allclose(profile(scores, thresholds), profile(shuffled, thresholds))


@given(strata)
def test_bounds(scores):
    pooled = np.concatenate(scores)
    found = estimate_iqm(scores, resamples=20)
    for number in (found.value, found.low, found.high):
        assert pooled.min() - 1e-9 <= number <= pooled.max() + 1e-9
    assert found.low <= found.high
    shares = profile(scores, np.array([-1.0, 20.0, 60.0, 100.0]))
    assert shares[0] == 1.0
    assert shares[-1] == 0.0
    assert (np.diff(shares) <= 1e-12).all()


@given(strata, st.data())
def test_improvement_of_either_over_the_other_adds_up_to_one(scores, data):
    others = [data.draw(arrays(float, len(runs) + 1, elements=score)) for runs in scores]
    there, back = improvement(scores, others), improvement(others, scores)
    assert there + back == pytest.approx(1)
    assert 0 <= there <= 1
    assert improvement(scores, scores) == pytest.approx(0.5)


@given(strata, st.floats(0.5, 4), st.floats(-10, 10))
def test_another_scale_moves_the_mean_with_it_and_no_comparison(scores, factor, shift):
    scaled = [factor * runs + shift for runs in scores]
    expected = factor * interquartile_mean(scores) + shift
    assert interquartile_mean(scaled) == pytest.approx(expected, abs=1e-6)


def test_the_same_scores_give_the_same_interval():
    scores = [np.array([1.0, 5, 2, 8])]
    assert estimate_iqm(scores) == estimate_iqm(scores)


@pytest.mark.parametrize("scores", [[], [np.array([])], [np.array([1.0, np.nan])]])
def test_nothing_to_estimate_from(scores):
    with pytest.raises(HandfulError):
        estimate_iqm(scores)


def test_strata_must_be_the_same():
    one = np.array([1.0])
    with pytest.raises(HandfulError, match="one has 2, the other 1"):
        estimate_improvement([one, one], [one])


def test_students_interval_by_hand():
    # Mean 2, standard error 1 / sqrt(3); Student's 0.975 quantile with two degrees is 4.3027.
    found = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert found is not None
    assert found.value == pytest.approx(2.0)
    assert found.high - 2.0 == pytest.approx(4.30265 / np.sqrt(3), rel=1e-4)
    assert 2.0 - found.low == pytest.approx(found.high - 2.0)
    assert mean_interval(np.array([1.0])) is None


@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 100))
def test_the_interval_of_a_difference_is_welchs(num_one, num_other, seed):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(0, 1, num_one), rng.normal(1, 3, num_other)
    found, welch = difference_interval(one, other), ttest_ind(one, other, equal_var=False)
    expected = welch.confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_difference_needs_two_runs_of_each_and_may_have_no_spread():
    pair = np.array([1.0, 1.0])
    assert difference_interval(pair, np.array([1.0])) is None
    assert difference_interval(pair, pair) == Estimate(0.0, 0.0, 0.0)
