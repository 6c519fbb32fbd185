"""Learners by name: what improves ``K`` policies from what they did."""

from typing import Any

from handful._support.registry import Registry
from handful.learner.base import Learner
from handful.learner.counting import Counting
from handful.learner.ppo import PPO
from handful.learner.soft_actor_critic import SAC

LEARNERS: Registry[Learner] = Registry(
    "learner",
    Learner,
    {"ppo": PPO, "counting": Counting, "sac": SAC},
    "register_learner",
)
"""Every learner that has a name; :func:`register_learner` adds to it."""


def register_learner(name: str, learner: Any) -> None:
    """Give a learner a name, by which training and run folders know it.

    Args:
        name: the name; the same class may be registered again under the name that it has.
        learner: the class of the learner, a frozen dataclass derived from
            :class:`~handful.learner.base.Learner`, whose fields are its settings.

    Raises:
        HandfulError: if the name belongs to another class, or the class is no learner.
    """
    LEARNERS.register(name, learner)


__all__ = ["LEARNERS", "PPO", "SAC", "Counting", "Learner", "register_learner"]
