"""Settings on the command line: ``--ppo.learning-rate 1e-3``, typed by the class that takes them.

A command has sections of settings, such as ``ppo`` or ``method``. Which settings a section has
follows from other arguments (the task, the method, the preset), so that a command is read in two
passes: :func:`named` looks for these arguments, and :func:`with_sections` makes the class of the
command, with a typed flag for each setting, which tyro then reads. Only the settings that were
given are passed on: the preset, the problem and the method decide all others.
"""

import dataclasses
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypedDict,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import tyro

from handful._support.checks import brief, check_plain
from handful._support.flags import flag_name, flag_words
from handful._support.text import shown
from handful.errors import HandfulError
from handful.parameters import REQUIRED, TaskParameter, meanings

Default = TypeVar("Default", str, None)


@dataclass(frozen=True)
class Setting:
    """A setting that a section has.

    Attributes:
        name: the name of the setting in Python.
        annotation: the type that it is declared with.
        default: the value of the setting if none is given, or :data:`~handful.parameters.REQUIRED`.
        source: where the default comes from, in a word or two.
        meaning: a sentence for the help.
    """

    name: str
    annotation: Any
    default: Any
    source: str
    meaning: str


@dataclass(frozen=True)
class Section:
    """Settings with the same beginning of their flags.

    Attributes:
        name: the beginning of the section's flags, such as ``ppo``.
        title: what the settings belong to, as the help says it.
        settings: the settings that the section takes.
        untyped: the settings that a task takes without declaring them, with their values.
    """

    name: str
    title: str
    settings: tuple[Setting, ...]
    untyped: Mapping[str, Any] = field(default_factory=dict)


def settings_of(
    kind: type, usual: Mapping[str, Any] | None = None, source: str = "default"
) -> tuple[Setting, ...]:
    """Return the settings that a dataclass has.

    Args:
        kind: the dataclass; its fields that hold settings of their own are left out.
        usual: defaults that come before those of the class, by name.
        source: where these come from, in a word or two.
    """
    hints, said = get_type_hints(kind), meanings(kind)
    found = []
    for one in dataclasses.fields(kind):
        annotation = hints[one.name]
        if not one.init or any(map(dataclasses.is_dataclass, _options(annotation))):
            continue
        is_usual = usual is not None and one.name in usual
        if usual is not None and is_usual:
            default = usual[one.name]
        elif one.default_factory is not dataclasses.MISSING:
            default = one.default_factory()
        else:
            default = REQUIRED if one.default is dataclasses.MISSING else one.default
        found.append(
            Setting(
                one.name,
                annotation,
                default,
                source if is_usual else "default",
                said.get(one.name, ""),
            )
        )
    return tuple(found)


def settings_of_task(parameters: Iterable[TaskParameter]) -> tuple[Setting, ...]:
    """Return the parameters of a task as settings."""
    return tuple(
        Setting(one.name, one.annotation, one.default, "default", one.meaning) for one in parameters
    )


def with_sections(command: type, sections: Sequence[Section]) -> type:
    """Return the class of a command with a typed flag for each setting of its sections.

    Returns:
        a subclass, whose objects hand out by :func:`given` what was given of each section.
    """
    extra: list[tuple[str, Any, Any]] = [
        (
            _attribute(section.name),
            Annotated[_typed_dict(section), tyro.conf.arg(name=section.name, help=section.title)],
            field(default_factory=dict),
        )
        for section in sections
        if section.settings
    ]
    untyped = {_attribute(one.name, "untyped"): one.untyped for one in sections}
    namespace = {"__doc__": command.__doc__, **untyped}
    made = dataclasses.make_dataclass(
        command.__name__, extra, bases=(command,), namespace=namespace
    )
    made.__module__ = command.__module__
    return made


def given(command: Any, section: str) -> dict[str, Any]:
    """Return what was given of a section of a command that was read.

    Args:
        command: an object of the class that :func:`with_sections` made.
        section: the section's name.

    Returns:
        values by the names of settings; empty if the command has no such section.
    """
    typed = getattr(command, _attribute(section), {})
    return {**getattr(command, _attribute(section, "untyped"), {}), **typed}


def _attribute(section: str, kind: str = "given") -> str:
    return f"{kind}_{section}"


def _typed_dict(section: Section) -> Any:
    """Return a type with a key for each setting; tyro leaves out settings that are not given."""
    entries = {one.name: _annotated(one) for one in section.settings}
    return TypedDict(section.name, entries, total=False)  # type: ignore[operator]


def _annotated(setting: Setting) -> Any:
    """Return the type of a setting for tyro, with its help."""
    annotation = setting.annotation
    if annotation is inspect.Parameter.empty:  # then its default says what it is
        plain = type(setting.default) in (bool, int, float, str)
        annotation = type(setting.default) if plain else Any
    if setting.default is REQUIRED:
        hint = "(required)"
    else:
        hint = f"({setting.source}: {_shown(setting.default)})"
    described = tyro.conf.arg(help=setting.meaning, help_behavior_hint=hint)
    known = _known_to_tyro(annotation)
    if known is None:
        return Annotated[Any, _json_words(annotation), described]
    return Annotated[known, described]


def _shown(default: Any) -> str:
    if isinstance(default, list | tuple) and not default:
        return "none"
    words = flag_words("", "", shown(default))[1:]
    return " ".join(words) if words else str(default)


