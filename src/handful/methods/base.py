"""What an assignment method is: a rule for who is served by whom, and nothing else.

The learner maximises, for policy ``j``, the reward ``mix[j] . f`` with
``mix = (alpha * w)^T C``. A method supplies ``alpha`` [N, K]. Its state may have parts that the
actors' backward pass reaches (:mod:`~handful.methods.end_to_end`), and it may ask to intervene
before given updates, to start with new policies or with others that the run had
(:mod:`~handful.methods.clustering`, :mod:`~handful.methods.pooled_em`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import equinox as eqx

from handful.methods.memory import EpisodeMemory, RememberedEpisodes
from handful.methods.schedule import Schedule
from handful.methods.weights import Weights
from handful.types import Array, Float, Int, NumpyArray, PRNGKey, PyTree


@dataclass(frozen=True)
class MethodInfo:
    """What others must know of an assignment method, whatever its settings and the run are.

    Attributes:
        summary: one clause that says what the method does, without a capital letter at its start
            and a full stop at its end: reports of runs have it in brackets. A method without one is
            named there and not described.
        revision: how often what the method does has changed, its defaults included, since runs of
            it were kept. Results of an earlier revision are not taken for its own.
        assigns_best: whether the method's rule is that each user is served by the policy that
            serves them best. The final assignment then comes from validation
            (:mod:`handful.training.assigning`).
        keeps_pool: whether the run keeps the best policies from before each intervention, so that
            the method can go on from them, and hand them out in the end. Such policies must not
            share layers: each needs all of its networks for itself.
        only_utilitarian: whether the method chooses policies or outcomes by what they earn the mean
            user, so that it does not suit a welfare that weighs users by what they get.
        needs_outcomes: whether the problem must name the outcomes that a policy might keep up.
        begins_anew: whether the method makes or leads its first policies in a way of its own, so
            that a run of it cannot start from given ones.
        learner_settings: settings of the learner that suit the method at any problem, by name.
    """

    summary: str = ""
    revision: int = 0
    assigns_best: bool = False
    keeps_pool: bool = False
    only_utilitarian: bool = False
    needs_outcomes: bool = False
    begins_anew: bool = False
    learner_settings: Mapping[str, Any] = field(default_factory=dict, hash=False)


class Feedback(NamedTuple):
    """What a method learns of the policies before each update.

    Attributes:
        returns: Q [N, K]: the moving average of each user's return from each policy (equation 10),
            without discount unless the run asks for one.
        update: updates done so far.
        num_updates: updates of the whole run.
        episodes: the episodes that the run remembers; None if the method remembers none.
        worth_to: gives what utilities are worth to the run, for some of its users by their
            position [n]: a function of arrays [..., n], in the unit of returns. None if it is
            their mean.
    """

    returns: Float[Array, "N K"]
    update: Int[Array, ""]
    num_updates: int
    episodes: RememberedEpisodes | None = None
    worth_to: Callable[[NumpyArray], Callable[[Array], Array]] | None = None


TrajectoryFn = Callable[[int, int], NumpyArray]
"""``(policy, num_episodes)`` to every user's rewards along those episodes: [N, steps]."""


class Scene(NamedTuple):
    """What a method sees when it intervenes on the host.

    Attributes:
        update: updates done so far.
        trajectories: plays the policies as they are now.
        pooled: every user's return from every policy in the pool [M, N]; no rows without a pool.
        is_last: whether no other intervention follows before the end of the run.
        num_updates: updates of the whole run.
        payoffs: [M, N] what every user earns from each of the outcomes that a policy might keep up,
            for a whole episode; no rows if the problem names none.
    """

    update: int
    trajectories: TrajectoryFn
    pooled: NumpyArray
    is_last: bool
    num_updates: int
    payoffs: NumpyArray

    @property
    def is_end(self) -> bool:
        """Whether all updates are done, so that the method chooses the final policies."""
        return self.update >= self.num_updates


FRESH = -1
"""A source that is no policy: new networks."""


class Intervention(NamedTuple):
    """What a method decides on the host.

    Attributes:
        state: the method's new state.
        sources: [K] where each policy starts from: a row of the pool, or :data:`FRESH`. None starts
            all of them from new networks.
        explores: whether policies from the pool act with as much chance as new ones again, if
            actions are continuous: those that are good at something have little left.
    """

    state: PyTree
    sources: NumpyArray | None = None
    explores: bool = False


