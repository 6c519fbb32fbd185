import jax
import numpy as np
import pytest

from handful.collect.host_rollout import (
    HostCollector,
    digest,
    init_host_collector,
    run_host_episodes,
)
from handful.errors import HandfulError
from tests.host_environments import FixedPolicies, track_problem

K, B = 2, 3


# Policy 0 goes left, policy 1 right, both a little unsure.
POLICIES = FixedPolicies([-0.4, 0.4], log_std=-1.0)


def collect(problem, num_steps, batches=1, seed=0, short_episodes=None):
    keys = jax.random.split(jax.random.key(seed), K)
    gathered = []
    environment = problem.host_environment
    with HostCollector(environment, K, B, seed, 1, short_episodes) as collector:
        for _ in range(batches):
            keys, batch = collector.collect(POLICIES, keys, num_steps)
            gathered.append(batch)
    return gathered


def test_every_step_belongs_to_one_episode_and_no_reset_is_among_them():
    batches = collect(track_problem(time_limit=5), num_steps=8, batches=3)
    before = np.concatenate([batch.observations for batch in batches])
    after = np.concatenate([batch.next_observations for batch in batches])
    ended = np.concatenate([batch.terminated | batch.truncated for batch in batches])
    np.testing.assert_array_equal(before[..., 0], after[..., 0])  # the same episode
    np.testing.assert_array_equal(before[..., 1] + 1, after[..., 1])  # one step older
    goes_on = ~ended[:-1]
    np.testing.assert_array_equal(before[1:][goes_on], after[:-1][goes_on])
    np.testing.assert_array_equal(before[1:][ended[:-1]][:, 1], 0.0)  # a new one starts at age 0
    assert ended.any()


def test_outcomes_are_of_the_clipped_action_and_log_probs_of_the_raw_one():
    (batch,) = collect(track_problem(time_limit=50), num_steps=40)
    assert (np.abs(batch.actions) > 1).any()
    clipped = np.clip(batch.actions[..., 0], -1, 1)
    np.testing.assert_allclose(batch.outcomes.velocity, clipped, rtol=1e-6)
    mean = np.array([-0.4, 0.4])[None, :, None]
    standard = (batch.actions[..., 0] - mean) / np.exp(-1.0)
    expected = -0.5 * standard**2 + 1.0 - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(batch.log_probs, expected, rtol=1e-4, atol=1e-5)


def test_first_episodes_are_cut_at_lengths_of_their_own_and_do_not_count_as_whole():
    (batch,) = collect(track_problem(time_limit=12), num_steps=24)
    for copy, first in enumerate((4, 8, 12)):
        ends = np.flatnonzero(batch.truncated[:, 0, copy]) + 1
        assert ends[0] == first
        assert ends[1] == first + 12 or first + 12 > 24
        assert bool(batch.whole[first - 1, 0, copy]) == (first == 12)


def test_an_episode_that_ends_by_itself_before_the_cut_is_whole():
    (batch,) = collect(track_problem(time_limit=1000, edge=1.0), num_steps=60)
    assert batch.terminated.any()
    assert batch.whole[batch.terminated].all()
    assert not batch.truncated[batch.terminated].any()


def test_short_episodes_are_cut_in_half_of_the_environments_and_are_not_whole():
    """Of three environments the first, whose episodes fall at the edge besides."""
    (batch,) = collect(track_problem(time_limit=12), num_steps=24, short_episodes=5)
    np.testing.assert_array_equal(np.flatnonzero(batch.truncated[:, 0, 0]) + 1, [2, 7, 12, 17, 22])
    np.testing.assert_array_equal(np.flatnonzero(batch.truncated[:, 0, 1]) + 1, [8, 20])
    assert not batch.whole[:, :, 0].any()
    (batch,) = collect(track_problem(time_limit=1000, edge=1.0), num_steps=60, short_episodes=50)
    assert batch.terminated[:, :, 0].any()
    assert not batch.whole[:, :, 0].any()
    assert batch.whole[batch.terminated].any()


def test_episodes_are_no_shorter_for_a_limit_above_the_task_s():
    problem = track_problem(time_limit=12)
    (plain,), (long,) = (collect(problem, 24, short_episodes=short) for short in (None, 50))
    assert all(jax.tree.map(np.array_equal, jax.tree.leaves(plain), jax.tree.leaves(long)))


def test_the_same_seed_gives_the_same_batch_and_another_a_different_one():
    problem = track_problem()
    one, same, other = (collect(problem, 10, seed=seed)[0] for seed in (1, 1, 2))
    assert all(jax.tree.map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(same)))
    assert not np.array_equal(one.actions, other.actions)
    assert not np.array_equal(one.observations[0], other.observations[0])


def test_restart_begins_every_episode_anew():
    problem = track_problem(time_limit=50)
    keys = jax.random.split(jax.random.key(0), K)
    with HostCollector(problem.host_environment, K, B, 0, 1) as collector:
        keys, _ = collector.collect(POLICIES, keys, 5)
        collector.restart()
        _, batch = collector.collect(POLICIES, keys, 5)
    np.testing.assert_array_equal(batch.observations[0, :, :, 1], 0.0)
    np.testing.assert_array_equal(batch.observations[0, :, :, 0], 2.0)


