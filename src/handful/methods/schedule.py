"""When things happen in a run: a method's interventions, its warm-up, and the learner's rates."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import jax.numpy as jnp

from handful.errors import HandfulError
from handful.types import Array, Float, Int

MOST_WARM_UP = 0.5
"""The share of a run that a warm-up takes at most. Warm-ups are counted in updates, and a short run
would be over before them."""


class WarmUp(NamedTuple):
    """How long a method waits before it moves anybody.

    Attributes:
        setting: the name of the method's setting.
        asked: the updates that the setting asks for.
        updates: the updates that the run has room for.
    """

    setting: str
    asked: int
    updates: int

    @property
    def is_cut(self) -> bool:
        """Whether the run is too short for what was asked."""
        return self.updates < self.asked


def warm_up_within(
    num_updates: int, setting: str, asked: int, most: float = MOST_WARM_UP
) -> WarmUp:
    """Make a warm-up that leaves the rest of a run, or of a round of it, to what follows.

    Args:
        num_updates: updates of the run or the round.
        setting, asked: the same as in :class:`WarmUp`.
        most: the share of the updates that the warm-up takes at most.
    """
    return WarmUp(setting, asked, min(asked, int(most * num_updates)))


class RateRound(NamedTuple):
    """A part of a run in which the learner's rates fall once.

    Attributes:
        start: the update before which the part begins.
        progress: how far the rates have fallen when it begins: 0 is the start of a run, 1 its end.
    """

    start: int
    progress: float = 0.0


class Package(NamedTuple):
    """A Python package that a run needs besides those that ``handful`` always has.

    Attributes:
        module: the name by which Python imports it.
        name: the name by which people know it.
        command: the command of pip that installs the package.
    """

    module: str
    name: str
    command: str


@dataclass(frozen=True)
class Schedule:
    """When things happen in one run of an assignment method.

    Attributes:
        num_updates: the updates of the run.
        interventions: the updates before which the method's ``intervene`` is called, ascending and
            each from 0 to ``num_updates - 1``.
        warm_up: how long the method waits before it moves anybody at first; None if it does not
            wait.
        rate_rounds: the parts of the run after the first one in which the learner's step size and
            entropy coefficient fall again, ascending. Without any they fall once, from the first
            update to the last.
        packages: the packages that such a run needs; they are looked for before the first update.

    Raises:
        HandfulError: if the updates do not ascend or do not lie within the run.
    """

    num_updates: int
    interventions: tuple[int, ...] = ()
    warm_up: WarmUp | None = None
    rate_rounds: tuple[RateRound, ...] = ()
    packages: tuple[Package, ...] = ()

    def __post_init__(self) -> None:
        for name, updates in (
            ("interventions", self.interventions),
            ("rate_rounds", tuple(one.start for one in self.rate_rounds)),
        ):
            ascend = all(before < after for before, after in pairwise(updates))
            within = all(0 <= update < self.num_updates for update in updates)
            if not (ascend and within):
                raise HandfulError(
                    f"The schedule's {name} are before the updates {list(updates)}: they must "
                    f"ascend and lie from 0 to {self.num_updates - 1}, as the run has "
                    f"{self.num_updates} updates."
                )

    def progress(self, update: Int[Array, ""]) -> Float[Array, ""]:
        """Say how far the learner's rates have fallen before an update.

        Returns:
            A number from 0, where they have their first values, to 1, where they have their last.
        """
        if not self.rate_rounds:
            return update / max(self.num_updates - 1, 1)
        starts = [one.start for one in self.rate_rounds]
        number, share = place_in_rounds(update, starts, self.num_updates)
        first = jnp.array([0.0, *(one.progress for one in self.rate_rounds)])[number]
        return first + (1.0 - first) * share


def check_packages(method: str, schedule: Schedule) -> None:
    """Check whether everything is installed that a run with this schedule needs.

    Args:
        method: the name of the assignment method.
        schedule: the schedule of the run.

    Raises:
        HandfulError: if a package is missing; the sentence names the first, and how to install it.
    """
    for package in schedule.packages:
        top = package.module.partition(".")[0]
        if importlib.util.find_spec(top) is None:
            raise missing_package(method, package)


def missing_package(method: str, package: Package) -> HandfulError:
    """Make the sentence that says what a method lacks and how to install it."""
    return HandfulError(f"The method '{method}' needs {package.name}: {package.command}.")


def place_in_rounds(
    update: Int[Array, ""], starts: Sequence[int], num_updates: int
) -> tuple[Int[Array, ""], Float[Array, ""]]:
    """Say which round an update belongs to, and how far in it the update is.

    Args:
        update: the number of updates done before it.
        starts: the updates at which rounds begin, ascending; the first round begins at 0.
        num_updates: updates of the run.

    Returns:
        The round's number, from 0, and the share of the round that is over: 0 at its first update,
        1 at its last.
    """
    ends = jnp.array((0, *starts, num_updates))
    number = jnp.searchsorted(ends, update, side="right") - 1
    share = (update - ends[number]) / jnp.maximum(ends[number + 1] - ends[number] - 1, 1)
    return number, share
