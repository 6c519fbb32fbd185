"""The command ``handful tasks``."""

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tyro

from handful._support.controls import shell_line
from handful._support.flags import flag_name
from handful.catalogue import Task, find_task, tasks
from handful.cli.output import print_json, say, show
from handful.cli.settings import Section, settings_of_task, take_untyped
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.parameters import TaskParameter

LEAST_ROOM = 30
"""The least number of columns for the meaning of a parameter, also on a narrow terminal."""


@dataclass
class Tasks:
    """List the tasks that have a name, or the parameters of one of them."""

    task: tyro.conf.Positional[str | None] = None
    """The task whose parameters are listed; without one all tasks are listed."""

    json: bool = False
    """Print JSON, with the parameters of every task; they are null if its module cannot be
    imported."""

    def run(self) -> None:
        """Print a line a task, or a line a parameter."""
        if self.task is not None:
            asked = _find(self.task)
            found = _parameters(asked)
            if self.json:
                print_json(_as_json(asked, found))
            else:
                show(*_lines(asked, found))
        elif self.json:
            print_json([_as_json(task, _parameters_if_any(task)) for task in tasks()])
        else:
            width = max(len(task.title) for task in tasks())
            for task in tasks():
                show(f"{task.title:{width}}  {task.description}")
            say("handful: 'handful tasks NAME' lists the parameters of a task.")


def _find(name: str) -> Task:
    """Find a task by its name; a family of tasks needs no argument here."""
    family = next((task for task in tasks() if task.name == name), None)
    return family or find_task(name)


def _parameters(task: Task) -> "list[TaskParameter]":
    """Find the parameters of a task, for which its module is imported.

    Raises:
        HandfulError: if the module cannot be imported.
    """
    from handful.parameters import parameters_of

    try:
        return list(parameters_of(task).values())
    except (ImportError, AttributeError) as error:
        raise HandfulError(
            f"What the task '{task.title}' takes cannot be told: it cannot be imported ({error})."
        ) from None


def _parameters_if_any(task: Task) -> "list[TaskParameter] | None":
    try:
        return _parameters(task)
    except HandfulError:
        return None


def _lines(task: Task, parameters: "list[TaskParameter]") -> list[str]:
    from handful.parameters import takes_anything

    own = _listed([one for one in parameters if not one.wraps])
    of_all = _listed([one for one in parameters if one.wraps])
    if takes_anything(task):
        own.append("  others, which the task itself looks at")
    head = "Parameters and their defaults:" if own else "No parameters of its own."
    common = ["What every task takes:", *of_all] if of_all else []
    return [f"{task.title}: {task.description}", head, *own, *common]


def _listed(parameters: "Sequence[TaskParameter]") -> list[str]:
    flags = [shell_line(*one.words) for one in parameters]
    width = max(map(len, flags), default=0)
    return [
        line
        for text, one in zip(flags, parameters, strict=True)
        for line in _wrapped(f"  {text:{width}}  {'(required) ' * one.is_required}", one.meaning)
    ]


def _wrapped(start: str, meaning: str) -> list[str]:
    """Wrap a line at the width of the terminal, so that the meaning stands in a column."""
    columns = shutil.get_terminal_size((100, 24)).columns
    room = max(columns - len(start), LEAST_ROOM)
    first, *more = textwrap.wrap(meaning, room) or [""]
    return [f"{start}{first}".rstrip(), *(" " * len(start) + line for line in more)]


def _as_json(task: Task, parameters: "list[TaskParameter] | None") -> dict[str, Any]:
    described = {"name": task.title, "description": task.description, "parameters": None}
    if parameters is not None:
        described["parameters"] = [_parameter_as_json(one) for one in parameters]
    return described


def _parameter_as_json(parameter: "TaskParameter") -> dict[str, Any]:
    """Describe a parameter for JSON; it has no default if it is required."""
    described = {"name": parameter.name, "meaning": parameter.meaning}
    return described if parameter.is_required else {**described, "default": parameter.json_default}


def task_section(arguments: Sequence[str]) -> list[Section]:
    """Return the parameters of the task that is the first of a command's arguments, as a section.

    Args:
        arguments: the arguments of the command, with those that the section takes without a type.

    Returns:
        the section ``param``; nothing if the first argument is a flag or the task's module
        cannot be imported, which making the task tells.

    Raises:
        HandfulError: if there is no such task, or parameters are given and the task is not.
    """
    from handful.parameters import takes_anything

    start = flag_name("param", "")
    asked = next((one for one in arguments if one.startswith(start)), None)
    name = arguments[0] if arguments and not arguments[0].startswith("-") else None
    if name is None:
        if asked is not None:
            raise HandfulError(f"Give the task before its parameters, so before {asked}.")
        return []
    task = find_task(name)
    try:
        settings = settings_of_task(_parameters(task))
    except HandfulError:
        if asked is not None:
            raise
        return []
    untyped: dict[str, Any] = {}
    if takes_anything(task):
        _, untyped = take_untyped(arguments, "param", [one.name for one in settings])
    return [Section("param", f"Parameters of the task '{task.title}'.", settings, untyped)]
