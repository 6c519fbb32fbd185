"""Tabular problems: the same problem for the exact solvers, and trained policies without chance."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handful.domains.tabular.environment import (
    NEGLIGIBLE,
    TableFeatures,
    TabularEnvironment,
)
from handful.errors import HandfulError
from handful.exact.bound import Optimum, nothing_known
from handful.exact.reachable import Reachable, reachable_by
from handful.exact.search import tabular_optimum
from handful.exact.tabular import TabularRMDP
from handful.learner.policies import Policies
from handful.problem import RMDP
from handful.types import Array, NumpyArray


def tabular_rmdp(problem: RMDP) -> TabularRMDP | None:
    """Return a tabular problem as the exact solvers take it, or None for any other problem.

    Evaluation sums rewards over whole episodes without discounting them, and so does this. Where
    the time limit cuts episodes it is the horizon, and the best policies depend on the time: an
    optimum for policies that see it, an upper bound for others.
    """
    environment, paid = problem.environment, problem.population.features
    if not isinstance(environment, TabularEnvironment) or not isinstance(paid, TableFeatures):
        return None
    if problem.population.reward_fn is not None:
        return None
    is_cut = environment.cut_probability > NEGLIGIBLE
    return TabularRMDP(
        transitions=environment.transitions,
        features=paid.expected(environment.transitions),
        coefficients=problem.population.coefficients,
        start=environment.start,
        discount=1.0 - environment.stop_probability,
        horizon=environment.time_limit if is_cut else None,
    )


def exact_returns(problem: RMDP, policies: Policies) -> NumpyArray:
    """Compute what each policy's likeliest actions earn each user on average.

    Returns:
        the expected returns, without discount, [K, N].

    Raises:
        HandfulError: if the problem is not tabular.
    """
    rmdp = tabular_rmdp(problem)
    if rmdp is None:
        raise HandfulError(
            f"Exact returns are known for tabular problems only, and '{problem.name}' is not one."
        )
    environment = problem.environment
    assert isinstance(environment, TabularEnvironment)
    states = jnp.arange(environment.num_states)

    @jax.jit
    def actions(step: Any) -> Array:
        seen = jax.vmap(environment.observe, in_axes=(0, None))(states, step)
        everyone = jnp.broadcast_to(seen, (policies.num_policies, *seen.shape))
        return policies(everyone).mode()

    if rmdp.horizon is None:
        chosen = np.asarray(actions(0))
    else:  # [K, T, S]
        chosen = np.stack([np.asarray(actions(step)) for step in range(rmdp.horizon)], axis=1)
    return np.array([rmdp.returns(policy) for policy in chosen])


def solve(problem: RMDP, num_policies: int) -> Optimum:
    """Find the optimum of a tabular problem, or a bound if policies do not see the time.

    Args:
        problem: a problem that :func:`~handful.domains.tabular.problem.tabular_problem` has made.
        num_policies: the budget k.

    Raises:
        ValueError: if the problem is not tabular, or its users are not paid from tables.
        RuntimeError: if the solver could not prove its answer.
    """
    rmdp = tabular_rmdp(problem)
    if rmdp is None:
        raise ValueError(nothing_known(problem.name, "users who are paid from tables"))
    best = tabular_optimum(rmdp, num_policies)
    if rmdp.horizon is None or getattr(problem.environment, "observe_time", False):
        return best
    blind = (
        f"The time limit of {rmdp.horizon} steps cuts episodes and the policies do not see the "
        f"time; this is what policies that see it could reach. {best.explanation}"
    )
    return replace(best, kind="upper bound", explanation=blind, attained=None)


def reachable(problem: RMDP) -> Reachable:
    """Give what the policies of a tabular problem can earn its users.

    Where the time limit cuts episodes and the policies do not see the time, it is what policies
    that see it could earn, which bounds those that do not.

    Args:
        problem: a problem that :func:`~handful.domains.tabular.problem.tabular_problem` has made.

    Raises:
        ValueError: if the problem is not tabular, or its users are not paid from tables.
    """
    rmdp = tabular_rmdp(problem)
    if rmdp is None:
        raise ValueError(nothing_known(problem.name, "users who are paid from tables"))
    found = reachable_by(rmdp)
    found.is_attained = rmdp.horizon is None or bool(
        getattr(problem.environment, "observe_time", False)
    )
    return found
