"""What the commands print: a summary for people, JSON for machines.

Every command prints through this module (the linter keeps it so). Names of columns, users and files
come from other people, and a terminal obeys control characters: it would move the cursor, change
its title or hide what stands before them. So they are shown by their codes, as ``\x1b``.
"""

import importlib.util
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handful._support.controls import escaped, shell_line
from handful._support.installing import install_command
from handful._support.text import count
from handful.cli.channel import write_result
from handful.run_folder import RunFolder


def print_json(values: Any) -> None:
    """Write one JSON document to standard output, and nothing else."""
    text = json.dumps(values, allow_nan=False)  # ASCII, and of the control characters only DEL
    write_result(text.replace("\x7f", "\\u007f") + "\n")


def show(*lines: object, end: str = "\n") -> None:
    """Print results for people or scripts on standard output, each on a line."""
    print(*(escaped(str(line), one_line=False) for line in lines), sep="\n", end=end)


def say(message: str) -> None:
    """Print news for people on standard error, where it does not mix with results."""
    print(escaped(message, one_line=False), file=sys.stderr)


def say_error(sentence: str) -> None:
    """Print what went wrong in one line on standard error."""
    print(f"handful: {escaped(sentence)}", file=sys.stderr)


def evaluation_summary(record: dict[str, Any], num_policies: int) -> str:
    """Describe an evaluation in a few lines.

    Args:
        record: the content of ``evaluation.json``.
        num_policies: the budget of the run.

    Returns:
        the lines, joined.
    """
    name = record.get("welfare_function", "utilitarian")
    is_mean = name == "utilitarian"
    lines = [
        f"welfare {'' if is_mean else f'({name}) '}"
        f"{record['welfare']:.2f} ± {record['welfare_stderr']:.2f} "
        f"({count(num_policies, 'policy')}, {count(record['num_users'], 'user')}, "
        f"{count(record['num_episodes'], 'evaluation episode')} a policy)"
    ]
    if not is_mean:
        lines.append(
            f"mean over users {record['mean_utility']:.2f} ± {record['mean_utility_stderr']:.2f}"
        )
    if record["optimum"] is not None:
        best = f"{_optimum_name(record['optimum_kind'])} {record['optimum']:.2f}"
        percent = record["percent_of_optimum"]
        lines.append(best if percent is None else f"{percent:.1f} % of the {best}")
    if "num_no_policy_fits" in record:
        unserved = count(record["num_no_policy_fits"], "user")
        lines.append(f"no policy fits {unserved}: the outside option is better")
    for floor in record.get("floors", ()):
        lines.append(floor["sentence"])
    lines.append(
        f"sampled actions {record['stochastic']['welfare']:.2f}, "
        f"reassigned by other episodes {record['reassigned_welfare']:.2f}, "
        f"worst served {record['worst_user']} with {record['worst_user_return']:.2f}"
    )
    for finding in record.get("findings", []):
        lines.append(f"note: {finding['message']} {finding['advice']}")
    return "\n".join(lines)


def _optimum_name(kind: str) -> str:
    return "exact optimum" if kind == "exact" else kind


def run_training(
    start: Callable[[Sequence[Any], Sequence[Any]], object], log: Sequence[str], tensorboard: bool
) -> None:
    """Train with the callbacks and loggers of the command line; exit if training was stopped.

    Args:
        start: trains, given the callbacks and the loggers.
        log: the names of the loggers, as ``--log`` gives them.
        tensorboard: whether there is a logger for TensorBoard too, if tensorboardX is installed.

    Raises:
        HandfulError: if a logger does not exist, or its package is not installed.
    """
    from handful.devices import keep_compiled_programs, use_cores
    from handful.training.session import TrainingInterrupted
    from handful.training.watching.callbacks import ProgressBar
    from handful.training.watching.trackers import make_logger

    names = list(dict.fromkeys(log))
    if tensorboard and "tensorboard" not in names and importlib.util.find_spec("tensorboardX"):
        names.append("tensorboard")
    loggers = [make_logger(name) for name in names]
    use_cores()
    keep_compiled_programs()
    if not can_report():
        say(
            "handful: there will be no report of this run, as matplotlib or jinja2 is missing: "
            f"{install_command('report')}."
        )
    try:
        with telling_warnings():
            start([ProgressBar()], loggers)
    except TrainingInterrupted as stop:
        say(f"handful: {stop}")
        sys.exit(128 + stop.signal_number)


def can_report() -> bool:
    """Return whether everything is installed that a report needs."""
    return all(importlib.util.find_spec(name) is not None for name in ("matplotlib", "jinja2"))


@contextmanager
def telling_warnings() -> Iterator[None]:
    """Within the block, print the warnings of the library in the same form as other news."""
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
        folder: the folder of the run.
        json: whether to print the evaluation as JSON.
        is_new: whether the run ended just now. A run that had ended before may be in a place where
            nobody can write: then its results are printed without a new report.

    Raises:
        OSError: if the report of a run that ended just now cannot be written.
    """
    run = RunFolder(folder)
    record, has_report = run.read_evaluation(), can_report()
    if has_report:
        from handful.report.page import write_report

        try:
            write_report(folder)
        except OSError as error:
            if is_new:
                raise
            say(f"handful: the report was not written again ({error.strerror}).")
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
