"""Typed settings on the command line: what is given, what is not, and what is JSON."""

import random
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import tyro

from handful._support.flags import flag_words
from handful.cli.settings import (
    Section,
    check_old_flags,
    given,
    json_value,
    named,
    settings_of,
    take_untyped,
    with_sections,
)
from handful.errors import HandfulError
from handful.learner import PPO


@dataclass(frozen=True)
class Inner:
    """Settings of its own, which are a section of their own."""

    size: int = 1


@dataclass(frozen=True)
class Tool:
    """A class with settings of every kind.

    Attributes:
        rate: how fast.
        label: what it is called.
    """

    rate: float
    label: str = "plain"
    is_new: bool = True
    limit: int | None = None
    sizes: tuple[int, ...] = (64,)
    corner: tuple[int, int] | None = None
    tiles: tuple[tuple[int, int], ...] = ()
    names: Sequence[str] = ()
    kind: Literal["a", "b"] = "a"
    features: str | Sequence[str] | None = None
    weights: Sequence[Sequence[float]] | None = None
    span: Sequence[Any] | None = None
    options: Mapping[str, Any] | None = None
    anything: Any = None
    inner: Inner = field(default_factory=Inner)


@dataclass
class Command:
    """A command."""

    task: tyro.conf.Positional[str]
    method: str = "auto"


def read(words, settings=None, untyped=None):
    """What is given of the section tool, by the words of a command line."""
    section = Section("tool", "A tool.", settings or settings_of(Tool), untyped or {})
    command = with_sections(Command, [section])
    return given(tyro.cli(command, args=["glide", *words], console_outputs=False), "tool")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("--tool.rate 1e-3", {"rate": 1e-3}),
        ("--tool.rate -1.5", {"rate": -1.5}),
        ("--tool.label=--x", {"label": "--x"}),
        ("--tool.no-is-new", {"is_new": False}),
        ("--tool.limit None", {"limit": None}),
        ("--tool.limit 3 --tool.is-new", {"limit": 3, "is_new": True}),
        ("--tool.sizes 64 32", {"sizes": (64, 32)}),
        ("--tool.sizes", {"sizes": ()}),
        ("--tool.corner 1 2", {"corner": (1, 2)}),
        ("--tool.tiles 1 2 3 4", {"tiles": ((1, 2), (3, 4))}),
        ("--tool.names ann 3", {"names": ("ann", "3")}),
        ("--tool.kind b", {"kind": "b"}),
        ("--tool.features speed", {"features": "speed"}),
        ("--tool.features speed comfort", {"features": ("speed", "comfort")}),
        ("--tool.weights '[[1], [2.5]]'", {"weights": ((1,), (2.5,))}),
        ("--tool.weights None", {"weights": None}),
        ("--tool.span 0 40", {"span": (0, 40)}),
        ("--tool.span 5", {"span": (5,)}),
        ("""--tool.options '{"months": 3}'""", {"options": {"months": 3}}),
        ("--tool.anything fast", {"anything": "fast"}),
        ("--tool.anything 5", {"anything": 5}),
    ],
)
def test_only_what_is_given_is_handed_on(line, value):
    assert read(shlex.split(line)) == value


def test_words_of_a_value_are_read_as_the_value():
    values = {
        "rate": -0.25,
        "label": "-x y",
        "is_new": False,
        "limit": None,
        "sizes": (64, 32),
        "corner": (1, 2),
        "names": ("ann", "bob"),
        "weights": ((1.0, 0.5), (2.0, 3.0)),
        "span": (-1, 4),
        "options": {"a": [1, None]},
    }
    words = [word for name, value in values.items() for word in flag_words("tool", name, value)]
    assert read(words) == {**values, "options": {"a": [1, None]}}


