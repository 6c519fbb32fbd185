"""What a sweep shows of itself, from a count that is known."""

import io

import pytest
from rich.console import Console

from handful.cli import sweep as sweep_progress
from handful.cli.sweep import SweepProgress, duration, picture, sentence
from handful.sweep.attempts import Outcome
from handful.sweep.progress import Overview, Running, Tracker
from tests.sweep.helpers import request_of

RUNNING = (Running("glide-em-k2-seed0", 0.25, 3.14159), Running("glide-em-k5-seed0", 0.0, None))
OVERVIEW = Overview(3, 1, 10, 4_000_000, 10_000_000, 12345.6, 486.0, RUNNING)


def test_one_line_tells_all():
    assert sentence(OVERVIEW) == (
        "3/10 runs (1 failed), 40 % of the transitions, 12,346 transitions/s, 8 min left: "
        "glide-em-k2-seed0 25 %, welfare 3.14; glide-em-k5-seed0 0 %"
    )


def test_before_anything_is_known():
    empty = Overview(0, 0, 0, 0, 0, 0.0, None, ())
    assert sentence(empty) == "0/0 runs, 0 % of the transitions"


def test_trained_runs_are_still_to_be_evaluated():
    trained = Running("glide-em-k2-seed0", 1.0, 3.0)
    assert sentence(Overview(2, 0, 3, 900, 900, 50.0, 0.0, (trained,))) == (
        "2/3 runs, 100 % of the transitions, 50 transitions/s, evaluation left: "
        "glide-em-k2-seed0 being evaluated, welfare 3.00"
    )


def test_no_rate_is_told_before_there_is_one():
    trained = Running("glide-em-k2-seed0", 1.0, 3.0)
    assert sentence(Overview(0, 0, 1, 900, 900, 0.0, None, (trained,))).startswith(
        "0/1 runs, 100 % of the transitions, evaluation left: "
    )


def test_episodes_of_trained_policies_are_a_stage_with_a_share():
    playing = Running("glide-em-k2-seed0", 1.0, 3.0, ("evaluation", 0.42))
    assert sentence(Overview(2, 0, 3, 900, 900, 50.0, 0.0, (playing,))).endswith(
        ": glide-em-k2-seed0 100 %, evaluation 42 %, welfare 3.00"
    )


def test_the_picture_has_a_row_for_the_whole_and_one_a_run():
    console = Console(file=io.StringIO(), width=120)
    console.print(picture(OVERVIEW))
    whole, first, second = console.file.getvalue().splitlines()
    assert "runs 3/10 (1 failed)" in whole
    assert "40 %" in whole
    assert "8 min left" in whole
    assert "glide-em-k2-seed0" in first
    assert "25 %, welfare 3.14" in first
    assert second.split()[0] == "glide-em-k5-seed0"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3.2, "3 s"), (100.0, "2 min"), (3600.0, "60 min"), (9000.0, "2.5 h")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


@pytest.fixture
def request_in(tmp_path):
    return request_of(tmp_path)


def test_plain_lines_come_now_and_then_and_at_every_end(request_in, monkeypatch, capsys):
    clock = iter([0.0, 1.0, 29.0, 31.0])
    monkeypatch.setattr(sweep_progress.time, "monotonic", lambda: next(clock, 100.0))
    # The clock is read when it is made, when the run starts, and then whenever nothing happens.
    progress = SweepProgress(Tracker([request_in], lambda: 0.0), Console(file=io.StringIO()))
    with progress:
        progress.started(request_in)
        progress.waiting()
        assert len(capsys.readouterr().err.splitlines()) == 1
        progress.waiting()
        assert capsys.readouterr().err.startswith("0/1 runs, 0 % of the transitions")
        progress.ended(Outcome(request_in, "no"))
    assert capsys.readouterr().err == f"1/1 {request_in.folder.name} failed\n"


def test_a_run_that_was_finished_before_is_counted_in_silence(request_in, capsys):
    tracker = Tracker([request_in])
    SweepProgress(tracker, Console(file=io.StringIO())).ended(Outcome(request_in))
    assert capsys.readouterr().err == ""
    assert tracker.look().done == 1


def test_a_terminal_gets_a_line_a_run_that_ended(request_in):
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with SweepProgress(Tracker([request_in]), console) as progress:
        progress.started(request_in)
        progress.ended(Outcome(request_in))
    assert f"1/1 {request_in.folder.name} done" in console.file.getvalue()
