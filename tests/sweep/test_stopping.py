"""A sweep that is stopped loses nothing and leaves no process behind."""

import json
import signal
import subprocess
import sys
import time

import pytest
import yaml

from handful.run_folder import RunFolder
from tests.sweep.helpers import is_alive, workers_of

STUDY = {
    "tasks": ["resource-gathering"],
    "methods": ["random"],
    "policies": [2],
    "seeds": [0, 1],
    "steps": 40_000,
    "settings": {"batch_size": 256, "num_envs": 8, "num_epochs": 1},
    "parameters": {"resource-gathering": {"height": 2, "width": 2}},
    "out": "runs",
    "results": "results",
}


def update_of(folder):
    run = RunFolder(folder)
    records = run.read_metrics() if run.config.is_file() else []
    return records[-1]["update"] if records else 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killing_the_sweep_saves_the_running_run_and_the_next_sweep_goes_on(tmp_path, number):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    command = [sys.executable, "-m", "handful", "sweep", "study.yaml", "--workers", "1", "--json"]
    sweep = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    first = tmp_path / "runs" / "resource-gathering-random-k2-seed0"
    while update_of(first) < 3:
        assert sweep.poll() is None
        time.sleep(0.01)
    workers = workers_of(sweep.pid)
    assert workers
    sweep.send_signal(number)
    assert sweep.wait(timeout=60) in (130, -number)
    deadline = time.monotonic() + 60
    while any(is_alive(pid) for pid in workers):  # orphans save and end by themselves
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (first / "checkpoint.safetensors").exists()
    assert [folder.name for folder in (tmp_path / "runs").glob("resource-*")] == [first.name]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [run["error"] for run in json.loads(done.stdout)["runs"]] == [None] * 2
    assert (tmp_path / "results" / "study.parquet").is_file()
