"""Processes that execute runs one after the other; one that dies is replaced.

They stay for the whole sweep: starting Python and JAX takes seconds. They are spawned, as a forked
JAX deadlocks. Python's own pools give up, and end every other process, when one of theirs is
killed.
"""

import json
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from handful._support.files import check_writable
from handful.devices import keep_compiled_programs, share_cores, usable_cores, use_cores
from handful.errors import HandfulError
from handful.problem import described_parameters
from handful.run_folder import RunFolder
from handful.sweep.attempts import Observer, Outcome, attempt, longest_first
from handful.sweep.study import RunRequest
from handful.sweep.table import run_row
from handful.training.records.run_reader import is_of_todays_method, stored_run

Execute = Callable[[RunRequest, Callable[[], bool]], Outcome]
"""The type of a function that executes a run: it gets the run and a function that tells whether to
stop, and returns how the run ended."""

THREADS = "OMP_NUM_THREADS"
PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"

_stopping = threading.Event()
"""The flag of a worker process that tells whether it was asked to stop."""


@dataclass(frozen=True)
class WorkerDeath:
    """A process died while it had a run.

    Attributes:
        request: the run.
        cause: why it died, in a few words.
    """

    request: RunRequest
    cause: str


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    request: RunRequest | None = None


class WorkerPool:
    """Processes that execute runs; each is started when there is work for it.

    Args:
        size: the most processes.
        cores: the number of cores of each process.
        execute: the function that executes a run; it must have a name in its module.
    """

    def __init__(self, size: int, cores: int, execute: Execute = attempt) -> None:
        self._size, self._cores, self._execute = size, cores, execute
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        """Let everybody end; a run that is still going on saves its state first."""
        for worker in self._workers:
            if worker.request is not None and worker.process.pid is not None:
                worker.process.terminate()  # heard by the run; Ctrl-C reached it already
            worker.connection.close()
        for worker in self._workers:
            worker.process.join()

    @property
    def has_room(self) -> bool:
        """Whether there is a process that a run can be given to."""
        return self.num_busy < self._size

    @property
    def num_busy(self) -> int:
        """The number of processes that have a run."""
        return sum(worker.request is not None for worker in self._workers)

    def give(self, request: RunRequest) -> None:
        """Give a run to a process without one."""
        worker = next((w for w in self._workers if w.request is None), None) or self._hire()
        worker.request = request
        try:
            worker.connection.send(request)
        except OSError:  # it died while it had nothing to do
            self._workers.remove(worker)
            worker.process.join()
            self.give(request)

    def news(self, seconds: float) -> Iterator[Outcome | WorkerDeath]:
        """Wait until something happens, or for so many seconds.

        Yields:
            each run that ended, and each process that died.
        """
        busy = [worker for worker in self._workers if worker.request is not None]
        ready = wait([worker.connection for worker in busy], seconds)
        for worker in busy:
            if worker.connection not in ready:
                continue
            request, worker.request = worker.request, None
            assert request is not None
            try:
                # The request of this process, not the copy that went to and fro.
                yield replace(worker.connection.recv(), request=request)
            except (EOFError, OSError):
                self._workers.remove(worker)
                worker.process.join()
                yield WorkerDeath(request, _cause(worker.process.exitcode))

    def _hire(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._cores, self._execute))
        with _sharing_the_machine(self._cores), _unheard(signal.SIGINT):
            process.start()
        theirs.close()  # so that its death can be heard
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]


