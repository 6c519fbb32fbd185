"""The command line that does a run again, from its settings."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from handful.reports.run import Run


def train_command(run: Run) -> str | None:
    """``handful train ...`` over several lines, or nothing for a problem that has no name.

    Every setting of the learner is written out, so that the command does not depend on what a
    preset holds in a later version.
    """
    settings = run.settings
    if run.problem["name"] == "custom":
        return None
    parts = [
        f"handful train {shlex.quote(run.problem['name'])}",
        *_pairs("--param", run.problem["parameters"]),
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
