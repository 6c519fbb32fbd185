"""Parquet files: sound, damaged, and much larger than they look."""

import datetime as dt
import io
import subprocess
import sys

import polars as pl
import pytest

from handful._support.files import MAX_BYTES
from handful.errors import HandfulError
from handful.users import MAX_USERS, parquet
from handful.users import parquet as parquet_sizes
from handful.users.parquet import CompactReader, Damaged, read_columns, read_frame
from tests.users.damage import damaged_copies, sentences

FRAME = pl.DataFrame(
    {
        "user": [f"u{i}" for i in range(20)],
        "speed": [i / 3 for i in range(20)],
        "day": [dt.date(2026, 1, 1)] * 20,
        "ward": ["a", None] * 10,
    }
)


def written(frame, **options):
    file = io.BytesIO()
    frame.write_parquet(file, **options)
    return file.getvalue()


COMPRESSIONS = ["zstd", "snappy", "uncompressed", "gzip", "lz4"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_sizes_are_those_of_the_table(compression):
    data = written(FRAME, compression=compression, row_group_size=7)
    sizes = parquet_sizes.parquet_sizes(data)
    assert sizes.rows == 20
    assert 20 * 4 * 8 <= sizes.bytes_unpacked < 10_000
    assert read_frame(data, "It").equals(FRAME)


@pytest.mark.parametrize(
    "frame",
    [
        FRAME.clear(),
        pl.DataFrame({"x": [[1, 2], [], None], "s": [{"a": 1, "b": ["x"]}] * 3, "z": [1, 2, 3]}),
        pl.DataFrame({"b": [True, None], "c": pl.Series(["x", "y"], dtype=pl.Categorical)}),
    ],
)
def test_tables_of_all_kinds_have_sizes(frame):
    data = written(frame)
    assert parquet_sizes.parquet_sizes(data).rows == len(frame)
    assert read_frame(data, "It").equals(frame)


def test_what_repeats_is_refused_before_it_is_unpacked(monkeypatch):
    data = written(pl.DataFrame({"speed": pl.repeat(1.0, 1_000_001, eager=True)}))
    assert len(data) < 20_000
    monkeypatch.setattr(pl, "read_parquet", None)
    with pytest.raises(HandfulError, match="It has more than 1,000,000 users"):
        read_columns(data, "It")
    monkeypatch.setattr(parquet, "MAX_BYTES", 7 * 2**20)
    with pytest.raises(HandfulError, match="It holds 8 MiB, and at most"):
        read_frame(data, "It")


def test_a_long_text_that_repeats_is_refused_before_it_is_text_of_python(monkeypatch):
    data = written(pl.DataFrame({"user": ["x" * 1000] * 10_000}))
    assert len(data) < 10_000
    monkeypatch.setattr(parquet, "MAX_BYTES", 2**20)
    with pytest.raises(HandfulError, match="It holds 10 MiB"):
        read_columns(data, "It")


def test_what_pages_say_counts_where_the_footer_says_less(monkeypatch):
    monkeypatch.setattr(parquet_sizes, "_page_bytes", lambda *_: 10**6)
    assert parquet_sizes.parquet_sizes(written(FRAME)).bytes_unpacked == 4 * 10**6


@pytest.mark.parametrize("seed", range(len(COMPRESSIONS)))
def test_damaged_files_are_one_sentence(seed, capfd):
    data = written(FRAME, compression=COMPRESSIONS[seed])
    source = "The population 'users.parquet'"
    said = sentences(lambda copy: read_columns(copy, source), damaged_copies(data, 160, seed))
    assert len(said) > 80
    for sentence in said:
        assert sentence.startswith(f"{source} cannot be read (")
        assert "\n" not in sentence
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "change",
    [
        # Both once ended the whole process: a page that says it has -63 values.
        lambda sizes: {**sizes, 1: -63},
        lambda sizes: {**sizes, 1: 2**62},
    ],
)
def test_a_page_with_an_impossible_number_of_values_is_never_read(monkeypatch, change):
    monkeypatch.setattr(
        parquet_sizes,
        "_struct",
        lambda fields, field: change(fields[field]) if field == 5 else fields[field],
    )
    with pytest.raises(Damaged, match=r"size is missing or negative|another number of values"):
        parquet_sizes.parquet_sizes(written(FRAME))


def test_what_panics_say_is_held_back_and_all_else_comes_out():
    """In a process of its own: reports of failed Rust code go past Python to standard error."""
    program = """
import os
from handful.errors import HandfulError
from handful.users.parquet import _damage_told
from polars.exceptions import PanicException

with _damage_told():
    os.write(2, b"kept")
try:
    with _damage_told():
        os.write(2, b"thread panicked")
        raise PanicException("no such\\nlevel")
except HandfulError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stderr == "kept"
    assert ended.stdout.startswith("no such level")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PAR1", "does not begin and end"),
        (b"PAR1" + bytes(20), "does not begin and end"),
        (b"PAR1\xff\xff\0\0PAR1", "longer than the file"),
        (b"PAR1\x05\x02\x01\0\0\0PAR1", "an end where there should be more"),
    ],
)
def test_what_is_no_parquet_says_so(data, words):
    with pytest.raises(HandfulError, match=words):
        read_columns(data, "It")


def test_structures_by_hand():
    # Field 1: a list of -1 and 1; field 3: bytes; field 20: a structure with field 1 true.
    data = bytes([0x19, 0x25, 1, 2, 0x28, 2, 65, 66, 0x0C, 40, 0x11, 0, 0])
    reader = CompactReader(data, 0, len(data))
    assert reader.struct() == {1: [-1, 1], 3: b"AB", 20: {1: True}}
    assert reader.at == len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x15",
        b"\x19\xf5\xff\xff\x03",
        b"\x18\x7f",
        b"\x1d",
        b"\x1c" * 40,
        b"\x16" + b"\xff" * 20,
    ],
)
def test_damaged_structures_are_told(data):
    with pytest.raises(Damaged):
        CompactReader(data, 0, len(data)).struct()


def test_an_index_of_pandas_without_a_name():
    frame = pl.DataFrame({"speed": [1.0, 2.0], "__index_level_0__": [3, 5]})
    assert list(read_columns(written(frame), "It")) == ["speed"]
    frame = pl.DataFrame({"speed": [1.0, 2.0], "__index_level_0__": ["ann", "bob"]})
    with pytest.raises(HandfulError, match=r"It has an index without a name.*rename_axis\('user'"):
        read_columns(written(frame), "It")


def test_a_million_users_with_fifty_weights_pass_all_limits():
    weights = {f"weight_{i}": pl.repeat(0.5, MAX_USERS, eager=True) for i in range(50)}
    frame = pl.DataFrame({"user": pl.int_range(MAX_USERS, eager=True).cast(str), **weights})
    sizes = parquet_sizes.parquet_sizes(written(frame, compression="lz4"))
    assert sizes.rows == MAX_USERS
    assert 8 * 51 * MAX_USERS <= sizes.bytes_unpacked < MAX_BYTES
