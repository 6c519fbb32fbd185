"""Which assignment validation speaks for: hand-made episodes, and what holds for all of them."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful.population import Population
from handful.training.assigning import choose_assignment


def sure(returns, num_episodes=4):
    """Episodes [E, K, D] that all go the same way."""
    return np.repeat(np.array(returns, float)[None], num_episodes, axis=0)


@pytest.mark.parametrize("present", [0, 1])
def test_users_are_moved_to_the_policy_that_serves_them_best(present):
    population = Population.identity(4)
    episodes = sure([[5, 0, 0, 1], [0, 7, 3, 1]])
    choice = choose_assignment(population, episodes, np.array([1, 0, 0, present]))
    # The last user is served alike by both and stays.
    assert choice.policy.tolist() == [0, 1, 1, present]
    assert choice.rule == "best"
    assert choice.welfare == choice.held_out == (5 + 7 + 3 + 1) / 4
    assert choice.one == (0 + 7 + 3 + 1) / 4
    assert choice.gain == 5 / 4
    assert choice.gain_stderr == choice.luck == 0.0
    assert choice.is_settled


def test_what_users_weigh_decides_not_the_features():
    population = Population.from_array([[1, 0], [0, 2], [-1, 1]])
    episodes = sure([[3, 1], [0, 2]])
    choice = choose_assignment(population, episodes, np.array([1, 0, 0]))
    assert choice.policy.tolist() == [0, 1, 1]
    assert choice.welfare == (3 + 4 + 2) / 3
    assert choice.one == max((3 + 2 - 2) / 3, (0 + 4 + 2) / 3)


def test_where_only_luck_tells_policies_apart_nobody_is_moved_by_it():
    """Every user's best policy on one half is their worst on the other; policy 0 is the best."""
    population = Population.identity(2)
    even, odd = [[4, 4], [9, -9], [-9, 9]], [[4, 4], [-9, 9], [9, -9]]
    episodes = np.array([even, odd] * 6, float)
    choice = choose_assignment(population, episodes, np.array([1, 2]))
    assert (choice.rule, choice.policy.tolist()) == ("one", [0, 0])
    assert choice.welfare == choice.held_out == choice.one == 4.0
    assert choice.luck == 18.0
    assert not choice.is_settled


def test_the_methods_assignment_is_kept_where_it_holds_on_episodes_that_did_not_choose_it():
    """Users 0 and 1 are lucky elsewhere in either half; together no single policy serves them."""
    population = Population.identity(2)
    even, odd = [[5, 0], [0, 5], [7, -7]], [[5, 0], [0, 5], [-7, 7]]
    episodes = np.array([even, odd] * 6, float)
    choice = choose_assignment(population, episodes, np.array([0, 1]))
    assert (choice.rule, choice.policy.tolist()) == ("method", [0, 1])
    assert choice.welfare == 5.0


def test_users_are_looked_at_in_portions(monkeypatch):
    rng = np.random.default_rng(0)
    population = Population.from_array(rng.normal(size=(11, 3)))
    episodes, current = rng.normal(size=(6, 4, 3)), rng.integers(0, 4, 11)
    at_once = choose_assignment(population, episodes, current)
    monkeypatch.setattr("handful.population.LARGEST_TABLE", 1)
    monkeypatch.setattr("handful.population.CHUNK", 4 * 12)  # 4 users at a time, in the mix 16
    in_portions = choose_assignment(population, episodes, current)
    assert at_once.policy.tolist() == in_portions.policy.tolist()
    assert at_once[1] == in_portions[1]
    np.testing.assert_allclose(at_once[2:], in_portions[2:])


@settings(max_examples=200)
@given(st.data())
def test_never_worse_on_validation_than_the_best_single_policy(data):
    num_users, num_policies, num_features = (data.draw(st.integers(1, 5)) for _ in range(3))
    weights = st.integers(-3, 3)
    table = data.draw(arrays(np.float32, (num_users, num_features), elements=weights))
    half = data.draw(st.integers(1, 3))
    shape = (2 * half, num_policies, num_features)
    episodes = data.draw(arrays(float, shape, elements=st.integers(-9, 9)))
    current = data.draw(arrays(int, num_users, elements=st.integers(0, num_policies - 1)))
    choice = choose_assignment(Population.from_array(table), episodes, current)
    earned = episodes.mean(axis=0) @ table.T
    assert choice.one == pytest.approx(earned.mean(axis=1).max(), abs=1e-6)
    mine = earned[choice.policy, np.arange(num_users)].mean()
    assert choice.welfare == pytest.approx(mine, abs=1e-6)
    assert mine >= choice.one - 1e-6


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_with_users_who_differ_the_choice_is_better_than_one_policy_on_fresh_episodes(seed):
    """Two groups with a policy each, in noise as large as the difference."""
    rng = np.random.default_rng(seed)
    means = np.array([[1.0] * 10 + [0.0] * 10, [0.0] * 10 + [1.0] * 10])
    episodes = means + rng.normal(size=(100, 2, 20))
    choice = choose_assignment(Population.identity(20), episodes, rng.integers(0, 2, 20))
    assert means[choice.policy, np.arange(20)].mean() > 0.9


