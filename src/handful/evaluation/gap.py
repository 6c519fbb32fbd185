"""How far a welfare is from the best possible: the optimum of a problem, or an upper bound on it.

A problem brings its own solver (``RMDP.solver``): the tasks of the library do, and so may a task of
another package.
"""

from dataclasses import dataclass

from handful.errors import HandfulError
from handful.exact.bound import Optimum
from handful.problem import RMDP, check_problem


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


def optimum(problem: RMDP, num_policies: int) -> Optimum:
    """Find the highest welfare that any ``num_policies`` policies can reach, with its proof.

    Returns:
        the optimum, or an upper bound on it, with the returns of the best policies that were found.

    Raises:
        HandfulError: if the budget does not fit the population, if the problem has no solver, or if
            its solver has no answer.

    Examples:
        >>> problem = handful.make("resource-gathering", height=2, width=2)
        >>> handful.optimum(problem, num_policies=1).kind
        'exact'
    """
    check_problem(problem, "optimum")
    problem.check_budget(num_policies)
    if problem.solver is None:
        raise HandfulError(
            f"Neither an exact optimum nor a bound is known for the problem '{problem.name}': it "
            f"brings no solver."
        )
    try:
        best = problem.solver(problem, num_policies)
    except (ValueError, RuntimeError) as error:  # solvers know nothing of our own exception
        raise HandfulError(str(error)) from None
    if not isinstance(best, Optimum):
        raise HandfulError(
            f"The solver of the problem '{problem.name}' returned a {type(best).__name__}: it must "
            f"return a handful.Optimum."
        )
    return best


def measure_gap(problem: RMDP, num_policies: int, welfare: float) -> Gap | None:
    """Measure the gap of a welfare; return None if there is no optimum or bound."""
    try:
        return Gap(welfare, optimum(problem, num_policies))
    except HandfulError:  # a problem of another kind, or too large to solve
        return None
