"""`choose` against every subset of rows."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful.exact import facility
from handful.exact.facility import TOLERANCE, choose, choose_greedily


def best_welfare(values: np.ndarray, num_policies: int) -> float:
    size = min(num_policies, len(values))
    return max(
        values[list(rows)].max(axis=0).mean() for rows in combinations(range(len(values)), size)
    )


def assert_is_optimal(values: np.ndarray, num_policies: int) -> None:
    choice = choose(values, num_policies)
    slack = TOLERANCE * (values.max() - values.min()) + 1e-12 * np.abs(values).max()
    best = best_welfare(values, num_policies)
    assert 1 <= len(choice.indices) <= num_policies
    assert choice.welfare == pytest.approx(best, abs=slack)
    assert choice.welfare <= choice.upper_bound <= choice.welfare + slack
    # The choice is what it claims to be.
    chosen = values[choice.indices]
    assert len(set(choice.indices)) == len(choice.indices)
    assert set(choice.assignment) == set(range(len(choice.indices)))
    users = np.arange(values.shape[1])
    np.testing.assert_array_equal(chosen[choice.assignment, users], chosen.max(axis=0))
    assert choice.welfare == pytest.approx(chosen.max(axis=0).mean())


shapes = st.tuples(st.integers(1, 8), st.integers(1, 6))


@given(
    values=shapes.flatmap(lambda shape: arrays(np.int64, shape, elements=st.integers(-4, 4))),
    num_policies=st.integers(1, 9),
)
@settings(max_examples=150, deadline=None)
def test_small_integers_with_ties(values, num_policies):
    assert_is_optimal(values, num_policies)


@given(
    values=shapes.flatmap(
        lambda shape: arrays(np.float64, shape, elements=st.floats(-1e6, 1e6, width=32))
    ),
    num_policies=st.integers(1, 9),
)
@settings(max_examples=150, deadline=None)
def test_any_real_values(values, num_policies):
    assert_is_optimal(values, num_policies)


@pytest.mark.parametrize("num_policies", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_many_rows_are_thinned_out_by_prices(num_policies, seed):
    rng = np.random.default_rng(seed)
    assert_is_optimal(rng.integers(-9, 10, size=(50, 5)), num_policies)
    assert_is_optimal(rng.normal(size=(50, 5)), num_policies)


@pytest.mark.parametrize("num_policies", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_price_bounds_hold_for_every_row(num_policies, seed):
    gains = np.random.default_rng(seed).uniform(0, 100, size=(40, 4))
    best_with = np.zeros(len(gains))
    for rows in combinations(range(len(gains)), num_policies):
        total = gains[list(rows)].max(axis=0).sum()
        best_with[list(rows)] = np.maximum(best_with[list(rows)], total)
    bounds = facility._price_bounds(gains, num_policies, target=0.0)
    assert (bounds >= best_with - 1e-9).all()
    assert num_policies == 3 or bounds.max() < gains.max(axis=0).sum()  # 3 may give each the most


def test_a_loose_relaxation_is_left_to_the_integer_program():
    # Each row serves two of three users: the relaxation takes half of every row.
    values = np.repeat([[1, 1, 0], [0, 1, 1], [1, 0, 1]], 12, axis=0)
    assert facility._price_bounds(values * 100.0, 1, 0.0).max() >= 200.0
    assert_is_optimal(values, 1)
    values = np.kron(values[::4], np.eye(2, dtype=int)).repeat(4, axis=0)
    for num_policies in (2, 3):
        assert_is_optimal(values, num_policies)


def test_prices_bound_each_row_by_its_own_worth():
    """No choice with a row is above its bound, and the bounds of poor rows are below the best."""
    gains = np.random.default_rng(3).random((40, 4))
    gains[:10] *= 0.1
    bounds = facility._price_bounds(gains, 3, 0.0)
    totals = np.zeros(40)
    for rows in combinations(range(40), 3):
        total = gains[list(rows)].max(axis=0).sum()
        totals[list(rows)] = np.maximum(totals[list(rows)], total)
    assert (bounds >= totals - 1e-9).all()
    assert bounds[:10].max() < totals.max()


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_the_unit_of_the_values_does_not_matter(unit):
    values = np.random.default_rng(0).normal(size=(12, 5))
    choice, scaled = choose(values, 3), choose(unit * values - 7 * unit, 3)
    np.testing.assert_array_equal(scaled.indices, choice.indices)
    assert scaled.welfare == pytest.approx(unit * (choice.welfare - 7))


def test_rows_that_serve_nobody_are_left_out():
    choice = choose(np.array([[1, 1], [3, 3], [2, 2]]), 3)
    assert choice.indices.tolist() == [1]
    assert choice.assignment.tolist() == [0, 0]


def test_integer_optima_are_exact():
    choice = choose(np.random.default_rng(1).integers(0, 100, size=(30, 10)), 4)
    assert choice.upper_bound == choice.welfare


@pytest.mark.parametrize(
    ("values", "num_policies", "sentence"),
    [
        (np.ones((2, 3)), 0, "number of policies must be at least 1, got 0"),
        (np.ones(3), 1, r"finite \[M, N\] matrix, got shape \(3,\)"),
        (np.ones((0, 3)), 1, r"finite \[M, N\] matrix, got shape \(0, 3\)"),
        (np.array([[1.0, np.nan]]), 1, r"finite \[M, N\] matrix"),
    ],
)
def test_bad_input_is_one_clear_sentence(values, num_policies, sentence):
    with pytest.raises(ValueError, match=sentence):
        choose(values, num_policies)


def test_an_unproven_choice_is_an_error(monkeypatch):
    monkeypatch.setattr(facility, "solve", lambda *_: (np.array([0]), np.inf))
    values = np.random.default_rng(2).normal(size=(20, 10))
    with pytest.raises(RuntimeError, match="could not prove the choice of 3 from 20 rows optimal"):
        choose(values, 3)


def a_table(seed):
    return np.random.default_rng(seed).integers(0, 4, (7, 6)).astype(float)


@pytest.mark.parametrize("seed", [5, 19, 87])
def test_one_unit_more_than_a_quick_choice_is_found(seed):
    """Tables where greed and swaps end one unit of all users' total below the best."""
    values = a_table(seed)
    best = best_welfare(values, 3)
    assert choose_greedily(values, 3).welfare == pytest.approx(best - 1 / 6)
    assert choose(values, 3).welfare == pytest.approx(best)


@pytest.mark.parametrize("seed", [16, 31])
def test_swaps_mend_what_greed_got_wrong(seed):
    """Tables where the row that adds most at first is not among the best three."""
    values = a_table(seed)
    rows, served = [], np.zeros(6)
    for _ in range(3):
        rows.append(int(np.maximum(values, served).sum(axis=1).argmax()))
        served = np.maximum(served, values[rows[-1]])
    assert served.mean() < best_welfare(values, 3)
    assert choose_greedily(values, 3).welfare == pytest.approx(best_welfare(values, 3))


def test_a_greedy_choice_is_no_better_than_the_best():
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = rng.normal(size=(15, 6))
        quick, best = choose_greedily(values, 3), choose(values, 3)
        assert quick.welfare == pytest.approx(values[quick.indices].max(axis=0).mean())
        assert quick.welfare <= best.welfare + 1e-9
        assert quick.upper_bound == np.inf
    assert choose_greedily(values, 1).welfare == pytest.approx(values.mean(axis=1).max())
