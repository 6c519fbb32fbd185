"""Runs of methods that left the library: finished ones are read, and none goes on."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.methods import METHODS, EndToEnd, ExpectationMaximization
from handful.methods.gone import GONE
from handful.problem import RMDP
from handful.run_folder import RunFolder
from handful.sweep.study import RunRequest
from handful.training.config import TrainConfig
from handful.training.records.run_reader import handed_out, open_run
from handful.training.session import TrainingInterrupted
from handful.training.watching.callbacks import Callback
from tests.training.helpers import TINY

TAKES_ITS_PLACE = "left the library after version 0.2.0: 'universal' takes its place."
OLD = "branching-em"


@dataclass(frozen=True)
class Former(ExpectationMaximization):
    """A method with a setting that no method of today has."""

    branchings: int = 5


class StopAfterTwo(Callback):
    """Sends this process a signal, as a scheduler does."""

    def on_update(self, report):
        if report.update == 2:
            os.kill(os.getpid(), signal.SIGTERM)


def train_as_before(monkeypatch, folder, **others):
    """Train with a method of that name, as if it had not left yet."""
    with monkeypatch.context() as before:
        before.setitem(METHODS, OLD, Former)
        return handful.train(
            handful.make("resource-gathering", height=2, width=2),
            2,
            OLD,
            steps=1024,
            settings=TINY,
            method_settings={"branchings": 2},
            out=folder,
            progress=False,
            **others,
        )


@pytest.fixture
def finished(tmp_path, monkeypatch):
    return train_as_before(monkeypatch, tmp_path / "run")


@pytest.mark.parametrize("name", sorted(GONE))
def test_nothing_is_trained_by_them(name):
    problem = handful.make("glide", users=4)
    sentence = f"^The assignment method '{name}' {TAKES_ITS_PLACE}$"
    with pytest.raises(HandfulError, match=sentence):
        handful.train(problem, 2, name, steps=4096)
    with pytest.raises(HandfulError, match=sentence):
        handful.train(problem, 2, name, steps=4096, method_settings={"leading": 0.1})
    with pytest.raises(HandfulError, match=sentence):
        handful.make_method(name)
    settings = TrainConfig(2, name)
    for call in (settings.make_method().init, lambda *_: settings.make_method().weights(None)):
        with pytest.raises(HandfulError, match=sentence):
            call(jax.random.key(0), 4, 2)


def test_a_problem_may_not_name_one():
    problem = handful.make("glide", users=4)
    named = RMDP(problem.environment, problem.population, suited_method="planned-em")
    with pytest.raises(HandfulError, match=TAKES_ITS_PLACE):
        handful.prepare(named, 2, steps=4096)


def test_their_names_are_not_given_to_others():
    with pytest.raises(HandfulError, match=f"^The name '{OLD}' cannot be given to .* EndToEnd: it"):
        handful.register_method(OLD, EndToEnd)
    assert not set(GONE) & set(METHODS)


def test_a_finished_run_is_read(finished):
    folder = finished.folder
    for found in (handful.load_run(folder), handful.resume(folder)):
        assert found.config.method == OLD
        assert found.config.method_settings["branchings"] == 2
        np.testing.assert_array_equal(found.assignment, finished.assignment)
        assert found.evaluation.welfare == finished.evaluation.welfare
    read, run = open_run(folder)
    assert handed_out(read, run).policies.num_policies == 2


def test_a_run_keeps_its_digest(finished, monkeypatch):
    now = RunRequest("t", {}, handful.load_run(finished.folder).config, Path("x")).digest
    monkeypatch.setitem(METHODS, OLD, Former)
    assert now == RunRequest("t", {}, finished.config, Path("x")).digest


def test_another_run_may_start_from_its_policies(finished):
    for method, expected in (("auto", "em"), ("soft-em", "soft-em")):
        result = handful.train(
            finished.problem,
            2,
            method,
            steps=512,
            settings=TINY,
            start_from=finished.folder,
            progress=False,
        )
        assert result.config.method == expected


def test_a_finished_run_is_not_made_longer(finished):
    before = (finished.folder / "config.json").read_bytes()
    with pytest.raises(HandfulError, match=f"^The run in .* cannot go on, as .*{TAKES_ITS_PLACE}$"):
        handful.resume(finished.folder, steps=2048)
    assert (finished.folder / "config.json").read_bytes() == before
    assert handful.load_run(finished.folder).welfare == finished.evaluation.welfare


def test_an_unfinished_run_does_not_go_on(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    with pytest.raises(TrainingInterrupted):
        train_as_before(monkeypatch, folder, callbacks=[StopAfterTwo()])
    sentence = f"^The run in .* cannot go on, as the assignment .*{TAKES_ITS_PLACE}$"
    with pytest.raises(HandfulError, match=sentence):
        handful.resume(folder, progress=False)
    read, run = open_run(folder)
    with pytest.raises(HandfulError, match=sentence):
        handed_out(read, run)
    assert RunFolder(folder).checkpoint.is_file()
