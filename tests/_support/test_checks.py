"""Numbers in settings, and suggestions for names that are close."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Optional

import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from handful._support.checks import (
    check_kind,
    check_numbers,
    check_seed,
    check_shares,
    did_you_mean,
    number_array,
)
from handful.errors import HandfulError


@dataclass(frozen=True)
class Settings:
    count: int = 1
    rate: float = 0.5
    on: bool = True
    name: str = "any"
    limit: int | None = None
    sizes: tuple[int, ...] = (1,)


def checked(**changes):
    settings = Settings(**changes)
    check_numbers(settings)
    return settings


def test_numbers_of_other_libraries_become_plain_ones():
    settings = checked(count=np.int64(3), rate=np.float32(0.25))
    assert (type(settings.count), settings.count) == (int, 3)
    assert (type(settings.rate), settings.rate) == (float, 0.25)
    assert type(checked(rate=2).rate) is float
    assert (checked(limit=np.int64(3)).limit, checked().limit) == (3, None)


@pytest.mark.parametrize(
    "wrong",
    [{"count": 1.5}, {"count": True}, {"rate": "fast"}, {"on": 1}, {"count": None}, {"limit": 0.5}],
)
def test_other_values_are_refused_by_name(wrong):
    with pytest.raises(HandfulError, match=f"^{next(iter(wrong))} must be"):
        checked(**wrong)


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), np.float32("inf")])
def test_numbers_that_are_not_finite_are_refused_by_name(value):
    with pytest.raises(HandfulError, match=rf"^rate must be finite, not {value}\.$"):
        checked(rate=value)


PAIRS = tuple[tuple[int, int], ...]


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (np.int64(3), int),
        (3, float),
        (np.float32(0.5), float),
        (None, int | None),
        (3, Optional[int]),  # noqa: UP045
        ("fast", str),
        (Path("a.npz"), str),
        ([4, 2], tuple[int, int] | None),
        (np.array([4, 2]), tuple[int, int]),
        (((0, 1), [2, 3]), PAIRS),
        ((), PAIRS),
        (np.linspace(0, 1, 3), Sequence[float]),
        (pl.Series([1.0]), Sequence[float] | None),
        ({"a": 1}, Mapping[str, Any]),
        ("whatever", Any),
        (len, str | Sequence[str] | None),  # more than one kind: the taker knows
        (5, Settings),
        (5, "int of a module that nobody imported"),
    ],
)
def test_what_an_annotation_asks_for_is_taken(value, annotation):
    check_kind("x", value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation", "sentence"),
    [
        ("abc", int, "a whole number, not 'abc'"),
        (2.0, int, "a whole number, not 2.0"),
        (True, int, "a whole number, not True"),
        (None, int, "a whole number, not None"),
        ("fast", float | None, "a number, not 'fast'"),
        (1, bool, "true or false, not 1"),
        (123, str, "text, not 123"),
        (5, tuple[int, int] | None, "a list like [1, 1], not 5"),
        ((1,), tuple[int, int], "a list like [1, 1], not (1,)"),
        ("ab", tuple[int, int], "a list like [1, 1], not 'ab'"),
        ((1, 2), PAIRS, "a list like [[1, 1], [1, 1]], not (1, 2)"),
        (5, Sequence[float], "a list like [0.5, 0.5], not 5"),
        ("a", Sequence[str], 'a list like ["name", "name"], not \'a\''),
        (5, Sequence[Sequence[float]], "a list like [[0.5, 0.5], [0.5, 0.5]], not 5"),
        (5, Mapping[str, Any] | None, 'a mapping like {"name": 1}, not 5'),
        (np.array(5), Sequence[float], "a list like [0.5, 0.5], not array(5)"),
    ],
)
def test_what_an_annotation_does_not_ask_for_is_refused(value, annotation, sentence):
    with pytest.raises(HandfulError) as error:
        check_kind("x", value, annotation)
    assert str(error.value) == f"x must be {sentence}."


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_share_is_neither_less_than_nothing_nor_more_than_all(share):
    for fine in (0.0, 0.5, 1.0):
        check_shares(Settings(rate=fine), "rate")
    with pytest.raises(HandfulError, match=f"rate is a share, from 0 to 1, not {share}"):
        check_shares(Settings(rate=share), "count", "rate")


@pytest.mark.parametrize("seed", [-1, -2, 2**32])
def test_a_seed_has_32_bits_and_no_sign(seed):
    for fine in (0, 2**32 - 1):
        check_seed(fine)
    with pytest.raises(HandfulError) as error:
        check_seed(seed)
    assert str(error.value) == f"The seed must be between 0 and 2^32 - 1, not {seed}."


def test_only_close_names_are_suggested():
    assert did_you_mean("clutser", ["em", "cluster"]) == " (did you mean 'cluster'?)"
    assert did_you_mean("xyz", ["em", "cluster"]) == ""
    many = ["cluster", *map(str, range(10_000))]
    assert did_you_mean("clutser", many) == ""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[1, 2.5]], [[1.0, 2.5]]),
        ([True, False], [True, False]),
        ([1, None, Decimal("2.5"), Fraction(1, 4)], [1.0, np.nan, 2.5, 0.25]),
        (jnp.asarray([0.5], jnp.bfloat16), [0.5]),
    ],
)
def test_numbers_become_an_array(values, expected):
    np.testing.assert_array_equal(number_array(values), np.array(expected))


@pytest.mark.parametrize(
    "values",
    [
        ["1"],
        ["1_5"],
        [1, "2"],
        [1j],
        np.array(["2026-01-02"], "datetime64[D]"),
        np.array([5], "timedelta64[s]"),
        np.array([(1, 2)], "i4,i4"),
        [b"1"],
        [object()],
    ],
)
def test_what_numpy_would_make_a_number_of_is_none(values):
    with pytest.raises(TypeError):
        number_array(values)


def test_lists_of_other_lengths_are_no_array():
    with pytest.raises(ValueError, match="inhomogeneous"):
        number_array([[1], [1, 2]])
