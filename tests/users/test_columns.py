"""Which columns are numbers, names and labels; one sentence for each way to get them wrong."""

import numpy as np
import polars as pl
import pytest

from handful.errors import HandfulError
from handful.users import Column, find_column, read_names, read_table, read_users
from handful.users.files import UserTable

SPEED = Column("top_speed", "speeds in m/s", low=0.0)


def test_numbers_names_and_labels():
    users = read_users(
        {
            "Top Speed": ["1.5", "2"],
            "ID": ["007", " 7"],
            "clinic": ["north", ""],
            "group_age": ["44", "31"],
            "label": [1.0, 2.5],
        },
        [SPEED, Column("patience", default=3.0)],
    )
    np.testing.assert_array_equal(users.numbers["top_speed"], [1.5, 2.0])
    np.testing.assert_array_equal(users.numbers["patience"], [3.0, 3.0])
    assert users.user_ids == ("007", "7")
    assert {name: list(values) for name, values in users.labels.items()} == {
        "clinic": ["north", ""],
        "group_age": ["44", "31"],
        "label": ["1", "2.5"],
    }


@pytest.mark.parametrize("name", ["top_speed", "Top Speed", "TOP-SPEED", " top  speed "])
def test_names_are_the_same_however_they_are_written(name):
    assert read_users({name: [1.0]}, [SPEED]).numbers["top_speed"] == 1.0


def test_without_names_there_are_none():
    users = read_users(pl.DataFrame({"top_speed": [1, 2]}), [SPEED])
    assert users.user_ids == ()
    assert users.labels == {}


def test_names_and_a_column_are_found_in_a_table_with_anything_else():
    table = read_table({"ID": [2.0, 1.0], " Policy": ["0", "1"], "return": [3.5, 4.5]})
    assert read_names(table) == ("2", "1")
    assert find_column(table, "policy") == " Policy"
    assert read_names(read_table({"policy": [0]})) == ()


def test_names_that_occur_twice_and_columns_that_are_not_there_are_refused():
    table = read_table({"user": ["a", "b", "a"], "polcy": [0, 1, 0]})
    with pytest.raises(HandfulError, match=r"'a' again, as in row 1, in column 'user' of row 3"):
        read_names(table)
    with pytest.raises(HandfulError, match=r"no column 'policy' \(did you mean 'polcy'\?\)"):
        find_column(table, "policy")


def test_all_columns_of_numbers_may_be_meant():
    table = {"b": [1, 2], "user": [1, 2], "a": ["3", "4"], "town": ["x", "y"], "group": [1, 2]}
    users = read_users(table, None)
    assert list(users.numbers) == ["b", "a"]
    assert users.user_ids == ("1", "2")
    assert list(users.labels) == ["town", "group"]


def test_the_caller_may_say_that_numbers_are_a_label():
    users = read_users({"top_speed": [1.0], "Age": [44]}, [SPEED], labels=["age"])
    assert list(users.labels) == ["Age"]


def lines(**columns):
    """A table as it comes from a file, with its users in lines 2, 3, ..."""
    length = len(next(iter(columns.values())))
    return UserTable(columns, "The population 'users.csv'", list(range(2, 2 + length)))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (lines(user=["ann"]), "has no column 'top_speed': its columns are user"),
        (lines(topspeed=["1"]), "no column 'top_speed' (did you mean 'topspeed'?)"),
        (
            lines(top_speed=["1"], lane=["2"]),
            "has a column of numbers, 'lane', that nothing asks for: the columns of numbers are "
            "top_speed; rename it 'group_lane' to keep it as a label",
        ),
        (lines(top_speed=["1", "fast"]), "'fast' in column 'top_speed' of line 3: these must be"),
        (lines(top_speed=["1", ""]), "'' in column 'top_speed' of line 3"),
        (lines(top_speed=["1", "nan"]), "'nan' in column 'top_speed' of line 3"),
        (lines(top_speed=["inf"]), "'inf' in column 'top_speed' of line 2"),
        (lines(top_speed=["1e39"]), "'1e39' in column 'top_speed' of line 2"),
        (lines(top_speed=["-0.5"]), "speeds in m/s, finite and 0 or more"),
        (lines(top_speed=["1", "1"], user=["ann", "ann"]), "'ann' again, as in line 2, in column"),
        (lines(top_speed=["1", "1"], id=["ann", ""]), "nothing in column 'id' of line 3"),
        (lines(top_speed=["1"], id=["a"], user=["b"]), "in two columns, 'user' and 'id'"),
        (lines(**{"top_speed": ["1"], "Top Speed": ["1"]}), "which are the same name"),
        (lines(**{"top_speed": ["1"], "towns": ["1"], "Towns ": ["x"]}), "which are the same"),
    ],
)
def test_a_bad_table_is_one_sentence(table, sentence):
    with pytest.raises(HandfulError) as error:
        read_users(table, [SPEED])
    assert sentence in str(error.value)
    assert "The population 'users.csv'" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("missing", ["", None])
