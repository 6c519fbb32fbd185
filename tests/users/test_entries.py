"""Entries of DataFrames mean what they mean in a CSV file."""

import datetime as dt
import decimal
import enum
import fractions
import uuid

import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from handful.errors import HandfulError
from handful.users import Column, read_table, read_users
from handful.users.entries import plain_entry, text_of

DAY = dt.date(2026, 1, 2)
MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5)


class Ward(enum.Enum):
    NORTH = "north"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (DAY, "2026-01-02"),
        (MOMENT, "2026-01-02 03:04:05"),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (np.datetime64("2026-01-02T03:04:05.250000000"), "2026-01-02 03:04:05.25"),
        (np.datetime64("2026-01-02T03:00:00.000000000"), "2026-01-02 03:00:00"),
        (np.datetime64("NaT"), None),
        (dt.timedelta(seconds=90), "0:01:30"),
        (np.timedelta64(90, "s"), "90 seconds"),
        (dt.time(3, 4), "03:04:00"),
        (decimal.Decimal("1.50"), "1.50"),
        (decimal.Decimal("NaN"), None),
        (fractions.Fraction(1, 4), 0.25),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("ann"), "ann"),
        (np.bytes_(b"ann"), "ann"),
        (np.ma.masked, None),
        (b"Zo\xc3\xab", "Zoë"),
        (Ward.NORTH, "north"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (jnp.asarray(3), 3),
        (None, None),
    ],
)
def test_entries_by_hand(value, plain):
    assert plain_entry(value) == plain
    assert type(plain_entry(value)) is type(plain)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (1 + 2j, "a complex number"),
        (np.complex64(1j), "a complex number"),
        (b"\xff", "bytes that are no text in UTF-8"),
        ([1, 2], "several values at once"),
        ({"x": 1}, "several values at once"),
        (np.ones(2), "several values at once"),
        (object(), "an object of type object"),
        (len, "an object of type builtin_function_or_method"),
        pytest.param(10**5000, "a number of too many digits", id="digits"),
    ],
)
def test_what_is_no_single_value_is_refused(value, what):
    with pytest.raises(ValueError, match=what):
        plain_entry(value)
    with pytest.raises(HandfulError, match=rf"has {what} in column 'speed' of row 2: every entry"):
        read_table({"speed": [1, value]})


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (np.nan, ""), (7.0, "7"), (7.5, "7.5"), (" a ", "a"), (True, "True"), (7, "7")],
)
def test_names_by_hand(value, text):
    assert text_of(value) == text


TIMES = {
    "day": [DAY, None],
    "moment": [MOMENT, MOMENT],
    "lasting": [dt.timedelta(days=1), dt.timedelta(0)],
}


@pytest.mark.parametrize("suffix", ["frame", "parquet"])
def test_dates_and_durations_are_labels_and_no_weights(tmp_path, suffix):
    frame = pl.DataFrame({"speed": [1.0, 2.0], **TIMES})
    source = frame
    if suffix == "parquet":
        source = tmp_path / "users.parquet"
        frame.write_parquet(source)
    users = read_users(source, None)
    assert list(users.numbers) == ["speed"]
    assert {name: list(texts) for name, texts in users.labels.items()} == {
        "day": ["2026-01-02", ""],
        "moment": ["2026-01-02 03:04:05"] * 2,
        "lasting": ["1 day, 0:00:00", "0:00:00"],
    }
    with pytest.raises(HandfulError, match="'2026-01-02' in column 'day' of row 1: these must be"):
        read_users(source, [Column("day")])


@pytest.mark.parametrize(
    "values", [np.array([1j, 2]), [1.0, 2j], pl.Series([1, 2j], dtype=pl.Object)]
)
def test_complex_numbers_are_refused_and_lose_no_part(values):
    with pytest.raises(HandfulError, match="a complex number in column 'speed' of row"):
        read_users({"speed": values}, None)


def test_booleans_are_labels_as_in_a_csv():
    users = read_users(pl.DataFrame({"speed": [1.0, 2.0], "member": [True, None]}), None)
    assert list(users.labels["member"]) == ["True", ""]
    with pytest.raises(HandfulError, match="has True in column 'member' of row 1"):
        read_users({"member": np.array([True])}, [Column("member")])


def test_columns_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "speed": pandas.array([1, 2], dtype="Int64"),
            "user": pandas.array([7, 8], dtype="Int64"),
            "group": pandas.array([2**60 + 1, None], dtype="Int64"),
            "day": pandas.to_datetime(["2026-01-02", None]),
            "zone": pandas.to_datetime(["2026-01-02"] * 2).tz_localize("Europe/Berlin"),
            "ward": pandas.Categorical(["north", "south"]),
            "member": pandas.array([True, None], dtype="boolean"),
        }
    )
    users = read_users(frame, [Column("speed")])
    assert users.user_ids == ("7", "8")
    assert users.numbers["speed"].tolist() == [1.0, 2.0]
    assert {name: list(texts) for name, texts in users.labels.items()} == {
        "group": ["1152921504606846977", ""],
        "day": ["2026-01-02 00:00:00", ""],
        "zone": ["2026-01-02 00:00:00+01:00"] * 2,
        "ward": ["north", "south"],
        "member": ["True", ""],
    }


def test_columns_of_polars_and_numpy():
    frame = pl.DataFrame(
        {
            "speed": pl.Series(["1.50", "2.00"]).cast(pl.Decimal(9, 2)),
            "ward": pl.Series(["north", "south"], dtype=pl.Categorical),
            "group": [2**60 + 1, None],
            "nothing": [None, None],
        }
    )
    users = read_users(frame, [Column("speed")])
    assert users.numbers["speed"].tolist() == [1.5, 2.0]
    assert {name: list(texts) for name, texts in users.labels.items()} == {
        "ward": ["north", "south"],
        "group": ["1152921504606846977", ""],
        "nothing": ["", ""],
    }
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    with pytest.raises(HandfulError, match="nan in column 'speed' of row 2"):
        read_users({"speed": masked}, [Column("speed")])


ODD = {
    "user": [np.int64(7), 8.0],
    "group_a": np.array([0.1, 0.2], np.float32),
    "group_b": [np.inf, None],
    "speed": [decimal.Decimal("1.5"), 2],
    "day": [DAY, np.datetime64("NaT")],
    "member": np.array([True, False]),
}


def test_a_table_means_the_same_when_it_comes_back_from_a_run():
    users = read_users(ODD, [Column("speed")])
    again = read_users(users.table.to_dict(), [Column("speed")])
    assert again.user_ids == users.user_ids == ("7", "8")
    assert again.numbers["speed"].tolist() == [1.5, 2.0]
    assert {name: list(texts) for name, texts in again.labels.items()} == {
        name: list(texts) for name, texts in users.labels.items()
    }
