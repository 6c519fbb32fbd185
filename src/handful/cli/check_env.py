"""The command ``handful check-env``."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from handful._support.checks import check_kind, did_you_mean
from handful._support.controls import escaped
from handful._support.text import count
from handful.catalogue import tasks
from handful.cli.output import print_json, show
from handful.cli.settings import parse_settings
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.check.findings import Conformance

SHOWN = 8
"""Names of features in the summary."""

PARAMETERS: dict[str, Any] = {
    "features": str | Sequence[str],
    "feature_names": Sequence[str],
    "time_limit": int | None,
    "options": Mapping[str, Any] | None,
    "action_range": Sequence[Any],
    "observation_offset": Mapping[str, float] | Sequence[float],
}
"""What --param takes, of the arguments of check_env."""

HAS_DEFECTS = 1
"""Exit code of a check that found something to mend; 0 where it found nothing, or warnings only."""


@dataclass
class CheckEnv:
    """Check that an environment keeps the promises that training relies on; say what to mend."""

    env: tyro.conf.Positional[str]
    """gymnasium:ENV-ID, mo-gymnasium:ENV-ID, module:NAME of a class of yours, or a task's name."""

    param: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """features, feature_names, time_limit, options, action_range or observation_offset, as
    NAME=VALUE (--param time_limit=200)."""

    json: bool = False
    """Print JSON instead."""

    def run(self) -> None:
        """Check, print, and exit with 1 if there are defects."""
        from handful.check.check import check_env

        asked: dict[str, Any] = parse_settings(self.param, "--param")
        _check_asked(self.env, asked)
        result = check_env(self.env, **asked)
        if self.json:
            print_json({"passed": result.passed, **asdict(result)})
        else:
            _print_table(result)
        if not result.passed:
            sys.exit(HAS_DEFECTS)


def _check_asked(env: str, asked: Mapping[str, Any]) -> None:
    """Only what check_env takes for an environment that is given by name."""
    for name, value in asked.items():
        if name not in PARAMETERS:
            raise HandfulError(
                f"check-env has no parameter '{name}'{did_you_mean(name, PARAMETERS)}; it has: "
                f"{', '.join(PARAMETERS)}{_hint(env, name, value)}."
            )
        check_kind(name, value, PARAMETERS[name])


def _hint(env: str, name: str, value: Any) -> str:
    """Where a parameter goes that is the task's; empty if it is none."""
    from handful.parameters import parameters_of

    task = next((task for task in tasks() if env == task.name), None)
    if task is None or name not in parameters_of(task):
        return ""
    options = json.dumps({name: value})
    return f"; what is the task's own goes into options, as in --param 'options={options}'"


def _print_table(result: "Conformance") -> None:
    """A line a check, what was found below it, and a summary."""
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
