"""Runs a study's runs on this machine: one process a core, each run in a folder of its own."""

import json
import signal
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from handful.devices import usable_cores
from handful.errors import HandfulError
from handful.experiments.attempts import attempt
from handful.experiments.outcome import Observer, Outcome, longest_first
from handful.experiments.requests import RunRequest
from handful.experiments.table import run_row
from handful.experiments.workers import Crew, Death, Execute
from handful.files import check_writable
from handful.problem import described_parameters
from handful.runs import RunFolder
from handful.training.opening import is_of_todays_method, stored_run

MAX_DEATHS = 3
"""Processes that may die of a run in one sweep before it counts as failed."""

NEWS_EVERY = 1.0
"""Seconds after which an observer is told that nothing happened."""


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
        workers: processes; they share the cores.
        observer: told as runs start and end.
        known: rows of runs whose results are kept elsewhere, by digest; they count as finished.
        execute: what a process does with a run.

    Raises:
        HandfulError: before anything runs, if a folder holds a run with other settings.
        KeyboardInterrupt: once every running run has saved its state.
    """
    outcomes, unfinished = skip_finished(requests, observer, known)
    queue = deque(longest_first(unfinished, known))
    deaths: Counter[str] = Counter()
    cores = max(1, usable_cores() // workers)
    with terminating_raises(), Crew(workers, cores, execute) as crew:
        while queue or crew.num_busy:
            while queue and crew.has_room:
                observer.started(queue[0])
                crew.give(queue.popleft())
            news = list(crew.news(NEWS_EVERY))
            for event in news:
                if isinstance(event, Death):
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
    """Look at the folders of all runs of a study, also of those that are not to be run now.

    Raises:
        HandfulError: if one holds a run with other settings: a table would have it for this one.
    """
    for request in requests:
        _damage_of_settings(request)


def skip_finished(
    requests: Sequence[RunRequest], observer: Observer, known: Mapping[str, Any]
) -> tuple[list[Outcome], list[RunRequest]]:
    """The outcomes of runs that are finished or whose folders are damaged, and the other runs.

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
    """While entered, SIGTERM is heard as Ctrl-C is."""
    before = signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _damage(request: RunRequest) -> str | None:
    """Why the files of a run cannot be read, if that is so: the other runs go on without it.

    Raises:
        HandfulError: as of `_damage_of_settings`.
    """
    error = _damage_of_settings(request)
    if error is None and RunFolder(request.folder).is_finished:
        try:
            run_row(request)
        except HandfulError as told:
            return str(told)
    return error


def _damage_of_settings(request: RunRequest) -> str | None:
    """Why the settings in a run's folder cannot be read, if there is a folder and that is so.

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
    is_same = settings == request.config and is_of_todays_method(stored, request.config)
    parameters = json.loads(json.dumps(described_parameters(request.parameters)))
    if not is_same or stored["problem"]["parameters"] != parameters:
        raise HandfulError(
            f"'{request.folder}' holds a run with other settings than the study asks for, or of "
            f"another revision of its method: move it away, or give the study another 'out' folder."
        )
    return None
