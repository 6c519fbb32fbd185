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
from handful.experiments.workers import Crew, Death, Execute
from handful.problem import described_parameters
from handful.runs import RunFolder
from handful.training.config import TrainConfig
from handful.training.opening import is_of_todays_method

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


def skip_finished(
    requests: Sequence[RunRequest], observer: Observer, known: Mapping[str, Any]
) -> tuple[list[Outcome], list[RunRequest]]:
    """The outcomes of finished runs, and the others.

    Raises:
        HandfulError: if a folder holds a run with other settings.
    """
    unfinished = [r for r in requests if not (_is_done(r) or r.digest in known)]
    left = {request.folder for request in unfinished}
    finished = [Outcome(request) for request in requests if request.folder not in left]
    for outcome in finished:
        observer.ended(outcome)
    return finished, unfinished


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


def _is_done(request: RunRequest) -> bool:
    """Whether a run is finished; raises if its folder holds another run."""
    folder = RunFolder(request.folder)
    if not folder.path.exists():
        return False
    stored = folder.read_config()
    same_settings = TrainConfig.from_dict(stored["settings"]) == request.config
    same_method = is_of_todays_method(stored, request.config)
    parameters = json.loads(json.dumps(described_parameters(request.parameters)))
    if not (same_settings and same_method) or stored["problem"]["parameters"] != parameters:
        raise HandfulError(
            f"'{request.folder}' holds a run with other settings than the study asks for, or of "
            f"another revision of its method: move it away, or give the study another 'out' folder."
        )
    return folder.is_finished