def test_a_value_that_is_no_number_names_policy_and_step():
    with pytest.raises(HandfulError, match=r"observation .* policy 1 .* at step 4 of 10"):
        collect(track_problem(bad_value_in_step=4), num_steps=10)


def test_digest_pays_every_whole_episode_once_and_in_full():
    problem = track_problem(targets=(0.0, 1.0), time_limit=6)
    batches = collect(problem, num_steps=4, batches=5)
    keys = jax.random.split(jax.random.key(9), K)
    state = init_host_collector(keys, problem, B)
    total, count = np.zeros((K, 2)), np.zeros(K)
    for batch in batches:
        state, transitions, finished = digest(state, problem, keys, batch)
        total += np.asarray(finished.total_return)
        count += np.asarray(finished.count)
        assert transitions.features.shape == (K, 4, B, 2)
    velocity = np.concatenate([batch.outcomes.velocity for batch in batches])
    ends = np.concatenate([batch.terminated | batch.truncated for batch in batches])
    whole = np.concatenate([batch.whole for batch in batches])
    expected, expected_count = np.zeros((K, 2)), np.zeros(K)
    for policy in range(K):
        for copy in range(B):
            start = 0
            for end in np.flatnonzero(ends[:, policy, copy]):
                speeds = velocity[start : end + 1, policy, copy]
                if whole[end, policy, copy]:
                    expected[policy] += [np.sum(1 - np.abs(u - speeds)) for u in (0.0, 1.0)]
                    expected_count[policy] += 1
                start = end + 1
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    np.testing.assert_array_equal(count, expected_count)
    assert count.min() > 3


def test_digest_puts_policies_first_and_keeps_the_rest_as_it_was():
    problem = track_problem()
    (batch,) = collect(problem, num_steps=4)
    keys = jax.random.split(jax.random.key(3), K)
    state, transitions, _ = digest(init_host_collector(keys, problem, B), problem, keys, batch)
    np.testing.assert_array_equal(transitions.observations, np.moveaxis(batch.observations, 0, 1))
    np.testing.assert_array_equal(transitions.truncated, np.moveaxis(batch.truncated, 0, 1))
    np.testing.assert_array_equal(jax.random.key_data(state.keys), jax.random.key_data(keys))


def test_episodes_that_are_cut_for_their_environment_at_its_limit_are_whole():
    problems = [track_problem(time_limit=12, truncates=truncates) for truncates in (True, False)]
    (itself,), (cut,) = (collect(problem, num_steps=36) for problem in problems)
    assert itself.whole.any()
    ended = itself.truncated
    np.testing.assert_array_equal(cut.truncated, ended)
    np.testing.assert_array_equal(cut.whole[ended], itself.whole[ended])


class Faulty:
    """Carts that fail in one of their functions."""

    def __init__(self, carts, where, error):
        self.carts, self.where, self.error = carts, where, error

    def reset(self, which):
        self.fail("reset")
        return self.carts.reset(which)

    def step(self, actions):
        self.fail("step")
        return self.carts.step(actions)

    def close(self):
        self.carts.close()

    def fail(self, place):
        if place == self.where:
            raise self.error


def faulty_problem(monkeypatch, where, error):
    problem = track_problem(time_limit=5)
    opened = type(problem.environment).open
    monkeypatch.setattr(
        type(problem.environment),
        "open",
        lambda self, *how: Faulty(opened(self, *how), where, error),
    )
    return problem


@pytest.mark.parametrize("where", ["reset", "step"])
def test_a_batch_that_ends_the_program_is_told_in_one_sentence(monkeypatch, where):
    problem = faulty_problem(monkeypatch, where, SystemExit(0))
    with pytest.raises(HandfulError, match=f"failed in {where}.. with SystemExit: 0"):
        collect(problem, num_steps=8)
    with pytest.raises(HandfulError, match=f"failed in {where}.. with SystemExit: 0"):
        run_host_episodes(jax.random.key(0), problem, POLICIES, K, 4, True)


def test_other_exceptions_of_a_batch_keep_their_traceback(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        collect(faulty_problem(monkeypatch, "step", ZeroDivisionError()), num_steps=8)


class InSeconds:
    """Carts that observe the seconds since 1970 where others observe their age."""

    def __init__(self, carts):
        self.carts = carts

    def reset(self, which):
        return self.shifted(self.carts.reset(which))

    def step(self, actions):
        taken = self.carts.step(actions)
        return taken._replace(observation=self.shifted(taken.observation))

    def close(self):
        self.carts.close()

    def shifted(self, observations):
        return observations + np.array([0.0, 1.7e9, 0.0])


def test_a_batch_whose_clock_stands_still_in_float32_is_told(monkeypatch):
    problem = track_problem(time_limit=200)
    opened = type(problem.environment).open
    monkeypatch.setattr(
        type(problem.environment), "open", lambda self, *how: InSeconds(opened(self, *how))
    )
    with pytest.raises(HandfulError, match=r"Entry 1 of the observations .* in double precision"):
        collect(problem, num_steps=100)
