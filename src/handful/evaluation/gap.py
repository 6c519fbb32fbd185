"""How far a welfare is from the best possible: the optimum of a problem, or an upper bound on it.

A problem brings its own solver (``RMDP.solver``): the tasks of the library do, and so may a task of
another package.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from handful._support.checks import brief, did_you_mean
from handful.errors import HandfulError
from handful.exact.bound import Optimum
from handful.exact.reachable import Reachable
from handful.optima.best import best_policies
from handful.problem import RMDP, check_problem
from handful.welfare import UTILITARIAN
from handful.welfare_functions import is_of_family, parse_welfare


@dataclass(frozen=True)
class Gap:
    """A welfare beside the best that any ``K`` policies can reach.

    Attributes:
        welfare: what was measured.
        optimum: the best possible, or an upper bound on it.
    """

    welfare: float
    optimum: Optimum

    @property
    def percent(self) -> float | None:
        """The welfare in percent of the optimum; None if that is not positive."""
        best = self.optimum.welfare
        return 100.0 * self.welfare / best if best > 0 else None


def optimum(
    problem: RMDP,
    num_policies: int,
    *,
    welfare: Any = UTILITARIAN,
    floors: Any = None,
    groups: Any = None,
    weights: Any = None,
    outside: Any = None,
    seconds: float = 60.0,
) -> Optimum:
    """Find the highest welfare that any ``num_policies`` policies can reach, with its proof.

    For the mean alone the task's own solver answers. For other welfares, floors, weights or outside
    options the answer follows from what the task says its policies can earn
    (:mod:`handful.optima.best`): deterministic policies, and policies that draw one of several at
    the start of an episode.

    Args:
        problem: the problem.
        num_policies: the budget k.
        welfare: the welfare function in any form that :func:`handful.choose` takes.
        floors: what users must get at least, as :func:`handful.choose` takes it.
        groups: the group of each user [N], or the name of an attribute of the users.
        weights: how much each user counts [N], or the name of an attribute of the users.
        outside: what each user gets without us: a number, [N], or the name of an attribute.
        seconds: about how long to look for a proof, if it is not for the mean alone.

    Returns:
        the optimum, or an upper bound on it, with the returns of the best policies that were found.

    Raises:
        FloorsNotMet: if no ``num_policies`` policies meet the floors.
        HandfulError: if the budget does not fit the population, if the problem has no solver, or if
            its solver has no answer.

    Examples:
        >>> problem = handful.make("resource-gathering", height=2, width=2)
        >>> handful.optimum(problem, num_policies=1).kind
        'exact'
        >>> handful.optimum(problem, num_policies=2, welfare="egalitarian").welfare
        96.0
    """
    check_problem(problem, "optimum")
    problem.check_budget(num_policies)
    others = {"floors": floors, "groups": groups, "weights": weights, "outside": outside}
    settings = check_request(problem, welfare=welfare, **others)
    try:
        if settings is None:
            assert problem.solver is not None
            best = problem.solver(problem, num_policies)
        else:
            found = _reachable(problem)
            best = best_policies(found, num_policies, seconds=seconds, **settings)
    except (ValueError, RuntimeError) as error:  # solvers know nothing of our own exception
        raise HandfulError(str(error)) from None
    if not isinstance(best, Optimum):
        raise HandfulError(
            f"The solver of the problem '{problem.name}' returned a {type(best).__name__}: it must "
            f"return a handful.Optimum."
        )
    return best


def check_request(
    problem: RMDP,
    *,
    welfare: Any = UTILITARIAN,
    floors: Any = None,
    groups: Any = None,
    weights: Any = None,
    outside: Any = None,
) -> dict[str, Any] | None:
    """Check what is asked of :func:`optimum`, before anything is computed.

    Returns:
        the arguments with attributes of the users in the place of their names; None if the mean
        alone is asked for, which the task's own solver answers.

    Raises:
        HandfulError: if the users have no such attribute, there is no such welfare function, or the
            problem does not say what its policies can earn.
    """
    users = {
        "groups": _column(problem, "groups", groups),
        "weights": _numbers(problem, "weights", weights),
        "outside": _numbers(problem, "outside options", outside),
    }
    is_mean = isinstance(welfare, str) and welfare == UTILITARIAN
    if is_mean and floors is None and weights is None and outside is None:
        if problem.solver is None and problem.reachable is None:
            raise HandfulError(
                f"Neither an exact optimum nor a bound is known for the problem '{problem.name}': "
                f"it brings no solver."
            )
        if problem.solver is not None:
            return None
    if isinstance(welfare, str) and is_of_family(welfare):
        welfare = parse_welfare(welfare)
    if problem.reachable is None:
        raise HandfulError(
            f"For the problem '{problem.name}' no optimum is known beyond the mean without floors, "
            f"weights and outside options: it does not say what its policies can earn."
        )
    return {"welfare": welfare, "floors": floors, **users}


def measure_gap(
    problem: RMDP, num_policies: int, welfare: float, welfare_name: str = UTILITARIAN
) -> Gap | None:
    """Measure the gap of a welfare; return None if there is no optimum or bound.

    Args:
        problem: the problem.
        num_policies: the budget k.
        welfare: what was measured.
        welfare_name: the name of the welfare function. For one of the caller's own there is no
            bound, as it may not be concave.
    """
    if welfare_name != UTILITARIAN and not is_of_family(welfare_name):
        return None
    try:
        return Gap(welfare, optimum(problem, num_policies, welfare=welfare_name))
    except HandfulError:  # a problem of another kind, or too large to solve
        return None


@lru_cache(maxsize=2)
def _reachable(problem: RMDP) -> Reachable:
    """Return what is reachable in a problem; it is kept, as it may take long to find out."""
    assert problem.reachable is not None
    return problem.reachable(problem)


def _column(problem: RMDP, what: str, given: Any) -> Any:
    """Return an attribute of the users if its name is given."""
    if not isinstance(given, str):
        return given
    known = problem.population.attributes
    if given not in known:
        there = f"the users have {', '.join(known)}" if known else "the users have none"
        raise HandfulError(
            f"There is no attribute {brief(given)} of the users for their {what}"
            f"{did_you_mean(given, known)}: {there}."
        )
    return list(known[given])


def _numbers(problem: RMDP, what: str, given: Any) -> Any:
    """Return a number, an array, or an attribute of the users that holds numbers."""
    if isinstance(given, str):
        try:
            return float(given)
        except ValueError:
            pass
    return _column(problem, what, given)
