"""The form that settings had in run folders and tables before PPO, counting and collecting split.

One mapping ``ppo`` held all of these settings. Folders with it can still be read. The digests by
which the tables of studies name their runs are still computed from it.
"""

from collections.abc import Mapping
from typing import Any

PPO_KEY = "ppo"
"""The name of the mapping that held all these settings."""

COUNTS = "counts"
"""The name of the flag in it that made a learner count."""

_COLLECTING = ("num_envs", "batch_size", "short_episodes")
"""The names in it that said how transitions are collected."""

_COUNTING = {
    "entropy_coefficient": "temperature",
    "final_entropy_coefficient": "final_temperature",
    "num_epochs": "planning_steps",
    "discount": "discount",
    "random_actions": "random_actions",
}
"""The meaning of settings for a learner that counts, by the names that it has for them today."""


def today(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's settings in the form of today, from that form or from the earlier one.

    Args:
        settings: the settings in a run folder; its ``ppo`` is a mapping.

    Returns:
        new settings, in which ``learner`` and ``collect`` hold what ``ppo`` held.
    """
    if PPO_KEY not in settings:
        return dict(settings)
    rest = {name: value for name, value in settings.items() if name != PPO_KEY}
    ppo = dict(settings[PPO_KEY])
    collect = {name: ppo.pop(name) for name in _COLLECTING if name in ppo}
    if ppo.pop(COUNTS, False):
        counting = {new: ppo[old] for old, new in _COUNTING.items() if old in ppo}
        return {**rest, "learner": {"name": "counting", **counting}, "collect": collect}
    return {**rest, "learner": {"name": PPO_KEY, **ppo}, "collect": collect}


def as_first_written(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's settings with PPO and collecting in one mapping, as they were before.

    Args:
        settings: the settings in the form of today.

    Returns:
        the earlier form of a run of PPO; of any other learner the settings as they are.
    """
    learner = dict(settings["learner"])
    if learner.pop("name") != PPO_KEY:
        return dict(settings)
    rest = {n: value for n, value in settings.items() if n not in ("learner", "collect")}
    return {**rest, PPO_KEY: {**learner, **settings["collect"], COUNTS: False}}
