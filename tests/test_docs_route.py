"""The page on new users works as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).parent.parent / "docs" / "route.md"


@pytest.mark.usefixtures("allow_rank_promotion")
def test_new_users_are_given_policies_of_a_bundle(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    for example in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(example, PAGE.name, "exec"), names)
    assert names["routes"].users == ("ann", "bob")
    assert set(names["routes"].policy.tolist()) <= {-1, 0, 1, 2}
    assert sorted(names["chosen"].tolist()) == [0, 1, 2]
    assert (names["belief"].probabilities <= 1.0 + 1e-9).all()
    weights = names["problem"].population.coefficients
    np.testing.assert_allclose(names["router"].prior[: len(weights)], weights)
    assert np.isfinite(names["belief"].regret)
