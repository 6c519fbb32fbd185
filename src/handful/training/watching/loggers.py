"""The loggers of a run: one protocol for all of them, and ``metrics.jsonl``.

Training calls every logger in the same way: :meth:`Logger.open` with the settings of the run,
:meth:`Logger.log` after every update, and :meth:`Logger.close` with the evaluation. Loggers for
TensorBoard, Weights & Biases and MLflow are in :mod:`handful.training.watching.trackers`.
"""

import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from handful._support.files import write_text
from handful._support.foreign import pass_on_stop, told
from handful._support.storage import digest_of_json
from handful.errors import HandfulError, HandfulWarning
from handful.run_folder import RunFolder
from handful.training.watching.callbacks import OwnCallback, Report, check_objects


@dataclass(frozen=True)
class Step:
    """A moment of training.

    Attributes:
        update: the number of updates so far, from 1 on; 0 before the first update.
        transitions: the number of transitions per policy so far.
        seconds: the seconds that training took so far, without the time between a stop and a
            resume.
    """

    update: int
    transitions: int
    seconds: float


@dataclass(frozen=True)
class RunStart:
    """What a logger gets before the first update.

    Attributes:
        name: the name of the run's folder, or of the task if the run has no folder.
        identity: 16 letters that no other run has. A run that is resumed keeps its letters.
        config: everything that ``config.json`` of a run folder holds: the problem, the settings,
            the versions of packages, the machine and the date.
        folder: the run's folder, or None if the run is not kept.
        step: the moment that training goes on from. A run that begins has 0 updates. A run that is
            resumed goes on from its last checkpoint, so that updates after that checkpoint, which
            were logged before the run was stopped, are logged again.
    """

    name: str
    identity: str
    config: Mapping[str, Any]
    folder: Path | None
    step: Step


class Logger(ABC):
    """The base class of everything that metrics go to; only :meth:`log` is required.

    Give objects of your class to ``handful.train(..., loggers=[MyLogger()])``. On the command line
    ``--log my_module:MyLogger`` makes one without arguments.

    An error in a logger does not end the run: training warns once, closes that logger, and goes on
    without it. Only a ``HandfulError`` that :meth:`open` raises ends the run, before its first
    update.
    """

    def open(self, run: RunStart) -> None:
        """Prepare for the metrics of a run.

        This is called once, before the first update. A logger whose run is resumed gets the same
        :attr:`RunStart.identity` again, and should go on where it was.

        Args:
            run: what the run is, and at which update it starts or goes on.
        """
        del run

    @abstractmethod
    def log(self, step: Step, metrics: Mapping[str, Any]) -> None:
        """Write down the metrics of an update.

        Args:
            step: which update it is.
            metrics: the metrics by name: each is a number, or a list with one number for each
                policy. :func:`~handful.training.watching.trackers.scalars` makes numbers of the
                lists.
        """

    def close(self, evaluation: Mapping[str, Any] | None) -> None:
        """Finish the log of a run.

        Args:
            evaluation: everything that ``evaluation.json`` of a run folder says of the result, such
                as ``welfare`` and ``percent_of_optimum``; None if the run was stopped or failed.
        """
        del evaluation


