import json
from pathlib import Path

import pytest

from handful._support.files import read_json, write_atomically, write_csv, write_json, write_text
from handful.errors import HandfulError
from handful.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.create({"seed": 3})
    return run


def names_in(path):
    return sorted(entry.name for entry in path.iterdir())


def test_new_folder_holds_its_settings_and_nothing_else(folder):
    assert folder.read_config()["seed"] == 3
    assert names_in(folder.path) == ["config.json"]
    assert names_in(folder.path.parent) == ["run"]


def test_missing_parents_are_made(tmp_path):
    run = RunFolder(tmp_path / "a" / "b" / "run")
    run.create({})
    assert run.config.is_file()


def test_empty_folder_may_become_a_run(tmp_path):
    RunFolder(tmp_path).create({})
    assert (tmp_path / "config.json").is_file()


def test_folder_with_something_in_it_is_left_alone(folder):
    before = folder.config.read_bytes()
    with pytest.raises(HandfulError, match=r"exists already.*handful resume"):
        folder.create({"seed": 4})
    assert folder.config.read_bytes() == before
    assert names_in(folder.path.parent) == ["run"]


def test_one_process_at_a_time_trains_into_a_folder(folder):
    half = folder.path / ".checkpoint.safetensors.7"
    with folder.hold():
        half.touch()  # of a file that is about to be put in its place
        with pytest.raises(HandfulError) as error, folder.hold():
            pass
        assert half.exists()
    assert str(error.value) == (
        f"Another process is training the run in '{folder.path}': wait until it is done, or stop "
        f"it first."
    )
    with folder.hold():  # what a kill leaves is in nobody's way, and removed
        assert names_in(folder.path) == ["config.json"]


def test_what_a_kill_leaves_of_any_file_of_a_run_is_removed(folder):
    files = {
        folder.checkpoint,
        folder.metrics,
        folder.assignment,
        folder.returns,
        folder.traces,
        folder.evaluation,
    }
    for path in files:
        path.touch()
        path.with_name(f".{path.name}.4711").touch()
    with folder.hold():
        assert names_in(folder.path) == sorted(["config.json", *(path.name for path in files)])


def test_what_is_no_run_folder_is_not_held(tmp_path):
    with pytest.raises(HandfulError, match="is not a run folder"), RunFolder(tmp_path).hold():
        pass


def test_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(HandfulError, match="exists already"):
        RunFolder(tmp_path / "run").create({})
    with pytest.raises(HandfulError, match="cannot be made"):
        RunFolder(tmp_path / "run" / "below").create({})
    assert (tmp_path / "run").read_text() == "mine"


def test_failed_creation_leaves_nothing_behind(tmp_path):
    with pytest.raises(TypeError):
        RunFolder(tmp_path / "run").create({"not json": object()})
    assert names_in(tmp_path) == []


def test_missing_run_is_named(tmp_path):
    with pytest.raises(HandfulError, match="no run folder at"):
        RunFolder(tmp_path / "nowhere").read_config()
    with pytest.raises(HandfulError, match="not a run folder"):
        RunFolder(tmp_path).read_config()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"format": 2, "se', "damaged"),
        ('{"format": 1}', "format 1, which handful 0.1 reads and this version does not"),
        ('{"format": 3}', "format 3, and this version of handful reads format 2"),
        ('{"format": "2"}', "config.json' is damaged: it does not say of which format"),
        ('{"format": true}', "config.json' is damaged: it does not say of which format"),
        ("{}", "config.json' is damaged: it does not say of which format"),
        ("[]", "config.json' is damaged: it does not say of which format"),
        ("\x00\ufffd", "damaged"),
    ],
)
def test_half_written_or_foreign_settings_are_refused(folder, text, sentence):
    folder.config.write_text(text)
    with pytest.raises(HandfulError, match=sentence):
        folder.read_config()


def test_bytes_that_are_no_text_are_refused(folder):
    folder.config.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HandfulError, match="damaged"):
        folder.read_config()


