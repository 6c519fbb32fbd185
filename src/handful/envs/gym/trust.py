"""The environments that may be made from stored data without their user's consent.

A run folder or a study file may come from a stranger, and making an environment by name can run
anything: a name may import a module, and so may a feature function or an option. So data alone may
ask only for what Gymnasium and MO-Gymnasium bring with them, with options that hold no text: from
numbers, truth values and lists of them no environment can find out what to import or which file to
read. (highway-env, for one, takes the names of classes as options.)
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from handful._support.text import is_json, plain
from handful.envs.gym.sources import import_gymnasium, import_mo_gymnasium
from handful.errors import HandfulError
from handful.population import Population, outcome_is_features
from handful.problem import RMDP

TRUSTED = ("gymnasium.envs.", "mo_gymnasium.envs.")
"""The modules whose environments may be made from data alone."""


def why_consent(env_id: str, parameters: Mapping[str, Any]) -> str | None:
    """Return why making a task of Gymnasium needs its user's consent; None if it does not.

    Args:
        env_id: the environment that the task's name asks for.
        parameters: the parameters of the task, as the data give them.
    """
    if ":" in env_id:
        return f"the environment '{env_id}' names a module to import"
    if parameters.get("registry"):
        return "the parameter 'registry' names a module to import"
    features = parameters.get("features")
    if isinstance(features, str) and ":" in features:
        return f"the parameter 'features' names a function to call, '{features}'"
    if _holds_text(parameters.get("options")):
        return (
            "the parameter 'options' holds text, by which an environment may import modules or "
            "read files"
        )
    spec = import_gymnasium().registry.get(env_id)
    entry_point = None if spec is None else spec.entry_point
    if not (isinstance(entry_point, str) and entry_point.startswith(TRUSTED)):
        return f"the environment '{env_id}' is none of those that Gymnasium brings with it"
    return None


def why_consent_of_many_rewards(env_id: str, parameters: Mapping[str, Any]) -> str | None:
    """Return why making a task of MO-Gymnasium needs its user's consent; None if it does not.

    MO-Gymnasium registers its environments when it is imported, which :func:`why_consent` does not
    know.
    """
    import_mo_gymnasium()
    return why_consent(env_id, parameters)


def _holds_text(value: Any) -> bool:
    """Return whether there is text among the values, at any depth; names in a mapping are not."""
    if isinstance(value, Mapping):
        return any(map(_holds_text, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_text, value))
    return isinstance(value, str)


def with_name(problem: RMDP, env: Any, arguments: Mapping[str, Any]) -> RMDP:
    """Return the problem with the task's name and the parameters that make it again.

    A problem for which there are no such parameters is returned as it is.

    There are none if the environment is an object or a function, or if a file cannot hold an
    argument or the users: such a problem stays without a name.

    Args:
        problem: a problem that :func:`~handful.envs.gym.problem.from_gymnasium` has made.
        env: the environment as the caller gave it.
        arguments: the other arguments that the caller gave, by name, without the users.
    """
    if not isinstance(env, str) or not is_json(plain(arguments)):
        return problem
    names = tuple(getattr(problem.environment, "feature_names", ()))
    users = _described_users(problem.population, names)
    if users is None:
        return problem
    return replace(problem, name=f"{_family(env)}:{env}", parameters={**arguments, **users})


def _family(env_id: str) -> str:
    """Return the task that makes an environment of this name."""
    spec = import_gymnasium().registry.get(env_id)
    is_of_many_rewards = spec is not None and str(spec.entry_point).startswith("mo_gymnasium.")
    return "mo-gymnasium" if is_of_many_rewards else "gymnasium"


def _described_users(population: Population, names: tuple[str, ...]) -> dict[str, Any] | None:
    """Return parameters that make the same users again; None if there are none."""
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
