"""Who may work at a run, and what is known of it afterwards."""

import dataclasses
import threading
import time
from pathlib import Path

from handful.run_folder import RunFolder
from handful.sweep.attempts import Attempts, attempt
from tests.sweep.helpers import request_of

NEVER = lambda: False  # noqa: E731


def events(request):
    return [record["event"] for record in Attempts(request.folder).read()]


def test_a_run_is_trained_once_and_then_left_alone(tmp_path):
    request = request_of(tmp_path)
    first = attempt(request)
    assert first.error is None
    assert first.seconds > 0
    assert first.cpu_seconds > 0
    assert RunFolder(request.folder).is_finished
    before = RunFolder(request.folder).metrics.stat().st_mtime_ns
    assert attempt(request).error is None
    assert RunFolder(request.folder).metrics.stat().st_mtime_ns == before
    assert events(request) == ["started", "finished"]


def test_an_environment_that_leaves_the_working_directory_moves_nothing(tmp_path, monkeypatch):
    away = tmp_path / "away"
    away.mkdir()
    monkeypatch.chdir(tmp_path)
    task = "gymnasium:tests.gym_environments:Wanders"
    request = request_of("runs", task=task, time_limit=7, options={"place": str(away)})
    request = dataclasses.replace(request, folder=Path("runs") / "wanders")
    assert attempt(request).error is None
    assert RunFolder(tmp_path / "runs" / "wanders").is_finished
    assert (tmp_path / "runs" / ".attempts" / "wanders.jsonl").is_file()
    assert not list(away.iterdir())


def test_what_goes_wrong_is_told(tmp_path):
    request = request_of(tmp_path, height=-1)
    outcome = attempt(request)
    assert outcome.error == "A grid needs at least one tile, not -1 x 5."
    assert not outcome.interrupted
    assert events(request) == ["started", "failed"]


def test_nothing_is_started_after_a_signal(tmp_path):
    request = request_of(tmp_path)
    outcome = attempt(request, lambda: True)
    assert outcome.interrupted
    assert events(request) == []


def test_a_signal_from_before_training_listened_stops_it(tmp_path):
    request = request_of(tmp_path)
    asked = []

    def is_stopped():  # at first not, when the run is taken; then on
        asked.append(True)
        return len(asked) > 1

    outcome = attempt(request, is_stopped)
    assert outcome.interrupted
    assert events(request) == ["started", "stopped"]
    assert len(RunFolder(request.folder).read_metrics()) == 1
    assert RunFolder(request.folder).checkpoint.is_file()


def test_two_wait_for_each_other(tmp_path):
    attempts = Attempts(tmp_path / "runs" / "one")
    got = []

    def take():
        with attempts.lock(NEVER) as write:
            got.append(time.monotonic())
            write("started")

    with attempts.lock(NEVER) as write:
        other = threading.Thread(target=take)
        other.start()
        write("finished")
        time.sleep(0.3)
        freed = time.monotonic()
        assert got == []
    other.join()
    assert got[0] >= freed
    assert [record["event"] for record in attempts.read()] == ["finished", "started"]


def test_a_run_that_is_resumed_by_hand_is_left_to_whoever_does_it(tmp_path):
    request = request_of(tmp_path)
    attempt(request)
    folder = RunFolder(request.folder)
    folder.evaluation.unlink()
    half = request.folder / ".checkpoint.safetensors.7"
    with folder.hold():
        half.touch()
        outcome = attempt(request)
    assert "Another process is training" in outcome.error
    assert half.exists()
    assert not folder.is_finished
    assert attempt(request).error is None
    assert not half.exists()


def test_who_waits_can_be_stopped(tmp_path):
    attempts = Attempts(tmp_path / "runs" / "one")
    with attempts.lock(NEVER), attempts.lock(lambda: True) as write:
        assert write is None


def test_a_line_that_a_kill_cut_short_spoils_no_other(tmp_path):
    attempts = Attempts(tmp_path / "runs" / "one")
    with attempts.lock(NEVER) as write:
        write("started")
    with attempts.path.open("a") as file:
        file.write('{"event": "fin')
    with attempts.lock(NEVER) as write:
        write("started")
    assert [record["event"] for record in attempts.read()] == ["started", "started"]


def test_starts_are_counted_whatever_else_is_in_the_file(tmp_path):
    attempts = Attempts(tmp_path / "runs" / "one")
    assert attempts.num_starts == 0
    attempts.path.parent.mkdir(parents=True)
    attempts.path.write_bytes(b'{"event": "finished"}\n7\n{}\n\xff\n{"event": "started"}\n{"ev')
    assert attempts.num_starts == 1


def test_what_a_kill_left_beside_the_folder_is_removed(tmp_path):
    request = request_of(tmp_path)
    litter = request.folder.with_name(f".{request.folder.name}-abcd1234")
    litter.mkdir()
    (litter / ".config.json.7").touch()
    neighbour = request.folder.with_name(f".{request.folder.name}-k2-abcd1234")
    neighbour.mkdir()
    attempt(request)
    assert not litter.exists()
    assert neighbour.exists()


def test_litter_is_looked_for_in_the_folder_of_that_name_only(tmp_path):
    """Not in those that its name would match as a pattern."""
    request = request_of(tmp_path / "runs[1]", height=-1)
    litter = request.folder.with_name(f".{request.folder.name}-abcd1234")
    of_others = tmp_path / "runs1" / litter.name
    for folder in (litter, of_others):
        folder.mkdir(parents=True)
    attempt(request)
    assert not litter.exists()
    assert of_others.exists()
