"""The page on serving works as it stands."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "serve.md"


@pytest.mark.usefixtures("allow_rank_promotion")
def test_a_bundle_is_served_and_asked(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    for example in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(example, PAGE.name, "exec"), names)
    answer, bundle = names["answer"], names["bundle"]
    assert (answer["bundle"], answer["id"]) == (bundle.digest, 17)
    assert answer["policy"] == bundle.policy_of(names["user"])
    assert (tmp_path / "audit.jsonl").read_text().count("\n") == 1
