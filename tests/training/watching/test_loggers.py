import json
import signal
import warnings

import pytest

import handful
from handful.errors import HandfulError, HandfulWarning
from handful.run_folder import RunFolder
from handful.training.session import TrainingInterrupted
from handful.training.watching.loggers import (
    Logger,
    MetricsFile,
    RunStart,
    Step,
    check_loggers,
    open_log,
)
from tests.training.helpers import TINY, report
from tests.training.test_resume import StopAt

STEPS = 4 * TINY["batch_size"]


class Recorder(Logger):
    """Keeps all that it gets."""

    def __init__(self):
        self.calls, self.rows, self.start, self.evaluation = [], {}, None, None

    def open(self, run):
        self.calls.append("open")
        self.start = run
        self.rows = {n: row for n, row in self.rows.items() if n <= run.step.transitions}

    def log(self, step, metrics):
        self.calls.append("log")
        assert step.transitions not in self.rows
        self.rows[step.transitions] = metrics

    def close(self, evaluation):
        self.calls.append("close")
        self.evaluation = evaluation


class Failing(Recorder):
    """Fails in one of its methods."""

    def __init__(self, method, error=None):
        super().__init__()
        self._method, self._error = method, error or OSError("the disk is full")

    def _fail(self, method):
        if method == self._method:
            self.calls.append(method)
            raise self._error

    def open(self, run):
        self._fail("open")
        super().open(run)

    def log(self, step, metrics):
        self._fail("log")
        super().log(step, metrics)

    def close(self, evaluation):
        self._fail("close")
        super().close(evaluation)


