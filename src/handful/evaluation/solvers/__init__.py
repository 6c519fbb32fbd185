"""What knows the optimum, or a bound on it: one file a kind of problem.

``environments`` know no solvers and solvers no environments; here they meet. Each file has a
``solver``: from a problem to what answers for it, given a number of policies, or None where the
problem is of another kind.
"""

from collections.abc import Callable

from handful.evaluation.solvers import glucose, market, resource_gathering, speeds, tabular
from handful.exact.optimum import Optimum
from handful.problem import RMDP

Solver = Callable[[int], Optimum]
"""From a number of policies; raises ValueError or RuntimeError where it cannot answer."""

_KINDS = (resource_gathering, tabular, market, glucose, speeds)


def find_solver(problem: RMDP) -> Solver | None:
    """What answers for a problem; None where nothing does."""
    found = (kind.solver(problem) for kind in _KINDS)
    return next(filter(None, found), None)
