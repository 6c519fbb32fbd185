"""What a run says of itself, from its problem and its settings."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.learner import PPO
from handful.methods import make_method
from handful.training.config import TrainConfig
from handful.training.run import Run
from handful.welfare import name_of_welfare, utilitarian
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import config_of


@pytest.fixture
def problem():
    return problem_of(ContextualBandit(3), np.eye(3))


def mean_plus_two(utilities):
    """A welfare function that is not 0 where every user earns 0."""
    return jnp.mean(utilities) + 2.0


def test_a_run_has_what_its_settings_name(problem):
    config = config_of(2, "em", updates=6, method_settings={"warm_up": 3})
    run = Run(problem, config)
    assert (run.num_policies, run.num_updates) == (2, 6)
    assert run.method == make_method("em", warm_up=3)
    assert run.learner is config.learner
    assert run.mesh is None
    assert run.schedule == run.method.schedule(6, 2)


def test_a_schedule_is_for_the_budget(problem):
    """One policy is universal already, so that only several have a second stage."""
    starts = [Run(problem, config_of(k, "cluster", 6)).schedule.interventions for k in (1, 2)]
    assert starts == [(), (2,)]


@pytest.mark.parametrize(("own", "discount"), [(None, 1.0), (0.5, 0.5)])
def test_the_learner_sees_its_own_discount_and_evaluation_does_not(problem, own, discount):
    config = dataclasses.replace(config_of(2), learner=PPO(discount=own, minibatch_size=64))
    problem = problem.with_discount(1.0)
    run = Run(problem, config)
    assert run.learnt.discount == discount
    assert run.problem.discount == 1.0


@pytest.mark.parametrize(
    ("method", "final", "by_validation"),
    [
        ("em", "validation", True),
        ("em", "method", False),
        ("random", "validation", False),
        ("random", "method", False),
    ],
)
def test_validation_assigns_where_each_user_has_the_best_and_nobody_asks_otherwise(
    problem, method, final, by_validation
):
    config = dataclasses.replace(config_of(2, method), final_assignment=final)
    assert Run(problem, config).assigns_by_validation is by_validation


def test_the_mean_user_is_the_welfare_unless_another_is_named(problem):
    run = Run(problem, TrainConfig(2))
    assert run.welfare is utilitarian
    assert run.is_utilitarian
    assert run.welfare_of_nothing == 0.0
    other = Run(problem, TrainConfig(2, welfare=name_of_welfare(mean_plus_two)))
    assert other.welfare is mean_plus_two
    assert not other.is_utilitarian


def test_what_nothing_is_worth_is_known_while_a_program_is_compiled(problem):
    run = Run(problem, TrainConfig(2, welfare=name_of_welfare(mean_plus_two)))
    assert jax.jit(lambda: jnp.asarray(run.welfare_of_nothing))() == 2.0


def test_a_run_equals_only_itself_and_may_be_an_argument_of_a_compiled_program(problem):
    config = config_of(2)
    run, other = Run(problem, config), Run(problem, config)
    assert run == run
    assert run != other
    assert len({run, other, run}) == 2
    budget = jax.jit(lambda run: jnp.asarray(run.num_policies), static_argnums=0)
    assert budget(run) == 2
