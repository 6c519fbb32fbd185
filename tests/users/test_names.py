"""Names and attributes that come from Python."""

import datetime as dt
import json

import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.users import user_attributes, user_names


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([np.int64(7), 8], ("7", "8")),
        (np.array([1, 2]), ("1", "2")),
        ([1.0, np.float32(2.5)], ("1", "2.5")),
        ([dt.date(2026, 1, 2), np.datetime64("2026-01-03")], ("2026-01-02", "2026-01-03")),
        ([" ann ", "bob"], ("ann", "bob")),
        (["'=x", "=x"], ("'=x", "=x")),
        ((), ()),
    ],
)
def test_names_become_text(given, names):
    assert user_names(given) == names
    assert all(type(name) is str for name in user_names(given))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("ab", "a list with a name for each user, not 'ab'"),
        (None, "a list with a name for each user, not None"),
        (["a", None], "there is none at index 1"),
        ([float("nan")], "there is none at index 0"),
        (["a", " "], "there is none at index 1"),
        (["a", " a"], "'a' occurs twice"),
        ([1, "1"], "'1' occurs twice"),
        ([1j], "the one at index 0 (counted from 0) is a complex number"),
        ([["a"]], "is several values at once"),
        (["a\rb"], r"'a\rb' holds the control character \r"),
        (["a\0"], r"the control character \x00"),
        (["\ud800"], r"the control character \ud800"),
    ],
)
def test_names_that_cannot_be_kept_are_one_sentence(given, sentence):
    with pytest.raises(HandfulError) as error:
        user_names(given)
    assert sentence in str(error.value)


def test_attributes_are_numbers_or_text():
    given = {
        "age": np.array([44, 31]),
        "height": [1.5, np.float32(2.0)],
        "weight": np.array([70.0, np.nan]),
        "born": np.array(["2026-01-02", "NaT"], "datetime64[D]"),
        "member": [np.bool_(True), False],
        "codes": [2**70, 1],
        "mixed": [np.int64(3), "x"],
        "none": [None, None],
    }
    known = user_attributes(given, 2)
    assert {name: values.tolist() for name, values in known.items()} == {
        "age": [44, 31],
        "height": [1.5, 2.0],
        "weight": ["70", ""],
        "born": ["2026-01-02", ""],
        "member": [True, False],
        "codes": [str(2**70), "1"],
        "mixed": ["3", "x"],
        "none": ["", ""],
    }
    json.dumps({name: values.tolist() for name, values in known.items()}, allow_nan=False)
    again = user_attributes(known, 2)
    assert {name: values.tolist() for name, values in again.items()} == {
        name: values.tolist() for name, values in known.items()
    }


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"age": [1]}, "has shape [1]: give one value for each of the 2 users"),
        ({"age": [[1], [1, 2]]}, "give one value for each of the 2 users"),
        ({"policy": [0, 1]}, "rename it, to 'group_policy' for example"),
        ({"Share 1": [0, 1]}, "rename it"),
        ({"User": [0, 1]}, "rename it"),
        ({"age": [1j, 2]}, "a complex number in column 'age' of row 1"),
        ({"note": ["a", "\x1b[2J"]}, r"the control character \x1b"),
        ({"age": [1, 2], "Age ": [1, 2]}, "'age' and 'Age ' have the same name or none"),
        ({" ": [1, 2]}, "have the same name or none"),
        ({"a\x1b": [1, 2]}, r"the control character \x1b"),
    ],
)
def test_attributes_that_cannot_be_kept_are_one_sentence(given, sentence):
    with pytest.raises(HandfulError) as error:
        user_attributes(given, 2)
    assert sentence in str(error.value)


def test_a_population_keeps_what_it_was_made_of():
    population = handful.Population(
        np.ones((2, 1)), user_ids=np.array([7, 8]), attributes={"age": [44.0, np.nan]}
    )
    assert population.user_ids == ("7", "8")
    assert population.attributes["age"].tolist() == ["44", ""]
    assert handful.Population.from_array(np.ones((2, 1))).user_ids == ("user-0", "user-1")


@pytest.mark.parametrize(
    "weights", [[["1_5"]], [[1j]], np.array([["2026-01-02"]], "datetime64[D]"), [["x"]], [[b"1"]]]
)
def test_weights_are_numbers_and_nothing_that_numpy_makes_one_of(weights):
    with pytest.raises(HandfulError, match="must hold numbers only"):
        handful.Population.from_array(weights)
