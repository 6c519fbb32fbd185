from dataclasses import replace

import numpy as np
import pytest

from handful.domains.resource_gathering.environment import (
    ResourceGathering,
    TileRewards,
    tile_owners,
)
from handful.domains.resource_gathering.optimum import solve as solve_grid
from handful.domains.speeds.optimum import solve as solve_speeds
from handful.domains.speeds.targets import SpeedReward, speed_seekers
from handful.domains.tabular.problem import tabular_problem
from handful.errors import HandfulError
from handful.evaluation.gap import measure_gap, optimum
from handful.exact.bound import Optimum
from handful.population import Population
from handful.problem import RMDP, make
from tests.environments import ContextualBandit, problem_of
from tests.speeds import STEPS, TOP_SPEED, Cruise, make_cruise


def test_the_grid_has_an_exact_optimum():
    best = optimum(make("resource-gathering", height=2, width=2), 1)
    assert (best.kind, best.welfare) == ("exact", 96.0)


def test_other_users_of_the_grid_have_none():
    grid = ResourceGathering(2, 2)
    population = Population.identity(4, lambda outcome: outcome.visited.astype(float))
    with pytest.raises(HandfulError, match="Neither an exact optimum nor a bound is known"):
        optimum(RMDP(grid, population, solver=solve_grid), 1)


def test_owners_of_tiles_who_are_not_all_alike_have_none():
    problem = make("resource-gathering", height=2, width=2)
    owners = problem.population
    for population in (
        replace(owners, coefficients=2 * owners.coefficients),
        Population.identity(3, TileRewards((0, 1, 2))),
    ):
        with pytest.raises(HandfulError, match="Neither an exact optimum nor a bound is known"):
            optimum(replace(problem, population=population), 1)


def test_owners_of_tiles_have_it_whatever_the_problem_is_called():
    grid = ResourceGathering(2, 2)
    assert optimum(RMDP(grid, tile_owners(grid), solver=solve_grid), 1).welfare == 96.0


def test_an_unknown_problem_has_no_gap():
    assert measure_gap(problem_of(ContextualBandit()), 1, 0.5) is None


def test_speed_seekers_have_a_bound():
    best = optimum(make_cruise(targets=(1.0, 1.0, 3.0)), 1)
    assert best.kind == "upper bound"
    assert best.welfare == pytest.approx(200 / 3)
    assert best.certificate == ((1.0,),)


def test_every_way_to_hold_the_same_users_has_the_same_bound():
    targets = np.linspace(0, 4, 9)
    reward = SpeedReward(targets, TOP_SPEED, STEPS)
    exact = speed_seekers(targets, TOP_SPEED, STEPS)
    close = Population(np.ones((9, 2)), lambda outcome: outcome.velocity[None], reward_fn=reward)
    problems = [RMDP(Cruise(), users, solver=solve_speeds) for users in (exact, close)]
    welfare = [optimum(problem, 3).welfare for problem in problems]
    assert welfare == [pytest.approx(100 / 3), pytest.approx(100 / 3)]


def test_mixtures_of_speed_rewards_have_no_bound():
    reward = SpeedReward(np.array([1.0, 2.0]), TOP_SPEED, STEPS)
    mixed = Population(np.array([[1.0, -1.0], [0.0, 1.0]]), reward)
    assert measure_gap(RMDP(Cruise(), mixed, solver=solve_speeds), 1, 0.5) is None


def test_longer_episodes_than_the_rewards_are_made_for_can_earn_more():
    population = speed_seekers([1.0], TOP_SPEED, STEPS)
    long, short = (
        RMDP(Cruise(time_limit=steps), population, solver=solve_speeds)
        for steps in (3 * STEPS, STEPS // 2)
    )
    assert optimum(long, 1).welfare == pytest.approx(300)
    assert optimum(short, 1).welfare == pytest.approx(50)


def test_the_gap_is_in_percent():
    gap = measure_gap(make_cruise(targets=(1.0, 1.0, 3.0)), 1, welfare=50.0)
    assert gap is not None
    assert gap.percent == pytest.approx(75.0)


def test_nothing_is_a_share_of_a_cost():
    problem = tabular_problem(np.zeros((1, 1, 1)), -np.ones((2, 1, 1)))
    gap = measure_gap(problem, 1, welfare=-2.0)
    assert gap is not None
    assert gap.optimum.welfare == -1.0
    assert gap.percent is None


def test_tabular_rewards_of_other_environments_have_none():
    problem = tabular_problem(np.zeros((1, 1, 1)), np.ones((2, 1, 1)))
    assert measure_gap(replace(problem, environment=ContextualBandit()), 1, 0.5) is None


@pytest.mark.parametrize("num_policies", [0, 4])
def test_the_budget_must_fit_the_users(num_policies):
    with pytest.raises(HandfulError, match=r"number of users \(3\)"):
        optimum(make_cruise(targets=(1.0, 1.0, 3.0)), num_policies)


def best_arms(problem: RMDP, num_policies: int) -> Optimum:
    """A solver of somebody else's: every user's best arm, where there is a policy for each."""
    if num_policies < problem.num_users:
        raise ValueError("The bandit is solved for as many policies as users only.")
    users = np.arange(problem.num_users)
    return Optimum(1.0, "exact", num_policies, np.eye(len(users)), users, (), "Each has an arm.")


def test_a_problem_brings_its_own_solver():
    problem = replace(make("resource-gathering", height=1, width=2), solver=best_arms)
    assert optimum(problem, 2).explanation == "Each has an arm."
    gap = measure_gap(problem, 2, 0.5)
    assert gap is not None
    assert gap.percent == 50.0
    with pytest.raises(HandfulError, match="solved for as many policies as users only"):
        optimum(problem, 1)
    assert measure_gap(problem, 1, 0.5) is None


def test_a_solver_that_returns_something_else_is_told():
    problem = replace(make("resource-gathering", height=1, width=2), solver=lambda *_: 3.0)
    with pytest.raises(HandfulError, match="returned a float: it must return"):
        optimum(problem, 1)
