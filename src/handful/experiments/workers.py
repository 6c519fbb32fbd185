"""Processes that execute runs one after the other; one that dies is replaced.

They stay for the whole sweep: starting Python and JAX takes seconds. They are spawned, as a forked
JAX deadlocks. Python's own pools give up, and end every other process, when one of theirs is
killed.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from handful.devices import keep_compiled_programs, share_cores, use_cores
from handful.experiments.attempts import attempt
from handful.experiments.outcome import Outcome
from handful.experiments.requests import RunRequest

Execute = Callable[[RunRequest, Callable[[], bool]], Outcome]
"""From a run, and what tells whether to stop, to how it ended."""

THREADS = "OMP_NUM_THREADS"
PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"

_stopping = threading.Event()
"""In a worker process: whether it was asked to stop."""


@dataclass(frozen=True)
class Death:
    """A process died while it had a run.

    Attributes:
        request: the run.
        cause: how, in a few words.
    """

    request: RunRequest
    cause: str


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    request: RunRequest | None = None


class Crew:
    """Processes, started when there is work for them.

    Args:
        size: how many at most.
        cores: of each.
        execute: what they do with a run; a function that has a name in its module.
    """

    def __init__(self, size: int, cores: int, execute: Execute = attempt) -> None:
        self._size, self._cores, self._execute = size, cores, execute
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []

    def __enter__(self) -> "Crew":
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
        """Whether a run can be given to somebody."""
        return self.num_busy < self._size

    @property
    def num_busy(self) -> int:
        """Processes with a run."""
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

    def news(self, seconds: float) -> Iterator[Outcome | Death]:
        """What happened, as soon as something does, or nothing after so many seconds."""
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
                yield Death(request, _cause(worker.process.exitcode))

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
    """Processes started here leave room for each other, unless the caller has said otherwise.

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
    """Processes started here do not hear the signal before they unblock it.

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
    """A worker process, from its first run to the last."""
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
    """When the sweep's own process is gone, however it went: let the run save, then end."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
