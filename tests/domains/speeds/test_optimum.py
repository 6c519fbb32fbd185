"""The bound for users who want a velocity, against every choice of velocities."""

import json
from itertools import combinations, combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.domains.speeds.optimum import velocity_bound
from handful.exact.facility import choose

# Tenths, so that ties and equal targets occur, or any number.
TENTHS = st.integers(0, 40).map(lambda tenth: tenth / 10)
TARGETS = st.lists(TENTHS | st.floats(0, 4), min_size=1, max_size=7).map(np.array)
WIDTHS = st.sampled_from([0.05, 0.2, 0.3, 1.0, 10.0])


def earnings(velocities, targets, half_width, height=100.0):
    """What each velocity earns each user, [M, N]."""
    distances = np.abs(np.asarray(velocities)[:, None] - targets)
    return height * np.maximum(0.0, 1.0 - distances / half_width)


def best_of_all_choices(candidates, targets, half_width, num_policies):
    table = earnings(candidates, targets, half_width)
    return max(
        table[list(rows)].max(axis=0).mean()
        for rows in combinations_with_replacement(range(len(table)), num_policies)
    )


@given(TARGETS, WIDTHS, st.data())
def test_no_choice_of_targets_is_better(targets, half_width, data):
    num_policies = data.draw(st.integers(1, min(4, len(targets))))
    bound = velocity_bound(targets, half_width, 100.0, num_policies)
    best = best_of_all_choices(targets, targets, half_width, num_policies)
    assert bound.welfare == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("num_policies", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_no_velocity_between_the_targets_is_better(num_policies, seed):
    targets = np.random.default_rng(seed).uniform(0, 2, 8)
    bound = velocity_bound(targets, 0.4, 100.0, num_policies)
    grid = np.linspace(-0.5, 2.5, 61)
    best = best_of_all_choices(np.append(grid, targets), targets, 0.4, num_policies)
    assert bound.welfare == pytest.approx(best, abs=1e-9)


@given(TARGETS, WIDTHS, st.data())
def test_no_mixture_of_velocities_over_time_is_better(targets, half_width, data):
    """Policies that change their speed earn averages, and an assignment can be anything."""
    num_policies = data.draw(st.integers(1, len(targets)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    speeds = np.append(rng.uniform(-1, 5, 20), targets)
    shares = rng.dirichlet(np.full(len(speeds), 0.1), size=num_policies)
    returns = shares @ earnings(speeds, targets, half_width)
    bound = velocity_bound(targets, half_width, 100.0, num_policies)
    assert returns.max(axis=0).mean() <= bound.welfare + 1e-9


@pytest.mark.parametrize("num_policies", [1, 2, 5, 12])
def test_the_solver_for_any_returns_agrees(num_policies):
    targets = np.random.default_rng(7).uniform(0, 4, 40)
    choice = choose(earnings(targets, targets, 0.2), num_policies)
    bound = velocity_bound(targets, 0.2, 100.0, num_policies)
    assert bound.welfare == pytest.approx(choice.welfare, abs=1e-3)


@given(TARGETS, WIDTHS)
def test_more_policies_never_do_worse_and_one_a_user_earns_everything(targets, half_width):
    welfare = [
        velocity_bound(targets, half_width, 100.0, k).welfare for k in range(1, len(targets) + 1)
    ]
    assert (np.diff(welfare) >= -1e-9).all()
    assert welfare[-1] == pytest.approx(100.0)


@given(TARGETS, WIDTHS, st.data())
def test_relabelling_users_relabels_the_assignment(targets, half_width, data):
    num_policies = data.draw(st.integers(1, len(targets)))
    order = np.array(data.draw(st.permutations(range(len(targets)))))
    bound = velocity_bound(targets, half_width, 100.0, num_policies)
    again = velocity_bound(targets[order], half_width, 100.0, num_policies)
    assert again.certificate == bound.certificate
    np.testing.assert_array_equal(again.assignment, bound.assignment[order])
    np.testing.assert_array_equal(again.returns, bound.returns[:, order])


@given(TARGETS, WIDTHS, st.data())
def test_the_bound_is_what_it_claims_to_be(targets, half_width, data):
    num_policies = data.draw(st.integers(1, len(targets)))
    bound = velocity_bound(targets, half_width, 100.0, num_policies)
    assert (bound.kind, bound.unit, bound.num_policies) == ("upper bound", "m/s", num_policies)
    velocities = np.array(bound.certificate)[:, 0]
    assert (np.diff(velocities) >= 0).all()
    np.testing.assert_allclose(bound.returns, earnings(velocities, targets, half_width))
    served = bound.returns[bound.assignment, np.arange(len(targets))]
    np.testing.assert_array_equal(served, bound.returns.max(axis=0))
    assert bound.welfare == pytest.approx(served.mean())


def test_users_out_of_everybodys_reach_go_to_the_nearest_velocity():
    targets = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 3.0])
    bound = velocity_bound(targets, 0.1, 100.0, 2)
    assert bound.certificate == ((0.0,), (3.0,))
    assert bound.assignment.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert bound.welfare == pytest.approx(500 / 7)


def test_velocities_are_repeated_where_users_want_the_same():
    bound = velocity_bound(np.array([1.0, 2.0, 1.0, 1.0]), 0.2, 100.0, 4)
    assert bound.certificate == ((1.0,), (1.0,), (1.0,), (2.0,))
    assert bound.returns.shape == (4, 4)
    assert bound.welfare == 100.0


def test_a_width_that_rounding_swallows():
    bound = velocity_bound(np.array([1.0, 1.0, 2.0]), 1e-30, 100.0, 1)
    assert bound.certificate == ((1.0,),)
    assert bound.welfare == pytest.approx(200 / 3)


def test_neighbours_in_the_choice_never_gain_by_crossing():
    """The inequality that the divide and conquer rests on, in the module's own words."""
    targets = np.sort(np.random.default_rng(3).uniform(0, 2, 12))

    def between(low, high):
        users = targets[low + 1 : high + 1]
        return earnings(targets[[low, high]], users, 0.3).max(axis=0).sum()

    for a, b, c, d in combinations(range(12), 4):
        assert between(a, c) + between(b, d) >= between(a, d) + between(b, c) - 1e-9


@pytest.mark.parametrize("num_policies", [1, 5, 50])
def test_a_hundred_thousand_users_are_solved_exactly(num_policies):
    """Copies of a few users change nothing; so many distinct ones must take seconds."""
    few = np.random.default_rng(0).uniform(0, 4, 100)
    bound = velocity_bound(few, 0.2, 100.0, num_policies)
    copied = velocity_bound(np.tile(few, 1000), 0.2, 100.0, num_policies)
    assert copied.welfare == pytest.approx(bound.welfare)
    if num_policies == 5:
        crowd = velocity_bound(np.linspace(0, 4, 100_000), 0.2, 100.0, 5)
        # Five triangles apart from each other: 5 * half_width of 4 m/s, at full height.
        assert crowd.welfare == pytest.approx(25.0, abs=0.01)


def test_the_bound_goes_into_json():
    record = json.loads(
        json.dumps(velocity_bound(np.array([1.0, 1.0, 2.0]), 0.2, 100.0, 1).to_dict())
    )
    assert record["kind"] == "upper bound"
    assert record["certificate"] == [[1.0]]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_policies": 0}, r"from 1 to the number of users \(2\), got 0"),
        ({"num_policies": 3}, r"from 1 to the number of users \(2\), got 3"),
        ({"targets": np.array([1.0, np.nan])}, r"finite \[N\]"),
        ({"targets": np.ones((2, 2))}, r"got shape \(2, 2\)"),
        ({"half_width": 0.0}, "must be positive, got 0.0 and 100.0"),
        ({"height": np.inf}, "must be positive, got 0.2 and inf"),
    ],
)
def test_bad_input_is_one_clear_sentence(changes, sentence):
    good = {"targets": np.array([1.0, 2.0]), "half_width": 0.2, "height": 100.0, "num_policies": 1}
    with pytest.raises(ValueError, match=sentence):
        velocity_bound(**{**good, **changes})
