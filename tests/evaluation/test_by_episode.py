"""The welfare of expected returns and its standard error, by hand and against simulation."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.evaluation.alternatives import compare_assignments
from handful.evaluation.by_episode import welfare_by_episode, welfare_of_single_policies
from handful.evaluation.played import FeatureReturns, PaidReturns, ReturnTable
from handful.evaluation.returns import evaluate, mean_and_stderr, summarize
from handful.population import Population
from handful.training.run import Run
from handful.training.state import init_state
from handful.welfare import register_welfare, utilitarian
from tests.environments import Weather, problem_of
from tests.training.helpers import config_of

# Four episodes of two policies for two users: [E, K, N]. In the mean policy 0 earns them 3 and 1,
# policy 1 earns them 0 and 7.
EPISODES = np.array([[[2, 1], [0, 6]], [[4, 1], [0, 6]], [[2, 1], [0, 8]], [[4, 1], [0, 8]]], float)
LENGTHS = np.ones((4, 2))


def log_sum(utilities):
    """The mean of log(1 + u): concave, so that the worse off count more."""
    return jnp.mean(jnp.log(1.0 + utilities))


def both_kinds():
    return [ReturnTable(EPISODES), FeatureReturns(EPISODES, Population.identity(2))]


@pytest.mark.parametrize("played", both_kinds(), ids=["table", "features"])
def test_welfare_is_of_the_mean_returns_and_an_episode_counts_by_first_order(played):
    """Both users with policy 0 get 3 and 1: their weights are 1 / 4 and 1 / 2."""
    first, second = (policy[0] for policy in welfare_by_episode(played, ROWS, log_sum))
    np.testing.assert_allclose(first.mean(), np.log(4 * 2) / 2, rtol=1e-6)
    np.testing.assert_allclose(first - first.mean(), [-1 / 8, 1 / 8, -1 / 8, 1 / 8], atol=1e-7)
    # User 0 with policy 0 and user 1 with policy 1 get 3 and 7: weights 1 / 4 and 1 / 8.
    np.testing.assert_allclose(second.mean(), np.log(4 * 8) / 2, rtol=1e-6)
    by_hand = np.array([-1, 1, -1, 1]) / 8 + np.array([-1, -1, 1, 1]) / 16
    np.testing.assert_allclose(second - second.mean(), by_hand, atol=1e-7)


ROWS = [np.array([0, 0]), np.array([0, 1])]


@pytest.mark.parametrize("welfare", [utilitarian, log_sum])
@pytest.mark.parametrize("played", both_kinds(), ids=["table", "features"])
def test_a_part_of_the_episodes_is_as_if_there_were_no_others(played, welfare):
    half = slice(None, None, 2)
    whole, part = welfare_by_episode(played, ROWS, welfare, (slice(None), half))[1]
    assert (len(whole), len(part)) == (4, 2)
    alone = welfare_by_episode(played.some(half), ROWS, welfare)[1][0]
    np.testing.assert_allclose(part, alone)
    singles = welfare_of_single_policies(played, welfare, (half,))[0]
    both = [welfare_by_episode(played, [np.full(2, k)], welfare, (half,))[0][0] for k in (0, 1)]
    np.testing.assert_allclose(singles, np.stack(both, axis=1))


@pytest.mark.parametrize("played", both_kinds(), ids=["table", "features"])
def test_a_measurement_has_the_welfare_and_the_mean_beside_it(played):
    measured = summarize(played, LENGTHS, ROWS[1], None, log_sum)
    assert measured.welfare == pytest.approx(np.log(32) / 2)
    by_hand = np.array([-3, 1, -1, 3]) / 16
    assert measured.welfare_stderr == pytest.approx(by_hand.std(ddof=1) / 2)
    assert measured.mean_utility == 5.0
    assert measured.mean_utility_stderr == pytest.approx(np.std([4, 5, 5, 6], ddof=1) / 2)
    assert measured.soft_welfare == measured.welfare
    # Of the second half, where policy 1 earns user 1 eight: 3 and 8.
    assert measured.reassigned.tolist() == [0, 1]
    assert measured.reassigned_welfare == pytest.approx(np.log(4 * 9) / 2)
    shares = np.array([[0.5, 0.5], [0.0, 1.0]])
    soft = summarize(played, LENGTHS, ROWS[1], shares, log_sum).soft_welfare
    assert soft == pytest.approx(np.log(2.5 * 8) / 2)
    linear = summarize(played, LENGTHS, ROWS[1])
    assert (linear.mean_utility, linear.mean_utility_stderr) == (
        linear.welfare,
        linear.welfare_stderr,
    )


@pytest.mark.parametrize("played", both_kinds(), ids=["table", "features"])
def test_alternatives_are_compared_by_the_same_welfare(played):
    measured = summarize(played, LENGTHS, ROWS[0], None, log_sum)
    found = compare_assignments(measured, ROWS[0], {"as_trained": ROWS[1]}, log_sum)
    gain = np.log(32 / 8) / 2
    as_trained = found["as_trained"]
    assert as_trained.gain == pytest.approx(gain)
    assert as_trained.welfare == pytest.approx(np.log(32) / 2)
    assert as_trained.users_moved == 1
    # One policy for everybody: 3 and 1 are worth log 8 / 2, 0 and 6 only log 7 / 2.
    assert found["one_policy"].gain == 0.0
    assert found["reassigned"].gain == pytest.approx(np.log(4 * 9 / 8) / 2)


def test_the_standard_error_is_the_spread_over_repeated_evaluations():
    """Two users whose returns vary together; 2,000 evaluations of 100 episodes each."""
    rng, policy = np.random.default_rng(0), np.array([0, 1])
    spread = np.array([[[1.0, 0.2], [0.5, 2.0]]])
    mean = np.array([[[2.0, 1.0], [1.0, 6.0]]])

    def drawn():
        return mean + spread * rng.normal(size=(100, 2, 2))

    def value(episodes):
        utilities = episodes.mean(axis=0)[policy, [0, 1]]
        return np.mean(np.log(1.0 + utilities))

    spread_of_welfare = np.std([value(drawn()) for _ in range(2000)])
    stderr = [
        mean_and_stderr(welfare_by_episode(ReturnTable(drawn()), [policy], log_sum)[0][0])[1]
        for _ in range(100)
    ]
    assert np.mean(stderr) == pytest.approx(spread_of_welfare, rel=0.05)


def test_evaluate_takes_a_function_or_its_name(monkeypatch):
    monkeypatch.setattr("handful.welfare.WELFARES", {"utilitarian": utilitarian})
    register_welfare("log-sum", log_sum)
    problem = problem_of(Weather(time_limit=2), np.abs(np.eye(2)))
    policies = init_state(Run(problem, config_of(2))).policies(problem)
    shifted = lambda u: log_sum(u + 10.0)  # noqa: E731
    register_welfare("shifted", shifted)
    by_function, by_name = (
        evaluate(problem, policies, np.arange(2), num_episodes=8, welfare=one)
        for one in (shifted, "shifted")
    )
    assert by_function.welfare == by_name.welfare
    assert by_name.welfare_function == "shifted"
    assert "welfare (shifted)" in repr(by_name)
    plain = evaluate(problem, policies, np.arange(2), num_episodes=8)
    assert plain.welfare_function == "utilitarian"
    assert plain.welfare == plain.mean_utility == by_name.mean_utility
    utilities = by_name.deterministic.utilities
    assert by_name.welfare == pytest.approx(np.mean(np.log(11.0 + utilities)), rel=1e-5)
    with pytest.raises(handful.HandfulError, match="no welfare function named 'log-sums'"):
        evaluate(problem, policies, welfare="log-sums")


@pytest.mark.parametrize("at_once", [True, False])
def test_exact_rewards_are_weighed_as_tables_are(monkeypatch, at_once):
    """Users are paid by a function of the outcome: all at once, or two at a time."""
    monkeypatch.setattr("handful.welfare.WELFARES", {"utilitarian": utilitarian})
    register_welfare("shifted", lambda u: jnp.mean(jnp.log(100.0 + u)))
    problem = problem_of(Weather(time_limit=3))
    exact = dataclasses.replace(
        problem.population,
        coefficients=np.ones((5, 2), np.float32),
        user_ids=(),
        reward_fn=lambda outcome: jnp.arange(5.0) * outcome[0] ** 2 + outcome[1],
    )
    problem = dataclasses.replace(problem, population=exact)
    policies = init_state(Run(problem, config_of(2))).policies(problem)
    if not at_once:
        monkeypatch.setattr("handful.population.CHUNK", 16)
        for module in ("population", "evaluation.played"):
            monkeypatch.setattr(f"handful.{module}.LARGEST_TABLE", 16)
    found = evaluate(problem, policies, np.arange(5) % 2, num_episodes=4, welfare="shifted")
    measured = found.deterministic
    assert type(measured.played) is (ReturnTable if at_once else PaidReturns)
    assert found.welfare == pytest.approx(np.mean(np.log(100.0 + measured.utilities)), rel=1e-5)
    served = measured.played.of(slice(None))[:, np.arange(5) % 2, np.arange(5)]
    slopes = 1.0 / (100.0 + measured.utilities) / 5
    by_hand = np.std(served @ slopes, ddof=1) / 2
    assert found.welfare_stderr == pytest.approx(by_hand, rel=1e-4)
