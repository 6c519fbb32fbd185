"""A sweep's count, from run folders that are written by hand."""

import json

import pytest

from handful.sweep import progress
from handful.sweep.attempts import Outcome, StageNote
from handful.sweep.progress import TAIL, Tracker, last_metrics
from handful.training.watching.callbacks import EpisodesReport
from tests.sweep.helpers import request_of


def write_metrics(request, updates, welfare=5.0, end="\n"):
    request.folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"update": u, "transitions": 64 * u, "seconds": u, "welfare": welfare + u})
        for u in range(1, updates + 1)
    ]
    (request.folder / "metrics.jsonl").write_text("\n".join(lines) + end)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def sweep(tmp_path):
    """Four runs of two policies: 10 updates of 64 transitions a policy each."""
    requests = [request_of(tmp_path, seed, num_policies=2) for seed in range(4)]
    clock = Clock()
    return requests, clock, Tracker(requests, clock)


def test_parts_of_runs_count(sweep):
    requests, clock, tracker = sweep
    write_metrics(requests[1], 4)  # left half-done by an earlier sweep
    assert not tracker.ended(Outcome(requests[0]))  # finished by it
    tracker.started(requests[1])
    first = tracker.look()
    assert (first.done, first.total, first.rate, first.seconds_left) == (1, 4, 0.0, None)
    assert (first.transitions, first.total_transitions) == (1280 + 512, 4 * 1280)

    clock.now += 10
    write_metrics(requests[1], 9)
    tracker.started(requests[2])
    view = tracker.look()
    assert view.transitions == 1280 + 9 * 128
    assert view.rate == pytest.approx(5 * 128 / 10)
    assert view.seconds_left == pytest.approx((4 * 1280 - 1280 - 9 * 128) / 64)
    assert [(run.name, run.share, run.welfare) for run in view.running] == [
        (requests[1].folder.name, 0.9, 14.0),
        (requests[2].folder.name, 0.0, None),
    ]


def test_what_a_trained_run_is_at_is_known(sweep):
    requests, _, tracker = sweep
    tracker.started(requests[0])
    write_metrics(requests[0], 10)
    with StageNote(requests[0].folder) as note:
        note.on_episodes(EpisodesReport("evaluation", 0.5))
        (view,) = tracker.look().running
        assert (view.share, view.episodes) == (1.0, ("evaluation", 0.5))
    assert tracker.look().running[0].episodes is None


def test_a_failed_run_has_no_more_to_come(sweep):
    requests, _, tracker = sweep
    tracker.started(requests[0])
    write_metrics(requests[0], 3)
    assert tracker.ended(Outcome(requests[0], "no"))
    view = tracker.look()
    assert (view.done, view.failed) == (1, 1)
    assert (view.transitions, view.total_transitions) == (3 * 128, 3 * 128 + 3 * 1280)
    assert view.running == ()


def test_the_last_whole_record_is_read_however_long_it_is(sweep):
    requests, _, _ = sweep
    request = requests[0]
    path = request.folder / "metrics.jsonl"
    assert last_metrics(path) is None
    write_metrics(request, 3, end='\n{"update": 4, "tran')
    assert last_metrics(path)["update"] == 3
    record = {"update": 4, "transitions": 256, "welfare": 9.0}
    long = json.dumps(record | {"users": [0.5] * TAIL})
    with path.open("a") as file:
        file.write("\n" + long + '\n{"upd')
    assert last_metrics(path)["update"] == 4
    path.write_text('{"update"')
    assert last_metrics(path) is None
    path.write_text("")
    assert last_metrics(path) is None


@pytest.mark.parametrize(
    "odd",
    [
        '{"update": 4}',
        '{"transitions": 256}',
        '{"transitions": "256", "welfare": 9.0}',
        '{"transitions": 256, "welfare": null}',
        "[4]",
        "\0\0",
    ],
)
def test_an_odd_line_is_passed_over(sweep, odd):
    requests, _, tracker = sweep
    write_metrics(requests[0], 3, end=f"\n{odd}\n")
    assert tracker.look().transitions == 3 * 128
    tracker.started(requests[0])
    assert [(run.share, run.welfare) for run in tracker.look().running] == [(0.3, 8.0)]
    assert tracker.ended(Outcome(requests[0], "no"))
    assert tracker.look().transitions == 3 * 128


def test_a_look_reads_the_metrics_of_running_runs_only_and_once(sweep, monkeypatch):
    requests, _, tracker = sweep
    for request in requests[:2]:
        write_metrics(request, 4)
    tracker.started(requests[1])
    assert tracker.look().transitions == 8 * 128  # the first look reads those that wait, too
    read = []
    monkeypatch.setattr(progress, "last_metrics", lambda path: read.append(path) or None)
    tracker.look()
    assert read == [requests[1].folder / "metrics.jsonl"]
