"""The optima of the suite's small problems, against brute force and by hand."""

import itertools

import numpy as np
import pytest

import handful
from handful.exact.tabular import TabularRMDP

pytest.importorskip("mo_gymnasium")
from studies.suite import exact, problems


def best_of(returns, num_policies):
    """The best welfare of so many of the rows [V, N], by trying all choices."""
    choices = itertools.combinations(range(len(returns)), num_policies)
    return max(returns[list(choice)].max(axis=0).mean() for choice in choices)


@pytest.mark.parametrize("make", [problems.deep_sea_treasure, problems.fruit_tree])
@pytest.mark.parametrize("num_policies", [1, 2])
def test_vectors_are_chosen_as_by_brute_force(make, num_policies):
    problem = make(users=7, population_seed=3)
    vectors = exact.treasures() if make is problems.deep_sea_treasure else exact.fruits()
    returns = vectors @ np.asarray(problem.population.coefficients, float).T
    best = handful.optimum(problem, num_policies)
    assert best.kind == "exact"
    assert best.welfare == pytest.approx(best_of(returns, num_policies))
    np.testing.assert_allclose(best.returns.max(axis=0).mean(), best.welfare)


def test_treasures_and_fruits_are_those_of_the_environments():
    treasures = exact.treasures()
    assert len(treasures) == 10
    assert treasures[treasures[:, 0].argmax()].tolist() == pytest.approx([23.7, -19.0])
    assert treasures[treasures[:, 0].argmin()].tolist() == pytest.approx([0.7, -1.0])
    assert exact.fruits(5).shape == (32, 6)
    env = problems.fruit_tree(users=2).environment
    assert env.time_limit == 6


def test_walks_are_those_that_the_hand_finds():
    walks = exact.walks()
    by_hand = [
        [0.0, 0.0, 0.0, -0.05],  # against the wall at home
        [0.0, 0.0, 1.0, -0.5],  # ten steps to the diamond and back
        [0.0, 1.0, 0.0, -0.6],  # twelve for the gold, past both enemies
        [0.0, 1.0, 1.0, -0.9],  # eighteen for both
        # Gold past the first enemy on both ways: it may be death after three or five steps.
        [-0.19, 0.81, 0.0, -0.05 * (0.1 * 3 + 0.09 * 5 + 0.81 * 8)],
    ]
    for walk in by_hand:
        assert np.isclose(walks, walk).all(axis=1).any(), walk
    for one, other in itertools.permutations(walks, 2):
        assert (one > other).any(), "no walk is beaten"


def test_the_best_walk_of_a_user_is_that_of_dynamic_programming():
    walks, start = exact.walks(), exact.home()
    places = list(np.ndindex(*exact.chart().shape, 2, 2))
    number = {place: index for index, place in enumerate(places)}
    end = len(places)
    moves, paid = np.zeros((end + 1, 4, end + 1)), np.zeros((end + 1, 4, 4))
    for place, action in itertools.product(places, range(4)):
        there, risk, is_home = exact.taken(place, action)
        here = number[place], action
        moves[here][end if is_home else number[there]] += 1.0 - risk
        moves[here][end] += risk
        paid[here] = [-risk, is_home * place[2], is_home * place[3], -exact.TIME_COST]
    weights = np.random.default_rng(0).dirichlet(np.ones(4), size=12)
    rmdp = TabularRMDP(moves, paid, weights, np.eye(end + 1)[number[start]], 1.0, horizon=60)
    np.testing.assert_allclose((weights @ walks.T).max(axis=1), rmdp.own_optima)


def test_the_worth_of_a_walk_is_that_of_the_environment():
    # Up to the first enemy and on to the gold, and home the same way.
    ways = {(4, 2, 0): 0, (3, 2, 0): 0, (2, 2, 0): 0, (1, 2, 0): 0}
    ways |= {(0, 2, 1): 1, (1, 2, 1): 1, (2, 2, 1): 1, (3, 2, 1): 1}

    def act(seen):
        return ways[tuple(int(number) for number in seen[:3])]

    worth = exact.worth_of_walk(act)
    np.testing.assert_allclose(worth, [-0.19, 0.81, 0.0, -0.05 * (0.3 + 0.45 + 6.48)])
    problem = problems.gathering(users=5, population_seed=1)
    played = handful.evaluate_references(problem, {"gold": act}, num_episodes=400)
    expected = np.asarray(problem.population.coefficients, float) @ worth
    assert (np.abs(played.returns[0] - expected) < 4 * played.returns_stderr[0]).all()
    np.testing.assert_allclose(exact.worth_of_walk(lambda seen: 2)[3], -5.0)  # it never ends


def test_couriers_are_solved_and_measured_alike():
    problem = problems.couriers(users=6, population_seed=2)
    weights = np.asarray(problem.population.coefficients, float)
    # With a policy for each rider, each rides the best way in every rain.
    own = (exact.STREETS * exact.street_features() @ weights.T).max(axis=1).mean(axis=0).mean()
    best = handful.optimum(problem, problem.num_users)
    assert best.welfare == pytest.approx(own, abs=1e-6)
    fast = exact.worth_of_ride(lambda seen: 1)
    np.testing.assert_allclose(fast, [-24.0, -24.0, 0.0])
    played = handful.evaluate_references(problem, {"fast": 1}, num_episodes=400)
    expected, error = weights @ fast, played.returns_stderr[0]
    assert (np.abs(played.returns[0] - expected) <= 4 * error + 1e-5).all()


@pytest.mark.parametrize("make", [problems.random_dense, problems.random_sparse])
def test_random_problems_are_others_for_every_seed_and_can_be_solved(make):
    first, again, other = make(3, 5), make(3, 5), make(3, 6)
    np.testing.assert_array_equal(first.environment.transitions, again.environment.transitions)
    assert (first.environment.transitions != other.environment.transitions).any()
    assert handful.optimum(first, 3).kind == "exact"
    assert handful.optimum(first, 1).welfare < handful.optimum(first, 3).welfare
