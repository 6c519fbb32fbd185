"""`choose_budgets` against every subset of rows, and what episodes say of its choices."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful.exact import budgets
from handful.exact.budgets import choose_budgets, choose_by_episodes
from handful.exact.facility import TOLERANCE, choose
from tests.exact.test_facility import best_welfare

shapes = st.tuples(st.integers(1, 9), st.integers(1, 6))
integers = shapes.flatmap(lambda shape: arrays(np.int64, shape, elements=st.integers(-4, 4)))
reals = shapes.flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-1e6, 1e6, width=32))
)
asked = st.lists(st.integers(1, 11), min_size=1, max_size=5)


def a_front(num_rows, num_users, num_features, seed=0):
    """Return candidates on a noisy front, as a preference-conditioned policy gives them."""
    rng = np.random.default_rng(seed)
    users = rng.dirichlet(np.ones(num_features), num_users)
    features = np.sqrt(rng.dirichlet(np.ones(num_features), num_rows))
    return (features + 0.02 * rng.normal(size=features.shape)) @ users.T


def assert_is_sound(values, found, is_proven=True):
    slack = TOLERANCE * (values.max() - values.min()) + 1e-12 * np.abs(values).max()
    users = np.arange(values.shape[1])
    for budget, choice in found.items():
        best = best_welfare(values, budget)
        assert best <= choice.upper_bound + slack
        if is_proven:
            assert choice.welfare == pytest.approx(best, abs=slack)
            assert choice.upper_bound <= choice.welfare + slack
        chosen = values[choice.indices]
        assert 1 <= len(set(choice.indices)) == len(choice.indices) <= budget
        np.testing.assert_array_equal(chosen[choice.assignment, users], chosen.max(axis=0))
        assert choice.welfare == pytest.approx(chosen.max(axis=0).mean())
    welfare = [found[budget].welfare for budget in sorted(found)]
    assert all(more >= fewer - slack for fewer, more in pairwise(welfare))


@given(values=integers | reals, ks=asked)
@settings(max_examples=150, deadline=None)
def test_every_budget_is_the_best_of_all_choices(values, ks):
    found = choose_budgets(values, ks)
    assert list(found) == sorted(set(ks))
    assert_is_sound(values, found)


@given(values=integers | reals, ks=asked)
@settings(max_examples=75, deadline=None)
def test_bounds_hold_where_little_work_is_allowed(values, ks):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budgets, "_TRIED_WORK", 0)
        patch.setattr(budgets, "_MOST_LEVELS", 0)
        assert_is_sound(values, choose_budgets(values, ks), is_proven=False)


@given(values=integers | reals, ks=asked)
@settings(max_examples=75, deadline=None)
def test_the_integer_program_proves_what_is_too_much_to_try(values, ks):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budgets, "_TRIED_WORK", 0)
        assert_is_sound(values, choose_budgets(values, ks))


@pytest.mark.parametrize("seed", range(20))
def test_prices_bound_every_choice_with_and_without_a_row_that_is_left_out(seed):
    gains = np.random.default_rng(seed).integers(0, 9, (9, 5)).astype(float)
    target = sorted(gains[list(rows)].max(axis=0).sum() for rows in combinations(range(9), 3))[-4]
    every = np.arange(9)
    useful, bound, left_out = budgets._useful_rows(gains, every, every[:3], target)
    for rows in combinations(range(9), 3):
        total = gains[list(rows)].max(axis=0).sum()
        assert total <= (bound if set(rows) <= set(useful) else left_out) + 1e-9
    assert left_out <= target


def test_a_larger_choice_is_made_from_a_smaller_one_that_is_better():
    gains = np.array([[9.0, 0.0], [0.0, 9.0], [1.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    found = {1: np.array([0]), 2: np.array([0, 1]), 3: np.array([2, 3, 4])}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budgets, "swap", lambda gains, rows, margin: rows)
        budgets._pass_on(gains, found)
    assert found[3].tolist()[:2] == [0, 1]


@pytest.mark.parametrize("seed", range(3))
def test_candidates_on_a_front_are_chosen_as_well_as_by_the_solver_for_one_budget(seed):
    values = a_front(60, 30, 4, seed)
    found = choose_budgets(values, (1, 2, 4, 8))
    for budget, choice in found.items():
        assert choice.welfare == pytest.approx(choose(values, budget).welfare, abs=1e-6)
        assert choice.upper_bound <= choice.welfare + 2e-6


def test_prices_alone_bound_a_large_table_closely(monkeypatch):
    monkeypatch.setattr(budgets, "_TRIED_WORK", 0)
    monkeypatch.setattr(budgets, "_MOST_LEVELS", 0)
    values = a_front(300, 200, 4)
    gain = values.max(axis=0).mean() - values.mean(axis=1).max()
    for choice in choose_budgets(values, (2, 5, 10, 50)).values():
        assert 0.0 <= choice.upper_bound - choice.welfare < 0.05 * gain


def test_the_same_table_gives_the_same_choices():
    values = a_front(80, 40, 6)
    one, again = (choose_budgets(values, (2, 3, 7)) for _ in range(2))
    for budget in one:
        np.testing.assert_array_equal(one[budget].indices, again[budget].indices)


def test_a_choice_for_fewer_starts_from_that_for_more():
    """Without a proof, too, each budget learns from its neighbours."""
    values = a_front(60, 30, 5)
    alone = {k: choose_budgets(values, [k], prove=False)[k].welfare for k in (2, 3, 4, 5)}
    together = choose_budgets(values, (2, 3, 4, 5), prove=False)
    for budget, choice in together.items():
        assert choice.welfare >= alone[budget] - 1e-9
        assert choice.upper_bound == np.inf


def test_held_out_episodes_see_through_luck():
    """All candidates are worth nothing, so what looks good in some episodes is luck."""
    rng = np.random.default_rng(1)
    episodes = rng.normal(size=(10, 100, 20))
    for budget, measured in choose_by_episodes(episodes, (1, 3, 10)).items():
        assert measured.choice.welfare > 0.1 * np.log(budget + 1)
        assert abs(measured.held_out) < 4.0 * measured.held_out_stderr
        assert measured.held_out_stderr < 0.1


def test_held_out_episodes_agree_where_nothing_is_random():
    values = a_front(40, 20, 4)
    measured = choose_by_episodes(np.repeat(values[None], 4, axis=0), (2, 5))
    exact = choose_budgets(values, (2, 5))
    for budget, found in measured.items():
        assert found.choice.welfare == pytest.approx(exact[budget].welfare)
        assert found.held_out_stderr == pytest.approx(0.0, abs=1e-12)
        quick = choose_budgets(values, (2, 5), prove=False)[budget]
        assert found.held_out == pytest.approx(quick.welfare)


def test_the_halves_are_measured_by_each_other():
    """Two candidates, one user: each half of the episodes prefers the one that the other dislikes.

    Even episodes pay (1, 0) and odd ones (0, 3). The even half chooses the first candidate, which
    earns 0 in odd episodes; the odd half chooses the second, which earns 0 in even ones.
    """
    episodes = np.array([[[1.0], [0.0]], [[0.0], [3.0]]] * 2)
    measured = choose_by_episodes(episodes, [1])[1]
    assert measured.choice.indices.tolist() == [1]
    assert measured.choice.welfare == pytest.approx(1.5)
    assert measured.held_out == 0.0


def test_users_are_paid_by_their_coefficients():
    rng = np.random.default_rng(2)
    features, coefficients = rng.normal(size=(6, 30, 3)), rng.normal(size=(8, 3))
    one = choose_by_episodes(features, (1, 4), coefficients)
    other = choose_by_episodes(features @ coefficients.T, (1, 4))
    for budget in one:
        np.testing.assert_array_equal(one[budget].choice.indices, other[budget].choice.indices)
        assert one[budget].held_out == pytest.approx(other[budget].held_out)


@pytest.mark.parametrize(
    ("values", "ks", "sentence"),
    [
        (np.ones((2, 3)), [], "at least one budget"),
        (np.ones((2, 3)), [1, 0], "at least 1, got 0"),
        (np.ones(3), [1], r"finite \[M, N\] matrix"),
        (np.array([[1.0, np.nan]]), [1], r"finite \[M, N\] matrix"),
    ],
)
def test_bad_input_is_one_clear_sentence(values, ks, sentence):
    with pytest.raises(ValueError, match=sentence):
        choose_budgets(values, ks)


@pytest.mark.parametrize("shape", [(3, 2, 2), (2, 2, 2), (4, 2)])
def test_episodes_come_in_halves(shape):
    with pytest.raises(ValueError, match="even number of at least 4 episodes"):
        choose_by_episodes(np.ones(shape), [1])
