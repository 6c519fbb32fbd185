"""Runs whose users each want a velocity: the targets, the policies' velocities, the bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful.report.run import Results, Run
from handful.types import NumpyArray


@dataclass(frozen=True, eq=False)
class Speeds:
    """What the users want.

    Attributes:
        targets: [N] forward velocity that each user wants, m/s.
        top: the highest that a user is drawn to want, m/s; the lowest is 0.
        step_seconds: how long a step lasts.
    """

    targets: NumpyArray
    top: float
    step_seconds: float

    def served(self, policy: int, results: Results) -> NumpyArray:
        """The targets of a policy's users, sorted."""
        return np.sort(self.targets[results.assignment == policy])

    def order(self, results: Results) -> list[int]:
        """All policies by the mean target that they serve; those who serve nobody come last."""
        return policies_by_target(self.targets, results.assignment, len(results.returns))


def policies_by_target(targets: NumpyArray, assignment: NumpyArray, num_policies: int) -> list[int]:
    """[K] policies by the mean target [N] that they serve; those who serve nobody come last."""
    served = [targets[assignment == policy] for policy in range(num_policies)]
    means = [mine.mean() if len(mine) else np.inf for mine in served]
    return [int(policy) for policy in np.argsort(means, kind="stable")]


@dataclass(frozen=True, eq=False)
class Bound:
    """The choice of constant velocities behind an optimum or an upper bound.

    Attributes:
        kind: "exact" or "upper bound".
        utilities: [N] what each user gets from the velocity that suits them best.
        velocities: [K] m/s.
    """

    kind: str
    utilities: NumpyArray
    velocities: NumpyArray

    @property
    def name(self) -> str:
        """What to call it."""
        return "upper bound" if self.kind == "upper bound" else "optimum"


def speeds_of(run: Run) -> Speeds | None:
    """What the run's users want, if its problem says so in velocities."""
    try:
        targets = _numbers(run.problem["attributes"]["target"])
        environment = run.problem["environment"]
        speeds = Speeds(
            targets, float(environment["top_speed"]), float(environment["seconds_per_step"])
        )
    except (KeyError, TypeError, ValueError):
        return None
    is_sound = len(targets) == len(run.users) and min(speeds.top, speeds.step_seconds) > 0
    return speeds if is_sound else None


def velocities_of(run: Run) -> tuple[NumpyArray, ...] | None:
    """Each policy's forward velocity [T] (m/s), step by step, if it left a trace."""
    try:
        found = tuple(_numbers(trace["velocity"]) for trace in run.traces)
    except (KeyError, TypeError, ValueError):
        return None
    return found if len(found) == run.num_policies else None


def bound_of(results: Results) -> Bound | None:
    """The velocities that the optimum or bound chose, if the evaluation has them."""
    try:
        stored = results.record["bound"]
        bound = Bound(
            str(stored["kind"]), _numbers(stored["utilities"]), _numbers(stored["velocities"])
        )
    except (KeyError, TypeError, ValueError):
        return None
    return bound if len(bound.utilities) == len(results.utilities) else None


def _numbers(values: Sequence[Any]) -> NumpyArray:
    numbers = np.array(values, dtype=float)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError("a list of finite numbers")
    return numbers
