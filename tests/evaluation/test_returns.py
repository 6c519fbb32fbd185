import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful.evaluation.returns as returns_module
from handful import population as population_module
from handful.collect.episodes import make_player
from handful.collect.jax_rollout import collect
from handful.errors import HandfulError
from handful.evaluation import played as played_module
from handful.evaluation.played import PaidReturns, ReturnTable
from handful.evaluation.returns import evaluate, mean_and_stderr, summarize
from handful.training.choosing import VALIDATION_STREAM
from handful.training.run import Run
from handful.training.state import init_state
from tests.environments import ContextualBandit, Weather, problem_of
from tests.training.helpers import config_of

# Four episodes of two policies for three users: [E, K, N].
RETURNS = np.array(
    [
        [[10.0, 0.0, 4.0], [0.0, 5.0, 2.0]],
        [[10.0, 2.0, 4.0], [0.0, 5.0, 2.0]],
        [[10.0, 8.0, 4.0], [2.0, 3.0, 6.0]],
        [[10.0, 6.0, 4.0], [2.0, 3.0, 6.0]],
    ]
)
LENGTHS = np.array([[1, 10], [2, 10], [3, 10], [6, 10]])
ALPHA = np.array([[0.9, 0.1], [0.75, 0.25], [0.25, 0.75]])


@pytest.fixture(scope="module")
def measured():
    return summarize(ReturnTable(RETURNS), LENGTHS, ALPHA.argmax(axis=1), ALPHA)


def test_returns_are_means_over_episodes_with_their_standard_errors(measured):
    np.testing.assert_allclose(measured.returns, [[10, 4, 4], [1, 4, 4]])
    by_hand = [
        [0, np.sqrt((16 + 4 + 16 + 4) / 3) / 2, 0],
        [np.sqrt(4 / 3) / 2, np.sqrt(4 / 3) / 2, np.sqrt(16 / 3) / 2],
    ]
    np.testing.assert_allclose(measured.returns_stderr, by_hand)
    np.testing.assert_allclose(measured.lengths, [3, 10])


def test_welfare_is_the_mean_user_under_their_likeliest_policy(measured):
    # Users 0 and 1 have policy 0, user 2 policy 1; by episode the sums are 12, 14, 24, 22.
    assert measured.welfare == pytest.approx(72 / 12)
    assert measured.welfare_stderr == pytest.approx(np.std([4, 14 / 3, 8, 22 / 3], ddof=1) / 2)
    np.testing.assert_allclose(measured.utilities, [10, 4, 4])


def test_soft_welfare_weighs_every_policy_by_the_users_distribution(measured):
    assert measured.soft_welfare == pytest.approx(((9 + 0.1) + (3 + 1) + (1 + 3)) / 3)


def test_soft_welfare_of_a_hard_assignment_is_its_welfare():
    measured = summarize(ReturnTable(RETURNS), LENGTHS, np.array([0, 1, 1]))
    assert measured.soft_welfare == pytest.approx(measured.welfare)


def test_reassignment_is_chosen_on_one_half_and_measured_on_the_other(measured):
    # In the first two episodes user 1 fares best with policy 1 and user 2 with policy 0;
    # in the last two it is the other way round.
    np.testing.assert_array_equal(measured.reassigned, [0, 1, 0])
    assert measured.reassigned_welfare == pytest.approx((10 + 3 + 4) / 3)
    assert measured.reassigned_welfare_stderr == 0.0


def test_worst_case_of_a_user_is_over_episodes_of_their_own_policy(measured):
    np.testing.assert_array_equal(measured.worst_episodes, [10, 0, 2])
    assert measured.worst_user == 1


def test_standard_error_divides_by_one_sample_less():
    mean, stderr = mean_and_stderr(np.array([1.0, 2.0, 3.0, 6.0]))
    assert (mean, stderr) == (3.0, pytest.approx(np.sqrt(14 / 3 / 4)))


