"""Names for problems that were made in Python, by which a run folder can make them again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from handful.envs.gym.sources import import_gymnasium
from handful.errors import HandfulError
from handful.plain import is_json, plain
from handful.population import Population, outcome_is_features
from handful.problem import RMDP


def with_name(problem: RMDP, env: Any, arguments: Mapping[str, Any]) -> RMDP:
    """The problem, with the task's name and the parameters that make it again, where there are any.

    There are none where the environment is an object or a function, or where an argument or the
    users are nothing that a file can hold: such a problem stays without a name.

    Args:
        problem: that :func:`~handful.envs.gym.problem.from_gymnasium` has made.
        env: its environment, as it was given.
        arguments: the others that were given, by name, but for the users.
    """
    if not isinstance(env, str) or not is_json(plain(arguments)):
        return problem
    names = tuple(getattr(problem.environment, "feature_names", ()))
    users = _described_users(problem.population, names)
    if users is None:
        return problem
    return replace(problem, name=f"{_family(env)}:{env}", parameters={**arguments, **users})


def _family(env_id: str) -> str:
    """The task that makes an environment of this name."""
    spec = import_gymnasium().registry.get(env_id)
    is_of_many_rewards = spec is not None and str(spec.entry_point).startswith("mo_gymnasium.")
    return "mo-gymnasium" if is_of_many_rewards else "gymnasium"


def _described_users(population: Population, names: tuple[str, ...]) -> dict[str, Any] | None:
    """Parameters that make the same users again; None where there are none."""
    is_linear = population.reward_fn is None and population.features is outcome_is_features
    if not is_linear or not all(isinstance(user, str) for user in population.user_ids):
        return None
    weights, user_ids = population.coefficients, list(population.user_ids)
    if not population.attributes:
        return {"weights": weights.tolist(), "user_ids": user_ids}
    labels = {name: plain(np.asarray(values)) for name, values in population.attributes.items()}
    columns = {name: weights[:, index].tolist() for index, name in enumerate(names)}
    table = {"user": user_ids, **columns, **labels}
    try:
        again = Population.from_table(table, names)
    except HandfulError:
        return None
    is_same = (
        again.user_ids == population.user_ids
        and np.array_equal(again.coefficients, weights)
        and {name: plain(np.asarray(v)) for name, v in again.attributes.items()} == labels
    )
    return {"population": table} if is_same else None
