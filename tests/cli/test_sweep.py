"""``handful sweep`` itself, without its runs."""

import os
from pathlib import Path

from handful.sweep import workers as local

STUDY = """
tasks: [resource-gathering]
methods: [em]
policies: [2]
seeds: [0]
steps: 16_384
out: runs
results: results
"""


def test_it_knows_the_cores_of_machines_that_bind_no_process_to_some(call, monkeypatch):
    """As macOS, where Python has no `os.sched_getaffinity`."""
    given = []

    def run_all(requests, workers, *_):
        given.append(workers)
        return []

    monkeypatch.setattr(local, "run_all", run_all)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    Path("study.yaml").write_text(STUDY)
    assert call("sweep", "study.yaml") == (0, "results/study.json\n", "")
    assert call("sweep", "study.yaml", "--workers", "5")[0] == 0
    assert given == [3, 5]
