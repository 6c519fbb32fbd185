import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.methods.weights import (
    balanced_assignment,
    handed_out,
    likeliest_policies,
    weight_table,
)

TABLE = jnp.array([[0.2, 0.8, 0.0], [0.5, 0.5, 0.0]])
NUMBERS = jnp.array([2, 0, -1])


def test_numbers_become_one_hot_rows_and_even_shares():
    third = 1 / 3
    expected = [[0, 0, 1], [1, 0, 0], [third, third, third]]
    np.testing.assert_allclose(weight_table(NUMBERS, 3), expected, rtol=1e-6)


def test_a_table_stays_as_it_is():
    assert weight_table(TABLE, 3) is TABLE
    assert handed_out(TABLE, 3) is TABLE


def test_the_likeliest_policy_is_the_first_of_equal_ones():
    assert likeliest_policies(TABLE).tolist() == [1, 0]
    assert likeliest_policies(NUMBERS).tolist() == [2, 0, 0]


def test_numbers_are_handed_out_unless_somebody_is_served_by_all_alike():
    assert handed_out(NUMBERS[:2], 3).tolist() == [2, 0]
    np.testing.assert_array_equal(handed_out(NUMBERS, 3), weight_table(NUMBERS, 3))


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=9))
def test_both_forms_say_the_same(numbers):
    numbers = jnp.array(numbers)
    table = weight_table(numbers, 4)
    np.testing.assert_allclose(table.sum(axis=1), 1.0)
    np.testing.assert_array_equal(likeliest_policies(table), likeliest_policies(numbers))


@pytest.mark.parametrize(("num_users", "num_policies"), [(1, 1), (7, 3), (5, 5), (3, 4)])
def test_groups_that_are_dealt_out_differ_by_at_most_one(num_users, num_policies):
    policy = balanced_assignment(jax.random.key(0), num_users, num_policies)
    sizes = np.bincount(policy, minlength=num_policies)
    assert np.ptp(sizes) <= 1
    assert sizes.sum() == num_users
