import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful.errors import HandfulError
from handful.methods import Feedback, em
from handful.methods.em import EMState, ExpectationMaximization, SoftEM
from handful.methods.weights import weight_table

KEY = jax.random.key(0)
NUM_UPDATES = 2000


SIZES = st.sampled_from([(1, 1), (4, 2), (7, 3), (5, 5)])
greedy, revive = jax.jit(em.greedy), jax.jit(em.revive)


def assigned(returns, current):
    return greedy(jnp.asarray(returns, jnp.float32), jnp.asarray(current)).tolist()


def revived(policy, returns):
    """Each user's policy once every empty policy has got a user."""
    returns = jnp.asarray(returns, jnp.float32)
    policy = np.array(policy)
    sizes = np.bincount(policy, minlength=returns.shape[1]).astype(np.float32)
    found = np.asarray(revive(jnp.asarray(policy), returns, jnp.asarray(sizes)))
    policy[found[found >= 0]] = np.flatnonzero(found >= 0)
    return policy.tolist()


def test_every_user_goes_to_their_best_policy():
    returns = [[1, 5, 3], [9, 2, 3], [0, 0, 1], [-4, -2, -3]]
    assert assigned(returns, [0, 0, 0, 0]) == [1, 0, 2, 1]
    assert assigned(returns, [2, 1, 0, 2]) == [1, 0, 2, 1]


def test_users_for_whom_policies_tie_stay():
    """Most often they are users whom nobody serves yet; all on one policy they would drown it."""
    assert assigned(np.zeros((4, 3)), [0, 1, 2, 2]) == [0, 1, 2, 2]
    assert assigned([[3, 3, 0], [3, 3, 0]], [1, 2]) == [1, 0]


def test_last_user_of_a_policy_can_leave_it():
    """The authors' code never let the last one listed go."""
    assert assigned([[5, 0], [5, 0], [5, 1]], [0, 0, 1]) == [0, 0, 0]


@pytest.mark.parametrize(
    ("policy", "returns", "expected"),
    [
        pytest.param([0, 1, 1], [[5, 0], [0, 3], [0, 2]], [0, 1, 1], id="nothing is empty"),
        pytest.param([0, 0, 0], [[5, 1], [1, 0], [3, 2]], [0, 0, 1], id="whom it serves best"),
        pytest.param([0, 0, 0], [[5, 0], [1, 0], [3, 0]], [0, 1, 0], id="else the worst served"),
        pytest.param(
            [0, 1, 1],
            [[1, 0, 9], [0, 3, 0], [0, 2, 0]],
            [0, 1, 2],
            id="a policy's only user does not go, however badly served",
        ),
        pytest.param(
            [0, 0, 0, 0],
            [[4, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]],
            [0, 1, 2, 0],
            id="several at once",
        ),
        pytest.param(
            [2, 2, 2],
            [[0, 0, 1], [0, 0, 2], [0, 0, 3]],
            [0, 1, 2],
            id="one policy for each user",
        ),
    ],
)
def test_empty_policies_get_users_that_others_can_spare(policy, returns, expected):
    assert revived(policy, returns) == expected


@st.composite
def tables(draw):
    """Returns [N, K] with many ties, and an assignment."""
    num_users, num_policies = draw(SIZES)
    levels = st.sampled_from([0.0, 0.0, 1.0, 2.0, -3.0])
    returns = draw(arrays(np.float32, (num_users, num_policies), elements=levels))
    return returns, draw(arrays(np.int32, num_users, elements=st.integers(0, num_policies - 1)))


@settings(max_examples=60)
@given(tables())
def test_reviving_fills_every_policy_and_moves_no_more_users_than_needed(table):
    returns, policy = table
    num_policies = returns.shape[1]
    after = np.array(revived(policy, returns))
    empty = num_policies - len(np.unique(policy))
    assert len(np.unique(after)) == num_policies
    assert (after != policy).sum() == empty
    moved_to = after[after != policy]
    assert not np.isin(moved_to, policy).any()


@settings(max_examples=60)
@given(tables())
def test_greedy_never_makes_a_user_worse_off_and_leaves_nothing_better(table):
    returns, current = table
    after = np.array(assigned(returns, current))
    users = np.arange(len(current))
    np.testing.assert_array_equal(returns[users, after], returns.max(axis=1))
    stays = returns[users, current] == returns.max(axis=1)
    np.testing.assert_array_equal(after[stays], current[stays])


def test_first_step_comes_after_the_warm_up():
    method = ExpectationMaximization(warm_up=3)
    state = EMState.of(jnp.array([0, 1]), 2)
    returns = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    for update, expected in [(0, [0, 1]), (2, [0, 1]), (3, [1, 0]), (9, [1, 0])]:
        after = method.reassign(KEY, state, Feedback(returns, jnp.array(update), NUM_UPDATES))
        assert method.weights(after).tolist() == expected
        table = weight_table(method.weights(after), 2)
        np.testing.assert_array_equal(method.training_weights(after), table)


def test_emptied_policy_is_trained_for_a_user_who_stays_where_they_are_served_best():
    method = ExpectationMaximization(warm_up=0)
    state = EMState.of(jnp.array([0, 1, 1]), 2)
    returns = jnp.array([[5.0, 0.0], [4.0, 0.0], [3.0, 0.0]])
    after = method.reassign(KEY, state, Feedback(returns, jnp.array(0), NUM_UPDATES))
    assert method.weights(after).tolist() == [0, 0, 0]
    assert method.training_weights(after).tolist() == [[1, 0], [1, 0], [1, 1]]


@settings(max_examples=30)
@given(st.data())
def test_relabelling_users_relabels_the_step(data):
    """Without ties: a tie can only be broken by some order."""
    table = data.draw(arrays(np.float32, (6, 3), elements=st.integers(0, 999), unique=True))
    order = np.array(data.draw(st.permutations(range(6))))
    current = np.array([0, 0, 1, 1, 2, 2])
    expected = np.array(revived(assigned(table, current), table))[order]
    found = revived(assigned(table[order], current[order]), table[order])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [ExpectationMaximization, SoftEM])
def test_e_steps_may_be_rare(kind):
    method = kind(warm_up=2, e_step_every=3)
    state = EMState.of(jnp.array([0, 1]), 2)
    state = state.with_table() if kind is SoftEM else state
    returns = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    moved = []
    for update in range(10):
        after = method.reassign(KEY, state, Feedback(returns, jnp.array(update), NUM_UPDATES))
        if method.weights(after).tolist() == [1, 0]:
            moved.append(update)
        else:
            np.testing.assert_array_equal(method.training_weights(after), np.eye(2))
    assert moved == [2, 5, 8]


@pytest.mark.parametrize("every", [0, -1])
def test_e_steps_must_come(every):
    with pytest.raises(HandfulError, match="e_step_every must be 1 update or more"):
        ExpectationMaximization(e_step_every=every)
