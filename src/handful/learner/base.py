"""What a learner is: it improves ``K`` policies from what they did, for the rewards of a mix.

The learner never sees a user. All that it gets of them is the :class:`Objective`: how much each
reward feature is worth to each policy. :mod:`~handful.learner.ppo` and
:mod:`~handful.learner.counting` are the learners that come with the library.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
from jax.sharding import Mesh

from handful._support.checks import require
from handful.errors import HandfulError
from handful.learner.networks import Actor, take_policies
from handful.learner.normalize import Normalizer
from handful.mix import Mix
from handful.problem import RMDP
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, Int, PRNGKey, PyTree


class Objective(NamedTuple):
    """What an update improves the policies for.

    Attributes:
        mix_of: gives what each policy is trained for, from the assignment's parameters.
        parameters: the assignment's parameters; an empty tree if nothing is learnt there.
        parameters_rate: Adam's step size for these.
    """

    mix_of: Callable[[PyTree], Mix]
    parameters: PyTree
    parameters_rate: float

    @property
    def mix(self) -> Mix:
        """What each policy is trained for by the parameters as they are."""
        return self.mix_of(self.parameters)


class Networks(eqx.Module):
    """What is a policy's own: enough to act and to go on learning.

    Attributes:
        actor: the networks that act, of all ``K`` policies.
        critic: the networks that judge them, of whatever kind their learner needs.
        normalizer: the statistics that normalise observations.
    """

    actor: Actor
    critic: PyTree
    normalizer: Normalizer

    def take(self, source: Int[Array, " J"]) -> "Networks":
        """Return copies of the policies ``source``, in this order; shared parts stay."""
        return Networks(
            take_policies(self.actor, source),
            take_policies(self.critic, source),
            self.normalizer.take(source),
        )


class LearnerState(eqx.Module):
    """Everything that learning changes. A learner adds what it needs besides the networks.

    Attributes:
        actor: the networks that act.
        critic: the networks that judge.
        normalizer: the statistics that normalise observations.
    """

    actor: Actor
    critic: PyTree
    normalizer: Normalizer

    @property
    def networks(self) -> Networks:
        """The policies without what their learner keeps besides."""
        return Networks(self.actor, self.critic, self.normalizer)

    def with_networks(self, networks: Networks) -> "LearnerState":
        """Return the same state with other policies."""
        return eqx.tree_at(
            lambda state: (state.actor, state.critic, state.normalizer),
            self,
            (networks.actor, networks.critic, networks.normalizer),
        )


class Improvement(NamedTuple):
    """What an update gives.

    Attributes:
        state: the learner's new state.
        parameters: the assignment's new parameters.
        metrics: numbers [], or numbers [K] with one for each policy, by name; they go to the
            loggers.
        is_finite: whether each policy's losses were finite numbers.
    """

    state: LearnerState
    parameters: PyTree
    metrics: dict[str, Array]
    is_finite: Bool[Array, " K"]


@dataclass(frozen=True)
class Learner(ABC):
    """Base of all learners: a frozen dataclass, whose fields are the learner's settings.

    A learner is immutable and hashable; what changes during training is in its state. Everything
    but :meth:`check` is compiled. The problem that it is given has the learner's own discount.
    """

    has_gradients: ClassVar[bool] = True
    """Whether the actors' gradient reaches the assignment's parameters."""

    knows_returns: ClassVar[bool] = False
    """Whether the learner knows what policies earn without playing them: :meth:`returns`."""

    knows_optimism: ClassVar[bool] = False
    """Whether the learner can say of a batch by how much it overrated the policies that collected
    it: :meth:`optimism`. Only a learner that knows returns is asked."""

    usual_settings: ClassVar[Mapping[str, Any]] = {}
    """What this kind of learner usually needs, by the names of its own settings, of those of
    :class:`~handful.training.config.CollectConfig`, and of run settings. It comes before the preset
    and before what suits the problem, which were chosen with PPO."""

    @property
    def own_discount(self) -> float | None:
        """The discount that policies are trained with; None for the problem's."""
        return None

    @property
    def learns_spread(self) -> bool:
        """Whether the spread of continuous actions is learnt, also by imitation."""
        return True

    @property
    def shares_layers(self) -> bool:
        """Whether policies share layers, so that none of them can be kept alone."""
        return False

    @property
    def can_share_layers(self) -> bool:
        """Whether policies share layers if a method asks for it."""
        return False

    def check_batch(self, batch_size: int) -> None:
        """Check whether the learner can learn from batches of so many transitions a policy.

        Raises:
            HandfulError: if it cannot.
        """
        del batch_size

    def check(self, problem: RMDP, num_policies: int) -> None:
        """Check whether the learner can learn such a problem, before anything is made.

        Args:
            problem: the problem.
            num_policies: ``K``, the budget.

        Raises:
            HandfulError: if the learner's settings do not fit the problem.
        """
        del problem, num_policies

    @abstractmethod
    def init(
        self, key: PRNGKey, problem: RMDP, num_policies: int, parameters: PyTree
    ) -> LearnerState:
        """Return the first state.

        Args:
            key: the key of all that is random in it.
            problem: the problem.
            num_policies: ``K``, the budget.
            parameters: the assignment's parameters, for the moments of an optimiser.
        """

    @abstractmethod
    def improve(
        self,
        key: PRNGKey,
        state: LearnerState,
        batch: Transitions,
        objective: Objective,
        progress: Float[Array, ""],
        pace: Float[Array, ""],
        problem: RMDP,
        mesh: Mesh | None,
    ) -> Improvement:
        """Improve every policy: one update.

        Args:
            key: the key of all that is random in the update.
            state: the learner's state, which :meth:`observe` has seen the batch.
            batch: the latest transitions of each policy, [K, T, B], features on the learner's
                scale.
            objective: the objective that the policies are improved for.
            progress: how far the settings that change have changed, from 0 to 1.
            pace: the factor of the step sizes: 0 keeps a policy as it is.
            problem: the problem.
            mesh: two devices to share the work between, or None.
        """

    def begin(self, state: LearnerState, observations: Float[Array, "K B O"]) -> LearnerState:
        """Return the state once it is known with which observations the first episodes begin."""
        del observations
        return state

    def observe(self, state: LearnerState, batch: Transitions) -> LearnerState:
        """Return the state once it has seen a batch, before users are assigned by what it knows."""
        del batch
        return state

    def returns(
        self, state: LearnerState, actor: Actor, problem: RMDP, discount: float
    ) -> Float[Array, "K D"]:
        """Return what an episode of each policy's likeliest actions earns, on the learner's scale.

        Training asks only learners that know it (:attr:`knows_returns`).

        Args:
            state: the learner's state.
            actor: the policies.
            problem: the problem.
            discount: the discount of later rewards.
        """
        raise NotImplementedError(f"{type(self).__name__} knows no returns")

    def optimism(
        self, state: LearnerState, batch: Transitions, problem: RMDP
    ) -> Float[Array, "K D"]:
        """Return by how much :meth:`returns`, without discount, overrates the present policies.

        Training asks learners that can tell (:attr:`knows_optimism`), in runs with floors, where
        absolute returns matter.

        Args:
            state: the learner's state before it has seen the batch.
            batch: the latest transitions of each policy, [K, T, B], features on the learner's
                scale.
            problem: the problem.

        Returns:
            What is to be subtracted from the returns, in features on the learner's scale. It may be
            noisy: the mean over batches counts.
        """
        raise NotImplementedError(f"{type(self).__name__} knows nothing of its optimism")

    def universal(self, context_size: int, group_share: float) -> "UniversalLearner | None":
        """Return the learner of one policy for all users that this learner can go on from.

        The default, None, says that there is none.

        Args:
            context_size: the number of entries of the context.
            group_share: the probability with which the policy is trained for a neighbourhood of
                users, not for one user.
        """
        del context_size, group_share

    def restart(self, fresh: LearnerState, before: LearnerState) -> LearnerState:
        """Return the state with which new policies begin, after a method has decided on the host.

        Args:
            fresh: a first state.
            before: the state so far. What policies do not own, and what was true of the
                environment before, may be taken from it.
        """
        del before
        return fresh

    def renew(
        self, networks: Networks, state: LearnerState, mixes: Float[Array, "K D"], problem: RMDP
    ) -> Networks:
        """Return kept policies, improved by the learner's present knowledge; by default unchanged.

        Args:
            networks: ``K`` policies that were kept.
            state: the learner's state.
            mixes: the worth of each feature to the mean user that each policy was trained for.
            problem: the problem.
        """
        del state, mixes, problem
        return networks


