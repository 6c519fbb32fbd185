"""Problems with a Gymnasium environment: its features, and users who weigh them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from handful._support.foreign import in_same_directory
from handful._support.text import count
from handful.envs.gym.environment import GymnasiumEnvironment
from handful.envs.gym.features import find_features
from handful.envs.gym.sources import (
    Source,
    find_source,
    import_gymnasium,
    import_mo_gymnasium,
)
from handful.envs.gym.spaces import ActionRange, ObservationOffset
from handful.envs.gym.trust import with_name
from handful.errors import HandfulError
from handful.population import Population
from handful.problem import RMDP, steps_ahead
from handful.types import NumpyArray, Preset
from handful.users.draws import check_draw


def sample_weights(
    num_users: int, num_features: int, seed: int, concentration: float = 1.0
) -> NumpyArray:
    """Draw weights [N, D], each row from a symmetric Dirichlet distribution.

    No weight is below 0, and each row has the sum 1.

    Args:
        num_users: the number of users ``N``.
        num_features: the number of features ``D``.
        seed: the seed of the draw.
        concentration: 1 is uniform over all mixtures; below 1 users care about few features each,
            above 1 they are alike.

    Returns:
        the weights, float64 [N, D].

    Raises:
        HandfulError: if there is no user, the seed is negative, or the concentration is not
            positive.
    """
    check_draw(num_users, seed)
    if not 0.0 < concentration < np.inf:
        raise HandfulError(f"The concentration must be positive and finite, not {concentration}.")
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(num_features, concentration), size=num_users)


DISCOUNT = 0.99

USERS = 100
"""The number of users that are drawn if none are given."""


def from_gymnasium(
    env: Any,
    population: Population | Any = None,
    *,
    features: str | Sequence[str] | Callable[..., Any] | None = None,
    feature_names: Sequence[str] = (),
    discount: float = DISCOUNT,
    time_limit: int | None = None,
    return_scale: float | None = None,
    processes: int | None = None,
    vectorized: bool = False,
    options: Mapping[str, Any] | None = None,
    action_range: ActionRange = None,
    observation_offset: ObservationOffset = None,
) -> RMDP:
    """Make a problem from any Gymnasium or MO-Gymnasium environment.

    Args:
        env: an environment's name; a ``gymnasium.Env``, which is copied deeply; a function without
            arguments that makes one; one of Gymnasium's two kinds of
            ``gymnasium.vector.VectorEnv``, whose first environment is copied; or, with
            ``vectorized``, a function of a number of copies that makes a vector environment with
            that many.
        population: the users: a :class:`~handful.population.Population` over the features, an
            array [N, D] of weights, or a table whose columns are called like the features (a CSV or
            Parquet file, a DataFrame: :mod:`handful.users`); without one, 100 users with random
            weights.
        features: None for the environment's reward, which gives several features if it is a vector
            (MO-Gymnasium); or names of entries of ``info`` (``rewards.collision_reward``), or
            ``reward``; or a function of (observation, action, next_observation, reward, info) that
            returns numbers [D].
        feature_names: the names [D] of the features that a function returns.
        discount: the discount of the learner's objective, in (0, 1].
        time_limit: the number of steps after which episodes are cut, unless the environment's own
            limit is shorter.
        return_scale: the return of a good episode to a user; by default the return of random
            episodes, in absolute terms.
        processes: the number of processes that step the environment; with 1, this process steps it.
            By default there is one for each core if the environment is so slow that they save time.
        vectorized: whether ``env`` is a function of the number of copies.
        options: the keyword arguments of an environment that is given by name.
        action_range: the part of a ``Box`` of actions that policies use: ``[low, high]`` for all
            entries of an action, or a list with one such pair (or None, for the whole range) for
            each. Policies see it as -1 to 1. Give it if the environment takes far larger actions
            than make sense: policies begin in the middle of the range.
        observation_offset: the numbers that are subtracted from observations, in double precision,
            before these become float32: by the index of an entry in the flattened observation, as
            ``{"0": 1.7e9}``, or a list of numbers [O]. Give it if values are large and vary little,
            such as seconds since 1970.

    Returns:
        the problem, which :func:`handful.train` takes.

    Raises:
        HandfulError: if the arguments do not fit the environment or each other; the message is one
            sentence.

    Examples:
        One user wants the pole to stand, and one wants it to fall:

        >>> problem = handful.from_gymnasium("CartPole-v1", [[1.0], [-1.0]])
        >>> problem.num_users
        2
    """
    apart = ("env", "population", "vectorized")
    # All others, so that none can be forgotten; those at their defaults need not be kept.
    given = {n: v for n, v in locals().items() if n not in (*apart, "apart")}
    given = {n: v for n, v in given.items() if v is not None and not _is_empty(v)}
    environment = open_environment(
        env,
        features,
        feature_names,
        time_limit,
        processes,
        vectorized,
        options,
        action_range=action_range,
        observation_offset=observation_offset,
    )
    if population is None:
        population = sample_weights(USERS, len(environment.feature_names), seed=0)
    problem = pose(environment, population, discount, return_scale)
    return with_name(problem, env, given)


def _is_empty(value: Any) -> bool:
    return isinstance(value, Sequence | Mapping) and not value


@in_same_directory
def open_environment(
    env: Any,
    features: Any = None,
    feature_names: Sequence[str] = (),
    time_limit: int | None = None,
    processes: int | None = None,
    vectorized: bool = False,
    options: Mapping[str, Any] | None = None,
    registry: str = "",
    action_range: ActionRange = None,
    observation_offset: ObservationOffset = None,
) -> GymnasiumEnvironment:
    """Make the environment of :func:`from_gymnasium`, which has the same arguments.

    Args:
        registry: a module that registers the environment's name; it is imported first.
    """
    return GymnasiumEnvironment(
        find_any_source(env, vectorized, options, registry),
        find_features(features),
        feature_names,
        time_limit,
        processes,
        env if vectorized else None,
        action_range,
        observation_offset,
    )


def pose(
    environment: GymnasiumEnvironment,
    population: Any,
    discount: float,
    return_scale: float | None,
    user_ids: Sequence[str] = (),
) -> RMDP:
    """Make a problem from an environment and its users, and find its return scale.

    Args:
        population: the users as in :func:`from_gymnasium`, but not None.
        user_ids: the users' names, if the population is an array of weights.
    """
    users = _population(population, environment, user_ids)
    is_measured = return_scale is None
    if return_scale is None:
        return_scale = _typical_return(environment, users, discount)
    return RMDP(
        environment,
        users,
        discount=discount,
        return_scale=return_scale,
        learner_settings=_learner_settings,
        scale_is_measured=is_measured,
    )


def _learner_settings(num_policies: int, preset: Preset) -> Mapping[str, Any]:
    """Return settings with few environments for each policy.

    So a longer stretch of an episode passes between two updates.
    """
    del num_policies, preset
    return {"num_envs": 8}


def find_any_source(
    env: Any, vectorized: bool = False, options: Any = None, registry: str = ""
) -> Source:
    """Return the source of single environments of the kind that ``env`` stands for."""
    gymnasium = import_gymnasium()
    if vectorized or isinstance(env, gymnasium.vector.VectorEnv):
        # Imported here, because it needs Gymnasium and few callers need it.
        from handful.envs.gym.vector import single_source

        return single_source(env)
    return find_source(env, options, registry)


def _population(
    population: Any, environment: GymnasiumEnvironment, user_ids: Sequence[str]
) -> Population:
    names = environment.feature_names
    if isinstance(population, Population):
        return population
    if isinstance(population, Sequence | np.ndarray) and not isinstance(population, str):
        try:
            weights = np.asarray(population)
        except ValueError:  # rows of different lengths
            raise HandfulError(
                f"The users' weights must be a table, with one row a user and one weight for each "
                f"of the environment's {count(len(names), 'feature')} ({', '.join(names)})."
            ) from None
        if weights.ndim == 2 and weights.shape[1] != len(names):
            raise HandfulError(
                f"The users weigh {weights.shape[1]} features, but the environment has "
                f"{len(names)} ({', '.join(names)}): give one weight for each."
            )
        return Population(weights, user_ids=tuple(user_ids), feature_names=names)
    try:
        return Population.from_table(population, names)
    except HandfulError as error:
        are_numbered = names == tuple(f"feature_{index}" for index in range(len(names)))
        if are_numbered and "feature_" in str(error):
            raise HandfulError(
                f"{str(error).rstrip('.')}; the features of a function are called feature_0, "
                f"feature_1 and so on where feature_names does not name them, and the table's "
                f"columns must be called like them."
            ) from None
        raise


def _typical_return(
    environment: GymnasiumEnvironment, population: Population, discount: float
) -> float:
    """Return the root mean square return within the horizon, over users and random episodes."""
    seen = environment.probe
    horizon = steps_ahead(discount, environment.time_limit)
    share = np.minimum(horizon / seen.lengths, 1.0)[:, None]
    returns = _user_returns(population, seen.episode_features * share)
    scale = float(np.sqrt(np.mean(np.square(returns))))
    return scale if np.isfinite(scale) and scale > 0.0 else 1.0


def _user_returns(population: Population, features: NumpyArray) -> NumpyArray:
    """Return the users' returns [E, N] from features that the environment gives.

    If the population has feature functions of its own, these get the features as they are.
    """
    if population.num_features != features.shape[1]:
        return features
    return population.returns(features)


def make_gymnasium(env_id: str, **parameters: Any) -> RMDP:
    """Make a problem from an environment that Gymnasium knows, see :func:`any_task`."""
    problem = any_task(env_id, **parameters)
    return replace(problem, name=f"gymnasium:{env_id}", parameters=parameters)


def make_mo_gymnasium(env_id: str, **parameters: Any) -> RMDP:
    """Make a problem from an environment of MO-Gymnasium, see :func:`any_task`.

    The entries of its reward are the features.

    Raises:
        HandfulError: if MO-Gymnasium is not installed.
    """
    import_mo_gymnasium()
    problem = any_task(env_id, **{"registry": "mo_gymnasium", **parameters})
    return replace(problem, name=f"mo-gymnasium:{env_id}", parameters=parameters)


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
    """Make a problem from an environment's name and users of its features.

    Args:
        env_id: ``ENV-ID``; ``module:ENV-ID``, if a module registers it; or ``module:name`` of a
            class or function that makes the environment.
        registry: a module that registers the environment and is imported first; for the task
            'mo-gymnasium' it is that package.
        users: the number of users to draw, with weights from a Dirichlet distribution.
        population_seed: the seed of the draw of the users.
        concentration: the concentration of that distribution: below 1 users care about few features
            each.
        population: a table of users in place of drawn ones; its columns are called like the
            features.
        weights: an array [N, D] of the users' weights in place of drawn users.
        user_ids: the users' names, if ``weights`` are given.
        features: names of entries of ``info``, or ``module:name`` of a function; by default the
            environment's reward. For this and the following arguments see also
            :func:`~handful.envs.gym.problem.from_gymnasium`.
        feature_names: the names [D] of the features that a function returns.
        discount: the discount of the learner's objective.
        time_limit: the number of steps after which episodes are cut, unless the environment's own
            limit is shorter.
        return_scale: the return of a good episode to a user; by default the return of random
            episodes.
        processes: the number of processes that step the environment; by default one for each core,
            if it is slow enough.
        options: the keyword arguments of the environment.
        action_range: the part of a Box of actions that policies use, if the environment takes far
            larger actions than make sense: [LOW, HIGH] for all entries of an action, or one such
            pair for each.
        observation_offset: the numbers that are subtracted from observations before these become
            float32, by entry, as {"0": 1.7e9}; for values that are large and vary little.

    Raises:
        HandfulError: if the arguments do not fit the environment or each other; the message is one
            sentence.
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
