"""What a task may be given: read from the signatures and docstrings of what takes it.

Nothing is written down twice, so what is listed is what is taken. The modules that a task needs are
imported when somebody asks about that task, not before.
"""

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from handful._support.checks import check_kind, did_you_mean
from handful._support.flags import flag_name, flag_words
from handful._support.text import shown
from handful.catalogue import Task
from handful.errors import HandfulError

REQUIRED: Any = inspect.Parameter.empty
"""The default of a parameter that has none."""

_SECTIONS = ("Args:", "Attributes:")


@dataclass(frozen=True)
class TaskParameter:
    """A parameter of a task.

    Attributes:
        name: the name for :func:`handful.make`; on the command line it is ``--param.NAME VALUE``.
        default: the value if none is given, or :data:`REQUIRED`.
        annotation: the type that it is declared with.
        taken_by: the function or class that takes it.
    """

    name: str
    default: Any
    annotation: Any
    taken_by: Callable[..., Any]

    @property
    def is_required(self) -> bool:
        """Whether the task cannot be made without it."""
        return self.default is REQUIRED

    @property
    def words(self) -> list[str]:
        """The parameter and its default as words of a command line; the flag alone for none."""
        if self.is_required:
            return [flag_name("param", self.name)]
        return flag_words("param", self.name, self.json_default)

    @property
    def json_default(self) -> Any:
        """As JSON has it, or else as Python shows it."""
        return shown(self.default)

    @property
    def meaning(self) -> str:
        """In words; empty where nobody wrote any."""
        return meanings(self.taken_by).get(self.name, "")


def find_object(entry_point: str) -> Any:
    """Return what ``"package.module:name"`` stands for."""
    module, _, name = entry_point.partition(":")
    return getattr(importlib.import_module(module), name)


def parameters_of(task: Task) -> dict[str, TaskParameter]:
    """Return the parameters that a task takes, by name.

    The parameters of its entry point come first, then those that :attr:`Task.takes` names.

    A task whose entry point takes anything (``**parameters``) without saying where it goes may take
    more than this: see :func:`takes_anything`.
    """
    taker = find_object(task.entry_point)
    found = [(taker, parameter) for parameter in _named(taker)[1 if task.argument else 0 :]]
    for taker in map(find_object, task.takes):
        named = _named(taker)
        after_star = [one for one in named if one.kind is inspect.Parameter.KEYWORD_ONLY]
        found += [(taker, parameter) for parameter in after_star or named]
    return {
        parameter.name: TaskParameter(
            parameter.name, parameter.default, parameter.annotation, taker
        )
        for taker, parameter in found
    }


def takes_anything(task: Task) -> bool:
    """Return whether only making the task tells which parameters it takes."""
    return not task.takes and any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD
        for parameter in _signature(find_object(task.entry_point)).parameters.values()
    )


def check_parameters(name: str, task: Task, given: Mapping[str, Any]) -> None:
    """Look at a task's parameters before it is made of them.

    Args:
        name: the name by which the task was asked for.
        task: the task of that name.
        given: the parameters that were given, by name.

    Raises:
        HandfulError: naming the first that the task does not take, lacks, or takes only of another
            kind.
    """
    known = parameters_of(task)
    for parameter, value in given.items():
        if parameter in known:
            check_kind(parameter, value, known[parameter].annotation)
        elif not takes_anything(task):
            raise HandfulError(
                f"The task '{name}' has no parameter '{parameter}'{did_you_mean(parameter, known)};"
                f" it has: {', '.join(known) or 'none'}."
            )
    missing = next((n for n, one in known.items() if one.is_required and n not in given), None)
    if missing is not None:
        raise HandfulError(
            f"The task '{name}' needs the parameter '{missing}' (on the command line: "
            f"{flag_name('param', missing)} VALUE)."
        )


def _named(taker: Callable[..., Any]) -> list[inspect.Parameter]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [one for one in _signature(taker).parameters.values() if one.kind in kinds]


def _signature(taker: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(taker, eval_str=True)
    except NameError:  # annotations that only a type checker can read
        return inspect.signature(taker)


def meanings(taker: Callable[..., Any]) -> dict[str, str]:
    """Read a docstring in Google's style.

    Args:
        taker: a function or a class.

    Returns:
        what the docstring says of each argument or attribute, by name.
    """
    lines = (inspect.getdoc(taker) or "").splitlines()
    start = next((i for i, line in enumerate(lines, 1) if line in _SECTIONS), len(lines))
    entries: list[str] = []
    for line in filter(None, lines[start:]):
        if not line.startswith(" "):
            break  # the next section
        if line.startswith(" " * 8) and entries:
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line.strip())
    found = {}
    for entry in entries:
        names, _, text = entry.partition(": ")
        found |= {name.strip(): _without_markup(text) for name in names.split(",")}
    return found


def _without_markup(text: str) -> str:
    return re.sub(r":\w+:`~?([^`]*)`", r"\1", text).replace("``", "")
