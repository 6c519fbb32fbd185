"""Runs of the learner that keeps a replay buffer."""

import os
import signal

import numpy as np
import pytest
from safetensors.numpy import load_file

import handful
from handful.training.config import PRESETS, CollectConfig, make_config, resolve_settings
from handful.training.session import TrainingInterrupted
from handful.training.watching.callbacks import Callback

SMALL = {
    "num_envs": 4,
    "batch_size": 32,
    "minibatch_size": 32,
    "capacity": 200,
    "first_transitions": 100,
    "actor_sizes": (8,),
    "critic_sizes": (8,),
}


class StopAt(Callback):
    """Asks for a stop after the third update, when the buffer is nearly full."""

    def on_update(self, report):
        if report.update == 3:
            os.kill(os.getpid(), signal.SIGTERM)


def start(out, callbacks=()):
    return handful.train(
        handful.make("resource-gathering", height=2, width=3),
        2,
        "em",
        learner="sac",
        steps=6 * SMALL["batch_size"],
        seed=1,
        settings=SMALL,
        method_settings={"warm_up": 2},
        out=out,
        callbacks=callbacks,
    )


def test_a_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    expected = start(whole)
    with pytest.raises(TrainingInterrupted):
        start(stopped, [StopAt()])
    resumed = handful.resume(stopped)
    one, other = (load_file(folder / "checkpoint.safetensors") for folder in (whole, stopped))
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)
    assert one["learner/replay/stored/features"].shape[0] == 200
    assert one["learner/replay/stored/features"].any(axis=1).sum() > 20
    assert resumed.evaluation.welfare == expected.evaluation.welfare
    row = np.zeros(resumed.policies.observation_size)
    assert handful.resume(whole).policies.act(row, 1) == expected.policies.act(row, 1)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_learner_collects_in_its_own_way_unless_another_is_asked_for(preset):
    suited = {
        "num_envs": 32,
        "batch_size": 1024,
        "short_episodes": 200,
        "learning_rate": 3e-4,
        "discount": 0.9,
    }
    learner, collect = resolve_settings(preset, {"learner": "sac"}, suited)
    assert collect == CollectConfig(num_envs=8, batch_size=128, short_episodes=200)
    assert learner == handful.SAC(discount=0.9)
    _, collect = resolve_settings(preset, {"learner": "sac", "num_envs": 2}, suited)
    assert collect == CollectConfig(num_envs=2, batch_size=128, short_episodes=200)


def test_returns_of_few_episodes_count_soon_unless_another_weight_is_asked_for():
    problem = handful.make("glide")
    assert make_config(problem, 2, "em", "paper", learner="sac").return_mixing == 0.3
    assert make_config(problem, 2, "em", "paper", learner="ppo").return_mixing == 0.05
    asked = make_config(problem, 2, "em", "paper", learner="sac", return_mixing=0.1)
    assert asked.return_mixing == 0.1


def test_a_method_that_needs_gradients_is_refused():
    problem = handful.make("resource-gathering", height=2, width=2)
    with pytest.raises(handful.HandfulError, match="this learner has none: choose another method"):
        handful.prepare(problem, 2, "end-to-end", learner="sac")


def test_a_network_of_the_callers_own_is_no_setting():
    problem = handful.make("resource-gathering", height=2, width=2)
    with pytest.raises(handful.HandfulError, match="learner 'sac' has no setting 'actor_network'"):
        handful.prepare(problem, 2, "em", learner="sac", network="tests.networks:Wave")
