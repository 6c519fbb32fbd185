"""A run that was resumed, moved, edited, half-copied or mixed up is right or refused."""

import json
import os
import shutil
import stat

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import handful
from handful._support.files import parse_json, write_json
from handful._support.storage import digest_of_json
from handful.errors import HandfulError, HandfulWarning
from handful.learner.policies_file import load_policies
from handful.report.page import write_report
from handful.run_folder import RunFolder
from handful.tensors import read_about, read_tensors, write_tensors
from handful.training.records import provenance
from handful.training.records.run_reader import handed_out, open_run
from handful.training.session import TrainingInterrupted
from tests.sealing import seal
from tests.training.helpers import TINY
from tests.training.test_resume import StopAt


def start(out, method="end-to-end", seed=1, callbacks=()):
    return handful.train(
        handful.make("resource-gathering", height=2, width=2),
        2,
        method,
        steps=3 * TINY["batch_size"],
        seed=seed,
        settings=TINY,
        out=out,
        callbacks=callbacks,
        progress=False,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run, another one of another seed, and one that was stopped."""
    root = tmp_path_factory.mktemp("runs")
    results = {"done": start(root / "done"), "other": start(root / "other", seed=2)}
    with pytest.raises(TrainingInterrupted):
        start(root / "stopped", callbacks=[StopAt(2)])
    return root, results


@pytest.fixture
def copied(runs, tmp_path):
    """All of them, for a test to spoil."""
    shutil.copytree(runs[0], tmp_path / "runs")
    return tmp_path / "runs"


def open_all(path):
    """Everything that reads a run."""
    handful.resume(path)
    handed_out(*open_run(path))
    write_report(path)


def test_a_finished_run_is_read_back_as_it_ended_and_nothing_is_played(runs, monkeypatch):
    root, results = runs
    monkeypatch.setattr("handful.training.loop.evaluate", None)
    monkeypatch.setattr("handful.training.loop.run_updates", None)
    there, here = results["done"], handful.resume(root / "done")
    assert jax.tree.structure(here.policies) == jax.tree.structure(there.policies)
    for one, other in zip(
        jax.tree.leaves(here.policies), jax.tree.leaves(there.policies), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(here.assignment, there.assignment)
    np.testing.assert_allclose(here.shares, there.shares, rtol=1e-6)
    for kind in ("deterministic", "stochastic"):
        one, other = getattr(here.evaluation, kind), getattr(there.evaluation, kind)
        np.testing.assert_allclose(one.returns, other.returns, rtol=1e-6)
        np.testing.assert_array_equal(one.utilities, other.utilities)
        assert one.welfare == other.welfare
    assert here.findings == there.findings


def test_the_policies_have_a_file_of_their_own_by_which_one_can_act(runs):
    root, results = runs
    folder, policies = RunFolder(root / "done"), results["done"].policies
    arrays, about = read_tensors(folder.policies, "The file")
    described = json.loads(about["policies"])
    observation = np.linspace(-1.0, 1.0, policies.observation_size, dtype=np.float32)
    for policy in range(2):
        own = {
            name.removeprefix(f"policy-{policy}/"): array
            for name, array in arrays.items()
            if name.startswith(f"policy-{policy}/")
        }
        scale = np.sqrt(own["observations/variance"] + described["epsilon"])
        values = (observation - own["observations/mean"]) / scale
        values = np.clip(values, -described["clip"], described["clip"])
        values = np.tanh(values @ own["hidden-0/weight"] + own["hidden-0/bias"])
        logits = values @ own["head/weight"] + own["head/bias"]
        assert int(np.argmax(logits)) == int(policies.act(observation, policy))
    assert load_policies(folder.policies).action_space == policies.action_space


def test_files_may_be_read_by_whom_the_umask_lets(runs):
    root, _ = runs
    before = os.umask(0o022)
    os.umask(before)
    for entry in (root / "done").iterdir():
        if entry.is_file():
            assert stat.S_IMODE(entry.stat().st_mode) == 0o666 & ~before, entry


def edit(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def more_steps(config):
    config["settings"]["steps"] = 10**6


def swap(root, run, name):
    """Put a file of the other run in the place of the run's own."""
    shutil.copy(root / "other" / name, root / run / name)


RESULTS = ("policies.safetensors", "users.safetensors", "assignment.csv", "returns.csv")


@pytest.mark.parametrize(
    "spoil",
    [
        *(
            pytest.param(lambda root, n=name: swap(root, "done", n), id=f"{name} of another run")
            for name in (*RESULTS, "metrics.jsonl", "config.json", "evaluation.json", "traces.json")
        ),
        *(
            pytest.param(lambda root, n=name: (root / "done" / n).unlink(), id=f"no {name}")
            for name in (*RESULTS, "traces.json", "config.json")
        ),
        pytest.param(
            lambda root: edit(root / "done/config.json", more_steps),
            id="more steps",
        ),
        pytest.param(
            lambda root: edit(root / "done/config.json", lambda c: c["versions"].update(jax="0")),
            id="another version",
        ),
        pytest.param(
            lambda root: edit(root / "done/evaluation.json", lambda e: e.update(welfare=99.0)),
            id="another welfare",
        ),
    ],
)
def test_a_finished_run_that_was_changed_is_refused_by_all_its_readers(copied, spoil):
    spoil(copied)
    before = {path: path.read_bytes() for path in (copied / "done").iterdir()}
    for read in (handful.resume, lambda path: handed_out(*open_run(path)), write_report):
        with pytest.raises(HandfulError) as error:
            read(copied / "done")
        assert str(copied / "done") in str(error.value)
    assert {path: path.read_bytes() for path in (copied / "done").iterdir()} == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda root: edit(root / "stopped/config.json", more_steps),
        lambda root: edit(root / "stopped/config.json", lambda c: c["settings"].update(seed=5)),
        lambda root: swap(root, "stopped", "checkpoint.safetensors"),
    ],
)
def test_a_stopped_run_that_was_changed_is_refused(copied, spoil):
    spoil(copied)
    for read in (handful.resume, lambda path: handed_out(*open_run(path)), write_report):
        with pytest.raises(HandfulError, match="not as it was when the run was trained"):
            read(copied / "stopped")


