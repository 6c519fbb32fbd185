import dataclasses

import numpy as np
import pytest

import handful
from handful.learner import PPO, SAC, Counting
from handful.training.auto import concrete_method
from handful.training.config import CollectConfig, make_config
from tests.environments import ContextualBandit, problem_of


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (handful.make("half-cheetah", users=4), "em"),
        (handful.make("resource-gathering", height=2, width=2), "elite-em"),
        (handful.make("glide", users=4), "em"),
        (handful.make("ant", users=4), "family-em"),
        (handful.make("hopper", users=4), "em"),
        (problem_of(ContextualBandit()), "em"),
    ],
    ids=[
        "outcomes, too short",
        "no chance",
        "outcomes in JAX, too short",
        "outcomes and falls",
        "its own, too short",
        "chance",
    ],
)
def test_auto_stands_for_what_suits_the_problem(problem, expected):
    assert concrete_method(problem, "auto", PPO(), CollectConfig(), 3, 1000) == expected
    assert concrete_method(problem, "random", PPO(), CollectConfig(), 3, 1000) == "random"


@pytest.mark.parametrize("task", ["hopper", "walker2d", "half-cheetah", "glide"])
@pytest.mark.parametrize(
    ("num_policies", "steps", "learner", "is_universal"),
    [
        (3, 20_000, PPO(), True),
        (1, 90_000, PPO(), True),
        (3, 16_000, PPO(), False),
        (3, 20_000, PPO(actor_network="tests.networks:build", share_hidden=False), False),
    ],
    ids=["enough", "one policy", "too few transitions", "own network"],
)
def test_a_problem_that_universal_suits_gets_it_where_it_can(
    task, num_policies, steps, learner, is_universal
):
    problem = handful.make(task, users=4)
    found = concrete_method(problem, "auto", learner, CollectConfig(), num_policies, steps)
    assert found == ("universal" if is_universal else "em")


@pytest.mark.parametrize(
    ("learner", "steps", "expected"),
    [
        (PPO(actor_network="tests.networks:build", share_hidden=False), 20_000, "em"),
        (SAC(), 20_000, "universal"),
        (SAC(), 16_000, "em"),
    ],
    ids=["own network", "off-policy", "off-policy, too few transitions"],
)
def test_policies_that_cannot_be_a_family_of_robots_that_fall(learner, steps, expected):
    problem = handful.make("ant", users=4)
    assert concrete_method(problem, "auto", learner, CollectConfig(), 3, steps) == expected


def test_outcomes_are_not_planned_for_policies_that_draw():
    problem = handful.with_draw(handful.make("ant", users=4), 3)
    found = [
        concrete_method(problem, "auto", PPO(), CollectConfig(), 3, steps)
        for steps in (20_000, 16_000)
    ]
    assert found == ["universal", "em"]


def test_a_problem_may_name_another_method():
    problem = dataclasses.replace(handful.make("glide", users=4), suited_method="cluster")
    assert concrete_method(problem, "auto", PPO(), CollectConfig(), 3, 20_000) == "cluster"


def test_episodes_that_no_batch_holds_cannot_be_remembered():
    problem = handful.make("resource-gathering", height=2, width=2, time_limit=129)
    assert (
        concrete_method(problem, "auto", PPO(), CollectConfig(), 3, 1000) == "em"
    )  # 64 steps a batch
    assert (
        concrete_method(problem, "auto", PPO(), CollectConfig(num_envs=16), 3, 1000) == "elite-em"
    )


@pytest.mark.parametrize(("steps", "expected"), [(20_000, "universal"), (16_000, "elite-em")])
def test_policies_are_computed_where_nothing_is_left_to_chance_and_observations_are_few(
    steps, expected
):
    ring = np.eye(4)[[[1, 0], [2, 0], [3, 0], [0, 0]]]  # on, or back to the first of four places
    problem = handful.tabular_problem(ring, rewards=np.ones((2, 4, 2)), time_limit=5)
    found = [
        concrete_method(problem, "auto", PPO(), CollectConfig(), k, steps * 3 // k) for k in (1, 2)
    ]
    assert found == [expected] * 2
    gathering = handful.make("resource-gathering")  # nearly all of what it shows is new
    assert concrete_method(gathering, "auto", PPO(), CollectConfig(), 3, steps) == "elite-em"


def test_policies_of_single_users_come_cheap_to_a_learner_that_counts():
    problem = problem_of(ContextualBandit())
    assert concrete_method(problem, "auto", Counting(), CollectConfig(), 3, 1000) == "pooled-em"


@pytest.mark.parametrize(
    ("num_policies", "steps", "learner", "expected"),
    [
        (3, 20_000, PPO(), "universal"),
        (3, 20_000, SAC(), "universal"),
        (3, 16_000, PPO(), "em"),
        (1, 90_000, PPO(), "universal"),
        (3, 20_000, PPO(hidden_sizes=(), share_hidden=False), "em"),
        (3, 20_000, PPO(actor_network="tests.networks:build", share_hidden=False), "em"),
    ],
    ids=["enough", "off-policy", "too few transitions", "one policy", "no layer", "own network"],
)
def test_a_universal_policy_comes_first_where_there_is_none_better(
    num_policies, steps, learner, expected
):
    problem = problem_of(ContextualBandit())
    found = concrete_method(problem, "auto", learner, CollectConfig(), num_policies, steps)
    assert found == expected
    for each, method in ((20_000, "universal"), (10_000, "em")):
        nash = concrete_method(problem, "auto", PPO(), CollectConfig(), 3, each, "nash@-1")
        assert nash == method


def test_a_single_policy_is_only_computed_where_observations_are_few():
    problem = handful.make("market", users=2)
    assert concrete_method(problem, "auto", PPO(), CollectConfig(), 1, 90_000) == "em"
    assert concrete_method(problem, "auto", PPO(), CollectConfig(), 2, 90_000) == "universal"


def test_a_run_records_what_auto_stood_for_and_its_settings():
    config = make_config(
        handful.make("resource-gathering", height=2, width=2), 2, "auto", "fast", steps=4096
    )
    assert config.method == "elite-em"
    assert config.learner.random_actions == 0.06
    plain = make_config(handful.make("resource-gathering"), 2, "em", "fast")
    assert plain.learner.random_actions == 0.0
