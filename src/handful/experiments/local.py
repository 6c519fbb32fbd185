"""Runs a study's runs on this machine: one process a core, each run in a folder of its own."""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Container, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from handful.devices import keep_compiled_programs, share_cores, usable_cores, use_cores
from handful.errors import HandfulError
from handful.experiments.study import RunRequest
from handful.problem import described_parameters, make
from handful.runs import RunFolder
from handful.training.config import TrainConfig

_stopping = threading.Event()
"""In a worker process: whether it was asked to stop."""

_busy = threading.Lock()
"""In a worker process: held while a run is executed."""


@dataclass(frozen=True)
class Outcome:
    """How one run of a study ended.

    Attributes:
        request: the run.
        error: one sentence, or None where the run is finished.
        interrupted: whether it was asked to stop; it can be resumed.
    """

    request: RunRequest
    error: str | None = None
    interrupted: bool = False


def run_all(
    requests: Sequence[RunRequest],
    workers: int,
    on_outcome: Callable[[Outcome], None],
    known: Container[str] = (),
) -> list[Outcome]:
    """Execute every run that is not finished; a failure stops none of the others.

    Finished runs are skipped and half-done ones resumed. On Ctrl-C or SIGTERM every running run
    saves its state, and the rest is left for the next time.

    Args:
        workers: processes; they share the cores.
        on_outcome: called as runs end, in any order.
        known: digests of runs whose results are kept elsewhere; they count as finished.

    Raises:
        HandfulError: before anything runs, if a folder holds a run with other settings.
        KeyboardInterrupt: once every running run has saved its state.
    """
    unfinished = [r for r in requests if not (_is_done(r) or r.digest in known)]
    outcomes = []
    for request in requests:
        if request not in unfinished:
            outcomes.append(Outcome(request))
            on_outcome(outcomes[-1])
    context = multiprocessing.get_context("spawn")  # a forked JAX deadlocks
    cores = max(1, usable_cores() // workers)
    pool = ProcessPoolExecutor(workers, context, _start_worker, initargs=(cores,))
    with pool:
        futures = {pool.submit(execute, request): request for request in unfinished}
        before = signal.signal(signal.SIGTERM, _raise_interrupt)
        try:
            for future in as_completed(futures):
                outcomes.append(_outcome_of(future, futures[future]))
                on_outcome(outcomes[-1])
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                process.terminate()  # heard by the run, which saves; Ctrl-C reached it already
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
    return outcomes


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def execute(request: RunRequest) -> Outcome:
    """Start or resume one run in this process."""
    with _busy:
        return _execute(request)


def _execute(request: RunRequest) -> Outcome:
    from handful.training.loop import resume, train_with_config
    from handful.training.signals import TrainingInterrupted

    if _stopping.is_set():  # the pool had handed out one more run before it heard
        return Outcome(request, "not started", interrupted=True)
    try:
        if request.folder.is_dir():
            resume(request.folder)
        else:
            problem = make(request.task, **request.parameters)
            train_with_config(problem, request.config, out=request.folder)
    except TrainingInterrupted as stop:
        _stopping.set()
        return Outcome(request, str(stop), interrupted=True)
    except HandfulError as error:
        return Outcome(request, str(error))
    return Outcome(request)


def _is_done(request: RunRequest) -> bool:
    """Whether a run is finished; raises if its folder holds another run."""
    folder = RunFolder(request.folder)
    if not folder.path.exists():
        return False
    stored = folder.read_config()
    same_settings = TrainConfig.from_dict(stored["settings"]) == request.config
    parameters = json.loads(json.dumps(described_parameters(request.parameters)))
    if not same_settings or stored["problem"]["parameters"] != parameters:
        raise HandfulError(
            f"'{request.folder}' holds a run with other settings than the study asks for: move it "
            f"away, or give the study another 'out' folder."
        )
    return folder.is_finished


def _outcome_of(future: "Future[Outcome]", request: RunRequest) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        return Outcome(request, "its process was killed; start the sweep again to resume it")
    except Exception as error:  # a defect in one run must not hide the others' results
        return Outcome(request, f"{type(error).__name__}: {error}")


def _start_worker(cores: int) -> None:
    # No more threads than a process has cores: the processes themselves fill the machine.
    os.environ.setdefault("OMP_NUM_THREADS", str(cores))
    share_cores(cores)
    use_cores(cores)
    keep_compiled_programs()
    # Training hears Ctrl-C and saves; between runs it only means to start no other.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _stopping.set())
    threading.Thread(target=_stop_with_parent, daemon=True).start()


def _stop_with_parent() -> None:
    """When the sweep's own process is gone, however it went: let the run save, then end."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _stopping.set()
        os.kill(os.getpid(), signal.SIGTERM)
        with _busy:
            os._exit(1)  # the main thread waits for work that nobody will send


def describe(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain values."""
    return {"run": str(outcome.request.folder), "error": outcome.error}
