"""Episodes that a run remembers for its assignment method, and what the method says of them."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from handful.types import Array, Bool, Float, Int, PyTree


class RememberedEpisodes(NamedTuple):
    """Whole episodes that policies have played, for methods that remember any.

    Attributes:
        returns: the undiscounted return of each episode in reward features, in the environment's
            units.
        is_filled: whether each row holds an episode.
        born: the update before which each episode was played.
        coefficients: C, that turn features into what users earn.
    """

    returns: Float[Array, "M D"]
    is_filled: Bool[Array, " M"]
    born: Int[Array, " M"]
    coefficients: Float[Array, "N D"]


class EpisodeMemory(ABC):
    """What an assignment method says of the episodes that a run remembers for it.

    The run keeps :attr:`size` whole episodes, those that are worth most, whichever policies played
    them (:mod:`handful.collect.archive`). In updates that the method chooses, each policy imitates
    one of them instead of learning by reward. All functions but :attr:`size` are compiled.
    """

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of episodes that the run remembers, ``M``."""

    @abstractmethod
    def worth(
        self, state: PyTree, returns: Float[Array, "E D"], episodes: RememberedEpisodes
    ) -> Float[Array, " E"]:
        """Say how much episodes are worth remembering.

        Args:
            state: the method's state.
            returns: the returns of the episodes to judge, in reward features.
            episodes: those that are remembered already.

        Returns:
            A number for each episode, which is compared with the numbers of the others.
        """

    @abstractmethod
    def demonstrated(self, state: PyTree) -> Int[Array, " K"]:
        """Give the row of the episode that each policy is to imitate, or -1 for none."""

    @abstractmethod
    def imitates(self, update: Int[Array, ""], num_updates: int) -> Bool[Array, ""]:
        """Say whether policies imitate episodes in this update, instead of learning by reward.

        Args:
            update: updates done so far.
            num_updates: updates of the whole run.
        """

    def protected(self, state: PyTree) -> Int[Array, " R"]:
        """Give the rows that stay remembered whatever comes, with -1 for none.

        By default these are the rows that are demonstrated.
        """
        return self.demonstrated(state)