def _known_to_tyro(annotation: Any) -> Any:
    """Return a type that tyro reads and that means the same; None if there is no such."""
    if annotation in (bool, int, float, str, Path, NoneType):
        return annotation
    origin, entries = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return annotation
    if origin in (Union, UnionType):
        known = [_known_to_tyro(entry) for entry in entries]
        return None if None in known else Union[tuple(known)]  # noqa: UP007
    if origin is tuple:
        known = [entry if entry is Ellipsis else _known_to_tyro(entry) for entry in entries]
        return None if None in known else tuple[tuple(known)]  # type: ignore[misc]
    if origin in (Sequence, list) and entries[0] in (int, float, str):
        return tuple[entries[0], ...]
    return None


def _options(annotation: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type."""
    is_union = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if is_union else (annotation,)


def _json_words(annotation: Any) -> Any:
    """Return how tyro reads a setting of an unknown type: each word is JSON, or else text."""
    kinds = {get_origin(option) or option for option in _options(annotation)}
    is_list = bool(kinds & {Sequence, list, tuple}) and not kinds & {Any, str, int, float}

    def read(words: list[str]) -> Any:
        try:
            values = tuple(json_value(word, "The value") for word in words)
        except HandfulError as error:
            raise ValueError(str(error)) from None
        if len(values) != 1:
            return values
        alone = values[0]
        return values if is_list and not isinstance(alone, tuple | Mapping | None) else alone

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="JSON",
        instance_from_str=read,
        is_instance=lambda value: True,
        str_from_instance=lambda value: [json.dumps(value)],
    )


def json_value(text: str, what: str) -> Any:
    """Return a word of the command line: JSON, or else the text itself.

    Args:
        text: the word.
        what: the value is, to begin a sentence with.

    Returns:
        the value, with tuples for lists; None also for the word None.

    Raises:
        HandfulError: if Python cannot hold the JSON, or a part of it would be lost.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise HandfulError(f"{what} gives {brief(twice)} twice: leave one of them out.")
        return dict(pairs)

    if text == str(None):
        return None
    try:
        value = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError:
        value = text
    except RecursionError:
        raise HandfulError(f"{what} has lists or mappings nested too deeply.") from None
    except ValueError:
        raise HandfulError(f"{what} is a number of too many digits: give a smaller one.") from None
    check_plain(value, what)
    return _tuples(value)


def _tuples(value: Any) -> Any:
    """Return lists as tuples, at every depth, since settings are hashable."""
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value


def named(arguments: Sequence[str], flag: str, default: Default) -> str | Default:
    """Return the value of a flag among arguments that were not read yet; of several the last.

    Args:
        arguments: the arguments of a command.
        flag: such as ``--method``.
        default: the value to return if the flag is not given.
    """
    value = default
    for place, argument in enumerate(arguments):
        if argument == flag and place + 1 < len(arguments):
            value = arguments[place + 1]
        elif argument.startswith(f"{flag}="):
            value = argument.partition("=")[2]
    return value


def take_untyped(
    arguments: Sequence[str], section: str, known: Iterable[str]
) -> tuple[list[str], dict[str, Any]]:
    """Separate the settings of unknown names and types from the other arguments.

    Args:
        arguments: the arguments of a command.
        section: the section that the settings belong to.
        known: the settings of the section that are known; these stay among the arguments.

    Returns:
        the other arguments, and the settings by name: several words make a list, no word makes
        True, and no word behind ``no-`` makes False.
    """
    start, known = flag_name(section, ""), set(known)
    left: list[str] = []
    found: dict[str, Any] = {}
    words: list[str] | None = None
    taken: dict[str, list[str]] = {}
    for argument in arguments:
        if argument.startswith(start):
            name, equals, value = argument.removeprefix(start).partition("=")
            name = name.replace("-", "_")
            is_known = name in known or name.removeprefix("no_") in known
            words = None if is_known else taken.setdefault(name, [value] if equals else [])
            if is_known:
                left.append(argument)
        elif argument.startswith("--"):
            words = None
            left.append(argument)
        elif words is None:
            left.append(argument)
        else:
            words.append(argument)
    for name, given_words in taken.items():
        values = [json_value(word, flag_name(section, name)) for word in given_words]
        if values:
            found[name] = values[0] if len(values) == 1 else tuple(values)
        else:
            found[name.removeprefix("no_")] = not name.startswith("no_")
    return left, found


OLD_FLAGS = {"--set": "ppo", "--method-set": "method", "--run-set": "run", "--param": "param"}
"""The flags of handful 0.1 that took NAME=VALUE, and the section that took the place of each."""


def check_old_flags(arguments: Sequence[str], sections: Sequence[Section]) -> None:
    """Look for flags of handful 0.1.

    Args:
        arguments: the arguments of a command.
        sections: the sections that the command has.

    Raises:
        HandfulError: if there is such a flag; the sentence names the first, and its form today.
    """
    for place, argument in enumerate(arguments):
        flag, equals, pair = argument.partition("=")
        if flag not in OLD_FLAGS:
            continue
        if not equals:
            pair = arguments[place + 1] if place + 1 < len(arguments) else ""
        name, _, text = pair.partition("=")
        name, old = name.replace("-", "_"), OLD_FLAGS[flag]
        owners = [one.name for one in sections if any(s.name == name for s in one.settings)]
        section = old if old in owners or not owners else owners[0]
        example = [flag_name(section, "NAME"), "VALUE"]
        if name.isidentifier():
            example = flag_words(section, name, json_value(text, flag))
        raise HandfulError(
            f"{flag} NAME=VALUE was the way of handful 0.1: now write {' '.join(example)}."
        )
