"""What policies are worth to the users of the suite's problems.

Where it can be computed, there is no chance in it: of tabular problems from the linear system, of
the couriers and of Resource Gathering of MO-Gymnasium from their dynamics. Elsewhere it is the mean
over evaluation episodes.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import handful
from handful.domains.tabular.optimum import tabular_rmdp
from studies.suite import exact

WORTH: dict[str, Callable[[exact.Act], np.ndarray]] = {
    "studies.suite.problems:gathering": exact.worth_of_walk,
    "studies.suite.problems:couriers": exact.worth_of_ride,
}
"""What a policy earns of each feature on average, for problems whose dynamics are known here."""


def is_computed(problem: handful.RMDP) -> bool:
    """Whether what policies are worth is computed, so that no episodes are needed."""
    return problem.name in WORTH or tabular_rmdp(problem) is not None


def returns_of(problem: handful.RMDP, agents: Mapping[str, Any], seed: int) -> np.ndarray:
    """[M, N]: what every user earns on average from each agent's likeliest actions.

    Args:
        agents: policies of handful (each of them counts), or functions of an observation.
        seed: of the evaluation episodes, where there are any.
    """
    acts = [act for agent in agents.values() for act in _acts(agent)]
    coefficients = np.asarray(problem.population.coefficients, float)
    if problem.name in WORTH:
        return np.array([WORTH[problem.name](act) for act in acts]) @ coefficients.T
    if tabular_rmdp(problem) is not None:
        return np.concatenate([_in_table(problem, agent) for agent in agents.values()])
    return handful.evaluate_references(problem, agents, seed=seed).returns


def _acts(agent: Any) -> Iterator[exact.Act]:
    if isinstance(agent, handful.Policies):
        for policy in range(agent.num_policies):
            yield partial(agent.act, policy=policy)
    else:
        yield agent


def _in_table(problem: handful.RMDP, agent: Any) -> np.ndarray:
    """[K, N]: what a tabular problem's linear system says."""
    if isinstance(agent, handful.Policies):
        return handful.exact_returns(problem, agent)
    rmdp, environment = tabular_rmdp(problem), problem.environment
    assert rmdp is not None
    assert rmdp.horizon is None, "only policies of handful see the time"
    observe = jax.vmap(environment.observe, in_axes=(0, None))
    seen = np.asarray(observe(jnp.arange(environment.num_states), 0))
    return rmdp.returns(np.array([int(agent(row)) for row in seen]))[None]