def test_run_is_finished_once_its_evaluation_is_there(folder):
    assert not folder.is_finished
    with pytest.raises(HandfulError, match="not finished"):
        folder.read_evaluation()
    folder.write_evaluation({"welfare": 90.0})
    assert folder.is_finished
    assert folder.read_evaluation()["welfare"] == 90.0


def test_metrics_of_a_run_without_any_are_empty(folder):
    assert folder.read_metrics() == []


def test_metrics_line_cut_short_by_a_kill_is_left_out(folder):
    lines = [json.dumps({"update": update}) for update in (1, 2, 3)]
    folder.metrics.write_text("\n".join(lines)[:-4])
    assert folder.read_metrics() == [{"update": 1}, {"update": 2}]


@pytest.mark.parametrize("torn", ['{"update": 2, "wel', '{"welfare": 1.0}', "[2]", "\0\0\0"])
def test_metrics_line_damaged_in_the_middle_is_named_and_not_taken_for_the_end(folder, torn):
    first, third = json.dumps({"update": 1}), json.dumps({"update": 3})
    folder.metrics.write_text(f"{first}\n\n{torn}\n{third}\n")
    with pytest.raises(HandfulError) as error:
        folder.read_metrics()
    assert str(error.value) == (
        f"'{folder.metrics}' is damaged in line 3, which is no record of an update: remove that "
        f"line, and nothing else is lost."
    )
    folder.metrics.write_text(f"{first}\n{third}\n{torn}\n")
    assert folder.read_metrics() == [{"update": 1}, {"update": 3}]


def test_metrics_with_bytes_that_are_no_text_are_damaged_too(folder):
    folder.metrics.write_bytes(b'{"update": 1}\n\xff\xfe\n{"update": 3}\n')
    with pytest.raises(HandfulError, match="damaged in line 2"):
        folder.read_metrics()


def test_a_run_that_goes_on_has_all_the_metrics_that_can_be_read(folder):
    folder.metrics.write_text('{"update": 1}\n{"upd\n{"update": 3}\n{"update": 4}\n{"update": 5')
    assert folder.salvage_metrics(3) == [{"update": 1}, {"update": 3}]
    assert folder.salvage_metrics(0) == []


def test_old_file_stays_when_writing_fails(tmp_path):
    target = tmp_path / "file"
    write_text(target, "old")

    def fail(temporary):
        temporary.write_text("half of the n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, fail)
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_that_other_tools_cannot_read_is_never_written(tmp_path, value):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"value": value})
    assert names_in(tmp_path) == []


def test_json_comes_back(tmp_path):
    write_json(tmp_path / "x.json", {"häufig": [1, 2.5, None]})
    assert read_json(tmp_path / "x.json") == {"häufig": [1, 2.5, None]}
    with pytest.raises(HandfulError, match="cannot be read"):
        read_json(tmp_path / "y.json")


def test_csv_quotes_what_needs_it(tmp_path):
    write_csv(tmp_path / "x.csv", ["user", "return"], [['a "b", c', 1.5], ["d", 2]])
    text = (tmp_path / "x.csv").read_text()
    assert text == 'user,return\n"a ""b"", c",1.5\nd,2\n'


@pytest.mark.parametrize("place", [".", "link", "dangling"])
def test_an_empty_folder_that_is_there_is_used_as_it_is(tmp_path, monkeypatch, place):
    (tmp_path / "work").mkdir()
    (tmp_path / "empty/lost+found").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    Path("link" if place == "link" else "../link").symlink_to(tmp_path / "empty")
    if place == "dangling":
        Path("dangling").symlink_to(tmp_path / "new")
    folder = RunFolder(place)
    folder.create({"settings": {}})
    assert folder.read_config()["settings"] == {}
    if place != ".":
        assert Path(place).is_symlink()
    folder.remove()
    assert not folder.config.exists()
