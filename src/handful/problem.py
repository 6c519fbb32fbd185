"""A represented MDP (the paper's r-MDP, section 2.2), and the tasks that have a name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from handful._support.backend import computing
from handful._support.checks import brief, check_kind, check_numbers, check_range
from handful._support.foreign import in_same_directory
from handful._support.registry import import_named
from handful._support.text import is_json, plain
from handful.catalogue import WRAPPERS, Task, find_task, register, tasks
from handful.environment import Environment, HostEnvironment
from handful.errors import HandfulError
from handful.parameters import check_parameters, find_object, parameters_of
from handful.population import Population
from handful.types import Preset
from handful.users import read_table, user_names

__all__ = [
    "RMDP",
    "check_problem",
    "described_parameters",
    "make",
    "make_stored",
    "no_method_settings",
    "no_settings",
    "register",
    "run_parameters",
    "steps_ahead",
    "tasks",
]


def no_settings(num_policies: int, preset: Preset) -> Mapping[str, Any]:
    """Return no settings, so that the learner's presets stay as they are, whatever the budget."""
    del num_policies, preset
    return {}


def no_method_settings(method: str, preset: Preset) -> Mapping[str, Any]:
    """Return no settings, so that the methods' defaults stay as they are."""
    del method, preset
    return {}


