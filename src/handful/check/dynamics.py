"""Checks of randomness and state: what must be equal in two episodes, and what must not."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handful.check.findings import DEFECT, WARNING, Finding
from handful.check.play import Episode, Player, first_difference, same
from handful.envs.gym.processes import Processes, why_not_sent
from handful.envs.gym.sources import close
from handful.envs.gym.spaces import Choices, Flattener
from handful.envs.gym.worker import Arrays, Blueprint
from handful.errors import HandfulError

SEED, OTHER_SEED = 101, 102

REPLAYED = 200
"""The steps of an episode that is played again."""


def check_repeats(
    player: Player, env: Any, build: Callable[[], Any], max_steps: int
) -> Iterator[Finding]:
    """Check that the same seed and actions give the same episode.

    They are repeated in the same copy after other episodes, and in another copy.
    """
    limit = min(max_steps, REPLAYED)
    rng = np.random.default_rng(SEED)
    fresh = build()
    try:
        first = player.play(fresh, SEED, rng, limit)
        again = player.play(fresh, SEED, None, limit, first.actions)
        other_copy = build()
        try:
            elsewhere = player.play(other_copy, SEED, None, limit, first.actions)
        finally:
            close(other_copy)
    finally:
        close(fresh)
    used = player.play(env, SEED, None, limit, first.actions)
    used_again = player.play(env, SEED, None, limit, first.actions)

    between = first_difference(first, elsewhere)
    within = first_difference(first, again) or first_difference(used, used_again)
    if between and within:
        yield Finding(
            "deterministic",
            DEFECT,
            f"The same seed and actions gave another episode: {within} differed. Draw all chance "
            f"from self.np_random (after super().reset(seed=seed)), not from random or "
            f"numpy.random, and not from the clock.",
        )
    elif between:
        yield Finding(
            "same-dynamics",
            DEFECT,
            f"Two copies with the same seed and actions parted: {between} differed. All users "
            f"share one environment: leave out what differs from copy to copy (or from user to "
            f"user), draw it in reset() and show it in the observation, or put it into the reward.",
        )
    elif difference := within or first_difference(first, used):
        yield Finding(
            "clean-reset",
            DEFECT,
            f"An episode is not the same after others as in a new copy: {difference} differed. "
            f"reset() must put back everything that step() changes.",
        )


def check_chance(player: Player, env: Any) -> Iterator[Finding]:
    """Check that episodes started without a seed differ, if those of two seeds do."""
    limit = 20
    script = player.play(env, SEED, np.random.default_rng(SEED), limit).actions
    one = player.play(env, SEED, None, limit, script)
    unseeded = [player.play(env, None, None, limit, script) for _ in range(3)]
    other = player.play(env, OTHER_SEED, None, limit, script)
    chance_matters = first_difference(one, other) is not None
    if chance_matters and all(first_difference(one, episode) is None for episode in unseeded):
        yield Finding(
            "fresh-chance",
            DEFECT,
            "reset() without a seed repeats the episode of the last seed: make a new random "
            "generator only where a seed is given (super().reset(seed=seed) does so).",
        )


def check_actions(player: Player, env: Any, max_steps: int) -> Iterator[Finding]:
    """Check that every extreme action is accepted, and that not all of them do the same."""
    for action in extreme_actions(player.actions):
        player.play(env, SEED, None, 1, [action])
    limit = min(max_steps, 50)
    script = player.play(env, SEED, np.random.default_rng(SEED), limit).actions
    first = player.play(env, SEED, None, limit, script)
    for choice in range(1, 6):
        rng = np.random.default_rng(SEED + choice)
        if first_difference(first, player.play(env, SEED, rng, limit)) is not None:
            return
    yield Finding(
        "actions-matter",
        WARNING,
        "Other actions gave the same observations and features: check that step() uses its action.",
    )


def extreme_actions(actions: Any) -> list[Any]:
    """Return each of finitely many actions (at most 64), or the corners along the axes of a box."""
    if isinstance(actions, Choices):
        return list(np.linspace(0, actions.count - 1, min(actions.count, 64)).astype(int))
    low = np.where(np.isfinite(actions.low), actions.low, -10.0)
    high = np.where(np.isfinite(actions.high), actions.high, 10.0)
    return [low, high, *(np.where(np.arange(len(low)) == i, high, low) for i in range(len(low)))]


def check_process(
    blueprint: Blueprint, player: Player, env: Any, flattener: Flattener
) -> Iterator[Finding]:
    """Check that a copy in another process behaves as one in this process."""
    reason = why_not_sent(blueprint)
    if reason:
        yield Finding(
            "process",
            WARNING,
            f"It cannot be sent to another process ({reason}), so that only this one steps it: "
            f"give its name, or a function or class at the top level of a module.",
        )
        return
    limit = min(blueprint.time_limit, REPLAYED)
    here = player.play(env, SEED, np.random.default_rng(SEED), limit)
    try:
        differs = _parts_in_process(blueprint, player, here, flattener)
    except HandfulError as error:
        yield Finding("process", WARNING, f"It works here and not in another process: {error}")
        return
    if differs is not None:
        yield Finding(
            "process",
            DEFECT,
            f"The same seed and actions gave another episode in another process, from step "
            f"{differs} on: leave out what differs between processes (hash(), the process's "
            f"number, files).",
        )


def _parts_in_process(
    blueprint: Blueprint, player: Player, here: Episode, flattener: Flattener
) -> int | None:
    """Return the step from which on another process gives other results; None if none."""
    discrete = isinstance(player.actions, Choices)
    size = () if discrete else (len(player.actions.low),)  # type: ignore[union-attr]
    num_features = len(here.features[0])
    shapes = Arrays(
        actions=np.zeros((1, *size), np.int32 if discrete else np.float64),
        observations=np.zeros((1, flattener.size), np.float32),
        features=np.zeros((1, num_features), np.float64),
        terminated=np.zeros(1, bool),
        truncated=np.zeros(1, bool),
    )
    processes = Processes(blueprint, [SEED], shapes, 1)
    with contextlib.closing(processes):
        arrays = processes.arrays
        processes.reset(np.array([0]))
        if not same(arrays.observations[0], flattener(here.observations[0])):
            return 0
        for step, action in enumerate(here.actions):
            arrays.actions[0] = action
            processes.step()
            seen = (
                arrays.observations[0],
                arrays.features[0],
                (bool(arrays.terminated[0]), bool(arrays.truncated[0])),
            )
            expected = (
                flattener(here.observations[step + 1]),
                here.features[step],
                _ends(here, step, blueprint.time_limit),
            )
            if not all(map(same, seen, expected)):
                return step + 1
    return None


def _ends(here: Episode, step: int, time_limit: int) -> tuple[bool, bool]:
    """Return whether an episode is terminated and truncated in a step, the time limit included."""
    is_last = step == len(here) - 1
    terminated = is_last and here.terminated
    is_cut = step + 1 >= time_limit and not terminated
    return terminated, is_cut or (is_last and here.truncated)


FINAL = ("final_obs", "final_observation", "final_info", "terminal_observation")
"""The entries of info that environments leave which restart by themselves."""


def check_ends(
    episodes: list[Episode], own_limit: int | None, given: int | None
) -> Iterator[Finding]:
    """Check that episodes end by themselves or are cut, at the declared time."""
    ended = [episode for episode in episodes if episode.ended]
    steps = sum(map(len, episodes))
    if own_limit is None and given is None:
        if not ended:
            yield Finding(
                "ends",
                DEFECT,
                f"No episode ended within {steps:,} random steps, and no time limit is known: give "
                f"one (time_limit), or register the environment with max_episode_steps.",
            )
        elif any(episode.truncated for episode in ended):
            longest = max(len(episode) for episode in ended if episode.truncated)
            yield Finding(
                "ends",
                DEFECT,
                f"An episode was truncated after {longest} steps, but the environment declares no "
                f"time limit: give it (time_limit={longest}, if that is the one).",
            )
        else:
            yield Finding(
                "ends",
                WARNING,
                f"The environment declares no time limit: give one for training (time_limit; the "
                f"longest of {len(ended)} random episodes had {max(map(len, ended))} steps).",
            )
    if own_limit is not None:
        yield from _declared(episodes, own_limit)
    yield from _final(ended)


def _declared(episodes: list[Episode], limit: int) -> Iterator[Finding]:
    if any(len(episode) > limit for episode in episodes):
        yield Finding(
            "time-limit",
            DEFECT,
            f"The environment declares {limit} steps, and an episode went on after them: wrap it "
            f"in gymnasium.wrappers.TimeLimit, or give the right time_limit.",
        )
    at_limit = [episode for episode in episodes if len(episode) == limit]
    if len(at_limit) >= 3 and all(e.terminated and not e.truncated for e in at_limit):
        yield Finding(
            "truncation",
            DEFECT,
            f"All {len(at_limit)} episodes that reached the time limit of {limit} steps ended as "
            f"terminated: a cut by the clock is truncated=True, as what would have come after it "
            f"still counts.",
        )


def _final(ended: list[Episode]) -> Iterator[Finding]:
    for episode in ended:
        key = next((name for name in FINAL if name in episode.infos[-1]), None)
        if key:
            yield Finding(
                "final-observation",
                DEFECT,
                f"The environment restarts by itself in the step that ends an episode (info has "
                f"'{key}'): take off the wrapper that resets it, and return the final observation.",
            )
            return
    long = [episode for episode in ended if len(episode) > 1]
    if len(long) >= 3 and all(_ends_where_it_began(episode) for episode in long):
        yield Finding(
            "final-observation",
            WARNING,
            f"The last observation of all {len(long)} episodes is their first: if step() calls "
            f"reset() at the end, let it return the final observation instead.",
        )


def _ends_where_it_began(episode: Episode) -> bool:
    return same(episode.observations[-1], episode.observations[0]) and not same(
        episode.observations[-2], episode.observations[0]
    )
