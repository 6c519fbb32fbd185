import pytest

from handful._support.flags import flag_name, flag_words


def test_names_are_written_with_hyphens():
    assert flag_name("ppo", "learning_rate") == "--ppo.learning-rate"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1e-9, ["--a.b-c", "1e-09"]),
        (-3, ["--a.b-c", "-3"]),
        (None, ["--a.b-c", "None"]),
        ("two words", ["--a.b-c", "two words"]),
        ("--out", ["--a.b-c=--out"]),
        (True, ["--a.b-c"]),
        (False, ["--a.no-b-c"]),
        ([64, 64], ["--a.b-c", "64", "64"]),
        ((), ["--a.b-c"]),
        (["x", "--out"], ["--a.b-c", '["x", "--out"]']),
        ([[1, 2], [3]], ["--a.b-c", "[[1, 2], [3]]"]),
        ([None, 1], ["--a.b-c", "[null, 1]"]),
        ({"months": 3}, ["--a.b-c", '{"months": 3}']),
    ],
)
def test_values_are_words(value, words):
    assert flag_words("a", "b_c", value) == words