@dataclass(frozen=True, eq=False)
class RMDP:
    """One environment, ``N`` users with a reward function each, and a discount.

    Attributes:
        environment: the dynamics, shared by all users.
        population: the users.
        discount: the discount of the learner's objective, in (0, 1]; evaluation never discounts.
        return_scale: the return that a user gets from an episode that suits them well. The learner
            divides rewards by it, so that value targets are near 1; results are in the original
            units.
        learner_settings: a function of the budget ``K`` and the learner's preset
            (:class:`~handful.types.Preset`). It returns the learner's settings, by name, that suit
            this problem better than the preset's; the caller's own settings come before them.
        method_settings: a function of an assignment method's name and the learner's preset. It
            returns the method's settings, by name, that suit this problem better than the method's
            defaults; the caller's own settings come before them.
        suited_method: the assignment method that ``auto`` stands for here, if it was measured to be
            better than the one that the problem's kind suggests (:mod:`handful.training.auto`).
        constant_outcomes: a function that returns outcomes which a policy might keep up from step
            to step, as a grid over their range: [M, ...] in each array, starting where policies
            begin. Methods may aim at them (:mod:`handful.methods.family_em`). None if there are no
            such outcomes.
        solver: a function of this problem and a number of policies. It returns the highest welfare
            that so many policies can reach, or a bound on it, as an
            :class:`~handful.exact.bound.Optimum`, and raises ValueError or RuntimeError, with a
            sentence, if it has no answer. None if nothing is known.
        reachable: a function of this problem. It returns what policies can earn the users, as a
            :class:`~handful.exact.reachable.Reachable`, from which the optimum under every welfare
            follows, and raises ValueError, with a sentence, if it is not known. None if nothing is
            known.
        scale_is_measured: whether the return scale was measured by playing. A second measurement
            may give another number, so a run keeps the one that it began with.
        name: the task's name if :func:`make` made the problem, else a name that the caller chooses.
        parameters: the parameters that :func:`make` got, so that a run folder can make the problem
            again.

    Raises:
        HandfulError: if the discount is outside (0, 1], the return scale is not positive, or the
            environment's time limit is not a number of steps.

    Examples:
        The environment of a task gets other users, who weigh its features:

        >>> import numpy as np
        >>> task = handful.make("resource-gathering", height=2, width=2)
        >>> weights = np.ones((5, task.num_features))
        >>> users = handful.Population.from_array(weights, task.population.features)
        >>> handful.RMDP(task.environment, users, discount=0.9).num_users
        5
    """

    environment: Environment | HostEnvironment
    population: Population
    discount: float = 0.99
    return_scale: float = 1.0
    learner_settings: Callable[[int, Preset], Mapping[str, Any]] = no_settings
    method_settings: Callable[[str, Preset], Mapping[str, Any]] = no_method_settings
    suited_method: str | None = None
    constant_outcomes: Callable[[], Any] | None = None
    solver: Callable[["RMDP", int], Any] | None = None
    reachable: Callable[["RMDP"], Any] | None = None
    scale_is_measured: bool = False
    name: str = "custom"
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_parts(self.environment, self.population)
        if not 0.0 < self.discount <= 1.0:
            raise HandfulError(f"The discount must be above 0 and at most 1, not {self.discount}.")
        if not self.return_scale > 0.0:
            raise HandfulError(f"The return scale must be positive, not {self.return_scale}.")
        limit = self.environment.time_limit
        check_kind("The environment's time_limit", limit, int)
        if limit < 1:
            raise HandfulError(f"The environment's time_limit must be at least 1, not {limit}.")
        check_range("The environment's time_limit", limit, 1, 2**31 - 1)  # int32 counts the steps

    def __repr__(self) -> str:
        """Return the problem's name and sizes, without its users."""
        return (
            f"RMDP({self.name!r}, {type(self.environment).__name__}, {self.population!r}, "
            f"discount {self.discount:g})"
        )

    @property
    def num_users(self) -> int:
        """The number of users ``N``."""
        return self.population.num_users

    @property
    def num_features(self) -> int:
        """The number of reward features ``D``."""
        return self.population.num_features

    @property
    def runs_on_host(self) -> bool:
        """Whether the environment is stepped from Python instead of compiled."""
        return isinstance(self.environment, HostEnvironment)

    @property
    def jax_environment(self) -> Environment:
        """The environment of a problem whose environment is written in JAX."""
        assert isinstance(self.environment, Environment), "this problem runs on the host"
        return self.environment

    @property
    def host_environment(self) -> HostEnvironment:
        """The environment of a problem whose environment runs on the host."""
        assert isinstance(self.environment, HostEnvironment), "this problem runs in JAX"
        return self.environment

    def with_discount(self, discount: float | None) -> "RMDP":
        """Return the same problem with another discount; None changes nothing.

        The return scale grows or shrinks with the steps that the learner looks ahead,
        ``1 / (1 - discount)`` and at most the time limit, so that value targets stay near 1.
        """
        if discount is None:
            return self
        steps = self.environment.time_limit
        longer = steps_ahead(discount, steps) / steps_ahead(self.discount, steps)
        return replace(self, discount=discount, return_scale=self.return_scale * longer)

    def check_budget(self, num_policies: int) -> None:
        """Raise HandfulError unless 1 <= ``num_policies`` <= N.

        More policies than users would serve nobody.
        """
        check_kind("num_policies", num_policies, int)
        if not 1 <= num_policies <= self.num_users:
            raise HandfulError(
                f"The number of policies must be between 1 and the number of users "
                f"({self.num_users}), not {num_policies}."
            )


def check_problem(value: Any, asked: str) -> None:
    """Check that a caller gave a problem, and not a part of one.

    Args:
        value: the value that was given for the problem.
        asked: the function that was called; the error message begins with it.

    Raises:
        HandfulError: if the value is not a problem; the sentence says how to make one from it.
    """
    if isinstance(value, RMDP):
        return
    if isinstance(value, str):
        how = f"make it of the task's name: handful.make({brief(value)})"
    elif isinstance(value, Environment | HostEnvironment):
        how = "add its users: handful.RMDP(environment, population)"
    elif callable(getattr(value, "reset", None)) and callable(getattr(value, "step", None)):
        how = (
            "of an environment with the Gymnasium API and its users make one with "
            "handful.from_gymnasium(environment, users)"
        )
    elif isinstance(value, Population):
        how = "add their environment: handful.RMDP(environment, population)"
    else:
        how = "make one with handful.make, handful.from_gymnasium or handful.RMDP"
    raise HandfulError(
        f"{asked} takes a problem, which is an environment with its users, and was given "
        f"{_kind(value)}: {how}."
    )


