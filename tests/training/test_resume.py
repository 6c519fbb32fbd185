"""A run that was stopped and resumed ends bit for bit as one that was not."""

import dataclasses
import functools
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

import handful
from handful.errors import HandfulError
from handful.methods.em import ExpectationMaximization
from handful.run_folder import RunFolder
from handful.training.session import TrainingInterrupted
from handful.training.watching.callbacks import Callback
from tests.environments import errands_problem
from tests.training.helpers import TINY

UPDATES = 6
METHODS = {
    "em": {"warm_up": 2},
    "end-to-end": {},
    "cluster": {"num_episodes": 4},  # clusters are made after update 3
    "elite-em": {"exploring": 0.99, "settling": 0, "archive_size": 20},
    "pooled-em": {"rounds": 2, "exploring": 0.7, "warm_up": 1},  # rounds end after updates 2 and 4
}


class StopAt(Callback):
    """Sends this process a signal after an update, as Ctrl-C or a scheduler does."""

    def __init__(self, update, number=signal.SIGTERM):
        self.update, self.number = update, number

    def on_update(self, report):
        if report.update == self.update:
            os.kill(os.getpid(), self.number)


class StopIn(Callback):
    """Sends this process a signal while policies play episodes, at the so manieth report."""

    def __init__(self, purpose, nth=1):
        self.purpose, self.left = purpose, nth

    def on_episodes(self, report):
        self.left -= report.purpose == self.purpose
        if report.purpose == self.purpose and self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)


