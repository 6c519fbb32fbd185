"""Words of a command line reach the program as they were."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful._support.controls import first_control, has_controls, shell_line, shell_word

BASH = shutil.which("bash")

NASTY = [
    "a b",
    "$(touch x)",
    "`touch x`",
    "it's",
    "a\\b",
    "\x1b[2Jit's \\x",
    "two\nlines",
    "-rf",
    "",
]


def words_of(line):
    """The words that bash makes of a line."""
    done = subprocess.run(
        [BASH, "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True, timeout=10
    )
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.skipif(BASH is None, reason="this system has no bash")
def test_bash_takes_every_word_as_it_is():
    line = shell_line(*NASTY)
    assert words_of(line) == NASTY
    assert not has_controls(line)


@given(st.text())
def test_no_word_reaches_the_terminal_or_ends_the_line(text):
    assert not has_controls(shell_word(text))


def test_plain_words_and_numbers_stay_as_they_are():
    assert shell_line("handful", "train", "a/b-c", 5) == "handful train a/b-c 5"


@pytest.mark.parametrize(
    ("text", "line", "page"),
    [
        ("ab", None, None),
        ("Zoë 山田\u3000太郎 \u200d 😀", None, None),
        ("a\tb\nc", "\\t", None),
        ("a\rb", "\\r", "\\r"),
        ("a\0\x1b", "\\x00", "\\x00"),
        ("\ud800", "\\ud800", "\\ud800"),
    ],
)
def test_the_first_control_character(text, line, page):
    assert first_control(text) == line
    assert first_control(text, one_line=False) == page
