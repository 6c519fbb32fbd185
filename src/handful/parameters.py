"""The parameters that a task takes, read from signatures and docstrings.

So the list of parameters cannot differ from what the code takes. The modules that a task needs are
imported only when the task's parameters are asked for.
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
from handful.catalogue import WRAPPERS, Task
from handful.errors import HandfulError

REQUIRED: Any = inspect.Parameter.empty
"""The default of a parameter that has no default."""

_SECTIONS = ("Args:", "Attributes:")


@dataclass(frozen=True)
class TaskParameter:
    """A parameter of a task.

    Attributes:
        name: the name for :func:`handful.make`; on the command line it is ``--param.NAME VALUE``.
        default: the value if none is given, or :data:`REQUIRED`.
        annotation: the type in the parameter's declaration.
        taken_by: the function or class that takes the parameter.
        argument: the name by which that takes it.
        wraps: whether it is a function that changes what policies see of the task's problem.
    """

    name: str
    default: Any
    annotation: Any
    taken_by: Callable[..., Any]
    argument: str
    wraps: bool = False

    @property
    def is_required(self) -> bool:
        """Whether the task cannot be made without it."""
        return self.default is REQUIRED

    @property
    def words(self) -> list[str]:
        """The parameter and its default as words of a command line.

        Without a default it is the flag alone.
        """
        if self.is_required:
            return [flag_name("param", self.name)]
        return flag_words("param", self.name, self.json_default)

    @property
    def json_default(self) -> Any:
        """The default in the types of JSON if possible, and else as Python shows it."""
        return shown(self.default)

    @property
    def meaning(self) -> str:
        """The meaning of the parameter in words; empty if its docstring has none."""
        return meanings(self.taken_by).get(self.argument, "")


def find_object(entry_point: str) -> Any:
    """Return the object that ``"package.module:name"`` names."""
    module, _, name = entry_point.partition(":")
    return getattr(importlib.import_module(module), name)


def parameters_of(task: Task) -> dict[str, TaskParameter]:
    """Return the parameters that a task takes, by name.

    The parameters of its entry point come first, then those that :attr:`Task.takes` names, and at
    last those that every task takes (:data:`~handful.catalogue.WRAPPERS`).

    A task may take more than these parameters if its entry point takes ``**parameters`` and
    :attr:`Task.takes` is empty: see :func:`takes_anything`.
    """
    taker = find_object(task.entry_point)
    found = [(taker, parameter) for parameter in _named(taker)[1 if task.argument else 0 :]]
    for taker in map(find_object, task.takes):
        named = _named(taker)
        after_star = [one for one in named if one.kind is inspect.Parameter.KEYWORD_ONLY]
        found += [(taker, parameter) for parameter in after_star or named]
    own = {
        parameter.name: TaskParameter(
            parameter.name, parameter.default, parameter.annotation, taker, parameter.name
        )
        for taker, parameter in found
    }
    return own | {name: _wrapper(name) for name in WRAPPERS if name not in own}


def _wrapper(name: str) -> TaskParameter:
    """Return a parameter that every task takes; it changes nothing by default."""
    taker = find_object(WRAPPERS[name])
    _, argument = _named(taker)
    kind = argument.annotation | None
    return TaskParameter(name, None, kind, taker, argument.name, wraps=True)


def takes_anything(task: Task) -> bool:
    """Return whether the task's parameters are known only once the task is made."""
    return not task.takes and any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD
        for parameter in _signature(find_object(task.entry_point)).parameters.values()
    )


def check_parameters(name: str, task: Task, given: Mapping[str, Any]) -> None:
    """Check a task's parameters before the task is made.

    Args:
        name: the name by which the task was asked for.
        task: the task of that name.
        given: the parameters that were given, by name.

    Raises:
        HandfulError: if the task does not take a parameter, lacks one, or takes it only of another
            kind; the sentence names the first such parameter.
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
    except NameError:  # only a type checker can read these annotations
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