def policies_of(problem, num_policies=2):
    config = config_of(num_policies)
    state = init_state(Run(problem, config))
    return config, state, state.policies(problem)


@pytest.mark.parametrize("num_episodes", [0, 2, 5, -4])
def test_number_of_episodes_must_allow_two_halves(num_episodes):
    problem = problem_of(ContextualBandit())
    with pytest.raises(HandfulError, match=f"even and at least 4, not {num_episodes}"):
        evaluate(problem, policies_of(problem)[2], np.eye(2), num_episodes=num_episodes)


def test_seed_that_jax_would_cut_is_refused():
    problem = problem_of(ContextualBandit())
    with pytest.raises(HandfulError, match=r"between 0 and 2\^32 - 1, not -2\."):
        evaluate(problem, policies_of(problem)[2], np.eye(2), seed=-2)


@pytest.fixture(scope="module")
def weather():
    """A problem in which every number drawn is new, and what evaluation draws by its seed."""
    problem = problem_of(Weather(time_limit=1))
    config, state, policies = policies_of(problem)
    _, batch, _ = collect(state.collector, problem, policies, config.collect.num_steps)
    drawn = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, seed in (("first", 0), ("again", 0), ("other", 1)):
            kept = drawn.setdefault(name, [])

            def spy(*given, kept=kept):
                kept.append(given[0].of(slice(None)))
                return summarize(*given)

            patch.setattr(returns_module, "summarize", spy)
            evaluate(problem, policies, np.eye(2), seed=seed, num_episodes=20)
    return np.asarray(batch.features).reshape(-1, 2), drawn


def rows(returns):
    return {tuple(row) for row in np.asarray(returns, np.float32).reshape(-1, 2).tolist()}


def test_evaluation_never_repeats_the_chance_of_training_with_the_same_seed(weather):
    """Neither that of the first batch nor that of any key that a run's own first key gives.

    A run splits the key of its seed, and so does an evaluation: but for the constant that it folds
    into the seed's key, its episodes would have the chance of whatever the run draws by them.
    """
    trained_on, drawn = weather
    evaluated = rows(drawn["first"])
    assert not evaluated & rows(trained_on)
    problem = problem_of(Weather(time_limit=1))
    _, _, policies = policies_of(problem)
    play, key = make_player(problem, 2, 20), jax.random.key(0)
    validation = jax.random.fold_in(jax.random.fold_in(key, VALIDATION_STREAM), 4)
    for taken in (key, validation, *(k for n in (2, 3, 4) for k in jax.random.split(key, n))):
        assert not evaluated & rows(play(taken, policies, False).returns)


def test_same_evaluation_seed_gives_the_same_episodes_and_another_one_new_ones(weather):
    _, drawn = weather
    for first, again, other in zip(*drawn.values(), strict=True):
        np.testing.assert_array_equal(first, again)
        assert not rows(first) & rows(other)


def test_deterministic_and_stochastic_episodes_have_chance_of_their_own(weather):
    _, drawn = weather
    deterministic, stochastic = drawn["first"]
    assert deterministic.shape == (20, 2, 2)
    assert not rows(deterministic) & rows(stochastic)


def test_users_who_are_new_go_to_whoever_serves_them_best():
    problem = problem_of(ContextualBandit())
    evaluation = evaluate(problem, policies_of(problem)[2], num_episodes=20)
    measured = evaluation.deterministic
    np.testing.assert_array_equal(evaluation.assignment, measured.reassigned)
    best = measured.returns[measured.reassigned, np.arange(problem.num_users)]
    np.testing.assert_allclose(measured.utilities, best)
    assert measured.soft_welfare == pytest.approx(measured.welfare)


