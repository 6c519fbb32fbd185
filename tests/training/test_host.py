"""Training on environments outside JAX: learning, overlap, resuming, and what goes wrong."""

import os
import signal

import numpy as np
import pytest
from safetensors.numpy import load_file

import handful
from handful._support.files import read_json, write_json
from handful._support.storage import digest_of_json
from handful.devices import usable_cores
from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.tensors import read_tensors, write_tensors
from handful.training.session import TrainingInterrupted
from handful.training.watching.callbacks import Callback
from tests.host_environments import track_problem

SETTINGS = {
    "num_envs": 8,
    "batch_size": 256,
    "minibatch_size": 64,
    "num_epochs": 4,
    "hidden_sizes": (16,),
    "learning_rate": 5e-3,
}


def train(problem=None, updates=4, method="em", out=None, callbacks=(), **more):
    return handful.train(
        problem or track_problem(),
        2,
        method,
        steps=updates * SETTINGS["batch_size"],
        settings=SETTINGS,
        out=out,
        callbacks=callbacks,
        **more,
    )


class StopAt(Callback):
    def __init__(self, update):
        self.update = update

    def on_update(self, report):
        if report.update == self.update:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("overlap", [False, True])
def test_two_users_get_a_policy_each_and_what_they_want(overlap):
    result = train(updates=80, overlap=overlap, method_settings={"warm_up": 5})
    assert sorted(result.assignment) == [0, 1]
    # 12 steps at the wanted speed are worth 12; one policy for both reaches 6.
    assert 11.0 < result.evaluation.welfare <= 12.0


@pytest.mark.parametrize("method", ["end-to-end", "random", "cluster"])
def test_every_method_trains_on_the_host(method):
    result = train(method=method)
    assert np.isfinite(result.evaluation.welfare)


def test_the_same_seed_gives_the_same_policies(tmp_path):
    for name in ("a", "b"):
        train(out=tmp_path / name, seed=3)
    first, second = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("a", "b"))
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)


def test_overlap_is_one_update_stale_from_the_second_update_on(tmp_path):
    """The first batch is collected by the first policies either way, and the second one too."""

    def weights(name, updates, overlap):
        out = tmp_path / name
        train(out=out, updates=updates, overlap=overlap)
        return load_file(out / "checkpoint.safetensors")["learner/actor/stack/head/weight"]

    np.testing.assert_array_equal(weights("a", 1, False), weights("b", 1, True))
    overlapped = weights("c", 3, True)
    np.testing.assert_array_equal(overlapped, weights("d", 3, True))
    assert not np.array_equal(overlapped, weights("e", 3, False))


def test_a_run_that_was_stopped_goes_on_from_its_checkpoint(tmp_path):
    problem, folder = track_problem(), RunFolder(tmp_path / "run")
    with pytest.raises(TrainingInterrupted):
        train(problem, out=folder.path, callbacks=[StopAt(2)])
    before = load_file(folder.checkpoint)
    result = handful.resume(folder.path, problem=problem)
    assert folder.is_finished
    assert [record["update"] for record in folder.read_metrics()] == [1, 2, 3, 4]
    after = load_file(folder.checkpoint)
    moved = [n for n in before if n.startswith("learner/actor/") and "bias" in n]
    assert moved
    assert all(not np.array_equal(before[n], after[n]) for n in moved)
    assert np.isfinite(result.evaluation.welfare)


def test_an_environment_that_returns_nan_is_named_and_the_checkpoint_kept(tmp_path):
    # 32 steps an update: the third update's tenth step.
    problem = track_problem(bad_value_in_step=74)
    folder = RunFolder(tmp_path / "run")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handful.training.updates.CHECKPOINT_EVERY", 0.0)
        with pytest.raises(
            HandfulError, match=r"policy 1 .* step 10 of 32 .* The last good checkpoint in"
        ):
            train(problem, out=folder.path)
    assert int(load_file(folder.checkpoint)["update"]) == 2
    assert not folder.is_finished


def test_nan_before_the_first_checkpoint_leaves_no_folder(tmp_path):
    with pytest.raises(HandfulError, match="not a finite number"):
        train(track_problem(bad_value_in_step=3), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("threads", [0, -1, usable_cores() + 1])
def test_threads_beyond_the_cores_are_refused(threads):
    with pytest.raises(HandfulError, match="number of threads must be from 1 to"):
        train(threads=threads)


def test_a_run_of_a_machine_with_more_cores_goes_on_here(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(TrainingInterrupted):
        train(out=folder.path, callbacks=[StopAt(2)])
    config = read_json(folder.config)
    config["settings"]["threads"] = usable_cores() + 6
    write_json(folder.config, config)
    arrays, about = read_tensors(folder.checkpoint, "The checkpoint")
    write_tensors(folder.checkpoint, arrays, {**about, "run": digest_of_json(config)})
    assert handful.resume(folder.path, track_problem()).config.threads == usable_cores() + 6


def test_users_whose_rewards_are_compressed_are_evaluated_by_the_rewards_themselves():
    problem = track_problem()
    population = problem.population
    exact = type(population)(
        population.coefficients,
        lambda outcome: 0.5 * population.features(outcome),  # what training sees
        population.user_ids,
        reward_fn=population.features,
    )
    seen = type(problem)(problem.environment, exact, discount=0.9, return_scale=5.0)
    halved, whole = train(seen), train(problem)
    np.testing.assert_array_equal(
        halved.evaluation.deterministic.returns.shape, whole.evaluation.deterministic.returns.shape
    )
    worth = halved.evaluation.deterministic
    length = worth.lengths[0]
    assert length == 12
    assert worth.returns.max() > 6.1  # more than any halved return can be
