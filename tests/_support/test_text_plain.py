from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from handful._support.text import is_json, plain, shown

BODY = {"mass": 1, "joints": None}


class Bound(NamedTuple):
    low: float


@dataclass
class Body:
    mass: Any
    joints: Any = None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.arange(4.0).reshape(2, 2), [[0.0, 1.0], [2.0, 3.0]]),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (jnp.array([1, 2]), [1, 2]),
        ({"a": (np.int64(1), Path("x"))}, {"a": [1, "x"]}),
        (Body(np.ones(2), (Body(1), Bound(0.0))), {"mass": [1, 1], "joints": [BODY, [0.0]]}),
        ("text", "text"),
        (None, None),
    ],
)
def test_values_are_made_plain(value, expected):
    assert plain(value) == expected
    assert is_json(plain(value))
    assert type(plain(np.float32(0.5))) is float


def test_what_json_cannot_hold_stays_and_is_told():
    itself = []
    itself.append(itself)
    for value in (print, Body, float("nan"), {(1, 2): 3}, itself):
        assert not is_json(value)
    assert plain(print) is print
    assert plain(Body) is Body


def test_readers_are_shown_json_or_what_python_shows():
    assert shown(np.arange(2)) == [0, 1]
    assert shown(float("inf")) == "inf"
    assert shown(print) == repr(print)
