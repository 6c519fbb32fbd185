"""A frontier's folder: what is read is checked, and no path is taken from a file."""

import json
import shutil

import pytest

from handful.errors import HandfulError
from handful.frontier.folder import FrontierFolder
from tests.frontier.frontiers import a_frontier, change, write_frontier


@pytest.fixture
def folder(tmp_path):
    return write_frontier(tmp_path / "out")


def test_what_was_written_is_read(folder):
    frontier, record = folder.read()
    assert frontier == a_frontier()
    assert (record["problem"], record["transitions"]) == ("glide", 123_456)
    assert folder.table.read_text().splitlines() == ["policies", "1", "2", "5", "10"]
    assert folder.run(5).name == "k-05"
    assert folder.run(100).name == "k-100"


def test_a_folder_without_a_frontier(tmp_path):
    with pytest.raises(HandfulError, match="has no frontier yet"):
        FrontierFolder(tmp_path).read()


def test_a_changed_record(folder):
    record = json.loads(folder.record.read_text())
    record["frontier"]["points"][0]["welfare"]["value"] = 99.0
    folder.record.write_text(json.dumps(record))
    with pytest.raises(HandfulError, match="was changed after the frontier was measured"):
        folder.read()


def test_another_format(folder):
    change(folder.path, lambda record: record.update(format=9))
    with pytest.raises(HandfulError, match="is of format 9"):
        folder.read()


def drop_a_count(record):
    record["frontier"]["points"][1]["users_per_policy"].pop()


@pytest.mark.parametrize(
    "edit",
    [
        lambda record: record["frontier"].pop("steps"),
        lambda record: record["frontier"]["points"].reverse(),
        lambda record: record["frontier"]["steps"].pop(),
        lambda record: record["frontier"]["points"][0].update(num_policies="../.."),
        lambda record: record["frontier"]["points"][0].update(num_policies=0),
        lambda record: record["frontier"].update(points=[], steps=[]),
        lambda record: record["runs"].pop("5"),
        lambda record: record["runs"].update({"../../secret": "0"}),
        drop_a_count,
    ],
)
def test_a_damaged_record_is_one_sentence(folder, edit):
    change(folder.path, edit)
    with pytest.raises(HandfulError, match=r"frontier\.json' is damaged or of another version"):
        folder.read()


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format": 1}', "{"])
def test_other_content_is_one_sentence(folder, text):
    folder.record.write_text(text)
    with pytest.raises(HandfulError, match=r"frontier\.json' is damaged"):
        folder.read()


def test_the_evaluation_of_a_budget_that_is_not_the_one(folder):
    shutil.copy(folder.run(1) / "evaluation.json", folder.run(2) / "evaluation.json")
    with pytest.raises(HandfulError, match=r"k-02/evaluation\.json' is not the evaluation that"):
        folder.read()


def test_runs_that_were_left_behind_are_no_fault(folder):
    shutil.rmtree(folder.run(5))
    assert folder.read()[0].budgets == (1, 2, 5, 10)
