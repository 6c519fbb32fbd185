"""What commands print holds nothing that a terminal would obey."""

import functools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handful
from handful._support.controls import escaped, has_controls
from handful.cli.output import print_json, say, say_error, show
from handful.cli.tasks import Tasks
from handful.errors import HandfulError

RED = "\x1b[31m"
HIDDEN = "a\x1b]0;title\x07\x9b2J\rb\u202ec\u2028d\x7fe"
SHOWN = r"a\x1b]0;title\x07\x9b2J\rb\u202ec\u2028d\x7fe"


def test_control_characters_are_shown_by_their_codes():
    assert escaped(HIDDEN) == SHOWN
    assert escaped("half a letter: \udce4") == r"half a letter: \udce4"
    assert escaped("plain ± Jürgen 李 👩‍🔬 c:\\x1b") == "plain ± Jürgen 李 👩‍🔬 c:\\x1b"
    assert escaped("two\nlines\t.") == r"two\nlines\t."
    assert escaped("two\nlines\t.", one_line=False) == "two\nlines\t."


@given(st.text())
def test_nothing_that_is_shown_moves_the_cursor(text):
    assert escaped(text).isprintable() or not has_controls(escaped(text))
    assert not has_controls(escaped(text))
    assert has_controls(text) == (escaped(text) != text)


@pytest.mark.parametrize("tell", [show, say])
def test_results_and_news_may_have_lines(tell, capsys):
    tell(f"one{RED}\ntwo")
    assert "".join(capsys.readouterr()) == "one\\x1b[31m\ntwo\n"


def test_an_error_is_one_line(capsys):
    say_error("no column 'a\nhandful: all well'")
    assert capsys.readouterr().err == "handful: no column 'a\\nhandful: all well'\n"


def test_json_is_the_same_and_safe(capsys):
    print_json({HIDDEN: [HIDDEN, "李"]})
    output = capsys.readouterr().out
    assert json.loads(output) == {HIDDEN: [HIDDEN, "李"]}
    assert not has_controls(output.rstrip("\n"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", HIDDEN],
        ["evaluate", HIDDEN],
        ["tasks", HIDDEN],
        [HIDDEN],
        ["tasks", f"--{HIDDEN}"],
        ["train", "glide", "--policies", HIDDEN, "--out", "a"],
        ["train", "glide", "--policies", "1", "--out", "a", f"--param.{HIDDEN}"],
        ["train", "glide", "--policies", "1", "--out", "a", f"--param.users={HIDDEN}"],
        ["train", "glide", "--policies", "1", "--out", "a", "--method", HIDDEN],
        ["check-env", HIDDEN],
        ["sweep", HIDDEN],
    ],
)
def test_arguments_do_not_reach_the_terminal(call, arguments):
    code, output, errors = call(*arguments)
    assert code == (1 if arguments[0] == "check-env" else 2)
    assert not any(has_controls(line) for line in (output + errors).split("\n"))


def test_an_argument_with_control_characters_is_taken_as_it_is(call, monkeypatch):
    asked = []
    monkeypatch.setattr(Tasks, "run", lambda self: asked.append(self.task))
    assert call("tasks", HIDDEN)[0] == 0
    assert asked == [HIDDEN]


def test_columns_of_a_table_do_not_reach_the_terminal(call, tmp_path):
    table = tmp_path / "users.csv"
    table.write_text(f"risk_aversion,{HIDDEN.replace(chr(13), '')}\n1,2\n")
    code, output, errors = call(
        "train", "market", "--policies", 1, "--population", table, "--out", "run"
    )
    assert (code, output) == (2, "")
    assert errors.count("\n") == 1
    assert not has_controls(errors.rstrip("\n"))


def test_names_of_users_do_not_reach_the_terminal(call):
    def raise_it(self):
        show(f"worst served {RED}")
        raise HandfulError(f"no user {RED}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tasks, "run", raise_it)
        assert call("tasks") == (2, "worst served \\x1b[31m\n", "handful: no user \\x1b[31m\n")


def test_findings_about_an_environment_are_shown_as_they_are(call, monkeypatch):
    from handful.check import check
    from handful.check.findings import CHECKS, Conformance, Finding

    first = next(iter(CHECKS))
    finding = Finding(first, "warning", f"{RED}[bold]that[/]")
    result = Conformance(f"[red]mine{RED}", (finding,), (first,), feature_names=(f"speed{RED}",))
    asked = functools.wraps(check.check_env)(lambda env, **asked: result)
    monkeypatch.setattr(check, "check_env", asked)
    code, output, _ = call("check-env", "mine")
    assert code == 0
    assert r"[red]mine\x1b[31m" in output
    assert r"\x1b[31m[bold]that[/]" in output
    assert r"Features: speed\x1b[31m;" in output
    assert RED not in output


@pytest.mark.parametrize("more", [[], ["tasks"]])
def test_version(call, more):
    assert call("--version", *more) == (0, f"handful {handful.__version__}\n", "")


def test_help_names_the_version_flag(call):
    code, output, _ = call("--help")
    assert code == 0
    assert "--version" in output
