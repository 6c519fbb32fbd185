import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.training.universal.posterior import Observations, fit, posterior_of


def first_round(worth, deviations):
    """Two episodes of each candidate: what it is worth, and as much more as less."""
    return np.stack([worth + deviations, worth - deviations], axis=1)


def posterior(contexts, earned, same_chance=False, more=()):
    count = len(contexts)
    rows, rounds, every = [np.arange(count)], [np.zeros(count, int)], [earned]
    for turn, (row, returns) in enumerate(more, start=1):
        rows.append(np.atleast_1d(row))
        rounds.append(np.full(len(rows[-1]), turn))
        every.append(returns)
    seen = Observations(*map(np.concatenate, (rows, rounds, every)))
    return posterior_of(fit(contexts, earned), contexts, seen, same_chance)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 4))
def test_without_noise_each_candidate_keeps_what_it_earned(seed, count, features):
    rng = np.random.default_rng(seed)
    contexts, worth = rng.normal(size=(count, 3)), rng.normal(size=(count, features)) * 50
    found = posterior(contexts, first_round(worth, np.zeros_like(worth)))
    np.testing.assert_allclose(found.mean, worth, atol=0.5)
    np.testing.assert_allclose(found.draw(rng), worth, atol=2.0)


def test_neighbours_tell_of_each_other_where_episodes_are_noisy():
    rng = np.random.default_rng(0)
    contexts = np.linspace(-1, 1, 100)[:, None]
    worth = np.hstack([np.sin(2 * contexts), contexts**2])
    earned = worth[:, None] + rng.normal(size=(100, 2, 2))
    found = posterior(contexts, earned)
    own = np.mean((earned.mean(axis=1) - worth) ** 2)
    assert np.mean((found.mean - worth) ** 2) < 0.25 * own
    draws = np.stack([found.draw(rng) for _ in range(300)])
    np.testing.assert_allclose(draws.mean(axis=0), found.mean, atol=0.12)
    within = np.abs(worth - found.mean) < 3 * draws.std(axis=0)
    assert within.mean() > 0.95


def test_a_round_of_luck_that_all_share_says_nothing_of_one_candidate():
    rng = np.random.default_rng(1)
    contexts = rng.normal(size=(20, 2))
    worth = contexts @ np.array([[3.0], [1.0]])
    earned = worth[:, None] + rng.normal(size=(20, 2, 1))
    lucky = [(np.array([3, 4]), earned[[3, 4]] + 100.0)]
    shared = posterior(contexts, earned, True, lucky).mean
    alone = posterior(contexts, earned, False, lucky).mean
    before = posterior(contexts, earned, True).mean
    assert (shared[4] - shared[5])[0] < (alone[4] - alone[5])[0]
    assert (shared[3] - shared[4])[0] == pytest.approx((before[3] - before[4])[0], abs=1.0)


def test_more_episodes_leave_less_doubt():
    rng = np.random.default_rng(2)
    contexts = rng.normal(size=(10, 2))
    earned = 2.0 * contexts[:, :1, None] + rng.normal(size=(10, 2, 1))
    more = [(np.array([2]), earned[[2]])] * 30

    def doubt(found):
        return np.std([found.draw(np.random.default_rng(s)) for s in range(200)], axis=0)[2, 0]

    assert doubt(posterior(contexts, earned, False, more)) < 0.6 * doubt(
        posterior(contexts, earned)
    )


def test_candidates_that_all_earn_the_same_are_all_worth_that():
    earned = np.full((5, 2, 3), 7.0)
    found = posterior(np.random.default_rng(3).normal(size=(5, 2)), earned)
    np.testing.assert_allclose(found.mean, 7.0)
    np.testing.assert_allclose(found.draw(np.random.default_rng(0)), 7.0)
