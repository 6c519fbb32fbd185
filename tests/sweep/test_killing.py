"""kill -9 at any moment changes no number of the results."""

import random
import shutil
import signal
import subprocess
import sys
import time

import polars as pl
import pytest
import yaml

from handful.sweep.attempts import Attempts
from tests.sweep.helpers import STUDY, workers_of

OF_TIME = "seconds"
"""The column that depends on time."""

FIRST = "resource-gathering-em-k2-seed0"
"""The folder of the run that begins first."""


def start_sweep(folder):
    command = [sys.executable, "-m", "handful", "sweep", "study.yaml", "--workers", "2"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def new_study(folder):
    folder.mkdir()
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


def table_of(folder):
    return pl.read_parquet(folder / "results" / "study.parquet").drop(OF_TIME)


def kill(sweep, chance):
    """The sweep or one of its workers, if it still goes on."""
    workers = workers_of(sweep.pid) if sweep.poll() is None else []
    if workers and chance.random() < 0.5:
        subprocess.run(["kill", "-9", str(chance.choice(workers))], check=False)
        time.sleep(chance.uniform(0.0, 1.0))
    sweep.send_signal(signal.SIGKILL)  # nothing happens where it has ended
    sweep.wait()


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory):
    """The table of a sweep that nobody killed."""
    folder = new_study(tmp_path_factory.mktemp("whole") / "study")
    assert start_sweep(folder).wait() == 0
    return table_of(folder)


def wait_for_an_update(sweep, run):
    """Until a run of a sweep has learnt something; the file of its metrics."""
    metrics = run / "metrics.jsonl"
    while not metrics.exists():
        assert sweep.poll() is None
        time.sleep(0.02)
    return metrics


def check_going_on(folder, expected):
    """Let a sweep that was killed go on to the end."""
    assert start_sweep(folder).wait() == 0
    assert table_of(folder).equals(expected)
    for run in (folder / "runs").glob("resource-*"):
        events = [record["event"] for record in Attempts(run).read()]
        # At most once, as a kill may come between a run's last file and this line.
        assert events.count("finished") == (events[-1] == "finished")


@pytest.mark.slow
def test_twenty_kills(tmp_path, never_killed):
    folder = new_study(tmp_path / "timed")
    start = time.monotonic()
    assert start_sweep(folder).wait() == 0  # all its programs are compiled by now
    seconds = time.monotonic() - start
    chance = random.Random(20)
    folder = new_study(tmp_path / "study")
    for _ in range(20):
        sweep = start_sweep(folder)
        time.sleep(chance.uniform(0.1, 1.0) * seconds)
        kill(sweep, chance)
        if sweep.returncode == 0:  # it was done before: kill another one
            assert table_of(folder).equals(never_killed)
            shutil.rmtree(folder)
            new_study(folder)
    check_going_on(folder, never_killed)


def test_a_kill_in_training(tmp_path, never_killed):
    """The sweep alone is killed: its workers save what they have, and end by themselves."""
    folder = new_study(tmp_path / "study")
    sweep = start_sweep(folder)
    wait_for_an_update(sweep, folder / "runs" / FIRST)
    sweep.send_signal(signal.SIGKILL)
    assert sweep.wait() == -signal.SIGKILL
    check_going_on(folder, never_killed)


def test_a_worker_that_is_killed_stops_nothing(tmp_path, never_killed):
    folder = new_study(tmp_path / "study")
    sweep = start_sweep(folder)
    first = wait_for_an_update(sweep, folder / "runs" / FIRST)
    victim = Attempts(first.parent).read()[0]["pid"]
    assert victim in workers_of(sweep.pid)
    subprocess.run(["kill", "-9", str(victim)], check=True)
    assert sweep.wait() == 0
    assert table_of(folder).equals(never_killed)
    records = Attempts(first.parent).read()
    assert [record["event"] for record in records] == ["started", "started", "finished"]
    assert records[1]["pid"] != victim
