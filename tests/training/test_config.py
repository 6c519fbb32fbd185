import json

import numpy as np
import pytest

from handful.errors import HandfulError
from handful.learner import PPO, Counting
from handful.training.config import TrainConfig, make_config
from tests.environments import ContextualBandit, problem_of


def test_only_whole_batches_are_trained_and_never_more_than_asked_for():
    assert TrainConfig(5, steps=1_000_000).num_updates == 488
    assert TrainConfig(5, steps=2048).num_updates == 1


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(5),
        TrainConfig(1, "cluster", {"pretraining": 0.25}, seed=7, learner=PPO(num_epochs=3)),
        TrainConfig(2, "fixed", {"policy": (0, 1, 1)}, return_mixing=1.0),
    ],
)
def test_settings_come_back_from_json(config):
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    "change",
    [
        {"learner": {"name": "ppo", "epochs": 3}},
        {"learner": {"name": "magic"}},
        {"learner": {"epochs": 3}},
        {"collect": {"batches": 3}},
        {"policies": 3},
        {"method_settings": None},
        {"method_settings": {"unknown": 1}},
    ],
)
def test_settings_of_another_version_are_refused(change):
    with pytest.raises(HandfulError):
        TrainConfig.from_dict({**TrainConfig(2).to_dict(), **change})


@pytest.mark.parametrize("given", [np.array([0, 1, 1]), [0, 1, 1]], ids=["array", "list"])
def test_assignment_may_be_an_array_such_as_another_runs(given):
    expected = TrainConfig(2, "fixed", {"policy": (0, 1, 1)})
    assert TrainConfig(2, "fixed", {"policy": given}) == expected


def test_missing_settings_are_refused():
    stored = TrainConfig(2).to_dict()
    del stored["learner"]
    with pytest.raises(HandfulError, match="another version of handful"):
        TrainConfig.from_dict(stored)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"num_policies": 0}, "at least 1, not 0"),
        ({"steps": 0}, r"at least one batch \(2048\), not 0"),
        ({"steps": -5}, "not -5"),
        ({"seed": -1}, "seed must be between"),
        ({"seed": 2**32}, "seed must be between"),
        ({"return_mixing": 0.0}, "return_mixing must be above 0"),
        ({"return_mixing": 1.5}, "return_mixing must be above 0"),
        ({"method": "magic"}, "no assignment method named 'magic'"),
    ],
)
def test_numbers_out_of_range_are_refused(settings, sentence):
    with pytest.raises(HandfulError, match=sentence):
        TrainConfig(**{"num_policies": 2, **settings})


@pytest.mark.usefixtures("as_users_call")
def test_a_method_is_a_name():
    with pytest.raises(HandfulError, match="method must be text, not 3"):
        TrainConfig(2, 3)


def test_a_method_that_keeps_policies_has_them_share_no_layers():
    problem = problem_of(ContextualBandit(), np.eye(2))
    assert make_config(problem, 2, "em", "paper").learner.share_hidden
    assert not make_config(problem, 2, "pooled-em", "paper").learner.share_hidden
    with pytest.raises(
        HandfulError, match="must not share layers: set share_hidden and family to false"
    ):
        TrainConfig(num_policies=2, method="pooled-em")


def test_settings_are_read_back_as_they_were_written():
    assert TrainConfig.from_dict(TrainConfig(1).to_dict()) == TrainConfig(1)
    counting = TrainConfig(1, learner=Counting(planning_steps=3))
    assert counting.to_dict()["learner"]["name"] == "counting"
    assert TrainConfig.from_dict(counting.to_dict()) == counting
