"""What an assignment method is: a rule for who is served by whom, and nothing else.

The learner maximises, for policy ``j``, the reward ``mix[j] . f`` with
``mix = (alpha * w)^T C``. A method supplies ``alpha`` [N, K]. It may also carry parameters that
the actors' backward pass reaches (:mod:`~handful.methods.end_to_end`), and it may ask for the
host's attention before given updates, to start policies anew or from others that the run had
(:mod:`~handful.methods.clustering`, :mod:`~handful.methods.pooled_em`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from handful.methods.ledger import GroupFeedback, Ledger
from handful.types import Array, Bool, Float, Int, NumpyArray, PRNGKey, PyTree


class RememberedEpisodes(NamedTuple):
    """Whole episodes that policies have played, for methods that remember any.

    Attributes:
        returns: in features.
        is_filled: which rows hold an episode.
        born: the update before which each was played.
        coefficients: C, that turn features into what users earn.
    """

    returns: Float[Array, "M D"]
    is_filled: Bool[Array, " M"]
    born: Int[Array, " M"]
    coefficients: Float[Array, "N D"]


class Feedback(NamedTuple):
    """What a method is told before each update.

    Attributes:
        returns: Q [N, K]: the moving average of each user's return from each policy (equation 10),
            without discount unless the run asks for one.
        update: updates done so far.
        num_updates: of the whole run.
        episodes: that the run remembers; None where the method remembers none.
    """

    returns: Float[Array, "N K"]
    update: Int[Array, ""]
    num_updates: int
    episodes: RememberedEpisodes | None = None


TrajectoryFn = Callable[[int, int], NumpyArray]
"""``(policy, num_episodes)`` to every user's rewards along those episodes: [N, steps]."""


class Scene(NamedTuple):
    """What a method can see when it decides on the host.

    Attributes:
        update: updates done so far.
        trajectories: plays the policies as they are now.
        pooled: every user's return from every policy in the pool [M, N]; no rows without a pool.
        is_last: whether the method will not be called again.
        num_updates: of the whole run.
        payoffs: [M, N] what every user earns from each of the outcomes that a policy might keep up,
            for a whole episode; no rows where the problem names none.
    """

    update: int
    trajectories: TrajectoryFn
    pooled: NumpyArray
    is_last: bool
    num_updates: int
    payoffs: NumpyArray


FRESH = -1
"""A source that is no policy: new networks."""

MOST_WARM_UP = 0.5
"""The share of a run that a warm-up takes at most. Warm-ups are counted in updates, and a short run
would be over before them."""


class WarmUp(NamedTuple):
    """How long a method waits before it moves anybody.

    Attributes:
        setting: the name of the method's setting.
        asked: the updates that the setting asks for.
        updates: the updates that the run has room for.
    """

    setting: str
    asked: int
    updates: int

    @property
    def is_cut(self) -> bool:
        """Whether the run is too short for what was asked."""
        return self.updates < self.asked


def warm_up_within(
    num_updates: int, setting: str, asked: int, most: float = MOST_WARM_UP
) -> WarmUp:
    """A warm-up that leaves the rest of a run, or of a round of it, to what follows.

    Args:
        num_updates: of the run or the round.
        setting, asked: as in :class:`WarmUp`.
        most: the share of the updates that the warm-up takes at most.
    """
    return WarmUp(setting, asked, min(asked, int(most * num_updates)))


class Intervention(NamedTuple):
    """What a method decides on the host.

    Attributes:
        state: its own new state.
        sources: [K] where each policy starts from: a row of the pool, or :data:`FRESH`.
        explores: whether policies from the pool act with as much chance as new ones again, where
            actions are continuous: those that are good at something have little left.
    """

    state: Any
    sources: NumpyArray
    explores: bool = False


