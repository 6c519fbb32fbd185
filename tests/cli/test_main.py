"""What the system would not do is told in one sentence, whatever the command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from handful.cli.tasks import Tasks


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(13, "Permission denied", "a/b"), "'a/b' cannot be written or read (Perm"),
        (IsADirectoryError(21, "Is a directory", "t", None, "c"), "'c' cannot be written or read"),
        (OSError(28, "No space left on device"), "The output or a file cannot be written or read"),
        (OSError("polars says so"), "cannot be written or read (polars says so)."),
    ],
)
def test_a_file_that_cannot_be_read_or_written(call, monkeypatch, error, sentence):
    def refuse(self):
        sys.stdout.write("before\n")
        raise error

    monkeypatch.setattr(Tasks, "run", refuse)
    code, output, errors = call("tasks")
    assert (code, output) == (2, "before\n")
    assert errors.startswith("handful: ")
    assert sentence in errors
    assert len(errors.splitlines()) == 1


def handful_tasks(stdout):
    command = [sys.executable, "-m", "handful", "tasks", "market"]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        process = handful_tasks(stdout=full)
        errors = process.communicate()[1]
    assert process.returncode == 2
    assert errors == (
        "handful: The output or a file cannot be written or read (No space left on device).\n"
    )


def test_whoever_reads_the_output_may_have_seen_enough():
    reader, writer = os.pipe()
    os.close(reader)
    process = handful_tasks(stdout=writer)
    os.close(writer)
    assert (process.communicate()[1], process.returncode) == ("", 0)


def test_output_that_cannot_show_a_letter_is_not_lost():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    program = (
        "from handful.cli import main; from handful.cli.tasks import Tasks\n"
        "Tasks.run = lambda self: print('80.0 ± 1.0'); main.main(['tasks'])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "80.0 ? 1.0\n"
