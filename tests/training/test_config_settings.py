"""Presets, what suits a problem, and what the caller asks for: one learner, one way to collect."""

import dataclasses
import json

import numpy as np
import pytest

import handful
from handful._support.earlier_settings import as_first_written, today
from handful.errors import HandfulError
from handful.learner import PPO, Counting
from handful.training.config import (
    PRESETS,
    CollectConfig,
    TrainConfig,
    make_config,
    resolve_settings,
)
from tests.environments import ContextualBandit, problem_of


def test_the_paper_is_the_default():
    assert resolve_settings("paper", {}) == (PPO(), CollectConfig())
    assert (CollectConfig().batch_size, CollectConfig().num_envs) == (2048, 32)


@pytest.mark.parametrize(
    ("name", "steps", "minibatches"), [("paper", 64, 32), ("fast", 32, 16)], ids=str
)
def test_every_preset_divides_its_batch_evenly(name, steps, minibatches):
    """By hand: 2048 transitions of 32 or 64 environments, in minibatches of 64 or 128."""
    assert set(PRESETS) == {"paper", "fast"}
    learner, collect = resolve_settings(name, {})
    assert collect.num_steps == steps
    assert collect.batch_size == minibatches * learner.minibatch_size
    learner.check_batch(collect.batch_size)


def test_what_is_asked_for_comes_before_what_suits_and_that_before_the_preset():
    suited = {"learning_rate": 0.5, "num_envs": 16, "gae_lambda": 0.5}
    learner, collect = resolve_settings("fast", {"learning_rate": 0.25, "batch_size": 1024}, suited)
    assert learner == PPO(
        learning_rate=0.25, gae_lambda=0.5, minibatch_size=128, num_epochs=4, share_hidden=False
    )
    assert collect == CollectConfig(num_envs=16, batch_size=1024)


def test_another_learner_takes_of_the_preset_and_of_what_suits_only_what_it_has():
    suited = {"learner": "counting", "temperature": 0.5, "learning_rate": 0.5, "num_envs": 16}
    learner, collect = resolve_settings("fast", {}, suited)
    assert (learner, collect) == (Counting(temperature=0.5), CollectConfig(num_envs=16))
    learner, _ = resolve_settings("fast", {"learner": "ppo"}, suited)
    assert learner == PPO(learning_rate=0.5, minibatch_size=128, num_epochs=4, share_hidden=False)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": 3}, "learner 'ppo' has no setting 'epochs'"),
        ({"learning_rte": 3}, r"no setting 'learning_rte' \(did you mean 'learning_rate'"),
        ({"learner": "counting", "gae_lambda": 0.9}, "'counting' has no setting 'gae_lambda'"),
        ({"learner": "pop"}, "no learner named 'pop'"),
        ({"learner": 3}, "learner must be text, not 3"),
        ({"num_envs": 0}, "num_envs must be at least 1"),
        ({"short_episodes": 0}, "short_episodes must be at least 1, or None, not 0"),
        ({"short_episodes": 9, "num_envs": 1}, "half of the environments: give num_envs at least"),
        ({"batch_size": 100, "num_envs": 32}, r"batch_size \(100\) must be a multiple of num_envs"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, sentence):
    with pytest.raises(HandfulError, match=sentence):
        resolve_settings("paper", changes)


@pytest.mark.parametrize("changes", [{"short_episodes": 1, "num_envs": 2}, {"num_envs": 2048}])
def test_numbers_at_the_end_of_their_range_are_taken(changes):
    _, collect = resolve_settings("paper", changes)
    assert {name: getattr(collect, name) for name in changes} == changes


def test_a_batch_that_minibatches_do_not_fill_is_refused():
    with pytest.raises(HandfulError, match=r"must be a multiple of minibatch_size \(60\)"):
        TrainConfig(1, learner=PPO(minibatch_size=60))


def test_an_unknown_preset_is_refused():
    with pytest.raises(HandfulError, match=r"no preset named 'quick'.*paper.*fast"):
        resolve_settings("quick", {})


