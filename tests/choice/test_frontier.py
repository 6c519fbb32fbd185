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
