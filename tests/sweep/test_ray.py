"""Sweeps on a real Ray cluster, on loopback."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import yaml
from ray import exceptions

from handful._support.installing import install_command
from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.sweep import ray
from handful.sweep.attempts import Attempts
from handful.sweep.ray import _execute, import_ray, run_on_ray
from tests.sweep.helpers import STUDY, Log, is_alive, request_of

ROOT = Path(__file__).parents[2]

UPDATES = 2000
"""Of the runs whose node is lost: a minute and a half, as checkpoints come every half minute."""


@contextlib.contextmanager
def cluster(nodes, **variables):
    """A cluster's address, and what talks to it."""
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    environment |= variables
    command = [sys.executable, "-m", "tests.sweep.ray_cluster", str(nodes)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process.stdout.readline().strip(), process
        process.stdin.close()
        process.wait(timeout=60)


def start_sweep(folder, address, study):
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    command = [sys.executable, "-m", "handful", "sweep", "study.yaml", "--ray", address, "--json"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(sweep, folder):
    """Every run of a sweep that ended well, with its attempts."""
    out, errors = sweep.communicate()
    assert sweep.returncode == 0, errors
    runs = [folder / run["run"] for run in json.loads(out)["runs"]]
    assert all(RunFolder(run).is_finished for run in runs)
    return {run: Attempts(run).read() for run in runs}


def events(records):
    return [record["event"] for record in records]


def test_a_sweep_on_a_cluster(tmp_path):
    study = STUDY | {"seeds": [0, 1], "steps": 1024}
    with cluster(1) as (address, _):
        attempts = finished(start_sweep(tmp_path, address, study), tmp_path)
    assert len(attempts) == 2
    assert all(events(records) == ["started", "finished"] for records in attempts.values())
    assert len(pl.read_parquet(tmp_path / "results" / "study.parquet")) == 2
    assert list((tmp_path / "runs" / ".attempts").glob(".shared-*")) == []


def test_runs_that_wait_for_a_cpu_are_not_told_as_started(tmp_path):
    requests, log = [request_of(tmp_path, seed, steps=64) for seed in range(3)], Log()
    with cluster(1) as (address, _):
        outcomes = run_on_ray(requests, address, log, {})
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert sorted(log.events) == [(kind, s) for kind in ("ended", "started") for s in range(3)]
    kinds = [kind for kind, _ in log.events]
    assert kinds.index("ended") < [i for i, kind in enumerate(kinds) if kind == "started"][2]


class TestStartsAreTold:
    """By what processes note of their attempts."""

    @pytest.fixture
    def started(self, tmp_path, monkeypatch):
        """Three runs, the first of which an earlier sweep has started; what tells, and a log."""
        monkeypatch.setattr(ray, "LOOK_EVERY", 0.0)
        requests, log = [request_of(tmp_path, seed) for seed in range(3)], Log()
        self.note(requests[0])
        return requests, ray._Starts(requests, log), log.events

    def note(self, request):
        with Attempts(request.folder).lock(lambda: False) as write:
            write("started")

    def test_once_each_and_again_where_a_process_died(self, started):
        requests, starts, events = started
        starts.look(requests)
        assert events == []
        self.note(requests[0])
        self.note(requests[1])
        starts.look(requests)
        starts.look(requests)
        assert events == [("started", 0), ("started", 1)]
        self.note(requests[1])
        starts.look(requests)
        assert events[2:] == [("started", 1)]

    def test_before_their_end(self, started):
        requests, starts, events = started
        self.note(requests[0])
        starts.look(requests)
        for request in requests[:2]:
            starts.tell_of_end(request)
        assert events == [("started", 0), ("started", 1)]


@pytest.mark.slow
def test_a_node_is_lost(tmp_path):
    """Its run goes on elsewhere from its checkpoint; no run is lost, and none is done twice."""
    settings = {"batch_size": 2048, "num_envs": 8, "num_epochs": 10}
    study = STUDY | {"steps": UPDATES * 2048, "settings": settings, "seeds": [0, 1]}
    folders = [tmp_path / "runs" / f"resource-gathering-em-k2-seed{seed}" for seed in (0, 1)]
    with cluster(2) as (address, nodes):
        sweep = start_sweep(tmp_path, address, study)
        while not all(RunFolder(folder).checkpoint.is_file() for folder in folders):
            assert sweep.poll() is None, sweep.communicate()
            time.sleep(0.1)
        before = {folder: RunFolder(folder).read_metrics() for folder in folders}
        nodes.stdin.write("kill\n")
        nodes.stdin.flush()
        assert nodes.stdout.readline() == "killed\n"
        pids = {folder: Attempts(folder).read()[0]["pid"] for folder in folders}
        assert len(set(pids.values())) == 2
        deadline = time.monotonic() + 30
        while all(is_alive(pid) for pid in pids.values()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (lost,) = [folder for folder in folders if not is_alive(pids[folder])]
        (kept,) = [folder for folder in folders if folder != lost]
        attempts = finished(sweep, tmp_path)
    assert events(attempts[lost]) == ["started", "started", "finished"]
    assert events(attempts[kept]) == ["started", "finished"]
    assert attempts[lost][1]["pid"] != pids[lost]
    assert resumed_at(lost, before[lost]) > 1
    for folder in folders:
        updates = [record["update"] for record in RunFolder(folder).read_metrics()]
        assert updates == list(range(1, UPDATES + 1))


def resumed_at(folder, before):
    """The update up to which a run's records are still those from before, times and all."""
    after = RunFolder(folder).read_metrics()
    same = [one == other for one, other in zip(before, after, strict=False)]
    return same.index(False) if False in same else len(same)


class TestWhatIsWrongIsSaid:
    def run(self, folder, address):
        with pytest.raises(HandfulError) as error:
            run_on_ray([request_of(folder)], address, Log(), {})
        return str(error.value)

    def test_nobody_answers(self, tmp_path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
            assert self.run(tmp_path, address).startswith(f"No Ray cluster answers at '{address}'")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("address", ["", "head", "head:", ":6379", "head:port"])
    def test_no_address(self, tmp_path, address):
        assert "--ray takes HOST:PORT" in self.run(tmp_path, address)

    def test_ray_is_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(HandfulError, match=re.escape(install_command("ray"))):
            import_ray()

    def test_a_node_without_handful(self, tmp_path):
        lacking = tmp_path / "lacking" / "handful.py"
        lacking.parent.mkdir()
        lacking.write_text("raise ModuleNotFoundError(\"No module named 'handful'\")")
        with cluster(1, PYTHONPATH=str(lacking.parent)) as (address, _):
            (outcome,) = run_on_ray([request_of(tmp_path / "runs")], address, Log(), {})
        node = address.partition(":")[0]
        assert outcome.error == (
            f"the node {node} could not execute it (ModuleNotFoundError: No module named "
            f"'handful'): all nodes of the cluster need the same versions of handful, Ray and "
            f"Python"
        )

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (
                exceptions.WorkerCrashedError(),
                "its node or process was lost 6 times (The worker died unexpectedly while "
                "executing this task. Check python-core-worker-*.log files for more "
                "information.); start the sweep again to resume it",
            ),
            (
                exceptions.NodeDiedError("gone"),
                "its node or process was lost 6 times (gone); start the sweep again to resume it",
            ),
            (
                exceptions.RuntimeEnvSetupError("Traceback:\nno such package"),
                "Ray could not execute it (RuntimeEnvSetupError: no such package)",
            ),
            (
                exceptions.OutOfMemoryError("It was killed.\nSee the log."),
                "Ray could not execute it (OutOfMemoryError: It was killed.)",
            ),
        ],
    )
    def test_what_ray_says(self, error, told):
        assert ray._told(exceptions, error) == told

    def test_a_node_that_does_not_see_the_folder(self, tmp_path):
        outcome = _execute(request_of(tmp_path), str(tmp_path / "marker"))
        assert "does not see the folder" in outcome.error
        assert not list(tmp_path.iterdir())
