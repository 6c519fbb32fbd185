"""What ``train`` and ``resume`` have in common: run with progress, stop in order, tell the end."""

import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
        callbacks.append(TensorBoard(RunFolder(folder.absolute())))
    try:
        with telling_warnings():
            start(callbacks)
    except TrainingInterrupted as stop:
        say(f"handful: {stop}")
        sys.exit(128 + stop.signal_number)


def can_report() -> bool:
    """Whether everything is installed that a report needs."""
    return all(importlib.util.find_spec(name) is not None for name in ("matplotlib", "jinja2"))


@contextmanager
def telling_warnings() -> Iterator[None]:
    """While entered, what the library warns of is said as other news is."""
    from handful.errors import HandfulWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", HandfulWarning)
        usual = warnings.showwarning

        def show_warning(message: Any, category: Any, *where: Any) -> None:
            if issubclass(category, HandfulWarning):
                say(f"handful: {message}")
            else:
                usual(message, category, *where)

        warnings.showwarning = show_warning
        yield


def announce(folder: Path, json: bool, is_new: bool = True) -> None:
    """Write the report, and print how the run ended and where to look.

    Args:
        folder: of the run.
        json: whether to print the evaluation as JSON.
        is_new: whether the run ended just now. One that had ended before may be where nobody can
            write: that is said, and its results are printed all the same.

    Raises:
        OSError: if the report of a run that ended just now cannot be written.
    """
    run = RunFolder(folder)
    record, has_report = run.read_evaluation(), can_report()
    if has_report:
        from handful.reports.dossier import write_report

        try:
            write_report(folder)
        except OSError as error:
            if is_new:
                raise
            say(f"handful: the report was not written anew ({error.strerror}).")
            has_report = run.report.is_file()
    if json:
        print_json(record)
        return
    show(evaluation_summary(record, record["num_policies"]))
    if has_report:
        show(f"report: {run.report}")
    else:
        show(
            f"for plots and a report: {install_command('report')}, then "
            f"{shell_line('handful', 'report', folder)}"
        )
