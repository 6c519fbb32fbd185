"""Numbers in settings, and suggestions for names that are close."""

from dataclasses import dataclass

import numpy as np
import pytest

from handful.errors import HandfulError
from handful.validation import check_numbers, check_shares, did_you_mean


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


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_share_is_neither_less_than_nothing_nor_more_than_all(share):
    for fine in (0.0, 0.5, 1.0):
        check_shares(Settings(rate=fine), "rate")
    with pytest.raises(HandfulError, match=f"rate is a share, from 0 to 1, not {share}"):
        check_shares(Settings(rate=share), "count", "rate")


def test_only_close_names_are_suggested():
    assert did_you_mean("clutser", ["em", "cluster"]) == " (did you mean 'cluster'?)"
    assert did_you_mean("xyz", ["em", "cluster"]) == ""
