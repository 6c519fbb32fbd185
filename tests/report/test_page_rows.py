"""What a report says of a run's method."""

import json

import pytest

from handful.methods import METHODS
from handful.report.page import write_report
from handful.report.page_rows import alternative_rows, method_words
from handful.report.run import read_run
from tests.report.folders import write_run
from tests.sealing import seal


def run_of(method, path, num_policies=2, **evaluation):
    folder = write_run(path / "run", users=["a", "b"], num_policies=num_policies, **evaluation)
    config = json.loads((folder / "config.json").read_text())
    config["settings"]["method"] = method
    if method in METHODS:
        config["method_summary"] = METHODS[method].info.summary
    (folder / "config.json").write_text(json.dumps(config))
    seal(folder)
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_described(tmp_path, method):
    words = method_words(read_run(run_of(method, tmp_path)))
    assert words is not None, f"say what '{method}' does, in the summary of its info"
    assert words[0].islower()
    assert not words.endswith(".")


def test_a_method_without_a_description_has_its_name_alone(tmp_path):
    page = write_report(run_of("mine", tmp_path)).read_text(encoding="utf-8")
    assert "<strong>mine</strong>, on " in page


NEVER = {"kind": "never-moved", "message": "Nobody was <moved>.", "advice": "Train longer."}


def test_a_method_that_moved_nobody_is_not_said_to_have_moved_users(tmp_path):
    moved = method_words(read_run(run_of("em", tmp_path / "moved")))
    never = method_words(read_run(run_of("em", tmp_path / "never", findings=[NEVER])))
    assert moved is not None
    assert never == f"{moved}; in this run training never moved anybody"


@pytest.mark.parametrize("method", ["em", "cluster", "pooled-em"])
def test_with_one_policy_no_method_assigns_anybody(tmp_path, method):
    words = method_words(read_run(run_of(method, tmp_path, num_policies=1)))
    assert words == "with a single policy, which is trained for all users together"


def test_findings_stand_before_the_numbers(tmp_path):
    page = write_report(run_of("em", tmp_path, findings=[NEVER])).read_text(encoding="utf-8")
    finding = page.index("<strong>Nobody was &lt;moved&gt;.</strong> Train longer.")
    assert finding < page.index('<dl class="headline">')


def test_a_run_without_findings_has_no_such_section(tmp_path):
    page = write_report(run_of("em", tmp_path, findings=[])).read_text(encoding="utf-8")
    assert "What to know of this run" not in page


def test_the_page_shows_other_assignments_beside_the_one_handed_out(tmp_path):
    alternative = {"welfare": 5.25, "gain": -1.5, "gain_stderr": 0.25, "users_moved": 1200}
    names = ("as_trained", "by_validation", "one_policy", "reassigned")
    folder = run_of(
        "em", tmp_path, alternatives=dict.fromkeys(names, alternative), assigned_by="validation"
    )
    rows = alternative_rows(read_run(folder).results)
    assert [row.assignment for row in rows] == [
        "as the method left it",
        "as validation would assign",
        "one policy for everybody",
        "everybody's best policy",
    ]
    assert rows[0][1:] == ("5.25", "-1.50 ± 0.25", "1,200")
    page = write_report(folder).read_text(encoding="utf-8")
    assert "was decided by validation episodes" in page
    assert "<td>-1.50 ± 0.25</td>" in page


def test_a_method_of_somebody_else_is_described_by_its_own_sentence(tmp_path):
    folder = run_of("mine", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["method_summary"] = "groups of <friends>"
    (folder / "config.json").write_text(json.dumps(config))
    seal(folder)
    page = write_report(folder).read_text(encoding="utf-8")
    assert "<strong>mine</strong> (groups of &lt;friends&gt;), on " in page