def test_a_missing_number_makes_no_label_of_the_others(missing):
    table = lines(top_speed=["1", "2", "3"], speeds=["0.1", missing, "0.2"])
    with pytest.raises(HandfulError, match=r"a column of numbers, 'speeds', that nothing asks"):
        read_users(table, [SPEED])
    table = lines(speed=["1", missing, "3"], comfort=["1", "2", "3"])
    with pytest.raises(HandfulError, match=r"column 'speed' of line 3: these must be finite"):
        read_users(table, None)


@pytest.mark.parametrize("town", [["", ""], [None, None], ["", "x"], [None, "12 a"]])
def test_what_is_missing_throughout_or_beside_text_is_a_label(town):
    users = read_users(lines(top_speed=["1", "2"], town=town), [SPEED])
    assert list(users.labels) == ["town"]


@pytest.mark.parametrize("name", ["policy", "Return", "share-0", "share_12"])
def test_labels_are_not_called_like_columns_of_results(name):
    with pytest.raises(HandfulError, match=rf"a column '{name}', as .*: rename it, to 'group_"):
        read_users(lines(**{"top_speed": ["1"], name: ["x"]}), [SPEED])
    fine = lines(**{"top_speed": ["1"], f"group_{name}": ["x"], "share": ["x"]})
    assert len(read_users(fine, [SPEED]).labels) == 2


def test_ranges_are_said_whole():
    with pytest.raises(HandfulError, match="these must be shares, from 0 to 1"):
        read_users({"share": [0.5, 1.5]}, [Column("share", "shares", 0.0, 1.0)])


def test_both_ends_of_a_range_belong_to_it():
    share = Column("share", "shares", 0.0, 1.0)
    np.testing.assert_array_equal(
        read_users({"share": ["0", "1"]}, [share]).numbers["share"], [0, 1]
    )
    for outside in (np.nextafter(0.0, -1.0), np.nextafter(1.0, 2.0)):
        with pytest.raises(HandfulError, match="these must be shares, from 0 to 1"):
            read_users({"share": [0.5, outside]}, [share])
    largest = float(np.finfo(np.float32).max)
    taken = read_users({"top_speed": [0.0, largest]}, [SPEED]).numbers["top_speed"]
    np.testing.assert_array_equal(taken, [0.0, largest])


def test_missing_numbers_and_names_of_a_frame():
    frame = pl.DataFrame({"top_speed": [1.0, None], "user": ["ann", "bob"]})
    with pytest.raises(HandfulError, match="nan in column 'top_speed' of row 2"):
        read_users(frame, [SPEED])
    frame = pl.DataFrame({"top_speed": [1.0, 2.0], "user": ["ann", None]})
    with pytest.raises(HandfulError, match="nothing in column 'user' of row 2"):
        read_users(frame, [SPEED])


def test_missing_labels_of_a_frame():
    pandas = pytest.importorskip("pandas")
    group = pandas.array(["7", None], dtype="string")
    frame = pandas.DataFrame({"top_speed": [1.0, 2.0], "group": group})
    assert list(read_users(frame, [SPEED]).labels["group"]) == ["7", ""]


def test_no_numbers_at_all():
    with pytest.raises(HandfulError, match="has no column of numbers"):
        read_users(read_table({"user": ["ann"], "town": ["x"]}), None)
