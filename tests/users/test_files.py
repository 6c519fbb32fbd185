"""What is read: people's files as they are, and one sentence where they cannot be."""

import json

import numpy as np
import polars as pl
import pytest

from handful.errors import HandfulError
from handful.users import csv_text, read_table, table


@pytest.fixture
def file(tmp_path):
    def write(content, name="users.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


PLAIN = {"user": ["ann", "bob"], "speed": ["1.5", "2"]}


@pytest.mark.parametrize(
    "content",
    [
        "user,speed\nann,1.5\nbob,2\n",
        "user,speed\r\nann,1.5\r\nbob,2\r\n",
        "\ufeffuser, speed \n ann,1.5\n\n\nbob ,2",
        "user;speed\nann;1,5\nbob;2\n",
        "user\tspeed\nann\t1.5\nbob\t2\n",
        "user,speed,\nann,1.5,\nbob,2,\n,,\n",
        "\n\nuser,speed\n'ann',1.5\nbob,2\n".replace("'", '"'),
        "user,speed\nann,1.5\nbob,2\n".encode("utf-16"),
    ],
    ids=["plain", "windows", "untidy", "semicolons", "tabs", "spare", "late", "utf-16"],
)
def test_people_save_the_same_table_in_many_ways(file, content):
    assert read_table(file(content)).to_dict() == PLAIN


def test_rows_are_found_by_their_line(file):
    table = read_table(file('user,note\nann,"two\nlines"\n\nbob,\n'))
    assert [table.where(row) for row in range(2)] == ["line 3", "line 5"]
    assert table.columns["note"] == ["two\nlines", ""]
    assert read_table({"a": [1, 2]}).where(1) == "row 2"


def test_only_columns_of_numbers_lose_their_comma(file):
    table = read_table(file("a;b;user;group\n-1,25;no,5;1,5;2,5\n1,5E-02;2,5;1.5;\n"))
    assert table.to_dict() == {
        "a": ["-1.25", "1.5E-02"],
        "b": ["no,5", "2,5"],
        "user": ["1,5", "1.5"],
        "group": ["2,5", ""],
    }


class Frame:
    """A DataFrame as far as handful is concerned."""

    columns = ("user", "speed")

    def __getitem__(self, name):
        return {"user": np.array(["ann", "bob"], object), "speed": np.array([1.5, 2.0])}[name]


def test_frames_mappings_and_parquet_give_the_same(tmp_path):
    frame = pl.DataFrame({"user": ["ann", "bob"], "speed": [1.5, 2.0]})
    frame.write_parquet(tmp_path / "users.parquet")
    frame.write_parquet(tmp_path / "named-wrongly.csv")
    expected = {"user": ["ann", "bob"], "speed": [1.5, 2.0]}
    sources = (frame, Frame(), expected, tmp_path / "users.parquet", tmp_path / "named-wrongly.csv")
    for source in sources:
        table = read_table(source)
        assert table.to_dict() == expected
        assert read_table(table) is table


def test_pandas_frames_are_read_too():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"user": ["ann", None], "speed": [1, None]})
    assert read_table(frame).to_dict() == {"user": ["ann", None], "speed": [1.0, None]}


