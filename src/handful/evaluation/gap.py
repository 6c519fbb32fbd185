"""How far from the best possible: the optimum, or an upper bound on it, of a problem.

What knows the optimum, or a bound on it: one file a kind of problem.

``environments`` know no solvers and solvers no environments; here they meet. Each file has a
``solver``: from a problem to what answers for it, given a number of policies, or None where the
problem is of another kind.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
    """What answers for a problem; None where nothing does."""
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
        return solver(num_policies)
    except (ValueError, RuntimeError) as error:  # solvers know nothing of our own exception
        raise HandfulError(str(error)) from None


def measure_gap(problem: RMDP, num_policies: int, welfare: float) -> Gap | None:
    """The gap of a measured welfare, or None where no optimum or bound can be had."""
    try:
        return Gap(welfare, optimum(problem, num_policies))
    except HandfulError:  # a problem of another kind, or too large to solve
        return None
