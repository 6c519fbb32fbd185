"""Running a study on a Ray cluster: each run is a task, which is retried if its node is lost.

Run folders are files, so all nodes must see the study's folder ``out`` at the same path (NFS or the
like): a run that was lost is resumed there from its checkpoint, by whichever node is free, and the
sweep's own process makes the table from the same folders.
"""

import contextlib
import logging
import os
import re
import secrets
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from handful._support.installing import install_command
from handful.devices import keep_compiled_programs, share_cores, use_cores
from handful.errors import HandfulError
from handful.sweep.attempts import Attempts, Observer, Outcome, attempt, longest_first
from handful.sweep.study import RunRequest
from handful.sweep.workers import NEWS_EVERY, skip_finished, terminating_raises

MAX_RETRIES = 5
"""The nodes or processes that a run may lose before it counts as failed."""

CONNECT_SECONDS = 5.0
"""The seconds that a cluster may take to answer."""

LOOK_EVERY = 5.0
"""The seconds between two looks for started runs: a file for each run, maybe on NFS."""

STOP_SECONDS = 60.0
"""The seconds that runs may take to save their states when the sweep is stopped."""


def run_on_ray(
    requests: Sequence[RunRequest],
    address: str,
    observer: Observer,
    known: Mapping[str, Mapping[str, Any]],
) -> list[Outcome]:
    """Execute every run that is not finished on a cluster, one CPU each.

    Args:
        address: the address of the cluster's head, HOST:PORT, or ``auto`` on one of its nodes.
        observer: the observer, which is called when runs start and end.
        known: rows of runs whose results are kept elsewhere, by digest; they count as finished.

    Raises:
        HandfulError: before anything runs, if Ray is missing, the cluster does not answer, or a
            folder holds a run with other settings.
        KeyboardInterrupt: once every running run has saved its state.
    """
    ray = import_ray()
    outcomes, unfinished = skip_finished(requests, observer, known)
    if not unfinished:
        return outcomes
    with (
        _quiet_output(),
        _connected(ray, address),
        terminating_raises(),
        _Marker(unfinished) as marker,
    ):
        starts = _Starts(unfinished, observer)
        task = ray.remote(num_cpus=1, max_retries=MAX_RETRIES, retry_exceptions=False)(_execute)
        tasks = {}
        for request in longest_first(unfinished, known):
            # Other processes work in other folders; the name of the marker is absolute already.
            there = replace(request, folder=request.folder.absolute())
            tasks[task.options(name=request.folder.name).remote(there, str(marker))] = request
        try:
            while tasks:
                ready, _ = ray.wait(list(tasks), num_returns=1, timeout=NEWS_EVERY)
                for reference in ready:
                    request = tasks.pop(reference)
                    outcomes.append(_outcome(ray, reference, request))
                    starts.tell_of_end(request)
                    observer.ended(outcomes[-1])
                starts.look(tasks.values())
                if not ready:
                    observer.waiting()
        except KeyboardInterrupt:
            for reference in tasks:
                ray.cancel(reference, force=False)  # the run takes it for Ctrl-C, and saves
            ray.wait(list(tasks), num_returns=len(tasks), timeout=STOP_SECONDS)
            raise
    return outcomes


def import_ray() -> Any:
    """Import the package ray.

    Raises:
        HandfulError: if it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise HandfulError(f"--ray needs Ray: {install_command('ray')}.") from None
    return ray


def _execute(request: RunRequest, marker: str) -> Outcome:
    """Execute a run as a task of Ray's, in a process that may have executed other runs before."""
    if not Path(marker).is_file():
        return Outcome(
            request,
            f"the node {socket.gethostname()} does not see the folder '{request.folder.parent}': "
            f"all nodes of the cluster must have it at that path, as they share the runs in it",
        )
    share_cores(1)
    use_cores(1)
    keep_compiled_programs()
    return attempt(request)


class _Starts:
    """Tells an observer which runs have started, by the notes that their processes make.

    Ray takes all runs at once and does not say which of them wait for a CPU.
    """

    def __init__(self, requests: Sequence[RunRequest], observer: Observer) -> None:
        self._observer = observer
        self._noted = {r.folder: Attempts(r.folder).num_starts for r in requests}
        self._untold = set(self._noted)
        self._next_look = time.monotonic()

    def look(self, requests: Iterable[RunRequest]) -> None:
        """Tell which runs have started since the last look, if that is old enough."""
        if time.monotonic() < self._next_look:
            return
        for request in requests:
            noted = Attempts(request.folder).num_starts
            if noted > self._noted[request.folder]:
                self._noted[request.folder] = noted
                self._tell(request)
        self._next_look = time.monotonic() + LOOK_EVERY

    def tell_of_end(self, request: RunRequest) -> None:
        """Tell that a run has started, if it started and ended between two looks."""
        if request.folder in self._untold:
            self._tell(request)

    def _tell(self, request: RunRequest) -> None:
        self._untold.discard(request.folder)
        self._observer.started(request)


class _Marker:
    """Keeps a file in the runs' folder, by which a node checks that it sees the same folder."""

    def __init__(self, requests: Sequence[RunRequest]) -> None:
        folder = requests[0].folder.parent.absolute() / ".attempts"
        self._path = folder / f".shared-{secrets.token_hex(8)}"

    def __enter__(self) -> Path:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()
        except OSError as error:
            raise HandfulError(
                f"The folder '{self._path.parent}' cannot be written to ({error.strerror})."
            ) from None
        return self._path

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def _quiet_output() -> Iterator[None]:
    """Within the block, send standard output to standard error.

    Ray tells of lost nodes there, from native code too, and it would spoil the command's results.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    """Within the block, this process may start tasks on the cluster.

    Raises:
        HandfulError: if it does not answer.
    """
    _check_answers(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise HandfulError(
            f"The Ray cluster at '{address}' cannot be used ({reason[0]}): start one with "
            f"'ray start --head', and use the same versions of Ray and Python everywhere."
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself waits for minutes where nobody listens, and may end the whole process."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not colon or not host or not port.isdigit():
        raise HandfulError(f"--ray takes HOST:PORT of a cluster's head, or auto, not '{address}'.")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise HandfulError(
            f"No Ray cluster answers at '{address}' ({error}): check the address that "
            f"'ray start --head' said, and that it can be reached from here."
        ) from None


def _outcome(ray: Any, reference: Any, request: RunRequest) -> Outcome:
    try:
        return replace(ray.get(reference), request=request)
    except ray.exceptions.RayError as error:
        return Outcome(request, _told(ray.exceptions, error))


def _told(exceptions: Any, error: Exception) -> str:
    """Say in one sentence what Ray reports of a run that has no outcome."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    losses = ("LocalRayletDiedError", "NodeDiedError", "ObjectLostError", "WorkerCrashedError")
    if isinstance(error, tuple(getattr(exceptions, name) for name in losses)):
        return (
            f"its node or process was lost {MAX_RETRIES + 1} times ({lines[0]}); start the sweep "
            f"again to resume it"
        )
    if isinstance(error, exceptions.RayTaskError):  # a traceback, which names the node
        node = re.search(r"\bip=([\w.:]+)", lines[0])
        return (
            f"the node {node[1] if node else 'that it was given to'} could not execute it "
            f"({lines[-1].strip()}): all nodes of the cluster need the same versions of handful, "
            f"Ray and Python"
        )
    # Ray's message says first that something could not be set up, and then what.
    reason = lines[-1] if isinstance(error, exceptions.RuntimeEnvSetupError) else lines[0]
    return f"Ray could not execute it ({type(error).__name__}: {reason.strip()})"