@contextmanager
def _sharing_the_machine(cores: int) -> Iterator[None]:
    """Within the block, started processes leave room for each other.

    Variables of the environment that the caller has set stay as they are.

    They have no more threads than cores: together they fill the machine. And they take a GPU's
    memory as they need it: JAX takes three quarters of it at once, and the second process would
    find none. Both are read once, while libraries are imported, which in a new process is before
    any line of ours.
    """
    ours = {THREADS: str(cores), PREALLOCATE: "false"}
    added = {name: value for name, value in ours.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _unheard(number: signal.Signals) -> Iterator[None]:
    """Within the block, started processes do not hear a signal before they unblock it.

    Ctrl-C reaches all processes of a terminal, and in the middle of imports it is a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"killed by signal {-exit_code}"
    return f"ended with exit code {exit_code}"


def _work(connection: Connection, cores: int, execute: Execute) -> None:
    """Execute runs in a worker process, from the first run to the last."""
    share_cores(cores)
    use_cores(cores)
    keep_compiled_programs()
    # Training hears Ctrl-C and saves; between runs it only means to start no other.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _stopping.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # see _unheard
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    while not _stopping.is_set():
        try:
            request: RunRequest = connection.recv()
        except (EOFError, OSError):  # nobody is there any more
            return
        outcome = execute(request, _stopping.is_set)
        if outcome.interrupted:
            _stopping.set()
        try:
            connection.send(outcome)
        except OSError:
            return


def _stop_with_parent() -> None:
    """Save the run and end when the sweep's own process is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


MAX_DEATHS = 3
"""The number of processes that may die while they have a run before the run counts as failed."""

NEWS_EVERY = 1.0
"""Seconds without an event after which an observer hears that nothing happened."""


def run_all(
    requests: Sequence[RunRequest],
    workers: int,
    observer: Observer,
    known: Mapping[str, Mapping[str, Any]],
    execute: Execute = attempt,
) -> list[Outcome]:
    """Execute every run that is not finished; a failure stops none of the others.

    Finished runs are skipped and half-done ones resumed. Where a process dies, its run goes on in
    another one, a few times. On Ctrl-C or SIGTERM every running run saves its state, and the rest
    is left for the next time.

    Args:
        workers: the number of processes; they share the cores.
        observer: hears which runs start and end.
        known: the rows of runs whose results are kept elsewhere, by digest; these runs count as
            finished.
        execute: the function by which a process executes a run.

    Raises:
        HandfulError: before anything runs, if a folder holds a run with other settings.
        KeyboardInterrupt: once every running run has saved its state.
    """
    outcomes, unfinished = skip_finished(requests, observer, known)
    queue = deque(longest_first(unfinished, known))
    deaths: Counter[str] = Counter()
    cores = max(1, usable_cores() // workers)
    with terminating_raises(), WorkerPool(workers, cores, execute) as pool:
        while queue or pool.num_busy:
            while queue and pool.has_room:
                observer.started(queue[0])
                pool.give(queue.popleft())
            news = list(pool.news(NEWS_EVERY))
            for event in news:
                if isinstance(event, WorkerDeath):
                    digest = event.request.digest
                    deaths[digest] += 1
                    if deaths[digest] < MAX_DEATHS:
                        queue.append(event.request)
                        continue
                    event = Outcome(
                        event.request,
                        f"{MAX_DEATHS} processes died of it, the last one {event.cause}; start "
                        f"the sweep again to resume it",
                    )
                outcomes.append(event)
                observer.ended(event)
            if not news:
                observer.waiting()
    return outcomes


def check_folders(requests: Sequence[RunRequest]) -> None:
    """Check the folders of all runs of a study, also of those that are not to be run now.

    Raises:
        HandfulError: if one holds a run with other settings: a table would have it for this one.
    """
    for request in requests:
        _damage_of_settings(request)


def skip_finished(
    requests: Sequence[RunRequest], observer: Observer, known: Mapping[str, Any]
) -> tuple[list[Outcome], list[RunRequest]]:
    """Separate finished runs and damaged folders, with their outcomes, from the other runs.

    Raises:
        HandfulError: if a folder holds a run with other settings, or none can be made.
    """
    ended, unfinished = [], []
    for request in requests:
        error = _damage(request)
        if error is None and not (RunFolder(request.folder).is_finished or request.digest in known):
            unfinished.append(request)
        else:
            ended.append(Outcome(request, error))
    if unfinished:
        check_writable(unfinished[0].folder.parent)
    for outcome in ended:
        observer.ended(outcome)
    return ended, unfinished


@contextmanager
def terminating_raises() -> Iterator[None]:
    """Within the block, treat SIGTERM like Ctrl-C."""
    before = signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _damage(request: RunRequest) -> str | None:
    """Find why the files of a run cannot be read, or None; the other runs go on without it.

    Raises:
        HandfulError: the same error as of `_damage_of_settings`.
    """
    error = _damage_of_settings(request)
    if error is None and RunFolder(request.folder).is_finished:
        try:
            run_row(request)
        except HandfulError as told:
            return str(told)
    return error


def _damage_of_settings(request: RunRequest) -> str | None:
    """Find why the settings in a run's folder cannot be read; None if they can or it has none.

    Raises:
        HandfulError: if they can, and are those of another run.
    """
    folder = RunFolder(request.folder)
    if not folder.path.exists():
        return None
    try:
        stored, settings = stored_run(folder)
    except HandfulError as error:
        return str(error)
    method = request.config.make_method()
    is_same = settings == request.config and is_of_todays_method(stored, method)
    parameters = json.loads(json.dumps(described_parameters(request.parameters)))
    if not is_same or stored["problem"]["parameters"] != parameters:
        raise HandfulError(
            f"'{request.folder}' holds a run with other settings than the study asks for, or of "
            f"another revision of its method: move it away, or give the study another 'out' folder."
        )
    return None
