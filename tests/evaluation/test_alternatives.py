"""Other assignments of the same policies, with hand-computed returns."""

import numpy as np
import pytest

from handful.evaluation.alternatives import Alternative, compare_assignments
from handful.evaluation.played import FeatureReturns, ReturnTable
from handful.evaluation.returns import summarize
from handful.population import Population

# Episodes [E, K, N]: two policies, two users, each best served by one; policy 1 is better for all.
EPISODES = np.array(
    [
        [[4, 0], [2, 6]],
        [[4, 0], [2, 6]],
        [[4, 0], [2, 8]],
        [[6, 0], [2, 8]],
    ],
    float,
)
LENGTHS = np.ones((4, 2))


def compared(played, assignment, **others):
    measurement = summarize(played, LENGTHS, np.array(assignment))
    others = {name: np.array(policy) for name, policy in others.items()}
    return compare_assignments(measurement, np.array(assignment), others)


def both_kinds():
    return [ReturnTable(EPISODES), FeatureReturns(EPISODES, Population.identity(2))]


@pytest.mark.parametrize("played", both_kinds(), ids=["table", "features"])
def test_assignments_are_compared_episode_by_episode(played):
    found = compared(played, [0, 0], as_trained=[1, 1], by_validation=[0, 1])
    assert set(found) == {"as_trained", "by_validation", "one_policy", "reassigned"}
    # As handed out the episodes are worth 2, 2, 2, 3; with policy 1 for both 4, 4, 5, 5.
    gains = np.array([2.0, 2.0, 3.0, 2.0])
    as_trained = found["as_trained"]
    assert (as_trained.welfare, as_trained.users_moved) == (4.5, 2)
    assert as_trained.gain == pytest.approx(gains.mean())
    assert as_trained.gain_stderr == pytest.approx(gains.std(ddof=1) / 2)
    # Policy 0 for the first and policy 1 for the second user: 5, 5, 6, 7.
    assert (found["by_validation"].welfare, found["by_validation"].users_moved) == (5.75, 1)
    # Chosen on the first half, measured on the second.
    assert found["one_policy"] == Alternative(2.25 + 2.5, 2.5, 0.5, 2)
    assert found["reassigned"] == Alternative(2.25 + 4.0, 4.0, 0.0, 1)


@pytest.mark.parametrize("played", both_kinds(), ids=["table", "features"])
def test_chunks_of_users_add_up(played, monkeypatch):
    at_once = compared(played, [0, 1], other=[1, 0])
    monkeypatch.setattr("handful.population.LARGEST_TABLE", 1)
    monkeypatch.setattr("handful.population.CHUNK", 1)
    assert compared(played, [0, 1], other=[1, 0]) == at_once


@pytest.mark.parametrize(
    ("gain", "stderr", "is_better"),
    [
        (1.0, 0.4, True),
        (1.0, 0.6, False),
        (0.0, 0.0, False),
        (1e-9, 0.0, False),
        (-1.0, 0.1, False),
    ],
)
def test_better_is_beyond_chance_and_rounding(gain, stderr, is_better):
    assert Alternative(5.0, gain, stderr, 1).is_better == is_better