@pytest.fixture
def folder(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.create({})
    return run


@pytest.fixture(scope="module")
def problem():
    return handful.make("resource-gathering", height=2, width=2)


def start_at(folder, update=0):
    step = Step(update, 256 * update, 1.0)
    return RunStart("run", folder.short_name(), folder.read_config(), folder.path, step)


def write(folder, updates, first=0):
    """Lines of these updates by a process that goes on from the first."""
    metrics = MetricsFile(folder)
    metrics.open(start_at(folder, first))
    for update in updates:
        metrics.log(Step(update, 256 * update, 0.12345), report(update).metrics)
    metrics.close(None)


def train(problem, loggers, **more):
    return handful.train(
        problem, 2, "em", steps=STEPS, settings=TINY, loggers=loggers, progress=False, **more
    )


def test_metrics_are_a_line_of_json_an_update_written_at_once(folder):
    metrics = MetricsFile(folder)
    metrics.open(start_at(folder))
    metrics.log(Step(1, 256, 0.12345), report(1).metrics)
    assert json.loads(folder.metrics.read_text()) == {
        "run": folder.short_name(),
        "update": 1,
        "transitions": 256,
        "seconds": 0.123,
        "welfare": 10.0,
        "entropy": [1.5, 1.0],
    }
    metrics.log(Step(2, 512, 1.0), report(2).metrics)
    metrics.close(None)
    assert [record["update"] for record in folder.read_metrics()] == [1, 2]


def test_lines_after_the_checkpoint_are_dropped_when_a_run_goes_on(folder):
    write(folder, (1, 2, 3))
    folder.metrics.write_text(folder.metrics.read_text() + '{"update": 4, "wel')
    write(folder, (3,), first=2)
    assert [record["update"] for record in folder.read_metrics()] == [1, 2, 3]


def test_a_damaged_line_is_all_that_a_run_loses_that_goes_on(folder):
    write(folder, (1, 2, 3))
    folder.metrics.write_text(folder.metrics.read_text().replace('"update": 2', '"update'))
    write(folder, (4,), first=3)
    assert [record["update"] for record in folder.read_metrics()] == [1, 3, 4]


def test_a_logger_gets_the_settings_every_update_and_the_evaluation(problem, tmp_path):
    recorder, out = Recorder(), tmp_path / "run"
    result = train(problem, [recorder], out=out)
    folder = RunFolder(out)
    assert recorder.calls == ["open", *["log"] * 4, "close"]
    assert recorder.start == RunStart(
        "run", folder.short_name(), folder.read_config(), out, Step(0, 0, 0.0)
    )
    assert list(recorder.rows) == [256, 512, 768, 1024]
    written = folder.read_metrics()
    for record, metrics in zip(written, recorder.rows.values(), strict=True):
        assert record.items() >= metrics.items()
        assert {"welfare", "entropy"} <= metrics.keys()
    assert recorder.evaluation["welfare"] == result.evaluation.welfare


def test_a_run_without_a_folder_is_logged_too(problem):
    recorder = Recorder()
    result = train(problem, [recorder])
    assert recorder.start.name == "resource-gathering"
    assert recorder.start.folder is None
    assert len(recorder.start.identity) == 16
    assert recorder.start.config["settings"]["num_policies"] == 2
    assert len(recorder.rows) == 4
    assert recorder.evaluation["percent_of_optimum"] is not None
    assert recorder.evaluation["welfare"] == result.evaluation.welfare


def test_a_run_that_goes_on_logs_no_update_twice(problem, tmp_path):
    recorder, out = Recorder(), tmp_path / "run"
    with pytest.raises(TrainingInterrupted):
        train(problem, [recorder], out=out, callbacks=[StopAt(2)])
    assert (list(recorder.rows), recorder.evaluation) == ([256, 512], None)
    before = recorder.start
    handful.resume(out, loggers=[recorder], progress=False)
    assert list(recorder.rows) == [256, 512, 768, 1024]
    assert recorder.start.identity == before.identity
    assert (recorder.start.step.update, recorder.start.step.transitions) == (2, 512)
    assert recorder.evaluation is not None
    calls = list(recorder.calls)
    handful.resume(out, loggers=[recorder], progress=False)  # it is finished
    assert recorder.calls == calls


@pytest.mark.parametrize("error", [OSError("the disk is full"), SystemExit(3)])
@pytest.mark.parametrize(
    ("method", "calls"),
    [
        ("open", ["open", "close"]),
        ("log", ["open", "log", "close"]),
        ("close", ["open", "log", "log", "close"]),
    ],
)
def test_a_logger_that_fails_is_told_once_and_loses_nothing_else(folder, method, calls, error):
    failing, recorder = Failing(method, error), Recorder()
    start, evaluation = Step(0, 0, 0.0), {"welfare": 1.0}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with open_log(folder, [failing, recorder], dict, "task", start, False) as log:
            log.on_update(report(1))
            log.on_update(report(2))
            log.evaluation = evaluation
    assert failing.calls == calls
    assert recorder.calls == ["open", "log", "log", "close"]
    assert recorder.evaluation == evaluation
    assert [record["update"] for record in folder.read_metrics()] == [1, 2]
    (warning,) = told
    assert issubclass(warning.category, HandfulWarning)
    assert str(warning.message).startswith(f"The logger Failing failed in {method}() with ")
    assert str(warning.message).endswith("it gets no more of this run, and the run goes on.")


@pytest.fixture
def usual_ctrl_c():
    """Ctrl-C as in a terminal; programs that a shell starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_ctrl_c")
def test_ctrl_c_in_a_logger_stops_the_run(folder):
    """It comes from a signal, which no statement raises."""

    class Slow(Recorder):
        def log(self, step, metrics):
            signal.raise_signal(signal.SIGINT)

    slow = Slow()
    with (
        pytest.raises(KeyboardInterrupt),
        open_log(folder, [slow], dict, "task", Step(0, 0, 0.0), False) as log,
    ):
        log.on_update(report(1))


def test_a_logger_may_refuse_a_run_before_it_starts(problem, tmp_path):
    refusing = Failing("open", HandfulError("This logger needs a folder: give one."))
    with pytest.raises(HandfulError, match="needs a folder"):
        train(problem, [refusing], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_a_logger_does_to_its_metrics_stays_with_it(folder):
    class Emptying(Recorder):
        def log(self, step, metrics):
            metrics.clear()

    recorder = Recorder()
    with open_log(folder, [Emptying(), recorder], dict, "task", Step(0, 0, 0.0), False) as log:
        log.on_update(report(1))
    assert recorder.rows[256] == report(1).metrics


@pytest.mark.parametrize(
    ("loggers", "sentence"),
    [
        (Recorder(), r"loggers must be a list: write loggers=\[Recorder\(...\)\]"),
        ([Recorder], r"loggers holds the class Recorder: make an object of it, as in \[Recorder"),
        ([print], "loggers must be objects of classes made from handful.Logger"),
        ("wandb", "loggers must be a list of loggers, not 'wandb'"),
    ],
)
def test_loggers_that_are_none(loggers, sentence):
    with pytest.raises(HandfulError, match=sentence):
        check_loggers(loggers)
