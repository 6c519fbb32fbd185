"""Settings as words of a command line, in the way that ``handful train`` reads them."""

import json
from collections.abc import Sequence
from typing import Any


def flag_name(section: str, name: str) -> str:
    """Return the flag of a setting, such as ``--ppo.learning-rate``.

    Args:
        section: the part of the settings, such as ``ppo``, ``method``, ``run`` or ``param``.
        name: the name of the setting in Python.
    """
    return f"--{section}.{name.replace('_', '-')}"


def flag_words(section: str, name: str, value: Any) -> list[str]:
    """Return a setting and its value as words of a command line, not yet quoted for a shell.

    Args:
        section: the part of the settings that the setting belongs to.
        name: the name of the setting in Python.
        value: the value of the setting, in the types that JSON has.

    Returns:
        the flag and the words of its value: a word for each entry of a flat list, one word of JSON
        for what is nested. True and False are flags of their own, ``--ppo.family`` and
        ``--ppo.no-family``.
    """
    flag = flag_name(section, name)
    if isinstance(value, bool):
        return [flag if value else flag_name(section, f"no-{name}")]
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(entry, str | int | float) for entry in value):
            words = [_word(entry) for entry in value]
            if not any(map(_looks_like_a_flag, words)):
                return [flag, *words]
        return [flag, json.dumps(value)]
    word = _word(value)
    return [f"{flag}={word}"] if _looks_like_a_flag(word) else [flag, word]


def _word(value: Any) -> str:
    if value is None or isinstance(value, str):
        return str(value)
    return json.dumps(value)


def _looks_like_a_flag(word: str) -> bool:
    """Return whether a parser would take a value for a flag.

    It takes a negative number for a value.
    """
    return word.startswith("-") and not word[1:2].isdigit()
