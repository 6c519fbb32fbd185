"""What environments that change the observations of another environment have in common."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from handful.environment import ActionSpace, HasRequirements, HostBatch, HostStep
from handful.problem import RMDP
from handful.types import NumpyArray, PyTree


def wrapped(problem: RMDP, environment: Any, **changes: Any) -> RMDP:
    """Return a problem with a wrapped environment; its solvers are asked of the problem itself.

    It has no name to make it by: :func:`handful.make` gives one to what it wraps itself.

    Args:
        problem: the problem.
        environment: the environment in the place of the problem's.
        changes: further fields of the problem that change.
    """
    return replace(
        problem,
        environment=environment,
        solver=None if problem.solver is None else partial(_solve, problem),
        reachable=None if problem.reachable is None else partial(_reachable, problem),
        name="custom",
        parameters={},
        **changes,
    )


def _solve(problem: RMDP, _: RMDP, num_policies: int) -> Any:
    """Ask the solver of the problem whose environment was wrapped."""
    assert problem.solver is not None
    return problem.solver(problem, num_policies)


def _reachable(problem: RMDP, _: RMDP) -> Any:
    """Ask what is reachable in the problem whose environment was wrapped."""
    assert problem.reachable is not None
    return problem.reachable(problem)


@dataclass(frozen=True)
class Wrapper:
    """An environment that changes the observations of another one, and nothing else.

    Attributes:
        environment: the other environment.
    """

    environment: Any

    @property
    def action_space(self) -> ActionSpace:
        """The actions of the environment."""
        return self.environment.action_space

    @property
    def time_limit(self) -> int:
        """The time limit of the environment."""
        return self.environment.time_limit

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the environment's reward features, if it has any."""
        return tuple(getattr(self.environment, "feature_names", ()))

    @property
    def never_terminates(self) -> bool:
        """Whether only the time limit ends an episode of the environment."""
        return getattr(self.environment, "never_terminates", False)

    @property
    def simulator_module(self) -> str:
        """The module that the environment comes from."""
        kind = type(self.environment)
        return getattr(self.environment, "simulator_module", kind.__module__)


@dataclass(frozen=True)
class HostWrapper(Wrapper):
    """The same for an environment on the host."""

    def outcome_shape(self) -> PyTree:
        """Return the outcome of one step, as the environment gives it."""
        return self.environment.outcome_shape()

    def check_installed(self) -> None:
        """Check that the packages which the environment needs are installed.

        Raises:
            HandfulError: if a package is missing; the sentence says which, and how to install it.
        """
        if isinstance(self.environment, HasRequirements):
            self.environment.check_installed()


class WrappedBatch:
    """Running copies of an environment on the host, with changed observations.

    Args:
        batch: the copies.
        begin: gives the observations of new episodes, of the raw ones and the copies' numbers.
        follow: gives the observations of a step, of the raw ones.
    """

    def __init__(
        self,
        batch: HostBatch,
        begin: Callable[[NumpyArray, NumpyArray], NumpyArray],
        follow: Callable[[NumpyArray], NumpyArray],
    ) -> None:
        self._batch, self._begin, self._follow = batch, begin, follow

    def reset(self, which: NumpyArray) -> NumpyArray:
        """Start new episodes in these copies and return their observations [R, O]."""
        return self._begin(self._batch.reset(which), which)

    def step(self, actions: NumpyArray) -> HostStep:
        """Take one action in each copy."""
        step = self._batch.step(actions)
        return step._replace(observation=self._follow(step.observation))

    def close(self) -> None:
        """Close the copies."""
        self._batch.close()
