"""The command ``handful check-env``."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from handful.cli.output import print_json
from handful.cli.settings import parse_settings
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.conformance.findings import Conformance

SHOWN = 8
"""Names of features in the summary."""

HAS_DEFECTS = 1
"""Exit code of a check that found something to mend; 0 where it found nothing, or warnings only."""


@dataclass
class CheckEnv:
    """Check that an environment keeps the promises that training relies on; say what to mend."""

    env: tyro.conf.Positional[str]
    """gymnasium:ENV-ID, mo-gymnasium:ENV-ID, module:NAME of a class of yours, or a task's name."""

    param: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """features, names, time_limit or options, as NAME=VALUE (--param time_limit=200)."""

    json: bool = False
    """Print JSON instead."""

    def run(self) -> None:
        """Check, print, and exit with 1 if there are defects."""
        from handful.conformance.check import check_env

        asked: dict[str, Any] = parse_settings(self.param, "--param")
        try:
            result = check_env(self.env, **asked)
        except TypeError as error:
            raise HandfulError(f"--param holds what check-env cannot use: {error}.") from None
        if self.json:
            print_json({"passed": result.passed, **asdict(result)})
        else:
            _print_table(result)
        if not result.passed:
            sys.exit(HAS_DEFECTS)


def _print_table(result: "Conformance") -> None:
    """A line a check, what was found below it, and a summary."""
    from rich.console import Console
    from rich.table import Table

    from handful.conformance.findings import CHECKS, DEFECT

    table = Table(title=f"{result.label}", title_justify="left", show_header=False, box=None)
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
            table.add_row(
                f"[{style}]{finding.severity}[/]", _plain(f"{promise}: {finding.message}")
            )
    Console().print(table)
    warnings = len(result.findings) - len(result.defects)
    print(f"{_number(len(result.defects), 'defect')}, {_number(warnings, 'warning')}.", end=" ")
    if result.feature_names:
        limit = f"time limit {result.time_limit}" if result.time_limit else "no time limit"
        print(
            f"Features: {_some(result.feature_names)}; {limit}; "
            f"{result.steps_per_second:,.0f} steps a second in one process."
        )
    else:
        print("What is marked '-' could not be looked at.")


def _plain(text: str) -> str:
    """Text without rich's markup."""
    return text.replace("[", r"\[")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