class MetricsFile(Logger):
    """The logger of every run that has a folder: it appends a line of JSON an update.

    Args:
        folder: the run's folder, whose ``metrics.jsonl`` is written.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._run = ""
        self._file: TextIO | None = None

    def open(self, run: RunStart) -> None:
        """Keep the lines up to the moment that the run goes on from, and drop those after it."""
        self._run = run.identity
        kept = self._folder.salvage_metrics(run.step.update)
        path = self._folder.metrics
        write_text(path, "".join(json.dumps(record) + "\n" for record in kept))
        self._file = path.open("a", encoding="utf-8")

    def log(self, step: Step, metrics: Mapping[str, Any]) -> None:
        """Append a line and flush it, so that a kill loses nothing that was written."""
        assert self._file is not None
        record = {
            "run": self._run,
            "update": step.update,
            "transitions": step.transitions,
            "seconds": round(step.seconds, 3),
            **metrics,
        }
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def close(self, evaluation: Mapping[str, Any] | None) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class RunLog(OwnCallback):
    """Hands the metrics of a run on to its loggers.

    Attributes:
        evaluation: the evaluation that the loggers get at the end; None until the run is evaluated.
    """

    def __init__(self, own: Sequence[Logger], loggers: Sequence[Logger]) -> None:
        self.evaluation: Mapping[str, Any] | None = None
        self._own = own
        self._loggers = list(loggers)

    @property
    def has_loggers(self) -> bool:
        """Whether there are loggers that wait for the evaluation."""
        return bool(self._loggers)

    def on_update(self, report: Report) -> None:
        """Give every logger the metrics of an update."""
        step = Step(report.update, report.transitions, report.seconds)
        for own in self._own:
            own.log(step, report.metrics)
        self._each("log", lambda logger: logger.log(step, dict(report.metrics)))

    def open(self, run: RunStart) -> None:
        """Open every logger.

        Raises:
            HandfulError: if a logger says by it that the run cannot be logged as it was asked for.
        """
        for own in self._own:
            own.open(run)
        self._each("open", lambda logger: logger.open(run), passed_on=HandfulError)

    def close(self) -> None:
        """Close every logger."""
        for own in self._own:
            own.close(self.evaluation)
        self._each("close", lambda logger: logger.close(self.evaluation))

    def _each(
        self,
        name: str,
        call: Callable[[Logger], None],
        passed_on: tuple[type[Exception], ...] | type[Exception] = (),
    ) -> None:
        """Call a method of every logger; a logger that fails gets no more calls."""
        for logger in tuple(self._loggers):
            try:
                call(logger)
            except passed_on:
                raise
            except BaseException as error:
                pass_on_stop(error)
                self._loggers.remove(logger)
                warnings.warn(
                    HandfulWarning(
                        f"The logger {type(logger).__name__} failed in {name}() with "
                        f"{told(error)}: it gets no more of this run, and the run goes on."
                    ),
                    stacklevel=2,
                )
                if name != "close":
                    _close_quietly(logger)


def _close_quietly(logger: Logger) -> None:
    """Close a logger that failed, so that its files and connections do not stay open."""
    try:
        logger.close(None)
    except BaseException as error:
        pass_on_stop(error)


@contextmanager
def open_log(
    folder: RunFolder | None,
    loggers: Sequence[Logger],
    describe: Callable[[], Mapping[str, Any]],
    name: str,
    step: Step,
    is_trained: bool,
) -> Iterator[RunLog]:
    """Within the block, the loggers of a run are open.

    Args:
        folder: the run's folder, or None.
        loggers: the loggers that the caller gave.
        describe: makes the content of ``config.json`` for a run without a folder.
        name: the name of the task.
        step: the moment that training goes on from.
        is_trained: whether training has ended already; then ``metrics.jsonl`` stays as it is.

    Yields:
        the callback that gives the metrics to all loggers. The loggers are closed with its
        attribute ``evaluation``.
    """
    own = [] if folder is None or is_trained else [MetricsFile(folder)]
    log = RunLog(own, loggers)
    if not own and not loggers:
        yield log
        return
    # As it is read from a file, so that a run has the same identity with and without a folder.
    config = json.loads(json.dumps(describe())) if folder is None else folder.read_config()
    start = RunStart(
        name=name if folder is None else folder.path.name,
        identity=digest_of_json(config)[:16] if folder is None else folder.short_name(),
        config=config,
        folder=None if folder is None else folder.path,
        step=step,
    )
    try:
        log.open(start)
        yield log
    finally:
        log.close()


def check_loggers(loggers: Any) -> None:
    """Look at the loggers that a caller gave.

    Raises:
        HandfulError: if they are no list of objects of classes derived from :class:`Logger`.
    """
    check_objects("loggers", loggers, Logger)