class Trainable(NamedTuple):
    """Which parts of a method's state learn by the gradient of the actors' loss (equation 12).

    Attributes:
        mask: a truth value for the whole state or for each part of it, as the filter of
            ``equinox.partition``.
        learning_rate: Adam's step size for these parts; it stays the same throughout a run.
    """

    mask: PyTree
    learning_rate: float


@dataclass(frozen=True)
class AssignmentMethod(ABC):
    """Base class of all assignment methods.

    A method is a frozen dataclass, whose fields are its settings. It is immutable and hashable, and
    what changes lives in its state: a tree of arrays, which is saved with every checkpoint. Every
    method has :meth:`init` and :meth:`weights`; all other members have defaults, with which users
    keep the policies that they have at first.

    Examples:
        A method that deals the users out once has the two functions only:

        >>> from dataclasses import dataclass
        >>> import jax.numpy as jnp
        >>> @dataclass(frozen=True)
        ... class RoundRobin(handful.AssignmentMethod):
        ...     def init(self, key, num_users, num_policies):
        ...         return jnp.arange(num_users) % num_policies
        ...
        ...     def weights(self, state):
        ...         return state
        >>> RoundRobin().init(None, 5, 2).tolist()
        [0, 1, 0, 1, 0]
    """

    info: ClassVar[MethodInfo] = MethodInfo()
    """What reports, tables and the training must know of the method."""

    @abstractmethod
    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> PyTree:
        """Make the first state of a run.

        Args:
            key: the random key for everything random in the first state.
            num_users: ``N``.
            num_policies: ``K``.

        Raises:
            HandfulError: if the method's settings do not fit these numbers.
        """

    @abstractmethod
    def weights(self, state: PyTree) -> Weights:
        """Say who is served by whom. The function is compiled, and differentiated if it learns.

        Returns:
            Where everybody has exactly one policy, a whole number [N] for each user, from 0; -1
            says that all policies serve the user alike. Else each user's distribution over the
            policies, [N, K], with rows that sum to 1.
        """

    def training_weights(self, state: PyTree) -> Weights:
        """Say how much each user counts for what each policy is trained for.

        Returns:
            Either form of :meth:`weights`, whose own result is the default. The rows of a table
            [N, K] need not sum to 1.
        """
        return self.weights(state)

    def reassign(self, key: PRNGKey, state: PyTree, feedback: Feedback) -> PyTree:
        """Make the state for the next update (the E-step). By default nothing changes.

        The function is compiled and called before every update.

        Args:
            key: the random key for everything random in this call.
            state: before.
            feedback: how good every policy was for every user.

        Returns:
            A state of the same structure, with arrays of the same shapes and types.
        """
        del key, feedback
        return state

    def started(self, state: PyTree, policy: Int[Array, " N"]) -> PyTree:
        """Make the first state of a run that starts from given policies; by default it is as ever.

        Args:
            state: the state that :meth:`init` made.
            policy: the policy that serves each user best, of those that the run starts from.

        Returns:
            A state of the same structure, with arrays of the same shapes and types.
        """
        del policy
        return state

    def schedule(self, num_updates: int, num_policies: int) -> Schedule:
        """Say when things happen in a run; by default the learner's rates fall once, and no more.

        Args:
            num_updates: updates of the whole run.
            num_policies: ``K``.
        """
        del num_policies
        return Schedule(num_updates)

    def intervene(self, key: PRNGKey, state: PyTree, scene: Scene) -> Intervention:
        """Decide on the host where every policy goes on from, and for whom.

        It is called before the updates that :meth:`schedule` names. Of methods that keep a pool it
        is called once more when all updates are done (:attr:`Scene.is_end`): the decision then says
        which policies of the pool are final, and who gets which.

        Args:
            key: the random key for everything random in this call.
            state: before.
            scene: the parts of the run that the method may look at.
        """
        raise NotImplementedError(
            f"The schedule of {type(self).__name__} names interventions: write its 'intervene'."
        )

    @property
    def memory(self) -> EpisodeMemory | None:
        """What the method says of remembered episodes; None, the default, remembers none."""
        return None

    @property
    def trainable(self) -> Trainable | None:
        """Which parts of the state learn by gradient; None, the default, for no part."""
        return None


def split_trainable(method: AssignmentMethod, state: PyTree) -> tuple[PyTree, PyTree]:
    """Divide a method's state into the part that learns by gradient and the rest.

    Returns:
        The two parts, each with None in place of the other's arrays: ``equinox.combine`` of them
        is the state again. The first part has no arrays if nothing learns.
    """
    return eqx.partition(state, False if method.trainable is None else method.trainable.mask)
