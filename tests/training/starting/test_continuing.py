"""A finished run gets more steps: it goes on, and what it was stays beside what it becomes."""

import dataclasses
import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.learner.policies_file import digests_of_policies
from handful.run_folder import RunFolder
from handful.training.run import Run
from handful.training.session import TrainingInterrupted
from handful.training.starting import continuing
from tests.training.helpers import TINY, config_of
from tests.training.test_resume import METHODS, StopAt, StopIn

BATCH = TINY["batch_size"]


def train(out, method="em", updates=4):
    return handful.train(
        handful.make("resource-gathering", height=2, width=3),
        3,
        method,
        steps=updates * BATCH,
        seed=1,
        settings=TINY,
        method_settings=METHODS[method],
        out=out,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    return train(folder), folder


@pytest.fixture(scope="module")
def longer(finished, tmp_path_factory):
    """The same run with three updates more."""
    folder = tmp_path_factory.mktemp("longer") / "run"
    shutil.copytree(finished[1], folder)
    return handful.resume(folder, steps=7 * BATCH, rates="again"), folder


def test_a_run_goes_on_and_is_counted_in_all(finished, longer):
    (before, _), (after, folder) = finished, longer
    record = RunFolder(folder).read_evaluation()
    assert record["transitions"] == 7 * BATCH
    assert after.transitions > before.transitions + 3 * 3 * BATCH  # with validation again
    assert [one["update"] for one in RunFolder(folder).read_metrics()] == list(range(1, 8))
    assert len(record["sessions"]) == 2
    assert after.evaluation.welfare >= before.evaluation.welfare  # nothing is random here


def test_what_the_run_was_stays_beside_it(finished, longer):
    (before, _), (after, folder) = finished, longer
    stored = handful.load_run(folder / "before-1")
    assert stored.welfare == before.evaluation.welfare
    assert digests_of_policies(stored.policies) == digests_of_policies(before.policies)
    settings = json.loads((folder / "config.json").read_text())["settings"]
    assert settings["steps"] == 4 * BATCH
    assert settings["continued"] == [{"steps": 7 * BATCH, "rates": "again"}]
    assert after.config.total_steps == 7 * BATCH
    assert handful.compare(folder / "before-1", folder).is_paired


def test_a_run_that_is_so_long_already_is_only_read(longer, monkeypatch):
    after, folder = longer
    monkeypatch.setattr("handful.training.loop._go_on", None)
    again = handful.resume(folder, steps=7 * BATCH)
    assert again.evaluation.welfare == after.evaluation.welfare


@pytest.mark.parametrize("stop", [StopAt(6), StopIn("evaluation")])
def test_a_continuation_that_is_stopped_ends_as_if_it_had_not_been(
    finished, longer, tmp_path, stop
):
    folder = tmp_path / "run"
    shutil.copytree(finished[1], folder)
    with pytest.raises(TrainingInterrupted):
        handful.resume(folder, callbacks=[stop], steps=7 * BATCH, rates="again")
    rest = handful.resume(folder, progress=False)
    assert digests_of_policies(rest.policies) == digests_of_policies(longer[0].policies)
    np.testing.assert_array_equal(rest.assignment, longer[0].assignment)
    assert rest.transitions == longer[0].transitions


@pytest.mark.parametrize("at", ["copy2", "write_json"])
def test_a_kill_while_results_are_put_aside_leaves_a_run_that_can_go_on(
    finished, longer, tmp_path, monkeypatch, at
):
    folder = tmp_path / "run"
    shutil.copytree(finished[1], folder)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*((continuing.shutil, at) if at == "copy2" else (continuing, at)), killed)
        with pytest.raises(KeyboardInterrupt):
            handful.resume(folder, steps=7 * BATCH, rates="again", progress=False)
    rest = handful.resume(folder, steps=7 * BATCH, rates="again", progress=False)
    assert digests_of_policies(rest.policies) == digests_of_policies(longer[0].policies)
    assert sorted(path.name for path in folder.glob("*before*")) == ["before-1"]


def test_a_method_with_a_pool_goes_on_with_room_in_it(tmp_path):
    first = train(tmp_path / "run", "pooled-em", 6)
    after = handful.resume(tmp_path / "run", steps=8 * BATCH, progress=False)
    assert after.evaluation.welfare >= first.evaluation.welfare


def test_rates_stay_where_they_ended_or_fall_again():
    def progress(rates):
        config = config_of(2, updates=5)
        continued = (continuing.Continuation(9 * config.collect.batch_size, rates),)
        longer = dataclasses.replace(config, continued=continued)
        run = Run(handful.make("resource-gathering", height=2, width=2), longer)
        assert run.planned_updates == 5
        return [round(float(run.schedule.progress(jnp.asarray(u))), 6) for u in range(9)]

    first = [0.0, 0.25, 0.5, 0.75, 1.0]
    assert progress("final") == [*first, 1.0, 1.0, 1.0, 1.0]
    assert progress("again") == pytest.approx([*first, 0.0, 1 / 3, 2 / 3, 1.0], abs=1e-6)


def test_settings_of_another_continuation_are_foreign(longer, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(longer[1], folder)
    (folder / "evaluation.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    config["settings"]["continued"][0]["steps"] += BATCH
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(HandfulError, match="is not as it was when the run was trained"):
        handful.resume(folder, progress=False)


@pytest.mark.parametrize(
    ("steps", "rates", "sentence"),
    [
        (4 * BATCH, "final", "not a batch more"),
        (5 * BATCH - 1, "final", "not a batch more"),
        (9 * BATCH, "up", "final or again"),
    ],
)
def test_a_continuation_that_cannot_be_is_refused_and_changes_nothing(
    finished, steps, rates, sentence
):
    with pytest.raises(HandfulError, match=sentence):
        handful.resume(finished[1], steps=steps, rates=rates)
    assert RunFolder(finished[1]).is_finished
    assert not list(finished[1].glob("*before*"))
