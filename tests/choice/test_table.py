import numpy as np
import pytest

from handful.choice.table import numbers_of, read_costs, read_errors, read_returns
from handful.errors import HandfulError


def written(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    return path


def test_a_row_is_a_policy(tmp_path):
    table = read_returns(written(tmp_path, "policy;ann;bob\nblue;1;2\nred;3;4\ngreen;5;6\n"))
    assert table.policies == ("blue", "red", "green")
    assert table.users == ("ann", "bob")
    assert table.returns.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_without_names_rows_have_numbers(tmp_path):
    table = read_returns(written(tmp_path, "ann,bob\n1,2\n3,4\n"))
    assert table.policies == ("0", "1")
    assert table.returns.tolist() == [[1, 2], [3, 4]]


def test_a_column_about_users_makes_rows_users(tmp_path):
    path = written(tmp_path, "who,ward,today,blue,red\nann,a,0.5,1,2\nbob,b,7,3,4\n")
    table = read_returns(path, about_users=["ward", "today"])
    assert table.policies == ("blue", "red")
    assert table.users == ("ann", "bob")
    assert table.returns.tolist() == [[1, 3], [2, 4]]
    assert table.columns["ward"] == ("a", "b")
    assert numbers_of(table, "today").tolist() == [0.5, 7]
    with pytest.raises(HandfulError, match="Column 'ward' of user 'ann' is no number"):
        numbers_of(table, "ward")


def test_rows_are_users_if_it_is_said(tmp_path):
    path = written(tmp_path, "who,blue,red\nann,1,2\nbob,3,4\n")
    assert read_returns(path, rows_are_users=True).returns.tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,x\n", "'x' in column 'b' of line 2"),
        ("a,b\n1,nan\n", "'nan' in column 'b' of line 2"),
        ("a,b\n1\n", "1 entries in line 2"),
        ("a,b\n", "needs a line of names"),
        ("a,a\n1,2\n", "names the column 'a' twice"),
        ("a\nx\n", "no column of returns"),
    ],
)
def test_what_is_no_table_is_refused_with_the_place(tmp_path, text, sentence):
    with pytest.raises(HandfulError, match=sentence):
        read_returns(written(tmp_path, text))


def test_a_column_that_is_not_there_is_named(tmp_path):
    with pytest.raises(HandfulError, match="did you mean 'ward'"):
        read_returns(written(tmp_path, "ward,a\nx,1\n"), about_users=["wrad"])


def test_costs_are_found_by_the_names_of_policies(tmp_path):
    path = written(tmp_path, "policy,cost\nred,3\nblue,1.5\n")
    np.testing.assert_array_equal(read_costs(path, ["blue", "red"]), [1.5, 3.0])
    with pytest.raises(HandfulError, match="no cost for the policy 'green'"):
        read_costs(path, ["green"])


def test_standard_errors_are_found_by_names(tmp_path):
    table = read_returns(written(tmp_path, "policy,ann,bob\nblue,1,2\nred,3,4\n"))
    other = tmp_path / "errors.csv"
    other.write_text("policy,bob,ann\nred,0.4,0.3\nblue,0.2,0.1\n")
    np.testing.assert_allclose(read_errors(other, table), [[0.1, 0.2], [0.3, 0.4]])
    other.write_text("policy,bob,ann\nred,0.4,0.3\n")
    with pytest.raises(HandfulError, match="no standard errors for the policy 'blue'"):
        read_errors(other, table)


def test_columns_about_users_may_be_left_out_of_standard_errors(tmp_path):
    path = written(tmp_path, "who,ward,blue,red\nann,a,1,2\nbob,b,3,4\n")
    table = read_returns(path, about_users=["ward"])
    other = tmp_path / "errors.csv"
    other.write_text("who,blue,red\nann,0.1,0.2\nbob,0.3,0.4\n")
    made = read_errors(other, table, rows_are_users=True)
    np.testing.assert_allclose(made, [[0.1, 0.3], [0.2, 0.4]])
    other.write_text("who,ward,blue,red\nann,a,0.1,0.2\nbob,b,0.3,0.4\n")
    np.testing.assert_allclose(read_errors(other, table), made)