def start(method, out, callbacks=()):
    return handful.train(
        handful.make("resource-gathering", height=2, width=3),
        3,
        method,
        steps=UPDATES * TINY["batch_size"],
        seed=1,
        settings=TINY,
        method_settings=METHODS[method],
        out=out,
        callbacks=callbacks,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A function that gives the undisturbed run of a method, which it trains once."""

    @functools.cache
    def of(method):
        folder = RunFolder(tmp_path_factory.mktemp("whole") / "run")
        return start(method, folder.path), folder

    return of


def untimed(folder):
    """The metrics without what differs between two runs that end alike."""
    return [{**record, "seconds": None, "run": None} for record in folder.read_metrics()]


def assert_same_run(folder, expected):
    state, expected_state = load_file(folder.checkpoint), load_file(expected.checkpoint)
    assert state.keys() == expected_state.keys()
    for name, values in state.items():
        np.testing.assert_array_equal(values, expected_state[name], err_msg=name)
    assert untimed(folder) == untimed(expected)
    for name in ("assignment", "returns", "traces"):
        assert getattr(folder, name).read_bytes() == getattr(expected, name).read_bytes()


def stop_at(update, method, out, number=signal.SIGTERM):
    with pytest.raises(TrainingInterrupted) as caught:
        start(method, out, [StopAt(update, number)])
    return caught.value


@pytest.mark.parametrize(
    ("method", "update", "number"),
    [
        ("em", 3, signal.SIGINT),
        ("end-to-end", 4, signal.SIGTERM),
        ("elite-em", 2, signal.SIGTERM),
        ("cluster", 2, signal.SIGTERM),
        ("cluster", 3, signal.SIGTERM),
        ("cluster", 4, signal.SIGTERM),
    ],
)
def test_resumed_run_ends_as_the_uninterrupted_one(whole, tmp_path, method, update, number):
    """Also where it was stopped just before, at, and after the clusters were made."""
    if method == "cluster":
        pytest.importorskip("sklearn")
    result, expected = whole(method)
    folder = RunFolder(tmp_path / "run")
    error = stop_at(update, method, folder.path, number)
    assert error.signal_number == number
    assert f"handful resume {folder.path}" in str(error)
    assert not folder.is_finished
    assert len(folder.read_metrics()) == update
    resumed = handful.resume(folder.path)
    assert_same_run(folder, expected)
    assert resumed.evaluation.welfare == result.evaluation.welfare
    np.testing.assert_array_equal(resumed.alpha, result.alpha)


@pytest.mark.parametrize(
    ("method", "purpose", "nth", "updates"),
    [
        ("em", "validation", 1, UPDATES),
        ("em", "evaluation", 1, UPDATES),
        ("pooled-em", "validation", 2, 2),  # of the first round's policies
    ],
)
def test_a_run_can_be_stopped_while_its_policies_play(
    whole, tmp_path, method, purpose, nth, updates
):
    _, expected = whole(method)
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(TrainingInterrupted, match=f"after {updates * 256:,} transitions"):
        start(method, folder.path, [StopIn(purpose, nth)])
    assert not folder.is_finished
    assert len(folder.read_metrics()) == updates
    handful.resume(folder.path)
    assert_same_run(folder, expected)


@pytest.fixture(scope="module")
def stopped(whole, tmp_path_factory):
    """An `em` run stopped after update 3, and the same uninterrupted."""
    folder = RunFolder(tmp_path_factory.mktemp("stopped") / "run")
    stop_at(3, "em", folder.path)
    return folder, whole("em")[1]


@pytest.fixture
def run(stopped, tmp_path):
    """A copy of the stopped run that a test may spoil."""
    shutil.copytree(stopped[0].path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def test_lines_written_after_the_checkpoint_are_dropped(run, stopped):
    """A kill may come after metrics were written and before their state was saved."""
    with run.metrics.open("a") as file:
        file.write('{"update": 4, "seconds": 99.0, "welfare": -1.0}\n{"update": 5, "welf')
    handful.resume(run.path)
    assert_same_run(run, stopped[1])
    seconds = [record["seconds"] for record in run.read_metrics()]
    assert seconds == sorted(seconds)
    assert seconds[-1] < 99.0


def test_a_damaged_line_keeps_no_run_from_going_on(run, stopped):
    """The state is in the checkpoint; of the metrics, only what the line said is lost."""
    text = run.metrics.read_text()
    run.metrics.write_text(text.replace('"update": 2', '"update'))
    handful.resume(run.path)
    records = run.read_metrics()
    assert [record["update"] for record in records] == [1, *range(3, UPDATES + 1)]
    whole = stopped[1].read_evaluation()
    assert run.read_evaluation()["returns"] == whole["returns"]


def test_a_run_of_an_earlier_revision_of_its_method_is_refused(run, monkeypatch):
    """Half of it would be one method's and half the other's."""
    changed = dataclasses.replace(ExpectationMaximization.info, revision=1)
    monkeypatch.setattr(ExpectationMaximization, "info", changed)
    with pytest.raises(HandfulError, match="another revision of 'em'"):
        handful.resume(run.path)
    assert not run.is_finished


def test_a_finished_run_of_an_earlier_revision_can_still_be_read(stopped, monkeypatch):
    changed = dataclasses.replace(ExpectationMaximization.info, revision=1)
    monkeypatch.setattr(ExpectationMaximization, "info", changed)
    assert handful.resume(stopped[1].path).evaluation.welfare > 0.0


def test_run_killed_before_its_first_checkpoint_starts_again(run, stopped):
    run.checkpoint.unlink()
    handful.resume(run.path)
    assert_same_run(run, stopped[1])


def test_run_killed_before_its_results_were_written_is_evaluated(stopped, tmp_path):
    shutil.copytree(stopped[1].path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    for path in (run.evaluation, run.assignment, run.returns, run.traces):
        path.unlink()
    handful.resume(run.path)
    assert run.is_finished
    assert_same_run(run, stopped[1])


def test_a_signal_in_the_last_update_leaves_only_the_evaluation_to_do(stopped, tmp_path):
    run = RunFolder(tmp_path / "run")
    stop_at(UPDATES, "em", run.path)
    assert not run.is_finished
    handful.resume(run.path)
    assert_same_run(run, stopped[1])


def test_damaged_checkpoint_is_refused_and_left_alone(run):
    run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:-20])
    before = {entry.name: entry.read_bytes() for entry in run.path.iterdir()}
    with pytest.raises(HandfulError, match="cannot be read"):
        handful.resume(run.path)
    assert {entry.name: entry.read_bytes() for entry in run.path.iterdir()} == before


def test_a_run_that_another_process_trains_is_refused_and_left_alone(run):
    before = {entry.name: entry.read_bytes() for entry in run.path.iterdir()}
    with run.hold(), pytest.raises(HandfulError, match="Another process is training"):
        handful.resume(run.path)
    assert {entry.name: entry.read_bytes() for entry in run.path.iterdir()} == before


class Resume(Callback):
    """Looks whether the run that is being trained could be resumed."""

    def __init__(self, path):
        self.path, self.said = path, []

    def on_update(self, report):
        with pytest.raises(HandfulError) as error:
            handful.resume(self.path)
        self.said.append(str(error.value))


def test_a_run_is_held_for_as_long_as_it_is_trained(tmp_path):
    watcher = Resume(tmp_path / "run")
    start("em", watcher.path, [watcher])
    assert len(watcher.said) == UPDATES
    assert set(watcher.said) == {watcher.said[0]}
    assert "Another process is training" in watcher.said[0]


def test_a_kill_frees_the_run(run, stopped):
    program = (
        "import sys, time; from handful.run_folder import RunFolder\n"
        "with RunFolder(sys.argv[1]).hold(): print('held', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(HandfulError, match="Another process is training"):
            handful.resume(run.path)
        holder.kill()
    handful.resume(run.path)
    assert_same_run(run, stopped[1])


def test_a_finished_run_needs_no_checkpoint(stopped, tmp_path):
    shutil.copytree(stopped[1].path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    run.checkpoint.unlink()
    before = {entry.name: entry.read_bytes() for entry in run.path.iterdir()}
    welfare = run.read_evaluation()["welfare"]
    assert handful.resume(run.path).evaluation.welfare == welfare
    assert {entry.name: entry.read_bytes() for entry in run.path.iterdir()} == before


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"num_policies": 3', '"num_policies": 0', "0 policies for 6 users"),
        ('"format": 2', '"format": 99', "format 99"),
        ('"settings"', '"setting"', "lacks 'settings'"),
        ('"gae_lambda"', '"lambda"', "another version of handful"),
        ('"resource-gathering"', '"resource-hunting"', "no task named 'resource-hunting'"),
        ('"resource-gathering"', '"custom"', "with that problem"),
    ],
)
def test_settings_that_do_not_fit_are_refused(run, old, new, sentence):
    """Before the first checkpoint nothing else says that they were changed."""
    run.checkpoint.unlink()
    text = run.config.read_text()
    assert old in text
    run.config.write_text(text.replace(old, new))
    with pytest.raises(HandfulError, match=sentence):
        handful.resume(run.path)


def test_run_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(HandfulError, match="no run folder at"):
        handful.resume(tmp_path / "nowhere")


def test_run_without_a_folder_can_be_stopped_too():
    error = stop_at(1, "em", None, signal.SIGINT)
    assert "resume" not in str(error)


def test_a_run_stopped_in_the_middle_of_paying_episodes_ends_as_if_it_had_not_been(tmp_path):
    """Episodes of seven steps, batches of 32: what was earned before the stop is not forgotten.

    Nor how old the episodes are, nor what they earned with discount.
    """
    problem = errands_problem()

    def train(out, callbacks=()):
        handful.train(
            problem,
            2,
            "em",
            steps=3 * TINY["batch_size"],
            settings={**TINY, "short_episodes": 3},
            method_settings={"warm_up": 1},
            run_settings={"discounted_table": True},
            out=out,
            callbacks=callbacks,
        )

    whole, run = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "run")
    train(whole.path)
    with pytest.raises(TrainingInterrupted):
        train(run.path, [StopAt(1)])
    earned = load_file(run.checkpoint)["collector/episode_return"]
    assert earned.any(axis=-1).mean() > 0.5
    handful.resume(run.path, problem)
    assert_same_run(run, whole)