def test_relabelling_policies_relabels_the_choice():
    rng = np.random.default_rng(3)
    population = Population.identity(6)
    episodes, current = rng.normal(size=(8, 3, 6)), np.array([0, 1, 2, 0, 1, 2])
    order = np.array([2, 0, 1])
    choice = choose_assignment(population, episodes, current)
    relabelled = choose_assignment(population, episodes[:, order], np.argsort(order)[current])
    assert choice.policy.tolist() == order[relabelled.policy].tolist()
    np.testing.assert_allclose(choice[2:], relabelled[2:])


@pytest.mark.parametrize(("noise", "rule"), [(0.0, "best"), (1.0, "best"), (40.0, "one")])
def test_several_policies_are_handed_out_where_it_is_shown_that_they_pay(noise, rule):
    """One user gains 2 by a second policy, in episodes that are better and worse in turns."""
    chance = noise * np.array([1.0, 1.0, -1.0, -1.0] * 3)  # the same in both halves
    episodes = np.zeros((12, 2, 2))
    episodes[:, 0] = [3.0, 0.0]
    episodes[:, 1, 1] = 2.0 + chance
    choice = choose_assignment(Population.identity(2), episodes, np.array([0, 0]))
    assert (choice.rule, choice.policy.tolist()) == (rule, [0, 1] if rule == "best" else [0, 0])
    assert choice.gain == (1.0 if rule == "best" else 0.0)
    assert choice.gain_stderr == pytest.approx(noise / 2 * np.sqrt(1 / 11))


def log_sum(utilities):
    """The mean of log(1 + u): the worse off count more."""
    return jnp.mean(jnp.log(1.0 + utilities))


def test_one_policy_for_everybody_is_the_best_by_the_welfare_that_is_asked_for():
    """Policy 0 earns the users 10 and 0, policy 1 earns them 3 and 3: only luck moves a user."""
    population = Population.identity(2)
    even, odd = [[10, 0], [3, 3], [-9, 9]], [[10, 0], [3, 3], [9, -9]]
    episodes = np.array([even, odd] * 6, float)
    utilitarian = choose_assignment(population, episodes, np.array([2, 2]))
    concave = choose_assignment(population, episodes[:, :2], np.array([1, 1]), log_sum)
    assert utilitarian.one == 5.0
    assert concave.one == pytest.approx(np.log(4.0))
    # Each with their best policy they get 10 and 3, whatever the welfare function is.
    assert concave.policy.tolist() == [0, 1]
    assert concave.welfare == pytest.approx(np.log(11 * 4) / 2)
    assert concave.gain == pytest.approx(np.log(11 / 4) / 2)


@settings(max_examples=30)
@given(st.data())
def test_everybodys_best_policy_is_the_best_assignment_for_every_welfare(data):
    """Of all K^N assignments none has a higher welfare, for functions that never fall."""
    num_users, num_policies = 3, 3
    shape = (num_policies, num_users)
    returns = data.draw(arrays(np.float64, shape, elements=st.integers(0, 9)))
    population, everyone = Population.identity(num_users), np.arange(num_users)
    episodes = np.repeat(returns[None], 2, axis=0)
    functions = {
        "log-sum": lambda u: np.log1p(u).mean(),
        "least": lambda u: u.min(),
        "gini": lambda u: np.sort(u) @ [0.6, 0.3, 0.1],
    }
    best = returns.argmax(axis=0)
    for welfare in functions.values():
        values = [
            welfare(returns[list(policy), everyone])
            for policy in itertools.product(range(num_policies), repeat=num_users)
        ]
        assert welfare(returns[best, everyone]) == max(values)
    choice = choose_assignment(population, episodes, np.zeros(3, int), log_sum)
    best_welfare = functions["log-sum"](returns.max(axis=0))
    assert choice.welfare == pytest.approx(best_welfare, rel=1e-5, abs=1e-6)