@dataclass(frozen=True)
class AssignmentMethod(ABC):
    """Base of all methods. Immutable and hashable; what changes lives in the state.

    A state is a pytree of arrays, saved with every checkpoint.
    """

    learning_rate: ClassVar[float] = 0.0
    """Adam's step size for :meth:`parameters`; only methods that have any set it."""

    revision: ClassVar[int] = 0
    """Counts the changes of what the method does, defaults included, since runs of it were kept:
    results of an earlier revision are not taken for its own."""

    is_hard: ClassVar[bool] = True
    """Whether every user has exactly one policy, so that :meth:`weights` has one-hot rows."""

    takes_turns: ClassVar[bool] = False
    """Whether a large population can be assigned by :meth:`take_turn`, in which no table of all
    users and policies is made."""

    keeps_pool: ClassVar[bool] = False
    """Whether the best policies before each intervention are kept, to go on from later. Policies
    that share layers cannot be: each needs all of its networks for itself."""

    needs_outcomes: ClassVar[bool] = False
    """Whether the problem must name the outcomes that a policy might keep up."""

    learner_settings: ClassVar[dict[str, Any]] = {}
    """Settings of the learner that suit the method at any problem."""

    assigns_best: ClassVar[bool] = False
    """Whether the method's rule is that the policy that serves a user best serves that user. The
    assignment that is handed out then comes from validation (:mod:`handful.training.assigning`)."""

    @property
    def remembers(self) -> int:
        """How many episodes the run is to keep for the method."""
        return 0

    @abstractmethod
    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> PyTree:
        """The first state."""

    @abstractmethod
    def weights(self, state: PyTree) -> Float[Array, "N K"]:
        """Each user's distribution over policies; rows sum to 1. Pure and differentiable."""

    def assigned(self, state: PyTree) -> Int[Array, " N"]:
        """Each user's policy: the likeliest under :meth:`weights`.

        A method whose assignment is hard says it without a table [N, K].
        """
        return jnp.argmax(self.weights(state), axis=1)

    def groups(self, state: PyTree) -> Int[Array, " N"]:
        """Each user's policy, or -1 where all policies serve a user alike.

        Only methods that take turns are asked.
        """
        return self.assigned(state)

    def handed_out(self, state: PyTree) -> Int[Array, " N"] | Float[Array, "N K"]:
        """Who is served by whom: each user's policy, or where that is soft, :meth:`weights`."""
        return self.assigned(state) if self.is_hard else self.weights(state)

    def training_weights(self, state: PyTree) -> Float[Array, "N K"]:
        """What each policy is trained for; by default whom it serves. Rows need not sum to 1."""
        return self.weights(state)

    def reassign(self, key: PRNGKey, state: PyTree, feedback: Feedback) -> PyTree:
        """The state for the next update (the E-step); called before every update, compiled."""
        del key, feedback
        return state

    def check_installed(self, num_updates: int, num_policies: int) -> None:
        """Look whether everything is installed that the method will need in such a run.

        Raises:
            HandfulError: naming what is missing, and how to install it.
        """
        del num_updates, num_policies

    def warm_up_of(self, num_updates: int, num_policies: int) -> WarmUp | None:
        """The first warm-up of a run with so many updates; None where the method has none."""
        del num_updates, num_policies
        return None

    def take_turn(
        self, state: PyTree, ledger: Ledger, feedback: GroupFeedback
    ) -> tuple[PyTree, Ledger]:
        """:meth:`reassign` of a large population: some of the users, and the groups after that.

        By default nobody moves.
        """
        del feedback
        return state, ledger

    def revived(self, state: PyTree) -> Int[Array, " K"] | None:
        """The user whom each policy is trained for besides whom it serves, or -1; None for no such.

        Only methods that take turns are asked.
        """
        del state
        return None

    def parameters(self, state: PyTree) -> PyTree:
        """The part of the state that gradients reach; an empty tree where nothing is learnt."""
        del state
        return ()

    def with_parameters(self, state: PyTree, parameters: PyTree) -> PyTree:
        """The state with its learnt part replaced."""
        del parameters
        return state

    def worth(
        self, state: PyTree, returns: Float[Array, "E D"], episodes: RememberedEpisodes
    ) -> Float[Array, " E"]:
        """How much episodes with these returns are worth remembering."""
        raise NotImplementedError(f"{type(self).__name__} remembers no episodes")

    def demonstrated(self, state: PyTree) -> Int[Array, " K"]:
        """The remembered episode that each policy is to imitate, or -1."""
        raise NotImplementedError(f"{type(self).__name__} remembers no episodes")

    def unforgettable(self, state: PyTree) -> Int[Array, " R"]:
        """Episodes that stay remembered, whatever comes; -1 for none."""
        return self.demonstrated(state)

    def imitates(self, update: Int[Array, ""], num_updates: int) -> Bool[Array, ""]:
        """Whether policies imitate these episodes in this update, instead of learning by reward."""
        raise NotImplementedError(f"{type(self).__name__} remembers no episodes")

    def interventions(self, num_updates: int, num_policies: int) -> tuple[int, ...]:
        """Before which updates :meth:`intervene` wants to be called, ascending."""
        del num_updates, num_policies
        return ()

    def intervene(self, key: PRNGKey, state: PyTree, scene: Scene) -> Intervention:
        """Decide on the host where every policy goes on from, and for whom."""
        raise NotImplementedError(f"{type(self).__name__} asked for no intervention")

    def finish(self, key: PRNGKey, state: PyTree, scene: Scene) -> Intervention:
        """Decide after the last update which policies of the pool are handed out, and for whom."""
        raise NotImplementedError(f"{type(self).__name__} keeps no pool")

    def progress(
        self, update: Int[Array, ""], num_updates: int, num_policies: int
    ) -> Float[Array, ""]:
        """How far the learner's rates have fallen at an update: from 0 to 1, by default once."""
        del num_policies
        return update / max(num_updates - 1, 1)


def place_in_rounds(
    update: Int[Array, ""], starts: Sequence[int], num_updates: int
) -> tuple[Int[Array, ""], Float[Array, ""]]:
    """Which round an update belongs to, and how far in it: 0 at its first, 1 at its last.

    Args:
        starts: the updates at which rounds begin, ascending; the first round begins at 0.
    """
    ends = jnp.array((0, *starts, num_updates))
    number = jnp.searchsorted(ends, update, side="right") - 1
    share = (update - ends[number]) / jnp.maximum(ends[number + 1] - ends[number] - 1, 1)
    return number, share


def one_hot_assignment(policy: Int[Array, " N"], num_policies: int) -> Float[Array, "N K"]:
    """A hard assignment as a distribution."""
    return jax.nn.one_hot(policy, num_policies)


def balanced_assignment(key: PRNGKey, num_users: int, num_policies: int) -> Int[Array, " N"]:
    """Users in random order dealt out to policies: group sizes differ by at most one."""
    return jax.random.permutation(key, jnp.arange(num_users) % num_policies)
