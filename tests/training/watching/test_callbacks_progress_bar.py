"""What people see of a run, from reports that are known."""

import io

from rich.console import Console

from handful.training.watching.callbacks import EpisodesReport, ProgressBar, Report
from tests.training.helpers import report


def lines_of(terminal, reports, **options):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    with ProgressBar(console, **options) as bar:
        for one in reports:
            tell = bar.on_update if isinstance(one, Report) else bar.on_episodes
            tell(one)
    return out.getvalue()


def test_progress_without_a_terminal_is_a_plain_line_now_and_then():
    reports = [report(2, 5.0), report(4, 10.0), report(5, 12.0), report(8, 21.0)]
    assert lines_of(False, reports, line_every=10.0).splitlines() == [
        "update 4/10, 12,346 transitions/s, 15 s left, welfare 40.00",
        "update 8/10, 12,346 transitions/s, 5 s left, welfare 80.00",
    ]


def test_rate_and_time_left_are_unknown_before_they_are_measured():
    """The first update takes as long as its compilation, and says nothing of the others."""
    reports = [report(1, 31.0, rate=0.0), report(2, 42.0)]
    assert lines_of(False, reports, line_every=10.0).splitlines() == [
        "update 1/10, welfare 10.00",
        "update 2/10, 12,346 transitions/s, 88 s left, welfare 20.00",
    ]
    shown = lines_of(True, [report(1, 31.0, rate=0.0)])
    assert "transitions/s" not in shown
    assert "welfare 10.00" in shown


def test_progress_on_a_terminal_shows_rate_time_left_and_welfare():
    shown = lines_of(True, [report(1), report(5)])
    for part in ("training", "50%", "12,346 transitions/s", "left", "welfare 50.00"):
        assert part in shown


def test_bar_that_was_never_drawn_can_be_closed():
    assert lines_of(True, []) == ""


def test_episodes_without_a_terminal_say_how_far_they_are_and_what_is_left():
    clock = iter([50.0, 55.0, 60.0, 61.0, 80.0, 90.0])
    reports = [
        report(10, 4.0),
        *(EpisodesReport("validation", share) for share in (0.01, 0.1, 0.2, 1.0)),
        *(EpisodesReport("evaluation", share) for share in (0.01, 0.25)),
    ]
    assert lines_of(False, reports, line_every=10.0, clock=lambda: next(clock)).splitlines() == [
        "validation: 20 %, 42 s left",
        "evaluation: 25 %, 31 s left",
    ]


def test_training_that_goes_on_after_validation_has_its_lines_back():
    clock = iter([5000.0])
    reports = [EpisodesReport("validation", 0.5), report(4, 8.0), report(5, 18.0)]
    assert lines_of(False, reports, line_every=10.0, clock=lambda: next(clock)).splitlines() == [
        "update 5/10, 12,346 transitions/s, 50 s left, welfare 50.00",
    ]


def test_a_second_validation_is_not_thought_to_have_begun_with_the_first():
    """Several budgets are validated one after the other, with hardly an update between."""
    clock = iter([0.0, 5.0, 100.0, 110.0])
    reports = [EpisodesReport("validation", share) for share in (0.1, 1.0, 0.1, 0.5)]
    assert lines_of(False, reports, line_every=10.0, clock=lambda: next(clock)).splitlines() == [
        "validation: 10 %",
        "validation: 50 %, 12 s left",
    ]


def test_training_that_goes_on_from_a_stage_does_not_count_its_seconds():
    reports = [report(1, 800.0), report(2, 805.0), report(5, 820.0)]
    assert lines_of(False, reports, line_every=10.0).splitlines() == [
        "update 1/10, 12,346 transitions/s, welfare 10.00",
        "update 5/10, 12,346 transitions/s, 25 s left, welfare 50.00",
    ]


def test_episodes_on_a_terminal_have_a_bar_of_their_own():
    shown = lines_of(True, [report(10), EpisodesReport("evaluation", 0.25)])
    assert "evaluation" in shown
    assert "25%" in shown
    last = shown[shown.rindex("evaluation") :]
    assert "welfare" not in last
