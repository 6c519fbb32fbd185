"""CSV files as people save them, with their quotation marks, line breaks and delimiters."""

import pytest

from handful.errors import HandfulError
from handful.users import Column, read_table, read_users
from handful.users.csv_text import guess_delimiter


@pytest.fixture
def read(tmp_path):
    def from_text(text):
        path = tmp_path / "users.csv"
        path.write_bytes(text.encode())
        return read_table(path)

    return from_text


EXPECTED = {"user": ["ann", "bob"], "note": ["x, y", "a ;b"], "time": ["1", "2"]}


@pytest.mark.parametrize(
    "text",
    [
        'user, "note", "time"\nann, "x, y", "1"\nbob, "a ;b", 2\n',
        '"user" ,"note" ,"time"\n"ann" ,"x, y" , 1\n"bob","a ;b",2 \n',
        '"user"; "note" ;"time"\nann;\u00a0"x, y";1\nbob;"a ;b";2\n',
        'user\t "note" \t"time"\nann\t "x, y"\t1\nbob\ta ;b\t2\n',
        'user,note,time\rann,"x, y",1\rbob,a ;b,2\r',
        'user,note,time\r\nann,"x, y",1\nbob,a ;b,2',
        'sep=;\r\nuser;note;time\r\nann;x, y;1\r\nbob;"a ;b";2\r\n',
        'user;note;time;\nann;x, y;1;\nbob;"a ;b";2;\n',
    ],
)
def test_blanks_line_breaks_and_delimiters_are_met_halfway(read, text):
    assert read(text).columns == EXPECTED


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ('"a, b, c, d";speed\nx;1\n', ";"),
        ("user;speed, m/s;x, y, z\nann;1;2\n", ";"),
        ("user,speed;fast\nann,1\n", ","),
        ("speed\n1\n", ","),
        ("user;speed, m/s\nann;1,5\n", ";"),
        ("user\tspeed, m/s\nann\t1,5\n", "\t"),
        ('user,"a;b;c\nd;e"\nann,1\n', ","),
        ('user,5" pipe; 6" pipe; 7"\nann,1\n', ","),
    ],
)
def test_the_delimiter_is_guessed_from_what_is_not_quoted(text, delimiter):
    assert guess_delimiter(text) == delimiter


def test_quotation_marks_within_an_entry_belong_to_it(read):
    table = read('user,note\n5" pipe,"a ""b"""\n"","x"\n')
    assert table.columns == {"user": ['5" pipe', ""], "note": ['a "b"', "x"]}


def test_lines_are_counted_over_entries_of_several_lines(read):
    table = read('user,note\nann,"a\r\nb\rc"\nbob,""\n')
    assert [table.where(row) for row in range(2)] == ["line 4", "line 5"]
    assert table.columns["note"] == ["a\r\nb\rc", ""]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('user,note\n"ann" x,1\n', "from line 2 on (an entry goes on behind its quotation marks)"),
        ('user,note\nbob,1\n"ann,1\n', "from line 3 on (unexpected end of an entry)"),
        ('"user,time"\n"ann,1"\n', "a single column, 'user,time': remove the quotation marks"),
        ("user,a\x1b[31mb\nann,1\n", r"'a\x1b[31mb', whose name holds the control character \x1b"),
    ],
)
def test_what_cannot_be_meant_names_its_cause(read, text, sentence):
    with pytest.raises(HandfulError) as error:
        read(text)
    assert sentence in str(error.value)
    assert str(error.value).isprintable()


def test_a_single_column_may_have_a_comma_in_its_name(read):
    assert read('"speed, m/s"\n1\n').columns == {"speed, m/s": ["1"]}


@pytest.mark.parametrize("character", ["\r", "\n", "\x1b", "\x85"])
def test_names_with_control_characters_are_refused_at_the_start(read, character):
    with pytest.raises(HandfulError, match=r"in column 'user' of line [34], with the control") as e:
        read_users(read(f'user,speed\nbob,1\n"a{character}b",2\n'), None)
    assert str(e.value).isprintable()


def test_text_with_nul_is_no_table(read):
    with pytest.raises(HandfulError, match="it is no text"):
        read("user,speed\na\0b,1\n")


def test_labels_may_have_line_breaks_but_no_escape_sequences(read):
    users = read_users(read('speed,note\n1,"a\n\tb"\n'), None)
    assert list(users.labels["note"]) == ["a\n\tb"]
    with pytest.raises(HandfulError, match=r"column 'note' of line 2, with the control character"):
        read_users(read("speed,note\n1,\x1b[2J\n"), None)


def test_an_apostrophe_before_a_formula_is_taken_off(read):
    table = read("user,'=note\n'=x,'+1\n'tis,''@a\n")
    assert table.columns == {"user": ["=x", "'tis"], "=note": ["'+1", "'@a"]}


SPEED = Column("speed")


@pytest.mark.parametrize(
    ("text", "speeds"),
    [
        ("user;speed\na;1,5E-02\nb;2\n", [0.015, 2.0]),
        ("user;speed\na;1.5\nb;2.25\n", [1.5, 2.25]),
        ("user;speed;group\na;0,5;1.234\nb;-1;2\n", [0.5, -1.0]),
        ("user;speed;town\n12,5;0,5;1.5 a\n12.5;1;1,5\n", [0.5, 1.0]),
    ],
)
def test_decimals_behind_a_comma(read, text, speeds):
    table = read(text)
    users = read_users(table, [SPEED])
    assert users.numbers["speed"].tolist() == speeds
    again = read_users(table.to_dict(), [SPEED])
    assert again.numbers["speed"].tolist() == speeds
    assert again.user_ids == users.user_ids == tuple(table.columns["user"])
    for name, texts in users.labels.items():
        assert list(texts) == list(again.labels[name]) == table.columns[name]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "speed;b\n0,5;x\n1.234;x\n",
            "has '0,5' in column 'speed' of line 2 and '1.234' in column 'speed' of line 3: write",
        ),
        ("speed;b\n0,5;x\n1.234,5;x\n", "'1.234,5' in column 'speed' of line 3"),
        ("speed;b\n0,5;x\n1.234.567;x\n", "write the thousands without a separator"),
        ("speed;b\n0,5;x\nfast;x\n", "'fast' in column 'speed' of line 3"),
        ("speed;b\n0,5;1,5\n1;2,5\n", "a column of numbers, 'b', that nothing asks for"),
    ],
)
def test_decimals_behind_a_comma_that_could_mean_something_else(read, text, sentence):
    with pytest.raises(HandfulError) as error:
        read_users(read(text), [SPEED])
    assert sentence in str(error.value)


def test_a_comma_and_a_point_in_two_columns_are_not_guessed_at(read):
    with pytest.raises(HandfulError, match=r"'0,5' in column 'a' of line 2 and '1\.234' in column"):
        read_users(read("a;b\n0,5;1.234\n"), None)


def test_text_that_python_takes_for_numbers_is_a_label(read):
    users = read_users(read("speed,code\n1,12_34\n2,Infinity\n3,nan\n"), [SPEED])
    assert list(users.labels["code"]) == ["12_34", "Infinity", "nan"]
    with pytest.raises(HandfulError, match="'1_5' in column 'speed' of line 2"):
        read_users(read("speed\n1_5\n"), [SPEED])


def test_a_long_entry_is_cut_in_its_sentence(read):
    with pytest.raises(HandfulError, match=r"'9{79}\.\.\. \(cut here\) in column 'speed'"):
        read_users(read("speed\n" + "9" * 400 + "\n"), [SPEED])
