"""A first look at an environment: its spaces, its features, its speed, and random returns."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful._support.digits import LostDigits, find_lost_digits
from handful.envs.gym.features import (
    Features,
    Transition,
    check_count,
    feature_names,
    keep,
    keep_step,
)
from handful.envs.gym.sources import Source, build, close, failure
from handful.envs.gym.spaces import (
    ActionRange,
    Choices,
    Flattener,
    Interval,
    ObservationOffset,
    read_action_space,
)
from handful.errors import HandfulError

STEPS = 100
"""The number of random steps.

They are few, since environments may be slow. Results depend on this number, so it is fixed."""

SEED = 0


@dataclass(frozen=True)
class Probe:
    """The result of a few random episodes.

    Attributes:
        actions: the translation of policies' actions into the environment's.
        flattener: the object that flattens observations.
        feature_names: the names of the features [D].
        time_limit: the environment's own time limit, or None if it has none.
        seconds_per_step: the mean time of a step in seconds, resets included.
        episode_features: the sum of the features over each episode, [E, D]; the last episode is cut
            short.
        lengths: the number of steps of each episode [E].
        module: the module that the environment's class comes from.
    """

    actions: Choices | Interval
    flattener: Flattener
    feature_names: tuple[str, ...]
    time_limit: int | None
    seconds_per_step: float
    episode_features: NDArray[Any]
    lengths: NDArray[Any]
    module: str = ""


def probe(
    source: Source,
    features: Features,
    given_names: Sequence[str],
    action_range: ActionRange = None,
    observation_offset: ObservationOffset = None,
) -> Probe:
    """Act at random in one copy, with the same random numbers in every call.

    Raises:
        HandfulError: if the environment cannot be made, fails, or does not fit; or if observations
            that differ become equal in float32.
    """
    env = build(source)
    try:
        actions = read_action_space(env.action_space, action_range)
        flattener = Flattener(env.observation_space, observation_offset)
        start = time.perf_counter()
        first, episodes, observations = _random_episodes(env, actions, flattener, features)
        seconds = time.perf_counter() - start
        lost = find_lost_digits(observations)
        if lost is not None:
            raise HandfulError(f"{lost}: {offset_hint(lost)}.")
        lengths = np.array([len(episode) for episode in episodes])
        return Probe(
            actions,
            flattener,
            feature_names(features, first, given_names),
            own_time_limit(env),
            seconds / lengths.sum(),
            np.array([np.sum(episode, axis=0) for episode in episodes]),
            lengths,
            type(env.unwrapped).__module__,
        )
    finally:
        close(env)


def own_time_limit(env: Any) -> int | None:
    """Return the number of steps after which the environment cuts its episodes, if it says so."""
    from gymnasium.wrappers import TimeLimit

    layer = env
    while layer is not layer.unwrapped:
        if isinstance(layer, TimeLimit):
            return int(layer._max_episode_steps)
        layer = layer.env
    return getattr(env.spec, "max_episode_steps", None)


def random_action(
    actions: Choices | Interval, rng: np.random.Generator
) -> NDArray[Any] | np.integer[Any]:
    """Return a uniformly random action, in the policy's units."""
    if isinstance(actions, Choices):
        return rng.integers(actions.count)
    return np.clip(rng.normal(size=len(actions.low)), actions.low, actions.high)


def _random_episodes(
    env: Any, actions: Choices | Interval, flattener: Flattener, features: Features
) -> tuple[Transition, list[list[NDArray[Any]]], NDArray[Any]]:
    """Return the first transition, the features of every step by episode, and all observations."""
    rng = np.random.default_rng(SEED)
    first, episodes, observations = None, [], []
    steps, seed = 0, SEED
    while steps < STEPS:
        try:
            observation, _ = env.reset(seed=seed)
        except BaseException as error:
            raise failure("reset()", error) from None
        seed = None
        observations.append(np.array(flattener.exactly(observation)))
        episode, ended = [], False
        while not ended and steps < STEPS:
            before, action = keep(observation), actions.decode(random_action(actions, rng))
            taken = keep(action)
            try:
                observation, reward, terminated, truncated, info = env.step(action)
            except BaseException as error:
                raise failure("step()", error) from None
            observations.append(np.array(flattener.exactly(observation)))
            seen = Transition(before, taken, observation, reward, info)
            first = first or keep_step(seen)
            episode.append(features(seen))
            check_count(episode[-1], (episodes[0] if episodes else episode)[0].size)
            steps, ended = steps + 1, bool(terminated or truncated)
        episodes.append(episode)
    assert first is not None
    return first, episodes, np.array(observations)


def offset_hint(lost: LostDigits) -> str:
    """Return advice for observations that lose their digits in float32."""
    value = json.dumps({str(lost.entry): lost.middle})
    return (
        f"subtract a number near them in double precision, with observation_offset={value} (on the "
        f"command line, --param.observation-offset '{value}') or in the environment"
    )
