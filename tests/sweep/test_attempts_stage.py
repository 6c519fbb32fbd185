"""What a trained run is at, as a file tells it."""

from handful.sweep.attempts import StageNote, attempt, path_of, stage_of
from handful.training.watching.callbacks import EpisodesReport
from tests.sweep.helpers import request_of
from tests.training.helpers import report


def test_notes_are_not_written_more_often_than_that(tmp_path):
    times = iter([0.0, 0.0, 0.9, 1.0])
    folder = tmp_path / "runs" / "one"
    assert stage_of(folder) is None
    with StageNote(folder, lambda: next(times)) as note:
        for share, noted in ((0.1, 0.1), (0.2, 0.1), (0.3, 0.3)):
            note.on_episodes(EpisodesReport("validation", share))
            assert stage_of(folder) == ("validation", noted)
    assert stage_of(folder) is None


def test_training_that_goes_on_has_no_note(tmp_path):
    folder = tmp_path / "runs" / "one"
    with StageNote(folder) as note:
        note.on_episodes(EpisodesReport("validation", 1.0))
        note.on_update(report(4))
        assert stage_of(folder) is None


def test_what_a_kill_left_is_removed(tmp_path):
    folder = tmp_path / "runs" / "one"
    path_of(folder).parent.mkdir(parents=True)
    path_of(folder).write_text('["validation", 0.5]')
    with StageNote(folder):
        assert stage_of(folder) is None


def test_a_note_that_cannot_be_read_is_none(tmp_path):
    folder = tmp_path / "runs" / "one"
    path_of(folder).parent.mkdir(parents=True)
    path_of(folder).write_text("[")
    assert stage_of(folder) is None


def test_a_run_of_a_sweep_leaves_a_note_while_its_policies_play(tmp_path, monkeypatch):
    request, seen = request_of(tmp_path), []
    told = StageNote.on_episodes

    def look(note, report):
        told(note, report)
        seen.append(stage_of(request.folder))

    monkeypatch.setattr(StageNote, "on_episodes", look)
    assert attempt(request).error is None
    assert seen[0] is not None
    assert seen[0][0] == "validation"
    assert stage_of(request.folder) is None
