import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.domains.speeds.optimum import velocity_bound
from handful.methods.outcomes import plan_outcomes

LINE = np.arange(0.0, 10.01, 0.1)


def tents(targets, half_width=1.0):
    """What users earn at every place on the line, [M, N]: 1 at their target."""
    return np.maximum(0.0, 1.0 - np.abs(LINE[:, None] - np.asarray(targets)) / half_width)


def test_each_policy_gets_the_place_that_serves_a_crowd():
    plan = plan_outcomes(tents([1, 1, 1, 5, 5, 9]), 2)
    assert plan.policy[:3].tolist() == [plan.policy[0]] * 3
    assert plan.policy[3:5].tolist() == [plan.policy[3]] * 2
    assert plan.policy[0] != plan.policy[3]


def test_distance_grows_along_the_line_also_past_users_who_share_nothing():
    targets = np.arange(0.0, 10.01, 0.25)
    plan = plan_outcomes(tents(targets), 1)
    goal = plan.distance[:, 0].argmin()
    assert plan.distance[goal, 0] == pytest.approx(0.0, abs=0.3)  # it lies beside it
    order = np.argsort(np.abs(targets - targets[goal]), kind="stable")
    assert (np.diff(plan.distance[order, 0]) > -0.5).all()
    # The tents of users 2 apart never overlap: along the chain they are farther than that shows.
    ahead = plan.distance[goal + 1 :, 0] if goal < 20 else plan.distance[:goal, 0][::-1]
    assert (np.diff(ahead) > 0).all()
    assert ahead[-1] > 2 * np.sqrt(2)


def test_users_beyond_a_gap_are_farther_than_all_others():
    plan = plan_outcomes(tents([1, 1, 2.5, 9]), 1)
    assert plan.distance[3, 0] == pytest.approx(plan.distance[2, 0] + np.sqrt(2))


def test_a_crowd_counts_as_much_as_one_user_does():
    plan = plan_outcomes(tents([1, 1, 1, 1, 5]), 1)
    np.testing.assert_allclose(plan.share, [1 / 4] * 4 + [1])


def test_caution_prefers_what_is_near_the_first_outcome():
    targets = np.array([1, 1, 1, *np.arange(0.5, 10, 0.5), 9, 9, 9, 9])
    goals = [
        targets[plan_outcomes(tents(targets), 1, caution).distance[:, 0].argmin()]
        for caution in (0.0, 0.1, 0.5)
    ]
    assert goals == [9.0, 9.0, 1.0]  # five users, unless they are served only half as well


def test_users_who_never_earn_anything_do_no_harm():
    payoffs = tents([1, 5])
    payoffs[:, 1] = 3.0  # the same whatever happens
    plan = plan_outcomes(payoffs, 1)
    assert plan.share[1] >= 0.0
    assert np.isfinite(plan.share).all()
    assert plan.distance[0, 0] == pytest.approx(0.0, abs=1e-5)


def test_fewer_outcomes_than_policies():
    plan = plan_outcomes(np.array([[1.0, 0.0], [0.0, 1.0]]), 3)
    assert plan.distance.shape == (2, 3)
    assert set(plan.policy.tolist()) <= {0, 1, 2}


@given(st.lists(st.integers(0, 100), min_size=2, max_size=12), st.integers(1, 3))
def test_the_plan_is_nearly_as_good_as_the_best_places(tenths, num_policies):
    num_policies = min(num_policies, len(tenths))
    payoffs = tents(np.array(tenths) / 10)
    plan = plan_outcomes(payoffs, num_policies)
    nearest = plan.distance.argmin(axis=0)  # only users' own places are seen in the result
    bound = velocity_bound(np.array(tenths) / 10, 1.0, 1.0, num_policies).welfare
    reached = payoffs[payoffs.argmax(axis=0)][nearest].max(axis=0).mean()
    assert reached <= bound + 1e-9
    assert reached >= (1 - 1 / np.e) * bound - 1e-9
