"""What ``train`` and ``resume`` have in common: run with progress, stop in order, tell the end."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from handful.cli.output import evaluation_summary, print_json, say, show
from handful.controls import shell_line
from handful.installing import install_command
from handful.runs import RunFolder


def run_training(start: Callable[[Sequence[Any]], object], folder: Path, tensorboard: bool) -> None:
    """Call ``start`` with the command line's callbacks; exit if it was asked to stop."""
    from handful.devices import keep_compiled_programs, use_cores
    from handful.training.callbacks import Callback, TensorBoard
    from handful.training.progress_bar import ProgressBar
    from handful.training.signals import TrainingInterrupted

    use_cores()
    keep_compiled_programs()
    if not can_report():
        say(
            "handful: there will be no report of this run, as matplotlib or jinja2 is missing: "
            f"{install_command('report')}."
        )
    callbacks: list[Callback] = [ProgressBar()]
    if tensorboard and importlib.util.find_spec("tensorboardX"):
        callbacks.append(TensorBoard(RunFolder(folder)))
    try:
        start(callbacks)
    except TrainingInterrupted as stop:
        say(f"handful: {stop}")
        sys.exit(128 + stop.signal_number)


def can_report() -> bool:
    """Whether everything is installed that a report needs."""
    return all(importlib.util.find_spec(name) is not None for name in ("matplotlib", "jinja2"))


def announce(folder: Path, json: bool) -> None:
    """Write the report, and print how the run ended and where to look."""
    run = RunFolder(folder)
    record = run.read_evaluation()
    if can_report():
        from handful.reports.dossier import write_report

        write_report(folder)
    if json:
        print_json(record)
        return
    show(evaluation_summary(record, record["num_policies"]))
    if can_report():
        show(f"report: {run.report}")
    else:
        show(
            f"for plots and a report: {install_command('report')}, then "
            f"{shell_line('handful', 'report', folder)}"
        )
