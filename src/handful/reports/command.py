"""The command line that does a run again, from its settings."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from handful.reports.run import Run

USERS_FILE = "USERS.csv"
"""What stands for the table that the users came from."""


def train_command(run: Run) -> str | None:
    """``handful train ...`` over several lines, or nothing for a problem that has no name.

    Every setting of the learner is written out, so that the command does not depend on what a
    preset holds in a later version.
    """
    settings = run.settings
    if run.problem["name"] == "custom":
        return None
    parameters = dict(run.problem["parameters"])
    # A table of users is too long for a command line: the config has it, the caller has the file.
    users = [f"--population {USERS_FILE}"] if parameters.pop("population", None) else []
    parts = [
        f"handful train {shlex.quote(run.problem['name'])}",
        *users,
        *_pairs("--param", parameters),
        f"--policies {settings['num_policies']}",
        f"--method {shlex.quote(settings['method'])}",
        *_pairs("--method-set", settings["method_settings"]),
        f"--seed {settings['seed']}",
        f"--steps {settings['steps']}",
        *_pairs("--set", settings["ppo"]),
        f"--out {shlex.quote(run.name + '-again')}",
    ]
    return " \\\n  ".join(parts)


def resume_command(run: Run) -> str:
    """What continues the run, from the folder above its own."""
    return f"handful resume {shlex.quote(run.name)}"


def _pairs(flag: str, values: Mapping[str, Any]) -> list[str]:
    written = {name: json.dumps(value, separators=(",", ":")) for name, value in values.items()}
    return [f"{flag} {shlex.quote(f'{name}={value}')}" for name, value in written.items()]
