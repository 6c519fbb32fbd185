"""Welfare against the budget, from episodes that are written out."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from handful.errors import HandfulError
from handful.evaluation.frontier import ceiling_of, estimate, measure_frontier, one_policy_of
from handful.evaluation.played import FeatureReturns, JoinedReturns, ReturnTable
from handful.evaluation.returns import Evaluation, summarize
from handful.frontier.points import Estimate
from handful.population import Population
from handful.welfare import utilitarian

T_3 = 3.182446305  # Student's, at 97.5 % with 3 degrees of freedom

# Four episodes of one policy for two users, and of two policies for the same: [E, K, N].
ONE = np.array([[[2, 2]], [[4, 4]], [[2, 2]], [[4, 4]]], float)
TWO = np.array([[[3, 0], [0, 5]], [[5, 0], [0, 7]], [[3, 0], [0, 5]], [[5, 0], [0, 11]]], float)


def evaluation_of(table, assignment, seed=7):
    assignment, played = np.array(assignment), ReturnTable(table)
    measured = summarize(played, np.ones(table.shape[:2]), assignment)
    return Evaluation(assignment, len(table), seed, measured, measured)


def both():
    return [evaluation_of(TWO, [0, 1]), evaluation_of(ONE, [0, 0])]


def test_budgets_are_sorted_and_their_welfare_is_that_of_their_evaluations():
    frontier = measure_frontier(both())
    assert frontier.budgets == (1, 2)
    assert [point.welfare.value for point in frontier.points] == [3.0, 5.5]
    assert [point.users_per_policy for point in frontier.points] == [(2,), (1, 1)]
    # Episodes with one policy are worth 2, 4, 2, 4.
    stderr = np.std([2, 4, 2, 4], ddof=1) / 2
    first = frontier.points[0].welfare
    assert first.stderr == pytest.approx(stderr)
    assert (first.low, first.high) == pytest.approx((3 - T_3 * stderr, 3 + T_3 * stderr))
    assert (frontier.num_episodes, frontier.seed) == (4, 7)


def test_the_worth_of_a_policy_is_taken_episode_by_episode():
    """What both budgets' episodes have in common does not blur the difference.

    Two policies are worth 4, 6, 4, 8 and one is worth 2, 4, 2, 4: the gain is 2, 2, 2, 4.
    """
    (step,) = measure_frontier(both()).steps
    gains = np.array([2.0, 2.0, 2.0, 4.0])
    assert (step.fewer, step.more) == (1, 2)
    assert step.gain.value == pytest.approx(gains.mean())
    assert step.gain.stderr == pytest.approx(gains.std(ddof=1) / 2)
    assert step.is_shown
    apart = np.hypot(*(one.deterministic.welfare_stderr for one in both()))
    assert step.gain.stderr < 0.5 * apart


def test_a_gain_is_shared_by_the_policies_that_are_added():
    three = np.concatenate([TWO, TWO[:, :1]], axis=1)
    one, other = evaluation_of(ONE, [0, 0]), evaluation_of(three, [0, 1])
    (step,) = measure_frontier([one, other]).steps
    assert (step.fewer, step.more) == (1, 3)
    assert step.per_policy.value == pytest.approx(step.gain.value / 2)
    assert step.per_policy.stderr == pytest.approx(step.gain.stderr / 2)
    (_, point) = measure_frontier([one, other]).points
    assert (point.users_per_policy, point.spare) == ((1, 1, 0), (2,))


def test_levels_are_chosen_by_one_half_of_the_episodes_and_measured_on_the_other():
    """Even episodes and odd ones disagree on who is best, so that neither choice is lucky."""
    table = np.array([[[9, 1], [0, 0]], [[0, 0], [5, 3]]] * 2, float)
    played = ReturnTable(table)
    # Even episodes choose policy 0, worth 0 in odd ones; odd ones policy 1, worth 0 in even ones.
    assert one_policy_of(played) == Estimate(0.0, 0.0, 0.0, 0.0)
    assert ceiling_of(played) == Estimate(0.0, 0.0, 0.0, 0.0)


def test_the_ceiling_gives_everybody_their_best_policy_of_all_budgets():
    frontier = measure_frontier(both())
    # User 0 earns 4 in the mean from the first of two policies and 3 from the single one; user 1
    # earns 7 from the second of two, which is also the best one for both.
    assert frontier.ceiling.welfare.value == pytest.approx((4.0 + 7.0) / 2)
    assert frontier.ceiling.num_policies == 3
    assert frontier.one_policy.welfare.value == pytest.approx(3.5)


def test_candidates_raise_the_ceiling_only_if_they_are_better():
    good, poor = (ReturnTable(np.full((6, 40, 2), value)) for value in (9.0, 1.0))
    ceiling = measure_frontier(both(), candidates=good).ceiling
    assert (ceiling.welfare.value, ceiling.num_policies) == (9.0, 40)
    assert measure_frontier(both(), candidates=poor).ceiling.num_policies == 3


def test_the_share_of_the_gain():
    frontier = measure_frontier(both())
    # The best single policy is worth 3.5, the ceiling 5.5, and the budget of one policy 3.
    assert frontier.share_of_gain(1) is None  # chance is large
    sure = [
        dataclasses.replace(level, welfare=dataclasses.replace(level.welfare, stderr=0.1))
        for level in (frontier.one_policy, frontier.ceiling)
    ]
    frontier = dataclasses.replace(frontier, one_policy=sure[0], ceiling=sure[1])
    assert frontier.share_of_gain(1) == pytest.approx((3.0 - 3.5) / 2.0)
    assert frontier.share_of_gain(2) == pytest.approx(1.0)
    none = dataclasses.replace(frontier, ceiling=frontier.one_policy)
    assert none.share_of_gain(2) is None


def log_welfare(utilities):
    return jnp.mean(jnp.log(1.0 + utilities))


def test_another_welfare_function_is_that_of_expected_returns():
    frontier = measure_frontier(both(), log_welfare)
    one, two = (point.welfare.value for point in frontier.points)
    assert one == pytest.approx(np.log(4.0), rel=1e-5)
    assert two == pytest.approx(np.log([5.0, 8.0]).mean(), rel=1e-5)
    (step,) = frontier.steps
    assert step.gain.value == pytest.approx(two - one, rel=1e-5)


@pytest.mark.parametrize("welfare", [utilitarian, log_welfare])
def test_joined_returns_are_one_table(welfare):
    """Sets of policies that are joined count as one set."""
    rng = np.random.default_rng(0)
    features, population = rng.random((6, 5, 3)), Population.identity(3)
    parts = tuple(FeatureReturns(features[:, part], population) for part in (slice(2), slice(2, 5)))
    joined, whole = JoinedReturns(parts), FeatureReturns(features, population)
    assert joined.shape == whole.shape
    np.testing.assert_allclose(joined.of(slice(None)), whole.of(slice(None)))
    np.testing.assert_allclose(
        joined.some(slice(1, 4)).of(np.array([2, 0])), whole.some(slice(1, 4)).of(np.array([2, 0]))
    )
    for measure in (one_policy_of, ceiling_of):
        a, b = measure(joined, welfare), measure(whole, welfare)
        assert (a.value, a.stderr) == pytest.approx((b.value, b.stderr), rel=1e-5)


def test_nothing_random_has_no_width():
    assert estimate(np.full(4, 2.5)) == Estimate(2.5, 0.0, 2.5, 2.5)


@pytest.mark.parametrize(
    ("evaluations", "sentence"),
    [
        ([], "at least one budget"),
        ([evaluation_of(ONE, [0, 0])] * 2, "two of these have 1 policy"),
        ([evaluation_of(ONE, [0, 0]), evaluation_of(TWO, [0, 1], seed=8)], "evaluation seeds: 7"),
        ([evaluation_of(ONE, [0, 0]), evaluation_of(TWO[:, :, :1], [0])], "different users: 2"),
        (
            [evaluation_of(np.repeat(ONE, 2, axis=0), [0, 0]), evaluation_of(TWO, [0, 1])],
            "evaluation episodes: 8 with 1 policy, and 4 with 2 policies",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(evaluations, sentence):
    with pytest.raises(HandfulError, match=sentence):
        measure_frontier(evaluations)


def test_what_users_have_outside_counts_in_the_welfare():
    """User 0 has 7 outside and is better off there: 7 with two policies, and 3 for user 1 alone."""
    outside = np.array([7.0, 0.0])
    one, two = evaluation_of(ONE, [-1, 0]), evaluation_of(TWO, [-1, 1])
    frontier = measure_frontier([one, two], utilitarian, outside=outside)
    assert [point.welfare.value for point in frontier.points] == pytest.approx([5.0, 7.0])
    assert [point.users_per_policy for point in frontier.points] == [(1,), (0, 1)]
    assert frontier.one_policy.welfare.value == pytest.approx(7.0)
    assert frontier.ceiling.welfare.value == pytest.approx(7.0)