def test_curves_of_another_run_are_not_shown_as_those_of_a_stopped_one(copied):
    shutil.copy(copied / "other/metrics.jsonl", copied / "stopped/metrics.jsonl")
    with pytest.raises(HandfulError, match="is of another run in line 1"):
        write_report(copied / "stopped")
    (copied / "stopped/metrics.jsonl").unlink()
    write_report(copied / "stopped")


@pytest.mark.parametrize("name", ["done", "stopped"])
def test_a_run_that_was_moved_is_right(runs, copied, name):
    _, results = runs
    (copied / name).rename(copied / "elsewhere")
    assert handful.resume(copied / "elsewhere").evaluation.welfare == (
        results["done"].evaluation.welfare
    )


def test_results_can_be_made_again_from_the_checkpoint(runs, copied):
    (copied / "done/evaluation.json").unlink()
    (copied / "done/assignment.csv").write_text("spoilt")
    welfare = runs[1]["done"].evaluation.welfare
    assert handful.resume(copied / "done").evaluation.welfare == welfare
    open_all(copied / "done")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 10**9), st.integers(0, 7))
def test_a_flipped_bit_of_a_checkpoint_is_noticed(copied, place, bit):
    path = copied / "stopped/checkpoint.safetensors"
    whole = path.read_bytes()
    spoilt = bytearray(whole)
    spoilt[place % len(whole)] ^= 1 << bit
    path.write_bytes(spoilt)
    try:
        with pytest.raises(HandfulError):
            handed_out(*open_run(copied / "stopped"))
    finally:
        path.write_bytes(whole)


def test_a_checkpoint_says_who_trained_and_another_version_is_told(copied, monkeypatch):
    older = {**provenance.versions(), "jax": "0.0.1"}
    monkeypatch.setattr("handful.training.loop.versions", lambda: older)
    with pytest.warns(HandfulWarning, match=r"begun with jax .* \(now 0.0.1\)"):
        handful.resume(copied / "stopped")
    sessions = RunFolder(copied / "stopped").read_evaluation()["sessions"]
    assert len(sessions) == 2
    assert sessions[0]["date"] <= sessions[1]["date"]
    about = read_about(copied / "stopped/checkpoint.safetensors", "The checkpoint")
    assert json.loads(about["sessions"]) == sessions