def _check_parts(environment: Any, population: Any) -> None:
    """Raise HandfulError unless a problem's parts are what they must be."""
    if not isinstance(environment, Environment | HostEnvironment):
        raise HandfulError(
            f"RMDP takes an environment in JAX or a HostEnvironment, not "
            f"{_kind(environment)}: of an environment with the Gymnasium API "
            f"make a problem with handful.from_gymnasium(environment, users)."
        )
    if not isinstance(population, Population):
        raise HandfulError(
            f"RMDP takes a Population, not {_kind(population)}: make one of "
            f"weights with handful.Population.from_array, or of a table with "
            f"handful.Population.from_table."
        )


def _kind(value: Any) -> str:
    """Return the class of a value, in words for an error message."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"an object of the class {type(value).__name__}"


def steps_ahead(discount: float, time_limit: int) -> float:
    """Return how many steps ahead a learner with this discount looks.

    It is 1 / (1 - discount), and at most an episode.
    """
    return 1.0 / max(1.0 - discount, 1.0 / time_limit)


@computing
@in_same_directory
def make(name: str, /, **parameters: Any) -> RMDP:
    """Make the task of a name.

    The parameters are the task's own (see ``handful tasks NAME``). A ``population`` may be anything
    that :func:`handful.users.read_table` reads. Every task also takes ``history`` and ``draw``, for
    policies that see windows of observations (:func:`handful.with_history`) or draw a part for each
    episode (:func:`handful.with_draw`).

    Args:
        name: the name of the task, such as ``glide`` or ``gymnasium:CartPole-v1``; or the place of
            a function of your own that returns a problem, ``module:function``.
        parameters: the parameters of the task, by name.

    Returns:
        the task's problem.

    Raises:
        HandfulError: if there is no such task, it does not take such parameters, the users are
            given twice, or the population is not a table of users.

    Examples:
        >>> problem = handful.make("glide", users=10, population_seed=1)
        >>> problem.num_users
        10
    """
    task = find_task(name)
    is_own = task.entry_point == name
    factory = import_named(name, "task", "function") if is_own else find_object(task.entry_point)
    check_parameters(name, task, parameters)
    if task.samples_users:
        _check_users(task, parameters)
    if "population" in parameters:  # read once: a run keeps the table, not its path
        parameters["population"] = read_table(parameters["population"])
    if "user_ids" in parameters:
        parameters["user_ids"] = user_names(parameters["user_ids"])
    which = (name.partition(":")[2],) if task.argument else ()
    known = parameters_of(task)
    wrappers = [n for n in WRAPPERS if parameters.get(n) is not None and known[n].wraps]
    own = {n: value for n, value in parameters.items() if n not in known or not known[n].wraps}
    try:
        problem = factory(*which, **own)
    except TypeError as error:
        raise HandfulError(
            f"The task '{name}' was given parameters that it cannot use: {error}."
        ) from None
    if not is_own:
        # A run is known by what was asked for, to which the defaults of a task do not belong: a
        # study that is continued asks for the same.
        parameters = {key: problem.parameters.get(key, value) for key, value in parameters.items()}
        name = problem.name
    if not isinstance(problem, RMDP):
        raise HandfulError(
            f"'{name}' is no task: the function must return a problem, as handful.make and "
            f"handful.from_gymnasium do, and it returned {_kind(problem)}."
        )
    for wrapper in wrappers:
        problem = known[wrapper].taken_by(problem, parameters[wrapper])
    return replace(problem, name=name, parameters=parameters)


_DAMAGE = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError)
"""The errors that a task raises if a damaged file gives it impossible parameters."""


def make_stored(name: str, parameters: Mapping[str, Any], source: str, trust: bool) -> RMDP:
    """Make the task that a file names, from the parameters that the file holds.

    The file may come from a stranger. So making the task must not import or call what the file
    names, unless the caller trusts the file.

    Args:
        name: the name of the task.
        parameters: the parameters of the task.
        source: the words for the file in error messages.
        trust: whether the caller trusts the file.

    Returns:
        the task's problem.

    Raises:
        HandfulError: if the task needs the caller's consent, or cannot be made.
    """
    if not trust:
        check_consent(name, parameters, source)
    try:
        return make(name, **parameters)
    except _DAMAGE as error:
        raise HandfulError(
            f"{source} asks for the task '{name}' with parameters that it cannot be made of "
            f"({type(error).__name__}: {error})."
        ) from None


def check_consent(name: str, parameters: Mapping[str, Any], source: str) -> None:
    """Check that a task can be made from a file without running code that the file names.

    Raises:
        HandfulError: if making it needs the caller's consent; the sentence says how to give it.
    """
    task = find_task(name)
    if not task.consent:
        return
    reason = find_object(task.consent)(name.partition(":")[2], parameters)
    if reason is not None:
        raise HandfulError(
            f"{source} asks for the task '{name}', and {reason}: that would run code which the "
            f"file chooses. If you trust the file and that code, say so with --trust (in Python: "
            f"trust=True), or open it from Python with a problem of your own."
        )


def _check_users(task: Task, parameters: Mapping[str, Any]) -> None:
    """Check that a task that samples its users uses all its parameters.

    Raises:
        HandfulError: if the users are given twice, or are given and also drawn.
    """
    given = _given(task, parameters)
    if len(given) > 1:
        raise HandfulError(
            f"'{given[0]}' and '{given[1]}' both say who the users are: leave out one or the other."
        )
    spare = next((name for name in task.draws_by if name in parameters), None)
    if given and spare:
        raise HandfulError(
            f"'{spare}' is for users who are sampled, but these users are given: leave out one "
            f"or the other."
        )
    if given == ["population"] and "user_ids" in parameters:
        raise HandfulError(
            "'user_ids' names users who are given as numbers: those of a population have their "
            "names in its column 'user'."
        )


def _given(task: Task, parameters: Mapping[str, Any]) -> list[str]:
    """Return the names of the parameters that say who the users are."""
    return [name for name in task.users_from if parameters.get(name) is not None]


def described_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's parameters in the types that JSON has.

    A table of users comes with everything that is in it.

    Raises:
        HandfulError: if the population is not a table of users, or a parameter cannot be stored in
            a file and be given to :func:`make` again.
    """
    described = {}
    for name, value in parameters.items():
        described[name] = read_table(value).to_dict() if name == "population" else plain(value)
        if not is_json(described[name]):
            raise HandfulError(
                f"The parameter '{name}' is {value!r}, which config.json cannot hold: give it in "
                f"numbers, text, lists and mappings, or keep no run folder."
            )
    return described


def run_parameters(
    name: str, seed: int, parameters: Mapping[str, Any], users: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the parameters that :func:`make` gets for one run of a task.

    A task that samples its users draws them with the run's seed, unless the parameters hold another
    ``population_seed`` or the users themselves.

    Args:
        name: the name of the task.
        seed: the seed of the run.
        parameters: the parameters of the task.
        users: further parameters, which say who the users are; only a task that samples its users
            takes them.

    Returns:
        the parameters by name.

    Raises:
        HandfulError: if there is no such task, it has users of its own, or the users are given
            twice.
    """
    task, users = find_task(name), users or {}
    if users and not task.samples_users:
        others = ", ".join(other.title for other in tasks() if other.samples_users)
        raise HandfulError(
            f"The task '{name}' has users of its own, so neither their number, nor their seed, nor "
            f"a population can be given; the tasks that sample their users are: {others}."
        )
    twice = next((parameter for parameter in users if parameter in parameters), None)
    if twice:
        raise HandfulError(
            f"The parameter '{twice}' of the task '{name}' is given twice: leave one of them out."
        )
    given = {**parameters, **users}
    if not task.samples_users:
        return given
    _check_users(task, given)
    return given if _given(task, given) else {"population_seed": seed, **given}
