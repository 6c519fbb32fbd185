"""The sentences that say how many policies are needed."""

from dataclasses import replace

import pytest

from handful.frontier.answer import answer, with_interval
from tests.frontier.frontiers import a_frontier, about


def written(value):
    return f"{value:.2f}"


@pytest.mark.parametrize(
    ("frontier", "sentence"),
    [
        (a_frontier({1: 10.0, 2: 10.2}), "No budget is shown to be worth more than the best"),
        (a_frontier({1: 10.0, 2: 20.0}), "All 2 policies are of use: 1 have 0% of what 2 gain"),
        (a_frontier({3: 30.0}), "Fewer than 3 policies were not tried."),
        (a_frontier({1: 10.0, 2: 30.0, 3: 30.1}), "2 policies have 100% of what 3 gain"),
        (a_frontier({2: 30.0, 3: 29.0}), "Fewer than 2 policies were not tried."),
    ],
)
def test_the_answer(frontier, sentence):
    assert answer(frontier, written)[0].startswith(sentence)


def test_the_share_of_a_policy_for_each_user():
    assert answer(a_frontier(), written)[-1] == (
        "With 10, users have 88% of what a policy for each of them is estimated to gain."
    )


def test_what_the_last_policies_are_worth():
    assert answer(a_frontier(), written)[1] == (
        "From 5 to 10 policies, no gain is shown: one more policy is worth 0.04 (-0.26 to 0.34)."
    )
    shown = answer(a_frontier({1: 10.0, 2: 30.0}), written)[1]
    assert shown == "From 1 to 2 policies, one more policy is worth 20.00 (19.70 to 20.30)."


def test_a_number_with_its_interval():
    assert with_interval(about(2.0), written) == "2.00 (1.50 to 2.50)"


def with_floors(*holds):
    frontier = a_frontier({1: 10.0, 2: 20.0, 5: 30.0})
    points = [
        replace(point, floors_hold=one) for point, one in zip(frontier.points, holds, strict=True)
    ]
    return replace(frontier, points=tuple(points))


@pytest.mark.parametrize(
    ("holds", "smallest", "sentence"),
    [
        ((False, True, False), 2, "All floors hold with 2 policies, and with 1 they do not."),
        ((True, True, True), 1, "All floors hold with 1 policy."),
        ((False, False, False), None, "With none of these budgets all floors hold, up to 5"),
    ],
)
def test_the_answer_begins_with_the_floors(holds, smallest, sentence):
    frontier = with_floors(*holds)
    assert frontier.smallest_with_floors == smallest
    assert answer(frontier, written)[0].startswith(sentence)
    assert not with_floors(None, None, None).has_floors
