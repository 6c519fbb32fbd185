import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.environment import TimeStep
from handful.errors import HandfulError
from handful.population import Population
from handful.problem import RMDP, make
from handful.training.preflight import check_problem
from tests.environments import ContextualBandit, Fuse, Push, Weather, problem_of, push_problem


@pytest.mark.parametrize(
    "problem",
    [
        make("resource-gathering", height=2, width=2),
        push_problem((0.5,), low=(-1.0, -2.0), high=(1.0, 2.0)),
    ],
    ids=["discrete", "box"],
)
def test_sound_problems_pass(problem):
    if isinstance(problem.environment, Push):
        problem = problem_of(problem.environment, np.eye(2))
    check_problem(problem)


@pytest.mark.parametrize(
    ("length", "after"), [(1, "after 1 random steps"), (9, "after 9 random steps")]
)
def test_reward_that_is_no_number_is_named_with_its_user(length, after):
    problem = problem_of(Fuse(length), user_ids=("calm", "anxious"))
    with pytest.raises(HandfulError, match=rf"feature 1 \(user 'anxious'\) .*{after}"):
        check_problem(problem)


def test_feature_that_no_single_user_owns_is_named_by_number():
    problem = problem_of(Fuse(1), np.ones((3, 2)))
    with pytest.raises(HandfulError, match="reward feature 1 was not a finite number"):
        check_problem(problem)


def test_features_of_another_number_are_refused():
    population = Population.from_function(lambda outcome: jnp.zeros(3), 2)
    with pytest.raises(HandfulError, match=r"gives shape \[3\], but its coefficient table has 2"):
        check_problem(RMDP(ContextualBandit(), population))


class WrongSize(ContextualBandit):
    observation_size = 5


class BrokenSensor(Weather):
    def draw(self, key):
        first, second = jax.random.normal(key, (2,))
        return jnp.stack([first, jnp.where(second > 1.0, jnp.inf, second)])

    def step(self, key, state, action):
        state, step = super().step(key, state, action)
        return state, TimeStep(step.observation, jnp.zeros(2), step.terminated, step.truncated)


def test_observations_of_another_size_are_refused():
    with pytest.raises(HandfulError, match=r"shape \[2\], but its observation_size says \[5\]"):
        check_problem(RMDP(WrongSize(), Population.identity(2)))


def test_observations_that_are_no_numbers_are_refused():
    with pytest.raises(HandfulError, match="observations hold NaN or infinity"):
        check_problem(RMDP(BrokenSensor(), Population.identity(2)))
