"""The examples in the documentation run as they stand, and the reference is complete."""

import re
from pathlib import Path

import pytest

import handful

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.usefixtures("allow_rank_promotion")
def test_the_environment_in_jax_trains_policies_apart():
    text = (DOCS / "jax-environments.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = {"__name__": "example"}
    exec(compile(example, "jax-environments.md", "exec"), names)
    result = names["result"]
    # The cold two share a policy, and so do the warm two.
    first = result.assignment[0]
    assert list(result.assignment) == [first, first, 1 - first, 1 - first]
    # 24 steps at the target would earn 24; any one temperature for all of them less than 11.
    assert 13.0 < result.evaluation.welfare < 24.0


def test_the_reference_has_every_public_name_once():
    pages = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    named = re.findall(r"^::: handful\.(\w+)$", pages, flags=re.MULTILINE)
    assert sorted(named) == sorted(handful.__all__)


def test_the_overview_of_the_reference_names_everything():
    overview = (DOCS / "reference" / "index.md").read_text()
    missing = [name for name in handful.__all__ if f"[handful.{name}]" not in overview]
    assert missing == []
