"""What users earn and which policy is best for them follows from returns in features."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful.errors import HandfulError
from handful.service import Service
from tests.service.services import service


def test_users_earn_their_coefficients_times_their_policys_returns():
    assert service().utilities.tolist() == [2.0, 3.0, 3.0]


def test_the_margin_is_over_the_best_of_the_others_with_its_standard_error():
    margins, errors = service().margins()
    assert margins.tolist() == [2.0, 3.0, 1.0]
    # Two policies, each with variance 0.01 in each feature that the user weighs.
    np.testing.assert_allclose(errors, np.sqrt([0.02, 0.02, 0.04]))


def test_one_policy_has_no_margin():
    margins, _ = service((0, 0, 0), "a", ((2.0, 0.0),)).margins()
    assert np.isnan(margins).all()


def test_episodes_with_the_same_chance_take_it_out_of_the_margin():
    luck = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    episodes = np.stack([2.0 + luck, 1.0 + luck], axis=1)
    one = Service.of_episodes(
        "one",
        episodes,
        policies=("a", "b"),
        user_ids=("ann",),
        coefficients=np.ones((1, 1)),
        assignment=np.array([0]),
    )
    assert one.returns.tolist() == [[2.0], [1.0]]
    np.testing.assert_allclose(one.covariance.ravel(), [1 / 3, 1 / 3])
    margins, errors = one.margins()
    assert (margins[0], errors[0]) == (1.0, 0.0)


def test_new_users_get_the_best_and_old_ones_stay_where_nothing_is_better():
    wishes = np.array([[0.0, 1.0], [3.0, 2.0], [0.0, 0.0]])
    after = service().for_users(("new", "ann", "bob"), wishes)
    assert after.assignment.tolist() == [1, 0, 1]  # ann: 6 and 6; bob wants nothing
    assert after.user_ids == ("new", "ann", "bob")


@given(
    arrays(np.float64, (5, 3), elements=st.floats(-9, 9)),
    arrays(np.float64, (4, 3), elements=st.floats(-9, 9)),
)
@settings(max_examples=30, deadline=None)
def test_no_other_assignment_earns_anybody_more(wishes, returns):
    some = Service(
        "some",
        tuple("abcd"),
        returns,
        np.zeros((4, 3, 3)),
        tuple("vwxyz"),
        np.ones((5, 3)),
        np.zeros(5, np.int64),
    )
    after = some.for_users(tuple("vwxyz"), wishes)
    best = (wishes @ returns.T).max(axis=1)
    np.testing.assert_allclose(after.utilities, best, atol=1e-6)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"assignment": (0, 2, 1)}, "does not have"),
        ({"assignment": (0, 1)}, r"it must be \[3\]"),
        ({"coefficients": np.ones((3, 5))}, r"it must be \[3, 2\]"),
        ({"policies": ("a",)}, "one digest for each"),
    ],
)
def test_tables_that_do_not_fit_are_refused(more, sentence):
    with pytest.raises(HandfulError, match=sentence):
        service(**more)
