"""Assignments from files, made by hand."""

import polars as pl
import pytest

from handful.cli.users import read_assignment
from handful.errors import HandfulError

USERS = ("ann", "bob", "cem")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "who.csv"


@pytest.mark.parametrize("text", ["policy\n2\n0\n1\n", "group;policy\na;2\nb;0\nc;1\n"])
def test_without_names_the_rows_are_in_the_populations_order(file, text):
    file.write_text(text)
    assert read_assignment(file, USERS) == (2, 0, 1)


@pytest.mark.parametrize("column", ["user", "id", "User"])
def test_rows_with_names_may_stand_in_any_order(file, column):
    file.write_text(f"policy,weight_0,{column}\n1,0.5,cem\n2,1.0,ann\n0,1.0, bob\n")
    assert read_assignment(file, USERS) == (2, 0, 1)


def test_names_that_are_numbers_are_names(tmp_path):
    file = tmp_path / "who.parquet"
    pl.DataFrame({"id": [20, 3], "policy": [1, 0]}).write_parquet(file)
    assert read_assignment(file, ("3", "20")) == (0, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "user,policy\nann,0\nbop,1\ncem,1\n",
            "names a user 'bop' in line 3, whom the population does not have (did you mean 'bob'?):"
            " name its users, or leave out the column of names and give one row a user in the "
            "population's order.",
        ),
        (
            "user,policy\nann,0\ncem,1\n",
            "has no row for the user 'bob': give each of the population's 3 users a policy.",
        ),
        (
            "user,policy\nann,0\nbob,1\nann,1\n",
            "has 'ann' again, as in line 2, in column 'user' of line 4: every user needs a name of "
            "their own.",
        ),
        (
            "user,policy\nann,0\nbob,1.5\ncem,0\n",
            "has '1.5' in column 'policy' of line 3: policies are whole numbers from 0.",
        ),
        (
            "user,policy\nann,0\nbob\ncem,0\n",
            "has '' in column 'policy' of line 3: policies are whole numbers from 0.",
        ),
        ("user,group\nann,0\n", "has no column 'policy': its columns are user, group."),
    ],
)
def test_what_is_wrong_with_an_assignment_is_one_sentence(file, text, sentence):
    file.write_text(text)
    with pytest.raises(HandfulError) as error:
        read_assignment(file, USERS)
    assert str(error.value) == f"The assignment '{file}' {sentence}"


def test_a_missing_assignment_is_called_one(file):
    with pytest.raises(HandfulError, match=r"^The assignment '.*' cannot be read \(No such file"):
        read_assignment(file, USERS)
