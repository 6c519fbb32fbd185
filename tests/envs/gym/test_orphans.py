"""No process is left behind, however training ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored in the background
import sys
from functools import partial
import handful
from tests.gym_environments import Telling

def main():
    problem = handful.from_gymnasium(
        partial(Telling, sys.argv[1]), time_limit=9, processes=2
    )
    batch = problem.host_environment.open(6, 0, 2)
    import numpy as np
    batch.reset(np.arange(6))
    print("ready", flush=True)
    while True:
        taken = batch.step(np.zeros(6, int))
        ended = np.flatnonzero(taken.terminated | taken.truncated)
        if len(ended):
            if sys.argv[2] == "raise":
                raise RuntimeError("something of the caller's")
            batch.reset(ended)

main()  # without a guard: nothing of this script is needed in the processes
"""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pids, seconds=10.0):
    until = time.monotonic() + seconds
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < until:
        time.sleep(0.05)
    return left


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGKILL", "raise"])
def test_processes_end_with_the_one_that_started_them(tmp_path, how):
    folder = tmp_path / "pids"
    folder.mkdir()
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    path = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    program = subprocess.Popen(
        [sys.executable, str(script), str(folder), how],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert program.stdout.readline() == b"ready\n"
    workers = [int(file.name) for file in folder.iterdir() if int(file.name) != program.pid]
    assert len(workers) == 2
    if how != "raise":
        assert all(map(is_alive, workers))
        program.send_signal(getattr(signal, how))
    program.communicate(timeout=30)
    assert wait_until_gone(workers) == []
