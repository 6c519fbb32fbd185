import numpy as np
import pytest

import handful
from handful.choice.robust import choose_robustly
from handful.errors import HandfulError
from handful.welfare_functions import parse_welfare


def measured(seed, policies=10, users=40, error=0.5, spread=1.0):
    rng = np.random.default_rng(seed)
    true = 10.0 + spread * rng.standard_normal((policies, users))
    return true, true + error * rng.standard_normal((policies, users))


def worth(made, true, welfare="utilitarian"):
    users = np.arange(true.shape[1])
    return float(parse_welfare(welfare).value(true[made.selection.assignment, users]))


def test_without_errors_nothing_changes():
    returns = measured(0)[1]
    made = choose_robustly(returns, 2, standard_errors=0.0, draws=10)
    chosen = handful.choose(returns, 2)
    assert made.selection.policies.tolist() == chosen.policies.tolist()
    np.testing.assert_allclose([made.low, made.welfare, made.high], chosen.welfare)
    assert made.unchanged == 1.0
    assert made.luck == pytest.approx(0.0)
    np.testing.assert_allclose(made.utilities, chosen.utilities)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_luck_of_the_choice_is_taken_off(spread):
    naive, mended, held = [], [], []
    for seed in range(5):
        true, returns = measured(seed, spread=spread)
        made = choose_robustly(returns, 2, standard_errors=0.5, draws=15, seed=seed)
        value = worth(made, true)
        naive.append(made.selection.welfare - value)
        mended.append(made.welfare - value)
        held.append(made.low <= value <= made.high)
        assert made.luck == pytest.approx(made.selection.welfare - made.welfare)
    assert np.mean(naive) > 0.15
    assert abs(np.mean(mended)) < 0.35 * np.mean(naive)
    assert np.mean(held) >= 0.75


def test_users_who_are_equally_well_served_do_not_look_unequal():
    gaps, naive = [], []
    for seed in range(5):
        true, returns = measured(seed, policies=5, users=20, spread=0.0)
        made = choose_robustly(
            returns, 2, standard_errors=0.5, draws=10, welfare="cvar:0.2", seed=seed
        )
        gaps.append(made.welfare - worth(made, true, "cvar:0.2"))
        naive.append(made.selection.mean - made.selection.welfare)
    assert np.mean(naive) > 0.2  # the measured ones do
    assert abs(np.mean(gaps)) < 0.1


def test_errors_that_users_have_in_common_make_the_interval_wider():
    returns = measured(3, policies=4, users=6)[1]
    alone = choose_robustly(returns, 2, standard_errors=0.5, draws=20)
    covariance = np.full((4, 6, 6), 0.25)
    together = choose_robustly(returns, 2, covariance=covariance, draws=20)
    assert together.stderr > 1.3 * alone.stderr
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


def test_how_often_the_choice_would_change():
    returns = np.array([[1.0, 1.0, 1.0], [1.01, 1.01, 1.01], [-9.0, -9.0, -9.0]])
    made = choose_robustly(returns, 1, standard_errors=0.2, draws=60)
    assert made.selection.policies.tolist() == [1]
    assert 0.3 < made.unchanged < 0.75
    assert made.chosen_again[1] == made.unchanged
    assert made.chosen_again[0] == pytest.approx(1.0 - made.unchanged)
    assert made.chosen_again[2] == 0.0
    assert choose_robustly(returns, 1, standard_errors=1e-4, draws=10).unchanged == 1.0


def test_users_without_a_policy_have_no_errors():
    returns = np.array([[3.0, 1.0], [2.0, 1.5]])
    made = choose_robustly(returns, 1, standard_errors=0.1, outside=[0.0, 9.0], draws=10)
    assert made.selection.assignment.tolist() == [0, -1]
    assert made.stderrs[1] == 0.0
    assert made.utilities[1] == 9.0


def test_floors_hold_with_a_chance():
    returns = np.array([[2.0, 2.0], [1.0, 5.0]])
    sure = choose_robustly(returns, 1, standard_errors=0.1, floors=1.5, draws=10)
    assert (sure.floors_hold, sure.floors_missed) == (1.0, 0.0)
    close = choose_robustly(returns, 1, standard_errors=0.5, floors=1.95, draws=30)
    assert close.floors_hold is not None
    assert close.floors_hold < 0.7
    assert close.floors_missed > 0.2
    assert choose_robustly(returns, 1, standard_errors=0.5, draws=10).floors_hold is None


def test_everything_is_in_the_record():
    made = choose_robustly(measured(1)[1], 2, standard_errors=0.5, draws=10)
    record = made.record()
    assert record["welfare"] == made.selection.welfare
    assert record["mended"]["welfare"] == made.welfare
    assert record["mended"]["luck"] == pytest.approx(record["welfare"] - made.welfare)
    assert len(record["mended"]["chosen_again"]) == 10
    assert record["mended"]["draws"] == 10


def test_the_seed_decides():
    returns = measured(2)[1]
    first, same, other = (
        choose_robustly(returns, 2, standard_errors=0.5, draws=10, seed=seed) for seed in (1, 1, 2)
    )
    assert (first.welfare, first.low) == (same.welfare, same.low)
    assert first.welfare != other.welfare


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"draws": 9}, "at least 10 draws"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"welfare": "portfolio"}, "has no standard errors"),
        ({"standard_errors": None}, "either the standard errors"),
    ],
)
def test_what_is_wrong_is_refused_in_one_sentence(settings, sentence):
    with pytest.raises(HandfulError, match=sentence):
        choose_robustly([[1.0, 2.0]], 1, **({"standard_errors": 0.1} | settings))