def test_users_returns_follow_from_features_by_their_coefficients():
    table = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], np.float32)
    problem = problem_of(ContextualBandit(), table)
    _, _, policies = policies_of(problem)
    evaluation = evaluate(problem, policies, np.eye(3)[:, :2], num_episodes=50)
    for measured in (evaluation.deterministic, evaluation.stochastic):
        first, second, both = measured.returns.T
        np.testing.assert_allclose(first + second / 2, 1.0)
        np.testing.assert_allclose(both, 1.0)
    np.testing.assert_array_equal(evaluation.assignment, [0, 1, 0])
    assert evaluation.welfare == evaluation.deterministic.welfare
    assert evaluation.welfare_stderr == evaluation.deterministic.welfare_stderr
    np.testing.assert_allclose(evaluation.deterministic.lengths, 1.0)


def test_who_watches_is_told_of_both_kinds_of_action_selection():
    problem, shares = problem_of(ContextualBandit()), []
    evaluate(problem, policies_of(problem)[2], np.eye(2), num_episodes=4, watch=shares.append)
    assert shares == [0.5, 1.0]


@pytest.mark.parametrize("chunk", [1, 8, 20])
def test_users_in_chunks_are_measured_as_together(monkeypatch, measured, chunk):
    monkeypatch.setattr(population_module, "LARGEST_TABLE", chunk)
    monkeypatch.setattr(population_module, "CHUNK", chunk)
    parted = summarize(ReturnTable(RETURNS), LENGTHS, ALPHA.argmax(axis=1), ALPHA)
    for name in ("welfare", "welfare_stderr", "soft_welfare", "reassigned_welfare"):
        assert getattr(parted, name) == pytest.approx(getattr(measured, name))
    for name in ("returns", "returns_stderr", "utilities", "worst_episodes", "reassigned"):
        np.testing.assert_allclose(getattr(parted, name), getattr(measured, name))


def test_an_assignment_and_its_one_hot_table_are_measured_alike():
    problem = problem_of(ContextualBandit())
    policies = policies_of(problem)[2]
    by_policy = evaluate(problem, policies, np.array([1, 0]), num_episodes=20)
    by_table = evaluate(problem, policies, np.eye(2)[[1, 0]], num_episodes=20)
    assert by_policy.welfare == by_table.welfare == by_policy.deterministic.soft_welfare
    np.testing.assert_array_equal(by_policy.assignment, by_table.assignment)


@pytest.mark.parametrize(
    "alpha", [np.array([0, 2]), np.array([0]), np.eye(3), np.array([0.0, 1.0]), ["a", "b"]]
)
def test_an_assignment_that_does_not_fit_is_refused(alpha):
    problem = problem_of(ContextualBandit())
    with pytest.raises(HandfulError, match="alpha must give each of the 2 users the number of"):
        evaluate(problem, policies_of(problem)[2], alpha, num_episodes=4)


def test_exact_rewards_of_many_users_are_paid_in_chunks(monkeypatch):
    """Users who are paid by a function of the outcome: all at once, or two at a time."""
    exact = dataclasses.replace(
        problem_of(Weather(time_limit=3)).population,
        coefficients=np.ones((5, 2), np.float32),
        user_ids=(),
        reward_fn=lambda outcome: jnp.arange(5.0) * outcome[0] ** 2 + outcome[1],
    )
    problem = dataclasses.replace(problem_of(Weather(time_limit=3)), population=exact)
    policies = policies_of(problem)[2]
    together = evaluate(problem, policies, np.arange(5) % 2, num_episodes=4)
    monkeypatch.setattr(population_module, "CHUNK", 16)
    for module in (population_module, played_module):
        monkeypatch.setattr(module, "LARGEST_TABLE", 16)
    parted = evaluate(problem, policies, np.arange(5) % 2, num_episodes=4)
    assert type(parted.deterministic.played) is PaidReturns
    for kind in ("deterministic", "stochastic"):
        one, other = getattr(together, kind), getattr(parted, kind)
        assert len(np.unique(np.round(one.utilities, 3))) == 5
        np.testing.assert_allclose(other.returns, one.returns, rtol=1e-5)
        np.testing.assert_allclose(other.worst_episodes, one.worst_episodes, rtol=1e-5)
