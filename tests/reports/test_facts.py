"""What a report says of a run's method."""

import json

import pytest

from handful.assignment import METHODS
from handful.reports.dossier import write_report
from handful.reports.facts import method_words
from handful.reports.run import read_run
from tests.reports.folders import write_run


def run_of(method, path):
    folder = write_run(path / "run", users=["a", "b"], num_policies=1)
    config = json.loads((folder / "config.json").read_text())
    config["settings"]["method"] = method
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_described(tmp_path, method):
    words = method_words(read_run(run_of(method, tmp_path)))
    assert words is not None, f"say what '{method}' does, in handful/reports/facts.py"
    assert words[0].islower()
    assert not words.endswith(".")


def test_a_method_without_a_description_has_its_name_alone(tmp_path):
    page = write_report(run_of("mine", tmp_path)).read_text(encoding="utf-8")
    assert "<strong>mine</strong>, on " in page
