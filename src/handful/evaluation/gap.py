"""How far a welfare is from the best possible: the optimum of a problem, or an upper bound on it.

A problem may bring a solver of its own (``RMDP.solver``). Otherwise each of the library's own
domains is asked: its module ``optimum`` has a function ``solver``, which looks at a problem and
returns a solver for it, or None where the problem is of another kind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from handful.domains.glucose import optimum as glucose
from handful.domains.market import optimum as market
from handful.domains.resource_gathering import optimum as resource_gathering
from handful.domains.speeds import optimum as speeds
from handful.domains.tabular import optimum as tabular
from handful.errors import HandfulError
from handful.exact.bound import Optimum
from handful.problem import RMDP, check_problem

Solver = Callable[[int], Optimum]
"""From a number of policies; raises ValueError or RuntimeError where it cannot answer."""

_KINDS = (resource_gathering, tabular, market, glucose, speeds)


def find_solver(problem: RMDP) -> Solver | None:
    """The solver of a problem: its own, else that of a domain; None where there is none."""
    if problem.solver is not None:
        return partial(problem.solver, problem)
    found = (kind.solver(problem) for kind in _KINDS)
    return next(filter(None, found), None)


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
        """The welfare in percent of the optimum; None where that is not positive."""
        best = self.optimum.welfare
        return 100.0 * self.welfare / best if best > 0 else None


def optimum(problem: RMDP, num_policies: int) -> Optimum:
    """The highest welfare that any ``num_policies`` policies can reach, with its proof.

    Raises:
        HandfulError: if the budget does not fit the population, or nothing is known of a problem
            of this kind.
    """
    check_problem(problem, "optimum")
    problem.check_budget(num_policies)
    solver = find_solver(problem)
    if solver is None:
        raise HandfulError(
            f"Neither an exact optimum nor a bound is known for the problem '{problem.name}'."
        )
    try:
        best = solver(num_policies)
    except (ValueError, RuntimeError) as error:  # solvers know nothing of our own exception
        raise HandfulError(str(error)) from None
    if not isinstance(best, Optimum):
        raise HandfulError(
            f"The solver of the problem '{problem.name}' returned a {type(best).__name__}: it must "
            f"return a handful.Optimum."
        )
    return best


def measure_gap(problem: RMDP, num_policies: int, welfare: float) -> Gap | None:
    """The gap of a measured welfare, or None where no optimum or bound can be had."""
    try:
        return Gap(welfare, optimum(problem, num_policies))
    except HandfulError:  # a problem of another kind, or too large to solve
        return None
