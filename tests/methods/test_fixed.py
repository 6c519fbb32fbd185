import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.errors import HandfulError
from handful.methods import Fixed, RandomAssignment

KEY = jax.random.key(0)


def test_fixed_assignment_is_the_callers():
    method = Fixed((2, 0, 0))
    state = method.init(KEY, 3, 4)
    np.testing.assert_array_equal(state.sizes, [2, 0, 1, 0])
    np.testing.assert_array_equal(method.weights(state), [2, 0, 0])


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ((0, 1), "names policies for 2 users, but the population has 3"),
        ((0, 1, 0, 1), "names policies for 4 users"),
        ((0, 1, 2), r"gives user 2 \(counted from 0\) policy 2.*between 0 and 1"),
        ((0, -1, 0), r"gives user 1 .*policy -1"),
    ],
)
def test_assignment_that_does_not_fit_is_refused(policy, sentence):
    with pytest.raises(HandfulError, match=sentence):
        Fixed(policy).init(KEY, 3, 2)


def test_true_and_false_are_no_policies():
    with pytest.raises(HandfulError, match="by whole numbers, not True"):
        Fixed((True, False))


@settings(max_examples=25)
@given(st.sampled_from([(1, 1), (4, 1), (7, 3), (8, 4), (11, 4), (5, 5)]), st.integers(0, 99))
def test_random_groups_differ_in_size_by_at_most_one(sizes, seed):
    num_users, num_policies = sizes
    state = RandomAssignment().init(jax.random.key(seed), num_users, num_policies)
    sizes = np.bincount(RandomAssignment().weights(state), minlength=num_policies)
    np.testing.assert_array_equal(state.sizes, sizes)
    assert sizes.sum() == num_users
    assert sizes.max() - sizes.min() <= 1


def test_random_assignment_is_not_the_order_of_the_users():
    """`user % k` is the grid's columns for k = 5 and the identity for k = n."""
    round_robin = np.arange(25) % 5
    assignments = [
        np.asarray(RandomAssignment().init(jax.random.key(seed), 25, 5).policy) for seed in range(4)
    ]
    for assignment in assignments:
        assert (assignment == round_robin).mean() < 0.6
    assert len({tuple(assignment) for assignment in assignments}) == 4
