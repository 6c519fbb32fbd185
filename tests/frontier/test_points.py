"""What a frontier says of its budgets."""

import json

import pytest

from handful.frontier.points import Frontier
from tests.frontier.frontiers import a_frontier


def test_a_frontier_comes_back_from_json():
    frontier = a_frontier(optimum={2: 33.0})
    again = Frontier.from_dict(json.loads(json.dumps(frontier.to_dict())))
    assert again == frontier
    assert repr(again.points[1].welfare) == "30.00 ± 0.25"


@pytest.mark.parametrize(("share", "budget"), [(0.0, 1), (0.5, 2), (0.9, 5), (1.0, 10)])
def test_the_smallest_budget_that_is_enough(share, budget):
    # Above one policy, worth 10, the budgets gain 0, 20, 35 and 35.2.
    assert a_frontier().smallest_enough(share) == budget


def test_what_one_policy_earns_already_does_not_count():
    frontier = a_frontier({1: 40.0, 2: 46.0, 5: 50.0}, one=40.0)
    assert frontier.smallest_enough(0.9) == 5


def test_one_policy_is_enough_where_nothing_is_gained():
    assert a_frontier({1: 9.0, 2: 8.0}).smallest_enough() == 1


def test_gains_within_chance_are_not_shown():
    assert [step.is_shown for step in a_frontier().steps] == [True, True, False]


def test_policies_that_serve_nobody_are_spare():
    points = a_frontier(spare=(5,)).points
    assert [point.spare for point in points] == [(), (), (4,), ()]
