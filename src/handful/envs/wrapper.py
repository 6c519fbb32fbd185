"""What environments that change the observations of another environment have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

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
class HostWrapper(Wrapper, ABC):
    """The same for an environment on the host."""

    @abstractmethod
    def observer(self, number: int, seed: int) -> "Observer":
        """Return what changes the observations of so many running episodes.

        Args:
            number: the number of episodes that run side by side.
            seed: the seed of all that is random in it.
        """

    def open(self, num_envs: int, seed: int, num_threads: int) -> "WrappedBatch":
        """Open copies of the environment, whose observations are changed."""
        batch = self.environment.open(num_envs, seed, num_threads)
        return WrappedBatch(batch, self.observer(num_envs, seed))

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


@runtime_checkable
class Observer(Protocol):
    """Changes the observations of ``M`` running episodes, in NumPy."""

    def begin(self, observations: NumpyArray, which: NumpyArray) -> NumpyArray:
        """Start new episodes.

        Args:
            observations: the first observation of each of these episodes, [R, O].
            which: their numbers [R].

        Returns:
            What policies see of them, [R, O'].
        """
        ...

    def add(self, observations: NumpyArray) -> NumpyArray:
        """Return what policies see, [M, O'], with the next observation [M, O] of every episode."""
        ...


class WrappedBatch:
    """Running copies of an environment on the host, with changed observations.

    Args:
        batch: the copies.
        observer: changes the observations.
    """

    def __init__(self, batch: HostBatch, observer: Observer) -> None:
        self._batch, self._observer = batch, observer

    def reset(self, which: NumpyArray) -> NumpyArray:
        """Start new episodes in these copies and return what policies see of them, [R, O']."""
        return self._observer.begin(self._batch.reset(which), which)

    def step(self, actions: NumpyArray) -> HostStep:
        """Take one action in each copy."""
        step = self._batch.step(actions)
        return step._replace(observation=self._observer.add(step.observation))

    def close(self) -> None:
        """Close the copies."""
        self._batch.close()


class Observers:
    """Several observers, one after the other; none at all changes nothing.

    Args:
        observers: the observers, in the order in which observations go through them.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def begin(self, observations: NumpyArray, which: NumpyArray) -> NumpyArray:
        """Start new episodes, as of :meth:`Observer.begin`."""
        for observer in self._observers:
            observations = observer.begin(observations, which)
        return observations

    def add(self, observations: NumpyArray) -> NumpyArray:
        """Return what policies see with the next observation, as of :meth:`Observer.add`."""
        for observer in self._observers:
            observations = observer.add(observations)
        return observations


def unwrapped(environment: Any, number: int, seed: int) -> tuple[Any, Observers]:
    """Return the environment on the host within all wrappers, and what these do to observations.

    Args:
        environment: an environment on the host.
        number: the number of episodes that run side by side.
        seed: the seed of all that is random in the wrappers.
    """
    observers: list[Observer] = []
    while isinstance(environment, HostWrapper):
        observers.insert(0, environment.observer(number, seed))
        environment = environment.environment
    return environment, Observers(observers)