class Rename(handful.Callback):
    """Moves the run's folder away after its first update."""

    def __init__(self, path):
        self.path = path

    def on_update(self, report):
        if report.update == 1:
            self.path.rename(self.path.with_name("moved"))


def test_a_folder_that_is_moved_while_its_run_trains_is_not_made_again(tmp_path):
    with pytest.raises(HandfulError, match="was moved or removed while the run was trained"):
        start(tmp_path / "run", callbacks=[Rename(tmp_path / "run")])
    assert not (tmp_path / "run").exists()
    assert (tmp_path / "moved/config.json").is_file()


def test_links_in_a_run_folder_are_not_followed(copied, tmp_path):
    victim = tmp_path / "mine"
    victim.write_text("mine")
    run = copied / "done"
    for name in ("report.html", f".report.html.{os.getpid()}"):
        (run / name).symlink_to(victim)
    write_report(run)
    assert victim.read_text() == "mine"
    assert not (run / "report.html").is_symlink()
    shutil.rmtree(run / "plots")
    (run / "plots").symlink_to(tmp_path)
    with pytest.raises(HandfulError, match="is a link"):
        write_report(run)


OTHERS = (None, True, 7, -1, 1.5, "x", "", [], [1], {}, {"a": 1}, 10**18)
"""Values of many kinds, to put where another one is."""


def picture_of(source):
    """What a page holds of a picture that nobody drew."""
    text = dict.fromkeys(("name", "title", "alt", "caption"), "")
    return {**text, "is_wide": False, "source": source}


def mutations(value, place=()):
    """Places in a JSON document, each with something else to put there."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from mutations(inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:2]):
            yield from mutations(inner, (*place, index))
    yield place


@pytest.mark.parametrize("name", ["config.json", "evaluation.json"])
@pytest.mark.parametrize("is_sealed", [True, False])
def test_values_of_another_kind_are_told_in_one_sentence(copied, monkeypatch, name, is_sealed):
    """Also where somebody bound the changed file to the others, so that only kinds tell."""
    monkeypatch.setattr("handful.report.page._embed", lambda folder, picture: picture_of(""))
    run, rng = copied / "done", np.random.default_rng(0)
    file, evaluation = run / name, run / "evaluation.json"
    whole, whole_evaluation = file.read_text(), evaluation.read_text()
    places = [place for place in mutations(json.loads(whole)) if place]
    for place in (places[i] for i in rng.permutation(len(places))[:100]):
        content = json.loads(whole)
        inner = content
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = OTHERS[rng.integers(len(OTHERS))]
        file.write_text(json.dumps(content))
        try:
            if is_sealed:
                seal(run)
            write_report(run)
        except HandfulError:
            pass
        except Exception as error:
            raise AssertionError(f"{place} in {content}") from error
        file.write_text(whole)
        evaluation.write_text(whole_evaluation)


@pytest.mark.parametrize("number", ["1" * 400, "1" * 5000, "NaN", "1e999", "-Infinity", "9" * 20])
def test_numbers_that_no_run_writes_are_refused(copied, number):
    config = copied / "stopped/config.json"
    config.write_text(config.read_text().replace('"seed": 1', f'"seed": {number}'))
    with pytest.raises(HandfulError, match="is not valid JSON"):
        handful.resume(copied / "stopped")
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(b"[" * 100_000)


def test_a_digest_does_not_depend_on_the_layout_of_a_file(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5], "a": None})
    (tmp_path / "b.json").write_text('{"a":null,"b":[1,2.5]}')
    one, other = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab")
    assert digest_of_json(one) == digest_of_json(other)


def test_metadata_is_bound_to_the_arrays(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": np.arange(3.0)}, {"run": "abcdef"})
    path.write_bytes(path.read_bytes().replace(b"abcdef", b"abcdeg"))
    with pytest.raises(HandfulError, match="does not hold what was written"):
        read_tensors(path, "The file")
