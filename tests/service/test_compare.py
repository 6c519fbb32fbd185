"""Two services differ by what their policies earn the users, but for policies that are the same."""

import json

import numpy as np
import pytest

from handful.errors import HandfulError
from handful.service import Service, compare_services
from tests.service.services import service


def test_users_of_the_same_policy_differ_by_nothing_whatever_was_measured():
    after = service((1, 0, 0), ("b", "c"), ((0.1, 2.5), (5.0, 1.0)))
    found = compare_services(service(), after)
    assert found.sources == (1, None)
    assert found.difference.tolist() == [3.0, 0.0, 0.0]
    assert found.stderr.tolist() == [pytest.approx(np.sqrt(0.02)), 0.0, 0.0]
    assert found.fate.tolist() == ["replaced", "same", "same"]


def test_welfare_and_its_error_are_those_of_the_users_mean():
    after = service((0, 0, 0), ("c", "b"), ((5.0, 1.0), (0.0, 3.0)))
    found = compare_services(service(), after)
    assert found.difference.tolist() == [3.0, -2.0, 3.0]
    assert found.fate.tolist() == ["replaced", "moved", "moved"]
    assert found.welfare_before == pytest.approx(8 / 3)
    assert found.welfare_after == pytest.approx(8 / 3 + 4 / 3)
    # Mean coefficients: (2, 2)/3 on c; (1, 0)/3 on a, (1, 2)/3 on b. Every variance is 0.01.
    variance = 0.01 * (8 + 1 + 5) / 9
    assert found.welfare_stderr == pytest.approx(np.sqrt(variance))
    assert [found.users[row] for row in found.losers] == ["bob"]
    assert [found.users[row] for row in found.gainers] == ["ann", "cyd"]


@pytest.mark.parametrize(
    ("gain", "margin", "verdict"),
    [
        (0.0, 0.5, "non-inferior"),
        (-0.4, 0.5, "undecided"),
        (-2.0, 0.5, "inferior"),
        (1.0, 0.0, "non-inferior"),
    ],
)
def test_the_verdict_is_by_the_whole_interval(gain, margin, verdict):
    """One user, one feature: the error of the difference is sqrt(0.02), the interval 0.28 wide."""
    one = {
        "user_ids": ("ann",),
        "coefficients": np.ones((1, 1)),
        "covariance": np.full((1, 1, 1), 0.01),
    }
    before = service((0,), "a", ((2.0,),), **one)
    after = service((0,), "b", ((2.0 + gain,),), **one)
    found = compare_services(before, after, margin=margin)
    assert found.verdict == verdict
    reach = 1.959964 * np.sqrt(0.02)
    np.testing.assert_allclose(found.interval, (gain - reach, gain + reach), rtol=1e-6)


def test_episodes_of_the_same_chance_are_compared_one_by_one():
    luck = np.random.default_rng(0).normal(size=(50, 1, 1))
    common = {"user_ids": ("ann",), "coefficients": np.ones((1, 1)), "assignment": np.array([0])}

    def of(digest, level, chance):
        return Service.of_episodes(
            digest, level + luck, policies=(digest,), chance=chance, **common
        )

    paired = compare_services(of("a", 1.0, "seed 0"), of("b", 1.2, "seed 0"))
    apart = compare_services(of("a", 1.0, "seed 0"), of("b", 1.2, "seed 1"))
    assert paired.is_paired
    assert not apart.is_paired
    assert paired.welfare_stderr == pytest.approx(0.0, abs=1e-9)
    expected = np.sqrt(2 * luck.var(ddof=1) / 50)
    assert apart.welfare_stderr == pytest.approx(expected)
    assert apart.stderr[0] == pytest.approx(expected)


def test_users_who_came_went_or_want_something_else_are_counted():
    after = service(
        user_ids=("bob", "cyd", "dan"),
        coefficients=np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 0.0]]),
        assignment=(1, 1, 0),
    )
    found = compare_services(service(), after)
    assert (found.new_users, found.gone_users) == (("dan",), ("ann",))
    assert found.num_changed_wishes == 1
    record = json.loads(json.dumps(found.record(), allow_nan=False))
    assert record["verdict"] == "non-inferior"
    assert [one["user"] for one in record["users"]] == ["bob", "cyd"]


@pytest.mark.parametrize(
    ("after", "more", "sentence"),
    [
        ({"user_ids": ("x", "y", "z")}, {}, "no user in common"),
        ({"feature_names": ("p", "q")}, {}, "other reward features"),
        ({}, {"margin": -1.0}, "margin"),
        ({}, {"confidence": 1.0}, "confidence"),
    ],
)
def test_what_cannot_be_compared_is_refused(after, more, sentence):
    with pytest.raises(HandfulError, match=sentence):
        compare_services(service(feature_names=("e", "f")), service(**after), **more)


def test_a_new_assignment_may_be_of_new_users_alone():
    after = service(user_ids=("x", "y", "z"))
    found = compare_services(service(), after, may_share_nobody=True)
    assert (found.new_users, found.welfare_difference) == (("x", "y", "z"), 0.0)
    assert json.loads(json.dumps(found.record(), allow_nan=False))["users"] == []
