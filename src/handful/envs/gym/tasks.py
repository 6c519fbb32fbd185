"""Tasks by name: ``gymnasium:ENV-ID`` and ``mo-gymnasium:ENV-ID``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from handful.envs.gym.problem import DISCOUNT, USERS, open_environment, pose
from handful.envs.gym.users import sample_weights
from handful.errors import HandfulError
from handful.installing import install_command
from handful.problem import RMDP


def make_gymnasium(env_id: str, **parameters: Any) -> RMDP:
    """Any environment that Gymnasium knows; the parameters are those of :func:`any_task`."""
    problem = any_task(env_id, **parameters)
    return replace(problem, name=f"gymnasium:{env_id}", parameters=parameters)


def make_mo_gymnasium(env_id: str, **parameters: Any) -> RMDP:
    """Any environment of MO-Gymnasium; the entries of its reward are the features.

    Raises:
        HandfulError: if MO-Gymnasium is not installed.
    """
    import_mo_gymnasium()
    problem = any_task(env_id, **{"registry": "mo_gymnasium", **parameters})
    return replace(problem, name=f"mo-gymnasium:{env_id}", parameters=parameters)


def import_mo_gymnasium() -> None:
    """Import MO-Gymnasium, which registers its environments.

    Raises:
        HandfulError: if it is not installed.
    """
    try:
        import mo_gymnasium  # noqa: F401
    except ImportError:
        raise HandfulError(
            f"The task 'mo-gymnasium' needs MO-Gymnasium: {install_command('mo-gymnasium')}."
        ) from None


def any_task(
    env_id: str,
    *,
    registry: str = "",
    users: int = USERS,
    population_seed: int = 0,
    concentration: float = 1.0,
    population: Any = None,
    weights: Sequence[Sequence[float]] | None = None,
    user_ids: Sequence[str] = (),
    features: str | Sequence[str] | None = None,
    feature_names: Sequence[str] = (),
    discount: float = DISCOUNT,
    time_limit: int | None = None,
    return_scale: float | None = None,
    processes: int | None = None,
    options: Mapping[str, Any] | None = None,
    action_range: Sequence[Any] | None = None,
    observation_offset: Mapping[str, float] | Sequence[float] | None = None,
) -> RMDP:
    """An environment by name, and users of its features.

    Args:
        env_id: ``ENV-ID``; ``module:ENV-ID``, where a module registers it; or ``module:name`` of a
            class or function that makes the environment.
        registry: a module that registers the environment, imported first; the task 'mo-gymnasium'
            takes that package for it.
        users: how many to draw, with weights from a Dirichlet distribution.
        population_seed: of that draw.
        concentration: of that distribution: below 1 users care about few features each.
        population: a table of users instead, whose columns are called like the features.
        weights: an array of users instead: [N, D].
        user_ids: their names, where ``weights`` are given.
        features: names of entries of ``info``, or ``module:name`` of a function; by default the
            environment's reward. More of this and of all that follows says
            :func:`~handful.envs.gym.problem.from_gymnasium`.
        feature_names: [D] for a function's features.
        discount: of the learner's objective.
        time_limit: steps after which episodes are cut, where the environment's own limit is not
            shorter.
        return_scale: what a good episode returns to a user; by default what random ones return.
        processes: that step the environment; by default one a core, if it is slow enough.
        options: keyword arguments of the environment.
        action_range: the part of a Box of actions that policies use, where the environment takes
            far more than makes sense: [LOW, HIGH] for all entries of an action, or one such pair
            for each.
        observation_offset: what is subtracted from observations before they become float32, by
            entry, as {"0": 1.7e9}, where values are large and vary little.

    Raises:
        HandfulError: if something does not fit, in one sentence.
    """
    environment = open_environment(
        env_id,
        features,
        feature_names,
        time_limit,
        processes,
        options=options,
        registry=registry,
        action_range=action_range,
        observation_offset=observation_offset,
    )
    if population is None and weights is None:
        num_features = len(environment.feature_names)
        population = sample_weights(users, num_features, population_seed, concentration)
    elif population is None:
        population = weights
    return pose(environment, population, discount, return_scale, user_ids)