class UniversalLearner(Learner):
    """Base of the learners of one policy for all users, with a context as a further input.

    They draw the mixes that their policies are trained for themselves, so that they learn from
    whatever the assignment is.
    """

    can_draw: ClassVar[bool] = False
    """Whether :meth:`drawing` is there."""

    @abstractmethod
    def contexts(self, state: LearnerState, mixes: Float[Array, "M D"]) -> Float[Array, "M Z"]:
        """Return the contexts of mixes of preferences.

        Args:
            state: the learner's state.
            mixes: coefficients of users, or means of them.
        """

    @abstractmethod
    def at(self, state: LearnerState, contexts: Float[Array, "M Z"]) -> Networks:
        """Return the policy at given contexts, as ``M`` conditioned policies.

        Args:
            state: the learner's state.
            contexts: the contexts.
        """

    @abstractmethod
    def apart(self, state: LearnerState, contexts: Float[Array, "M Z"]) -> Networks:
        """Return the policy at given contexts, as ``M`` policies that share nothing.

        Args:
            state: the learner's state.
            contexts: the contexts.
        """

    def drawing(self, state: LearnerState, contexts: Float[Array, "K M Z"]) -> Networks:
        """Return ``K`` policies that share nothing, each with ``M`` parts at given contexts.

        A one-hot vector that names the part is then at the end of observations
        (:mod:`handful.envs.drawn`).

        Args:
            state: the learner's state.
            contexts: the contexts of the parts.
        """
        raise NotImplementedError(f"{type(self).__name__} makes no policies that draw")


def check_multiple(batch_size: int, name: str, divisor: int) -> None:
    """Raise HandfulError unless a batch divides evenly by the setting of that name."""
    if batch_size % divisor:
        raise HandfulError(f"batch_size ({batch_size}) must be a multiple of {name} ({divisor}).")


def check_discount(discount: float | None) -> None:
    """Raise HandfulError unless a learner's discount is above 0 and at most 1, or None."""
    holds = discount is None or 0 < discount <= 1
    require(holds, "discount", "above 0 and at most 1", discount)


def check_random_actions(share: float) -> None:
    """Raise HandfulError unless the share of random actions is at least 0 and below 1."""
    require(0 <= share < 1, "random_actions", "at least 0 and below 1", share)
