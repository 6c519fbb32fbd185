"""A run reads back what it wrote: every name that is accepted, and every label."""

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from handful._support.controls import first_control
from handful._support.files import write_csv
from handful.cli.users import read_assignment
from handful.errors import HandfulError
from handful.users import read_users, user_names

ODD = st.text(alphabet="'=+-@,;\"\t\r\n |1.aé\u00a0\u2028", max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=8) | ODD, min_size=1, max_size=5))
@example(["=1+1", "'=1+1", "''=1+1", "-5", "'-5", "+a"])
@example(['"', 'a"b', ";", "a;b,c", "sep=;"])
@example(["12,5", "12.5", "nan", "NaN", "1_5", "007", "７"])
def test_names_come_back(tmp_path_factory, names):
    try:
        users = user_names(names)
    except HandfulError:
        return
    path = tmp_path_factory.getbasetemp() / "assignment.csv"
    write_csv(path, ["user", "policy"], [[name, i] for i, name in enumerate(users)])
    assert read_assignment(path, users) == tuple(range(len(users)))


def _is_kept(label):
    return first_control(label.replace("\r\n", "\n"), one_line=False) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(ODD, min_size=1, max_size=4))
def test_labels_come_back(tmp_path_factory, labels):
    labels = [label.strip() for label in labels]
    labels = [label for label in labels if _is_kept(label)]
    assume(labels)
    path = tmp_path_factory.getbasetemp() / "labels.csv"
    write_csv(path, ["group a;b", "w"], [[label, i + 1] for i, label in enumerate(labels)])
    users = read_users(path, None, labels=["group a;b"])
    assert list(users.labels["group a;b"]) == labels
    assert users.numbers["w"].tolist() == list(range(1, len(labels) + 1))
