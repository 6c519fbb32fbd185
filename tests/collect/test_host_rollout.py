import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.collect.episodes import make_player
from handful.collect.host_rollout import run_host_episodes
from tests.host_environments import FixedPolicies, SeededTrack, track_problem

# Policy 0 stands still, policy 1 moves by half a unit a step; sampled, both waver.
policies = FixedPolicies([0.0, 0.5], log_std=-3.0)


def test_returns_and_lengths_by_hand():
    # Policy 1 leaves the track (|x| > 1.8) with its fourth step, as it starts within 0.1 of 0.
    problem = track_problem(targets=(0.0, 0.5), time_limit=7, edge=1.8)
    episodes = run_host_episodes(jax.random.key(0), problem, policies, 2, 4, True, trace=True)
    np.testing.assert_array_equal(episodes.lengths, [[7, 4]] * 4)
    np.testing.assert_allclose(episodes.returns, [[[7.0, 3.5], [2.0, 4.0]]] * 4, rtol=1e-6)
    assert episodes.features.shape == (4, 2, 7, 2)
    np.testing.assert_array_equal(episodes.features[:, 1, 4:], 0.0)
    np.testing.assert_allclose(episodes.outcomes.velocity[0, 1, :4], 0.5)


def test_many_episodes_are_played_in_rounds(monkeypatch):
    monkeypatch.setattr("handful.collect.host_rollout.MAX_ENVS", 8)
    problem = track_problem(time_limit=5)
    episodes = run_host_episodes(jax.random.key(0), problem, policies, 2, 12, False)
    assert episodes.returns.shape == (12, 2, 2)
    distinct = {float(value) for value in np.asarray(episodes.returns[:, 0, 0])}
    assert len(distinct) == 12  # rounds do not repeat each other's chance


def test_sampled_actions_differ_and_the_same_key_repeats_them():
    play = make_player(track_problem(), 2, 6)
    first, again = (play(jax.random.key(1), policies, False) for _ in range(2))
    np.testing.assert_array_equal(first.returns, again.returns)
    assert float(jnp.std(first.returns[:, 0, 0])) > 0
    assert float(jnp.std(play(jax.random.key(1), policies, True).returns[:, 0, 0])) < 1e-5


def test_pay_says_what_returns_are_in():
    problem = track_problem(time_limit=5)
    play = make_player(problem, 2, 4, pay=lambda outcome: jnp.stack([outcome.velocity] * 3))
    returns = play(jax.random.key(0), policies, True).returns
    assert returns.shape == (4, 2, 3)
    np.testing.assert_allclose(returns[:, 1], 2.5, rtol=1e-6)


def test_who_watches_is_told_after_every_step_and_can_stop_it(monkeypatch):
    monkeypatch.setattr("handful.collect.host_rollout.MAX_ENVS", 4)
    problem, shares = track_problem(time_limit=5), []
    run_host_episodes(
        jax.random.key(0), problem, policies, 2, 4, True, watch=shares.append
    )  # two rounds of two episodes a policy
    np.testing.assert_allclose(shares, np.arange(1, 11) / 10)

    def stop(share):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        make_player(problem, 2, 4)(jax.random.key(0), policies, True, stop)


def test_watching_ends_where_every_episode_has_ended():
    shares, problem = [], track_problem(time_limit=7, edge=1.8)
    leaving = FixedPolicies([0.5, 0.5], log_std=-3.0)
    run_host_episodes(jax.random.key(0), problem, leaving, 2, 4, True, watch=shares.append)
    np.testing.assert_allclose(shares, [1 / 7, 2 / 7, 3 / 7, 1.0])


def test_the_environments_chance_follows_the_key():
    """Else every evaluation, of whatever seed, would be of the same few episodes."""
    problem = track_problem(time_limit=3, kind=SeededTrack)
    for key in (0, 1, 0):
        run_host_episodes(jax.random.key(key), problem, policies, 2, 4, True)
    first, other, again = problem.environment.seeds
    assert first == again != other
    assert 0 <= min(first, other) <= max(first, other) < 2**31


def test_memory_follows_the_steps_played_and_not_the_time_limit(monkeypatch):
    """Episodes of four steps, of which a hundred million were allowed: 1.6 GB for each policy."""
    monkeypatch.setattr("handful.collect.host_rollout.BLOCK_STEPS", 3)
    leaving = FixedPolicies([0.5, 0.5], log_std=-3.0)
    for trace in (False, True):
        problem = track_problem(targets=(0.0, 0.5), time_limit=100_000_000, edge=1.8)
        episodes = run_host_episodes(jax.random.key(0), problem, leaving, 2, 4, True, trace=trace)
        np.testing.assert_array_equal(episodes.lengths, 4)
        np.testing.assert_allclose(episodes.returns, [[[2.0, 4.0]] * 2] * 4, rtol=1e-6)
        if trace:
            assert episodes.features.shape == (4, 2, 4, 2)
            np.testing.assert_allclose(episodes.outcomes.velocity, 0.5)


def test_blocks_of_steps_add_up_to_the_whole_episode(monkeypatch):
    problem = track_problem(time_limit=7)
    whole = run_host_episodes(jax.random.key(0), problem, policies, 2, 4, False, trace=True)
    for steps in (1, 2, 7):
        monkeypatch.setattr("handful.collect.host_rollout.BLOCK_STEPS", steps)
        parted = run_host_episodes(jax.random.key(0), problem, policies, 2, 4, False, trace=True)
        for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(parted), strict=True):
            np.testing.assert_array_equal(one, other)
