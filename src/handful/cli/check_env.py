"""The command ``handful check-env``."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

import tyro

from handful._support.controls import escaped, shell_line
from handful._support.flags import flag_name, flag_words
from handful._support.text import count
from handful.catalogue import tasks
from handful.cli.output import print_json, show
from handful.cli.settings import Section, Setting, given, json_value
from handful.errors import HandfulError
from handful.parameters import meanings, parameters_of

if TYPE_CHECKING:
    from handful.check.findings import Conformance

SHOWN = 8
"""The most names of features that the summary shows."""

PARAMETERS: dict[str, Any] = {
    "features": str | Sequence[str],
    "feature_names": Sequence[str],
    "time_limit": int | None,
    "options": Mapping[str, Any] | None,
    "action_range": Sequence[Any],
    "observation_offset": Mapping[str, float] | Sequence[float],
}
"""The section param takes these arguments of check_env."""

HAS_DEFECTS = 1
"""The exit code of a check that found defects; a check with warnings only exits with 0."""


@dataclass
class CheckEnv:
    """Check that an environment keeps the promises that training relies on; say what to mend."""

    env: tyro.conf.Positional[str]
    """gymnasium:ENV-ID, mo-gymnasium:ENV-ID, module:NAME of a class of yours, or a task's name."""

    json: bool = False
    """Print the result as JSON."""

    @classmethod
    def sections(cls, arguments: Sequence[str]) -> list[Section]:
        """Return the arguments of ``check_env`` for an environment that is given by name.

        Raises:
            HandfulError: if a parameter is given that belongs to the task.
        """
        from handful.check.check import check_env

        _refuse_parameters_of_task(arguments)
        said, defaults = meanings(check_env), signature(check_env).parameters
        settings = [
            Setting(name, kind, defaults[name].default, "default", said.get(name, ""))
            for name, kind in PARAMETERS.items()
        ]
        return [Section("param", "How the environment is looked at.", tuple(settings))]

    def run(self) -> None:
        """Check, print, and exit with 1 if there are defects."""
        from handful.check.check import check_env

        result = check_env(self.env, **given(self, "param"))
        if self.json:
            print_json({"passed": result.passed, **asdict(result)})
        else:
            _print_table(result)
        if not result.passed:
            sys.exit(HAS_DEFECTS)


def _refuse_parameters_of_task(arguments: Sequence[str]) -> None:
    """Look for parameters of the task itself.

    Raises:
        HandfulError: if there is one; the sentence names the first, and its right place.
    """
    env = arguments[0] if arguments else ""
    task = next((task for task in tasks() if env == task.name), None)
    own = parameters_of(task) if task is not None else {}
    start = flag_name("param", "")
    for argument in (one for one in arguments if one.startswith(start)):
        name, _, value = argument.removeprefix(start).partition("=")
        name = name.replace("-", "_")
        if name in own and not own[name].wraps and name not in PARAMETERS:
            after = arguments[arguments.index(argument) + 1 :]
            options = {name: json_value(value or next(iter(after), ""), name)}
            example = shell_line(*flag_words("param", "options", options))
            raise HandfulError(
                f"check-env has no parameter '{name}', which is the task's own: give it in the "
                f"options, as in {example}."
            )


def _print_table(result: "Conformance") -> None:
    """Print a line for each check with what it found, and a summary."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from handful.check.findings import CHECKS, DEFECT

    table = Table(
        title=Text(escaped(result.label)), title_justify="left", show_header=False, box=None
    )
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check, promise in CHECKS.items():
        found = result.of(check)
        if not found:
            seen = check in result.looked_at
            table.add_row(
                "[green]ok[/]" if seen else "[dim]-[/]", promise, style=None if seen else "dim"
            )
        for finding in found:
            style = "bold red" if finding.severity == DEFECT else "yellow"
            said = Text(escaped(f"{promise}: {finding.message}", one_line=False))
            table.add_row(f"[{style}]{finding.severity}[/]", said)
    Console().print(table)
    warnings = len(result.findings) - len(result.defects)
    show(f"{count(len(result.defects), 'defect')}, {count(warnings, 'warning')}.", end=" ")
    if result.feature_names:
        limit = f"time limit {result.time_limit}" if result.time_limit else "no time limit"
        show(
            f"Features: {_some(result.feature_names)}; {limit}; "
            f"{result.steps_per_second:,.0f} steps a second in one process."
        )
    else:
        show("What is marked '-' could not be looked at.")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
