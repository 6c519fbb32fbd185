"""The settings of how policies collect transitions."""

from dataclasses import dataclass

from handful._support.checks import check_numbers, check_range, require
from handful.errors import HandfulError
from handful.learner.base import check_multiple
from handful.learner.ppo import MOST_TRANSITIONS


@dataclass(frozen=True)
class CollectConfig:
    """How policies collect transitions between two updates.

    Attributes:
        num_envs: the number of environments that a policy steps side by side.
        batch_size: the number of transitions of a policy in an update.
        short_episodes: the number of steps after which episodes in half of these environments are
            cut, so that policies see their beginnings more often
            (:mod:`handful.collect.jax_rollout`); None cuts none.

    Raises:
        HandfulError: if a number is out of its range or the batch does not divide evenly.
    """

    num_envs: int = 32
    batch_size: int = 2048
    short_episodes: int | None = None

    def __post_init__(self) -> None:
        check_numbers(self)
        for name in ("num_envs", "batch_size"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
            check_range(name, getattr(self, name), 1, MOST_TRANSITIONS)
        if self.short_episodes is not None:
            short = self.short_episodes
            require(short >= 1, "short_episodes", "at least 1, or None", short)
            check_range("short_episodes", short, 1, 2**31 - 1)
            if self.num_envs < 2:
                raise HandfulError(
                    "short_episodes is for half of the environments: give num_envs at least 2."
                )
        check_multiple(self.batch_size, "num_envs", self.num_envs)

    @property
    def num_steps(self) -> int:
        """The number ``T`` of steps of each environment in an update."""
        return self.batch_size // self.num_envs
