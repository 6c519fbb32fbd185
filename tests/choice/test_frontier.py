import numpy as np
import pytest

from handful.choice.frontier import frontier
from handful.errors import HandfulError

TABLE = np.array([[10.0, 1.0, 1.0], [1.0, 7.0, 1.0], [1.0, 1.0, 4.0]])


def test_what_one_more_policy_is_worth():
    found = frontier(TABLE, [3, 1, 2], welfares=["utilitarian", "egalitarian"])
    assert found.budgets == (1.0, 2.0, 3.0)
    chosen = [one.welfare for one in found.selections["utilitarian"] if one is not None]
    np.testing.assert_allclose(chosen, [4.0, 6.0, 7.0])
    assert found.marginal_worth("utilitarian") == (None, pytest.approx(2.0), pytest.approx(1.0))
    assert found.ceilings == {"utilitarian": pytest.approx(7.0), "egalitarian": 4.0}
    assert found.record()["welfares"]["egalitarian"]["choices"][0]["welfare"] == 1.0


def test_budgets_below_the_floors_have_no_choice():
    found = frontier(TABLE, [1, 2, 3], floors=2.0)
    assert found.floors_from == 3
    assert [one is None for one in found.selections["utilitarian"]] == [True, True, False]
    assert found.marginal_worth("utilitarian") == (None, None, None)


def test_money_is_worth_what_it_adds_for_each_unit():
    found = frontier(TABLE, [2.0, 6.0], costs=[2.0, 4.0, 9.0])
    assert found.is_money
    assert found.marginal_worth("utilitarian") == (None, pytest.approx(2.0 / 4.0))


@pytest.mark.parametrize(
    ("budgets", "settings", "sentence"),
    [([], {}, "at least one"), ([0], {}, "whole"), ([1.0], {"costs": [2.0] * 3}, "no policy")],
)
def test_budgets_that_are_none_are_refused(budgets, settings, sentence):
    with pytest.raises(HandfulError, match=sentence):
        frontier(TABLE, budgets, **settings)


def test_what_a_budget_is_worth_less_what_it_costs():
    counted = frontier(TABLE, [1, 2, 3], welfares=["utilitarian"])
    assert counted.net_worth("utilitarian", 10.0, 15.0) == pytest.approx((25.0, 30.0, 25.0))
    money = frontier(TABLE, [2.0, 7.0], costs=[2.0, 4.0, 9.0])
    assert money.net_worth("utilitarian", 10.0) == pytest.approx((38.0, 54.0))  # 6 are spent
    below = frontier(TABLE, [1, 3], floors=2.0)
    assert below.net_worth("utilitarian", 10.0, 1.0) == (None, pytest.approx(67.0))


def test_the_price_of_fairness_is_what_the_mean_loses():
    table = [[10.0, 1.0, 1.0], [2.0, 2.0, 2.0], [1.0, 1.0, 9.0]]
    found = frontier(table, [1, 2, 3], welfares=["utilitarian", "egalitarian"])
    assert found.price_of_fairness("utilitarian") == (0.0, 0.0, 0.0)
    # 4 and 2 for one policy; for two, 20/3 with 10, 1, 9 and 14/3 with 10, 2, 2.
    assert found.price_of_fairness("egalitarian") == pytest.approx((2.0, 2.0, 0.0))
    alone = frontier(table, [1], welfares=["egalitarian"])
    assert alone.price_of_fairness("egalitarian") == (None,)
