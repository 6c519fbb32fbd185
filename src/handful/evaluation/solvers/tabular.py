"""Tabular problems: the optimum, or the tightest bounds on it that the time allowed."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from handful.evaluation.tabular import tabular_rmdp
from handful.exact.optimum import Optimum
from handful.exact.search import tabular_optimum
from handful.exact.tabular import TabularRMDP
from handful.problem import RMDP


def solver(problem: RMDP) -> Callable[[int], Optimum] | None:
    """The solver of a tabular problem; None of another one."""
    rmdp = tabular_rmdp(problem)
    return None if rmdp is None else partial(_solve, problem, rmdp)


def _solve(problem: RMDP, rmdp: TabularRMDP, num_policies: int) -> Optimum:
    best = tabular_optimum(rmdp, num_policies)
    if rmdp.horizon is None or getattr(problem.environment, "observe_time", False):
        return best
    blind = (
        f"The time limit of {rmdp.horizon} steps cuts episodes and the policies do not see the "
        f"time; this is what policies that see it could reach. {best.explanation}"
    )
    return replace(best, kind="upper bound", explanation=blind, attained=None)