def test_what_a_table_holds_goes_into_json_and_back():
    odd = np.array([np.float64(2.5), np.datetime64("2026-01-02"), float("nan")], object)
    stored = json.loads(json.dumps(read_table({"odd": odd}).to_dict(), allow_nan=False))
    assert stored == {"odd": [2.5, "2026-01-02", None]}
    assert read_table(stored).to_dict() == stored


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty: its first line must name the columns"),
        ("\n \n", "is empty"),
        ("user,speed\n", "has no users"),
        ("user,speed\n,,,\n", "has no users"),
        ("user,speed\nann,1,2\n", "has 3 entries in line 2, and its first line names 2 columns"),
        ("user,speed,speed\nann,1,2\n", "has two columns named 'speed'"),
        ("user,,speed\nann,x,1\n", "has no name for column 2"),
        ('user,speed\nbob,1\n"ann,1\ncleo,2\n', "cannot be read from line 3 on (unexpected end"),
        (b"user,town\nann,K\xc3\xb6ln\nbob,K\xf6ln\n", "(column 'town' of line 3 is not in UTF-8)"),
        (b"user;caf\xe9\n", "(column 'caf\xe9' of line 1 is not in UTF-8)"),
        (b"\x89\xa0\x01\x02,\xff", "cannot be read (line 1 is not in UTF-8)"),
        ("user,speed\nann,1\n".encode("utf-16-le"), "(it is no text): save it as CSV in UTF-8"),
        ("user,speed\nann,1\n".encode("utf-16")[:-1], "(it is damaged UTF-16): save it as CSV"),
        (b"PK\x03\x04\x00\x00spreadsheet", "(it is no text): save it as CSV"),
        (b"PAR1 no more", "cannot be read"),
    ],
)
def test_a_bad_file_is_one_sentence(file, content, sentence):
    path = file(content)
    with pytest.raises(HandfulError) as error:
        read_table(path)
    assert sentence in str(error.value)
    assert f"The population '{path}'" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file_and_no_table(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(HandfulError, match="cannot be read"):
            read_table(path)
    with pytest.raises(HandfulError, match=r"a DataFrame or a mapping.*not a int"):
        read_table(5)
    with pytest.raises(HandfulError, match="2 rows in column 'a' and 1 in 'b'"):
        read_table({"a": [1, 2], "b": [1]})


@pytest.mark.parametrize("column", [3, "12", {"ann": 1}, {1, 2}, np.array(3.0), np.ones((2, 2))])
def test_a_column_is_a_list(column):
    with pytest.raises(HandfulError, match="a list with one entry for each user as column 'speed'"):
        read_table({"speed": column})


@pytest.mark.parametrize(
    "towns",
    [[["ann"], ["bob", "cem"]], [{"x": 1}, {"x": 2}], pl.Series([[1, 2], [3, 4]])],
)
def test_an_entry_is_a_single_value(tmp_path, towns):
    frame = pl.DataFrame({"speed": [1, 2], "town": towns})
    frame.write_parquet(tmp_path / "users.parquet")
    for source in (frame, {"town": list(towns)}, tmp_path / "users.parquet"):
        with pytest.raises(HandfulError, match="several values at once in column 'town' of row 1"):
            read_table(source)


def test_a_frame_may_name_each_column_once():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(HandfulError, match="two columns named 'speed': rename one of them"):
        read_table(pandas.DataFrame([[1, 2], [3, 4]], columns=["speed", "speed"]))
    with pytest.raises(HandfulError, match="two columns named '1'"):
        read_table({1: ["a"], "1": ["b"]})


@pytest.mark.parametrize("rows", [3, 4])
def test_there_are_too_many_users_at_some_point(file, monkeypatch, rows):
    monkeypatch.setattr(table, "MAX_USERS", 3)
    monkeypatch.setattr(csv_text, "_CHUNK", 2)
    path = file("speed\n" + "1\n" * rows)
    columns = {"speed": [1.0] * rows}
    if rows == 3:
        assert read_table(path).columns["speed"] == ["1"] * 3
        assert read_table(columns).num_users == 3
        return
    with pytest.raises(HandfulError, match=r"users.csv' has more than 3 users \(at line 5\)"):
        read_table(path)
    with pytest.raises(HandfulError, match=r"more than 3 users \(at row 4\)"):
        read_table(columns)


def test_a_million_rows(file):
    path = file("user,speed\n" + "".join(f"u{i},{i}\n" for i in range(1_000_000)))
    table = read_table(path)
    assert table.num_users == 1_000_000
    assert table.columns["speed"][-1] == "999999"
    assert table.where(999_999) == "line 1000001"


def test_the_index_of_a_frame_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"user": ["ann", "bob"], "clinic": ["n", "s"], "speed": [1.0, 2.0]})
    expected = {"user": ["ann", "bob"], "clinic": ["n", "s"], "speed": [1.0, 2.0]}
    for index in ("user", ["user", "clinic"]):
        assert read_table(frame.set_index(index)).to_dict() == expected
    assert read_table(frame.iloc[1:]).to_dict() == {
        name: values[1:] for name, values in expected.items()
    }
    with pytest.raises(HandfulError, match=r"an index without a name.*rename_axis\('user'\)"):
        read_table(frame.rename(index=str))
    with pytest.raises(HandfulError, match="two columns named 'user'"):
        read_table(frame.set_index("user", drop=False))


class Arrow:
    """A table of Arrow, whose ``columns`` are the columns themselves."""

    column_names = ("user", "speed")
    columns = (np.array(["ann"], object), np.array([1.5]))

    def __getitem__(self, name):
        return self.columns[self.column_names.index(name)]


def test_other_frames(tmp_path):
    assert read_table(Arrow()).to_dict() == {"user": ["ann"], "speed": [1.5]}
    with pytest.raises(HandfulError, match=r"call collect\(\) on the LazyFrame first"):
        read_table(pl.LazyFrame({"speed": [1.0]}))
