"""Problems with a Gymnasium environment: its features, and users who weigh them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from handful._support.foreign import in_same_directory
from handful._support.installing import install_command
from handful._support.text import count
from handful.envs.gym.environment import GymnasiumEnvironment
from handful.envs.gym.features import find_features
from handful.envs.gym.sources import Source, find_source, import_gymnasium
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
    """Weights [N, D], each row from a symmetric Dirichlet distribution: none below 0, in sum 1.

    Args:
        num_users: ``N``.
        num_features: ``D``.
        seed: the seed of the draw.
        concentration: 1 is uniform over all mixtures; below 1 users care about few features each,
            above 1 they are alike.

    Raises:
        HandfulError: for no users, a negative seed, or a concentration that is not positive.
    """
    check_draw(num_users, seed)
    if not 0.0 < concentration < np.inf:
        raise HandfulError(f"The concentration must be positive and finite, not {concentration}.")
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(num_features, concentration), size=num_users)


DISCOUNT = 0.99

USERS = 100
"""Sampled where none are given."""


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
    """Return a problem from any Gymnasium or MO-Gymnasium environment.

    Args:
        env: an environment's name; a ``gymnasium.Env``, of which deep copies are made; a function
            without arguments that makes one; a ``gymnasium.vector.VectorEnv`` of Gymnasium's two
            kinds, of whose first environment copies are made; or, with ``vectorized``, a function
            of a number of copies that makes a vector environment of so many.
        population: the users: a :class:`~handful.population.Population` over the features, an
            array [N, D] of weights, or a table whose columns are called like the features (a CSV or
            Parquet file, a DataFrame: :mod:`handful.users`); without one, 100 users with random
            weights.
        features: None for the environment's reward, which MO-Gymnasium's vector rewards make
            several features; names of entries of ``info`` (``rewards.collision_reward``), or
            ``reward``; or a function of (observation, action, next_observation, reward, info) to
            numbers [D].
        feature_names: [D] for a function's features.
        discount: the discount of the learner's objective, in (0, 1].
        time_limit: steps after which episodes are cut, where the environment's own limit is not
            shorter.
        return_scale: the return of a good episode to a user; by default the return of random
            episodes, in absolute terms.
        processes: the number of processes that step the environment; with 1, this process steps it.
            By default there is one for each core if the environment is so slow that they save time.
        vectorized: whether ``env`` is a function of the number of copies.
        options: keyword arguments of an environment that is given by name.
        action_range: the part of a ``Box`` of actions that policies use: ``[low, high]`` for all
            entries of an action, or a list with one such pair (or None, for the whole range) for
            each. Policies see it as -1 to 1. Give it where the environment takes far more than
            makes sense: policies begin in the middle of the range.
        observation_offset: the numbers that are subtracted from observations, in double precision,
            before these become float32: by the index of an entry in the flattened observation, as
            ``{"0": 1.7e9}``, or a list of numbers [O]. Give it where values are large and vary
            little, as seconds since 1970 do.

    Raises:
        HandfulError: if something does not fit, in one sentence.
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
    """Return the environment of :func:`from_gymnasium`, whose arguments these are.

    Args:
        registry: a module that registers the environment's name, imported first.
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
    """Return a problem of an environment and its users, with a return scale of the right size.

    Args:
        population: the users as in :func:`from_gymnasium`, but not None.
        user_ids: the users' names, where the population is an array of weights.
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
    """Few environments a policy: longer stretches of an episode between two updates."""
    del num_policies, preset
    return {"num_envs": 8}


def find_any_source(
    env: Any, vectorized: bool = False, options: Any = None, registry: str = ""
) -> Source:
    """Return what makes single environments of the kind that ``env`` stands for."""
    gymnasium = import_gymnasium()
    if vectorized or isinstance(env, gymnasium.vector.VectorEnv):
        # Imported here: it needs Gymnasium, and few need it.
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
    """[E, N]; features of features, where the population has its own, are taken as they come."""
    if population.num_features != features.shape[1]:
        return features
    return population.returns(features)


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
    """Return an environment by name, and users of its features.

    Args:
        env_id: ``ENV-ID``; ``module:ENV-ID``, where a module registers it; or ``module:name`` of a
            class or function that makes the environment.
        registry: a module that registers the environment, imported first; the task 'mo-gymnasium'
            takes that package for it.
        users: how many to draw, with weights from a Dirichlet distribution.
        population_seed: the seed of the draw of the users.
        concentration: the concentration of that distribution: below 1 users care about few features
            each.
        population: a table of users instead, whose columns are called like the features.
        weights: an array of users instead: [N, D].
        user_ids: their names, where ``weights`` are given.
        features: names of entries of ``info``, or ``module:name`` of a function; by default the
            environment's reward. More of this and of all that follows says
            :func:`~handful.envs.gym.problem.from_gymnasium`.
        feature_names: [D] for a function's features.
        discount: the discount of the learner's objective.
        time_limit: steps after which episodes are cut, where the environment's own limit is not
            shorter.
        return_scale: the return of a good episode to a user; by default the return of random
            episodes.
        processes: the number of processes that step the environment; by default one for each core,
            if it is slow enough.
        options: keyword arguments of the environment.
        action_range: the part of a Box of actions that policies use, where the environment takes
            far more than makes sense: [LOW, HIGH] for all entries of an action, or one such pair
            for each.
        observation_offset: the numbers that are subtracted from observations before these become
            float32, by entry, as {"0": 1.7e9}, where values are large and vary little.

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
