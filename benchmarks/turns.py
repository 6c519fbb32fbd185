"""What benchmarks share: measurements that take turns, as the machine's speed drifts."""

import argparse
import os
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def parser(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """A command line with the number of rounds, and with or without JSON."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--json", action="store_true")
    return made


def stay_on_one_core() -> None:
    """Keep this process, and JAX in it, on one core; to be called before JAX is imported."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from handful.devices import use_cores

    use_cores(1)


def take_turns(
    measures: Mapping[Name, Callable[[], float]], rounds: int
) -> dict[Name, list[float]]:
    """Every measurement once a round, and what each gave in the order of rounds."""
    samples: dict[Name, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            samples[name].append(measure())
    return samples
