"""How a study's runs fare: what is told of each while a sweep goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from handful.experiments.requests import RunRequest


@dataclass(frozen=True)
class Outcome:
    """How one run of a study ended.

    Attributes:
        request: the run.
        error: one sentence, or None where the run is finished.
        interrupted: whether it was asked to stop; it can be resumed.
        seconds: that a process spent on it in this sweep, from being given it to being done with
            it; 0 where it was finished before.
        cpu_seconds: of all cores together, in the same time.
    """

    request: RunRequest
    error: str | None = None
    interrupted: bool = False
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@runtime_checkable
class Observer(Protocol):
    """Is told how a sweep goes on, in the process that started it."""

    def started(self, request: RunRequest) -> None:
        """A run was given to a process; again where the last one died of it."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """A run ended, or was finished before."""
        ...

    def waiting(self) -> None:
        """Nothing happened for a second or so."""
        ...


def describe(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain values."""
    return {"run": str(outcome.request.folder), "error": outcome.error}


def longest_first(
    requests: Sequence[RunRequest], rows: Mapping[str, Mapping[str, Any]]
) -> list[RunRequest]:
    """The order to start runs in: seed after seed, and the longest runs of a seed first.

    So that tables fill evenly, and at the end no core has a long run to itself. A run's length is
    guessed from its transitions and from what they took in finished runs of the same task.

    Args:
        rows: of finished runs, by digest.
    """
    spent: dict[str, list[float]] = {}
    for row in rows.values():
        transitions = row["transitions"] * row["policies"]
        spent.setdefault(row["task"], []).append(row["seconds"] / max(transitions, 1))
    rates = {task: sum(values) / len(values) for task, values in spent.items()}
    unknown = sum(rates.values()) / len(rates) if rates else 1.0
    seeds = list(dict.fromkeys(request.config.seed for request in requests))

    def key(request: RunRequest) -> tuple[int, float]:
        length = request.transitions * rates.get(request.task, unknown)
        return seeds.index(request.config.seed), -length

    return sorted(requests, key=key)