def test_a_learner_given_as_an_object_comes_before_the_settings():
    problem = problem_of(ContextualBandit(), np.eye(2))
    config = make_config(problem, 2, "em", "fast", {"num_envs": 8}, learner=PPO(gae_lambda=0.5))
    assert config.learner == PPO(gae_lambda=0.5)
    assert config.collect.num_envs == 8
    assert make_config(problem, 2, "em", "fast", learner="ppo") == make_config(
        problem, 2, "em", "fast"
    )


EARLIER = {
    **{
        n: value for n, value in TrainConfig(2).to_dict().items() if n not in ("learner", "collect")
    },
    "ppo": {**dataclasses.asdict(PPO()), **dataclasses.asdict(CollectConfig()), "counts": False},
}


def test_settings_of_a_run_folder_are_read_in_their_earlier_form():
    earlier = json.loads(json.dumps(EARLIER))
    assert TrainConfig.from_dict(today(earlier)) == TrainConfig(2)
    earlier["ppo"] |= {"counts": True, "num_epochs": 3, "entropy_coefficient": 0.25, "num_envs": 8}
    read = TrainConfig.from_dict(today(earlier))
    assert read.learner == Counting(temperature=0.25, planning_steps=3)
    assert read.collect == CollectConfig(num_envs=8)


def test_the_earlier_form_is_what_tables_know_runs_by():
    assert as_first_written(TrainConfig(2).to_dict()) == EARLIER
    counting = TrainConfig(2, learner=Counting()).to_dict()
    assert as_first_written(counting) == counting


def test_settings_as_they_are_written_today_are_left_as_they_are():
    settings = TrainConfig(2).to_dict()
    assert today(settings) == settings
    assert today(settings) is not settings


@pytest.mark.parametrize(
    ("ppo", "learner", "collect"),
    [
        ({}, {"name": "ppo"}, {}),
        ({"counts": False}, {"name": "ppo"}, {}),
        (
            {
                "num_envs": 8,
                "batch_size": 64,
                "short_episodes": 3,
                "discount": 0.5,
                "num_epochs": 2,
            },
            {"name": "ppo", "discount": 0.5, "num_epochs": 2},
            {"num_envs": 8, "batch_size": 64, "short_episodes": 3},
        ),
        (
            {
                "counts": True,
                "entropy_coefficient": 0.5,
                "final_entropy_coefficient": 0.25,
                "num_epochs": 7,
                "discount": 0.75,
                "random_actions": 0.125,
                "gae_lambda": 0.9,  # which had no meaning for a learner that counts
                "batch_size": 64,
            },
            {
                "name": "counting",
                "temperature": 0.5,
                "final_temperature": 0.25,
                "planning_steps": 7,
                "discount": 0.75,
                "random_actions": 0.125,
            },
            {"batch_size": 64},
        ),
    ],
    ids=["nothing", "does not count", "collects", "counts"],
)
def test_every_earlier_setting_has_its_place_today(ppo, learner, collect):
    earlier = {"seed": 3, "ppo": ppo}
    before = json.dumps(earlier)
    assert today(earlier) == {"seed": 3, "learner": learner, "collect": collect}
    assert json.dumps(earlier) == before, "what was read stays as it is"


def test_the_two_forms_say_the_same():
    learner = PPO(hidden_sizes=(8,), discount=0.5, share_hidden=False)
    config = TrainConfig(3, "pooled-em", {}, learner=learner, collect=CollectConfig(num_envs=16))
    settings = config.to_dict()
    before = json.dumps(settings)
    earlier = as_first_written(settings)
    assert (earlier["ppo"]["num_envs"], earlier["ppo"]["discount"]) == (16, 0.5)
    assert json.dumps(settings) == before, "what was written stays as it is"
    assert today(earlier) == settings


def test_training_takes_a_learner_by_name():
    """Counting is refused before anything is made: a bandit's observations have no numbers."""
    problem = problem_of(ContextualBandit(), np.eye(2))
    with pytest.raises(HandfulError, match="number their observations"):
        handful.train(problem, 2, "em", learner="counting", progress=False)
