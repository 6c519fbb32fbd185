import numpy as np
import pytest

from handful._support.text import count


@pytest.mark.parametrize(
    ("amount", "thing", "said"),
    [
        (0, "user", "0 users"),
        (1, "user", "1 user"),
        (np.int64(1), "policy", "1 policy"),
        (1000, "policy", "1,000 policies"),
        (1.5e6, "transition", "1,500,000 transitions"),
    ],
)
def test_one_is_said_without_an_s(amount, thing, said):
    assert count(amount, thing) == said
