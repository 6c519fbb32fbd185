"""Text of other people, as a terminal and a shell can be shown it.

A terminal obeys control characters: they move its cursor, change its title, or hide what stands
before them. A shell runs what is not quoted.
"""

import re
import shlex

_CONTROLS = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # all but the tab and the new line
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they turn the direction of what follows
    "\u2028\u2029"  # more ways to end a line
    "\ud800-\udfff"  # halves of letters, as in file names that are not UTF-8
)
_CONTROL = re.compile(f"[{_CONTROLS}]")
_CONTROL_OR_LINE = re.compile(f"[{_CONTROLS}\n\t]")


def has_controls(text: str) -> bool:
    """Whether there is a character in a text that would not be shown but obeyed."""
    return _CONTROL_OR_LINE.search(text) is not None


def first_control(text: str, one_line: bool = True) -> str | None:
    """The first character of a text that would be obeyed, by its code; None if there is none.

    Args:
        text: to be looked at.
        one_line: whether the ends of lines and tabs count too.
    """
    found = (_CONTROL_OR_LINE if one_line else _CONTROL).search(text)
    return None if found is None else ascii(found[0])[1:-1]


def escaped(text: str, one_line: bool = True) -> str:
    """A text with its control characters by their codes.

    Args:
        text: to be shown.
        one_line: whether the ends of lines and tabs are escaped too.
    """
    pattern = _CONTROL_OR_LINE if one_line else _CONTROL
    return pattern.sub(lambda found: ascii(found[0])[1:-1], text)


def shell_word(value: object) -> str:
    """A value as one word of a command line, whatever it holds.

    Control characters are written by their codes, in quotation marks of bash and zsh that know
    them: pasted as they are, some would reach the terminal before the shell.
    """
    text = str(value)
    if not has_controls(text):
        return shlex.quote(text)
    inside = "".join(
        escaped(letter) if has_controls(letter) else f"\\{letter}" if letter in "\\'" else letter
        for letter in text
    )
    return f"$'{inside}'"


def shell_line(*words: object) -> str:
    """A command line of these words, ready to be pasted."""
    return " ".join(map(shell_word, words))
