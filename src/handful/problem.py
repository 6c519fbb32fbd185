"""A represented MDP (the paper's r-MDP, section 2.2), and the tasks that have a name."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from handful.environment import Environment, HostEnvironment
from handful.errors import HandfulError
from handful.population import Population
from handful.validation import did_you_mean


def no_settings(num_policies: int) -> Mapping[str, Any]:
    """The learner's presets as they are, whatever the budget."""
    del num_policies
    return {}


@dataclass(frozen=True, eq=False)
class RMDP:
    """One environment, ``N`` users with a reward function each, and a discount.

    Attributes:
        environment: the dynamics, shared by all users.
        population: the users.
        discount: of the learner's objective, in (0, 1]; evaluation never discounts.
        return_scale: the return that a user gets from an episode that suits them well. The learner
            divides rewards by it, so that value targets are near 1; results are in the original
            units.
        learner_settings: given the budget ``K``, what suits this problem better than the learner's
            presets, by name; the caller's own settings come before them.
        name: the task's name where it was made by :func:`make`, else what the caller likes.
        parameters: what :func:`make` was given, so that a run folder can make the problem again.

    Raises:
        HandfulError: for a discount outside (0, 1] or a return scale that is not positive.
    """

    environment: Environment | HostEnvironment
    population: Population
    discount: float = 0.99
    return_scale: float = 1.0
    learner_settings: Callable[[int], Mapping[str, Any]] = no_settings
    name: str = "custom"
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 < self.discount <= 1.0:
            raise HandfulError(f"The discount must be above 0 and at most 1, not {self.discount}.")
        if not self.return_scale > 0.0:
            raise HandfulError(f"The return scale must be positive, not {self.return_scale}.")

    @property
    def num_users(self) -> int:
        """``N``."""
        return self.population.num_users

    @property
    def num_features(self) -> int:
        """``D``."""
        return self.population.num_features

    def check_budget(self, num_policies: int) -> None:
        """Raise HandfulError unless 1 <= ``num_policies`` <= N: more policies serve nobody."""
        if not 1 <= num_policies <= self.num_users:
            raise HandfulError(
                f"The number of policies must be between 1 and the number of users "
                f"({self.num_users}), not {num_policies}."
            )


@dataclass(frozen=True)
class Task:
    """A problem with a name.

    Attributes:
        entry_point: ``"package.module:function"``; the function takes the task's parameters and
            returns an :class:`RMDP`. It is imported when the task is made, not before.
        description: one line for ``handful tasks``.
    """

    name: str
    entry_point: str
    description: str


_TASKS: dict[str, Task] = {}


def register(name: str, entry_point: str, description: str) -> None:
    """Give a problem a name, for :func:`make` and the command line.

    Raises:
        HandfulError: if the name is taken.
    """
    if name in _TASKS:
        raise HandfulError(f"A task named '{name}' is registered already: choose another name.")
    _TASKS[name] = Task(name, entry_point, description)


def tasks() -> tuple[Task, ...]:
    """All registered tasks, by name."""
    return tuple(_TASKS[name] for name in sorted(_TASKS))


def make(name: str, **parameters: Any) -> RMDP:
    """The task of that name; the parameters are the task's own (see ``handful tasks``).

    Raises:
        HandfulError: if there is no such task, or it does not take such parameters.
    """
    task = _TASKS.get(name)
    if task is None:
        raise HandfulError(
            f"There is no task named '{name}'{did_you_mean(name, _TASKS)}: "
            f"the tasks are {', '.join(sorted(_TASKS))}."
        )
    module, _, function = task.entry_point.partition(":")
    factory = getattr(importlib.import_module(module), function)
    try:
        problem = factory(**parameters)
    except TypeError as error:
        raise HandfulError(f"Task '{name}' was given parameters it cannot use: {error}.") from None
    return problem


register(
    "resource-gathering",
    "handful.envs.resource_gathering:make_resource_gathering",
    "Tours of a grid; each user wants one tile visited, early (25 users; Ivanov & Ben-Porat 2024).",
)
