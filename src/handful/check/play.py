"""Episodes for a conformance check, in which every object is checked as it comes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.check.findings import Defect
from handful.envs.gym.features import Features, Transition, as_numbers, keep, keep_step
from handful.envs.gym.probe import random_action
from handful.envs.gym.sources import failure
from handful.envs.gym.spaces import Choices, Interval
from handful.errors import HandfulError


@dataclass
class Episode:
    """One episode, with a copy of every array and object.

    Attributes:
        observations: the first observation and one for each step.
        actions: the policies' actions, one for each step.
        features: the features [D] of each step.
        infos: the ``info`` of each step.
        terminated, truncated: how the episode ended, as its last step says.
        reused: whether a later step overwrote an observation.
        first: the first step, in the form that feature functions get; None before it.
    """

    observations: list[Any] = field(default_factory=list)
    actions: list[Any] = field(default_factory=list)
    features: list[NDArray[Any]] = field(default_factory=list)
    infos: list[Mapping[str, Any]] = field(default_factory=list)
    terminated: bool = False
    truncated: bool = False
    reused: bool = False
    first: Transition | None = None

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def ended(self) -> bool:
        """Whether the episode ended before the player stopped."""
        return self.terminated or self.truncated


@dataclass(frozen=True)
class Player:
    """An object that plays episodes.

    Attributes:
        actions: the action space of the environment.
        features: the reward features of the steps of the environment.
    """

    actions: Choices | Interval
    features: Features

    def play(
        self,
        env: Any,
        seed: int | None,
        rng: np.random.Generator | None,
        max_steps: int,
        script: list[Any] | None = None,
        deadline: float = np.inf,
    ) -> Episode:
        """Play one episode of random actions, or of the actions in ``script``.

        Args:
            max_steps: the number of steps after which the player stops.
            deadline: the time on the clock of ``time.monotonic`` after which the episode takes no
                other step than its first one.

        Raises:
            Defect: if the environment cannot be played further.
        """
        episode = Episode()
        given = checked_reset(env, seed)
        episode.observations.append(keep(given))
        while len(episode) < max_steps and not episode.ended:
            if len(episode) and time.monotonic() >= deadline:
                break  # one step is made even after a slow reset
            if script is not None:
                if len(episode) == len(script):
                    break
                action = script[len(episode)]
            else:
                assert rng is not None
                action = random_action(self.actions, rng)
            given = self._step(env, episode, action, given)
        return episode

    def _step(self, env: Any, episode: Episode, action: Any, given: Any) -> Any:
        taken = self.actions.decode(action)
        kept, before = keep(taken), episode.observations[-1]
        following, reward, terminated, truncated, info = checked_step(env, taken)
        is_array = isinstance(given, np.ndarray)
        episode.reused |= (is_array and following is given) or not same(given, before)
        seen = Transition(before, kept, keep(following), reward, info)
        episode.first = episode.first or keep_step(seen)
        try:
            numbers = np.array(self.features(seen))
        except HandfulError as error:
            raise Defect("info" if "info" in str(error) else "reward", str(error)) from None
        if episode.features and numbers.shape != episode.features[0].shape:
            raise Defect(
                "reward",
                f"A step gave {numbers.size} reward features and the one before it "
                f"{episode.features[0].size}: their number must stay the same.",
            )
        episode.observations.append(seen.next_observation)
        episode.actions.append(action)
        episode.features.append(numbers)
        episode.infos.append(info)
        episode.terminated, episode.truncated = bool(terminated), bool(truncated)
        return following


def checked_reset(env: Any, seed: int | None) -> Any:
    """Reset an environment and return the first observation.

    Raises:
        Defect: if there is no observation.
    """
    how = "with a seed" if seed is not None else "without a seed"
    try:
        result = env.reset(seed=seed)
    except BaseException as error:
        message = f"{failure(f'reset() {how}', error)}"
        raise Defect("api", f"{message} Its signature is reset(seed=None, options=None).") from None
    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Mapping):
        raise Defect(
            "api",
            f"reset() must return (observation, info), with info a dict, not {_kind(result)}.",
        )
    return result[0]


def checked_step(env: Any, action: Any) -> tuple[Any, Any, Any, Any, Mapping[str, Any]]:
    """Take a step and return its result, if it is what Gymnasium specifies.

    Raises:
        Defect: if it is not.
    """
    try:
        result = env.step(action)
    except BaseException as error:
        raise Defect("errors", f"{failure(f'step({action!r})', error)}") from None
    if not isinstance(result, tuple) or len(result) != 5:
        raise Defect(
            "api",
            f"step() must return (observation, reward, terminated, truncated, info), not "
            f"{_kind(result)}"
            + (": the old Gym's 'done' is now two flags." if _is_old(result) else "."),
        )
    _, reward, terminated, truncated, info = result
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        if not isinstance(flag, bool | np.bool_):
            raise Defect("api", f"step() must return {name} as True or False, not {flag!r}.")
    if not isinstance(info, Mapping):
        raise Defect("api", f"step() must return info as a dict, not {_kind(info)}.")
    try:
        as_numbers("reward", reward)
    except HandfulError as error:
        raise Defect("reward", str(error)) from None
    return result


def same(one: Any, other: Any) -> bool:
    """Return whether two observations are equal, where NaN equals NaN."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    one, other = np.asarray(one), np.asarray(other)
    return one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def first_difference(one: Episode, other: Episode) -> str | None:
    """Return where two episodes begin to differ, in words; None if they do not."""
    for step, (a, b) in enumerate(zip(one.observations, other.observations, strict=False)):
        if not same(a, b):
            return f"the observation after {step} steps" if step else "the first observation"
    for step, (a, b) in enumerate(zip(one.features, other.features, strict=False)):
        if not same(a, b):
            return f"the reward features of step {step + 1}"
    if (len(one), one.terminated, one.truncated) != (len(other), other.terminated, other.truncated):
        return f"the end (after {len(one)} and {len(other)} steps)"
    return None


def _is_old(result: Any) -> bool:
    return isinstance(result, tuple) and len(result) == 4


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return f"{type(value).__name__}"
