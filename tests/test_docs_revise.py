"""The page on revising a run works as it stands."""

import re
from pathlib import Path

import pytest

from handful.learner.policies_file import digests_of_policies

PAGE = Path(__file__).parent.parent / "docs" / "revise.md"


@pytest.mark.usefixtures("allow_rank_promotion")
def test_a_run_is_revised_compared_and_given_to_more_users(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    for example in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(example, PAGE.name, "exec"), names)
    before, after = (digests_of_policies(names[run].policies) for run in ("first", "second"))
    assert (before[0], before[2]) == (after[0], after[2])
    assert names["longer"].evaluation.welfare >= names["first"].evaluation.welfare
    assert (tmp_path / "runs/first/before-1/evaluation.json").is_file()
    comparison = names["comparison"]
    assert comparison.sources in {(0, None, 2), (0, 1, 2)}  # or the start was not bettered
    assert comparison.welfare_difference >= 0.0
    assert comparison.verdict == "non-inferior"
    grown = names["grown"]
    assert (grown.version, grown.changes.new_users) == (1, ("new-1", "new-2"))
    assert (tmp_path / "runs/first/assignments/v1/assignment.csv").is_file()
    pool = names["pool"]
    assert pool.welfare >= names["second"].evaluation.welfare - 1e-3
    assert set(pool.members) <= set(pool.chosen_by.names)
