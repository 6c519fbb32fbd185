"""Command lines that do runs again, from their settings."""

import json
from collections.abc import Mapping
from typing import Any

from handful.controls import shell_line, shell_word
from handful.reports.run import Run

USERS_FILE = "USERS.csv"
"""What stands for the table that the users came from."""

_NOT_RUN_SET = ("num_policies", "method", "method_settings", "steps", "seed", "ppo", "threads")
"""Settings that have flags of their own, and the threads, which are as many as the machine has that
does the run again; all others go into ``--run-set``."""


def train_command(run: Run) -> str | None:
    """``handful train ...`` over several lines, or nothing for a problem that has no name.

    Every setting is written out, so that the command does not depend on what a preset or a default
    is in a later version.
    """
    settings = run.settings
    if run.problem["name"] == "custom":
        return None
    parameters = dict(run.problem["parameters"])
    # A table of users is too long for a command line: the config has it, the caller has the file.
    population = USERS_FILE if parameters.pop("population", None) else None
    parts = train_parts(
        run.problem["name"],
        settings["num_policies"],
        settings["method"],
        settings["steps"],
        shell_word(settings["seed"]),
        _folder(f"{run.name}-again"),
        population=population,
        parameters=parameters,
        method_settings=settings["method_settings"],
        settings=settings["ppo"],
        run_settings={n: value for n, value in settings.items() if n not in _NOT_RUN_SET},
    )
    return " \\\n  ".join(parts)


def train_parts(
    task: str,
    policies: object,
    method: str,
    steps: object,
    seed: str,
    out: str,
    *,
    population: str | None = None,
    preset: str | None = None,
    parameters: Mapping[str, Any],
    method_settings: Mapping[str, Any],
    settings: Mapping[str, Any],
    run_settings: Mapping[str, Any],
) -> list[str]:
    """``handful train TASK``, and every flag with its value, quoted for the shell.

    Nothing here has been checked: the settings of a run come from its folder, which anybody may
    have written.

    Args:
        seed, out: as the shell reads them: these alone are not quoted, as the shell may have a
            variable there.
        population, preset: without one there is no such flag.
        parameters: of the task.
        settings: of the learner.
        run_settings: that belong neither to the learner nor to the method.
    """
    return [
        shell_line("handful", "train", task),
        *([shell_line("--population", population)] if population else []),
        *_pairs("--param", parameters),
        shell_line("--policies", policies),
        shell_line("--method", method),
        *_pairs("--method-set", method_settings),
        *([shell_line("--preset", preset)] if preset else []),
        *_pairs("--set", settings),
        *_pairs("--run-set", run_settings),
        shell_line("--steps", steps),
        f"--seed {seed}",
        f"--out {out}",
    ]


def resume_command(run: Run) -> str:
    """What continues the run, from the folder above its own."""
    return f"handful resume {_folder(run.name)}"


def _pairs(flag: str, values: Mapping[str, Any]) -> list[str]:
    return [shell_line(flag, f"{name}={json.dumps(value)}") for name, value in values.items()]


def _folder(name: str) -> str:
    """A folder's name as a word of a command that does not take it for an option."""
    return shell_word(f"./{name}" if name.startswith("-") else name)