def test_settings_say_their_default_and_where_it_comes_from(capsys):
    settings = settings_of(Tool, {"rate": 0.5, "sizes": (8, 8)}, "preset fast")
    assert [one.name for one in settings][-1] == "anything"  # inner is a section of its own
    command = with_sections(Command, [Section("tool", "What a tool has.", settings)])
    with pytest.raises(SystemExit):
        tyro.cli(command, args=["--help"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "What a tool has." in shown
    assert "--tool.rate FLOAT how fast. (preset fast: 0.5)" in shown
    assert "--tool.sizes [INT [INT ...]] (preset fast: 8 8)" in shown
    assert "--tool.is-new, --tool.no-is-new (default: True)" in shown
    (rate, *_) = settings_of(Tool)
    with pytest.raises(SystemExit):
        tyro.cli(with_sections(Command, [Section("tool", "", (rate,))]), args=["--help"])
    assert "(required)" in capsys.readouterr().out


def test_every_setting_of_the_learner_is_a_flag():
    settings = settings_of(PPO)
    preset = PPO(hidden_sizes=(32, 16), discount=0.5)
    words = [w for one in settings for w in flag_words("tool", one.name, vars(preset)[one.name])]
    assert PPO(**read(words, settings)) == preset


def test_arguments_are_found_before_they_are_read():
    arguments = ["glide", "--method", "em", "--preset=fast", "--method=cluster"]
    assert named(arguments, "--method", None) == "cluster"
    assert named(arguments, "--preset", "paper") == "fast"
    assert named(arguments, "--seed", "0") == "0"
    assert named(["--method"], "--method", "auto") == "auto"
    assert named(["--seed", "1", "--seed", "2", "--seed.spare=3"], "--seed", "0") == "2"


def test_settings_without_a_type_are_parted_from_the_others():
    line = "race --param.laps 3 --param.no-wet --param.dry --seed 1 --param.lanes 1 2 --param.x=a"
    left, found = take_untyped(line.split(), "param", ["laps"])
    assert left == ["race", "--param.laps", "3", "--seed", "1"]
    assert found == {"wet": False, "dry": True, "lanes": (1, 2), "x": "a"}
    assert read([], untyped=found) == found
    line = ["--param.no-wet", "--param.no-dry"]
    assert take_untyped(line, "param", ["wet"]) == (["--param.no-wet"], {"dry": False})


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("--set rate=1e-3", "--tool.rate 0.001"),
        ("--set=sizes=[8,8]", "--tool.sizes 8 8"),
        ("--method-set warm-up=0", "--method.warm-up 0"),
        ("--run-set keep_best=false", "--run.no-keep-best"),
        ("--param", "--param.NAME VALUE"),
    ],
)
def test_a_flag_of_0_1_says_how_it_is_written_now(line, written):
    sections = [Section("tool", "", settings_of(Tool))]
    with pytest.raises(HandfulError, match=f"now write {written}."):
        check_old_flags(["glide", *line.split()], sections)
    check_old_flags(["glide", "--tool.rate", "3"], sections)


def test_values_are_json_or_else_text():
    texts = {"1": 1, "[1,[2]]": (1, (2,)), "fast": "fast", "": "", "x=y": "x=y", "None": None}
    for text, value in texts.items():
        assert json_value(text, "It") == value


def test_a_name_that_is_given_twice_is_refused_wherever_it_stands():
    for text in ('{"a": 1, "a": 1}', '[{"b": {"a": 1, "a": 2}}]'):
        with pytest.raises(HandfulError, match=r"^It gives 'a' twice: leave one of them out\.$"):
            json_value(text, "It")
    assert json_value('{"a": {"a": 1}}', "It") == {"a": {"a": 1}}


PIECES = (
    *'[]{}:,"\\0123456789eE+-.ntfula \t\n\x1b\x00=_é',
    *(
        "null",
        "true",
        "NaN",
        "Infinity",
        "1e400",
        "9" * 5000,
        '"a"',
        "[" * 40,
        "[" * 3000,
        "{" * 40,
    ),
    *('{"a":', '"\\ud800"', '"\\u0000"', "]" * 40, "a=", "[1,", "[[1],[1,2]]"),
)


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
    return 1 + max(map(depth, inner), default=0)


def test_fuzzed_values():
    """A value, or one sentence: whatever is written behind a flag that takes JSON."""
    chance, understood = random.Random(32), 0
    for _ in range(3000):
        text = "".join(chance.choices(PIECES, k=chance.randrange(8)))
        try:
            value = json_value(text, "--param.options")
        except HandfulError as error:
            said = str(error)
        else:
            understood, said = understood + 1, ""
            assert depth(value) <= 33
        assert len(said) < 300
    assert understood > 1000


@pytest.mark.parametrize("deep", [31, 32, 33, 500, 100_000])
def test_lists_may_be_nested_so_deep(deep):
    text = f"{'[' * deep}{']' * deep}"
    if deep <= 32:
        assert depth(json_value(text, "It")) == deep
    else:
        with pytest.raises(HandfulError, match="It has lists or mappings nested"):
            json_value(text, "It")
