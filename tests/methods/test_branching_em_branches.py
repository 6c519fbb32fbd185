import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.methods.branching_em import KEPT, branch_out
from handful.methods.outcomes import OutcomeSpace

LINE = np.arange(0.0, 10.01, 0.1)
TARGETS = np.arange(0.0, 10.01, 0.25)
PAYOFFS = np.maximum(0.0, 1.0 - np.abs(LINE[:, None] - TARGETS))
SPACE = OutcomeSpace.of(PAYOFFS)
STEPS = 100


def kept_up(place, share=1.0):
    """What users get from a policy that is at a place for that share of an episode."""
    return STEPS * share * np.maximum(0.0, 1.0 - np.abs(place - TARGETS))


def test_what_hardly_serves_anybody_becomes_a_copy_led_next_to_what_serves_well():
    returns = np.stack([kept_up(2.0, 0.8), kept_up(9.0, 0.05)])
    branches = branch_out(returns, SPACE, reach=4.0, margin=0.02)
    assert branches.source.tolist() == [0, 0]
    assert branches.outcome[0] == KEPT
    goal = LINE[branches.outcome[1]]
    assert 1.0 < abs(goal - 2.0) <= 2.5  # where it takes few users from its source
    np.testing.assert_allclose(LINE[branches.start], 2.0)


def test_a_copy_is_guessed_to_keep_up_what_its_source_does_less_the_farther_it_is_led():
    returns = np.stack([kept_up(2.0, 0.8), kept_up(9.0, 0.05)])
    branches = branch_out(returns, SPACE, reach=4.0, margin=0.02)
    way = SPACE.distances(branches.start[1:])[0, branches.outcome[1]]
    expected = STEPS * 0.8 * np.exp(-((way / 4.0) ** 2)) * PAYOFFS[branches.outcome[1]]
    np.testing.assert_allclose(branches.hoped, [returns[0], expected], atol=1e-9)
    np.testing.assert_array_equal(branches.policy, branches.hoped.argmax(axis=0))


def test_policies_that_all_serve_their_users_stay():
    returns = np.stack([kept_up(place) for place in (1.0, 3.0, 5.0, 7.0, 9.0)])
    branches = branch_out(returns, SPACE, reach=4.0, margin=0.02)
    assert branches.source.tolist() == [0, 1, 2, 3, 4]
    assert (branches.outcome == KEPT).all()
    np.testing.assert_array_equal(branches.hoped, returns)


def test_the_farther_copies_can_be_led_the_farther_they_are():
    returns = np.stack([kept_up(0.0), kept_up(9.0, 0.02), kept_up(9.0, 0.01)])
    goals = [
        np.sort(LINE[branch_out(returns, SPACE, reach, margin=0.02).outcome[1:]])
        for reach in (2.0, 8.0)
    ]
    assert (goals[0] < goals[1]).all()


def test_more_must_be_promised_than_the_margin():
    returns = np.stack([kept_up(2.0, 0.8), kept_up(9.0, 0.5)])
    promised = branch_out(returns, SPACE, 8.0, margin=0.0)
    gain = promised.hoped.max(axis=0).sum() / returns.max(axis=0).sum() - 1.0
    assert gain > 0.0
    for margin, is_copied in ((0.9 * gain, True), (1.1 * gain, False)):
        outcome = branch_out(returns, SPACE, 8.0, margin).outcome
        assert (outcome != KEPT).any() == is_copied


def test_returns_may_be_costs():
    returns = np.stack([kept_up(2.0, 0.8), kept_up(9.0, 0.05)])
    branches = branch_out(returns - 500.0, OutcomeSpace.of(PAYOFFS - 5.0), 4.0, 0.02)
    expected = branch_out(returns, SPACE, 4.0, 0.02)
    np.testing.assert_array_equal(branches.outcome, expected.outcome)
    np.testing.assert_allclose(branches.hoped, expected.hoped - 500.0)


def test_one_policy_has_nobody_to_be_copied_from():
    branches = branch_out(kept_up(2.0, 0.1)[None], SPACE, 8.0, 0.0)
    assert branches.outcome.tolist() == [KEPT]


@pytest.mark.parametrize("num_policies", [2, 5])
def test_policies_that_serve_nobody_at_all(num_policies):
    branches = branch_out(np.zeros((num_policies, len(TARGETS))), SPACE, 8.0, 0.02)
    assert (branches.outcome == KEPT).all()


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=6),
    st.floats(0.5, 20),
    st.floats(0, 0.3),
)
def test_copies_are_of_policies_that_stay_and_more_is_hoped_for(policies, reach, margin):
    returns = np.stack([kept_up(place, share) for place, share in policies])
    branches = branch_out(returns, SPACE, reach, margin)
    is_kept = branches.outcome == KEPT
    own = np.arange(len(returns))
    assert (branches.source[is_kept] == own[is_kept]).all()
    assert (branches.source[~is_kept] != own[~is_kept]).all()
    assert is_kept[branches.source].all()
    np.testing.assert_allclose(branches.hoped[is_kept], returns[is_kept], atol=1e-9)
    before, after = returns.max(axis=0).sum(), branches.hoped.max(axis=0).sum()
    # The floor of every user's returns counts for nothing: it is there whatever is done.
    floor = returns.min(axis=0).sum()
    changes = (~is_kept).sum()
    assert after - floor >= (before - floor) * (1 + margin) ** changes - 1e-6
