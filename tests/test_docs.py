"""The examples in the documentation run as they stand."""

import re
from pathlib import Path

import pytest

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
