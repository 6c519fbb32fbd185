"""What every policy is worth to every user, measured on episodes that training never saw."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from handful.collect.episodes import make_player
from handful.collect.watching import Watch, part, unwatched
from handful.errors import HandfulError
from handful.learner.policies import Policies
from handful.problem import RMDP, check_problem
from handful.types import NumpyArray
from handful.validation import check_seed
from handful.words import count

EVALUATION_EPISODES = 100
"""Of each policy and each kind of action selection, unless asked otherwise."""

EVALUATION_STREAM = 0x5EED
"""Folded into the seed's key, so that no evaluation episode repeats a training episode's chance."""


@dataclass(frozen=True)
class Measurement:
    """Returns of one kind of action selection, and the welfare that follows.

    All in the environment's units, undiscounted. Standard errors are over episodes; they are 0
    where nothing is random.

    Attributes:
        returns: [K, N] mean return of each user from each policy.
        returns_stderr: [K, N].
        lengths: [K] mean episode length in steps.
        welfare: mean over users of their return from the policy they are assigned to.
        welfare_stderr: of it.
        soft_welfare: the same under the assignment as the method left it, a distribution over
            policies for each user; equal to ``welfare`` where that is one-hot.
        reassigned: [N] each user's best policy, chosen on one half of the episodes.
        reassigned_welfare: under that choice, measured on the other half.
        reassigned_welfare_stderr: of it.
        utilities: [N] each user's mean return from the policy they are assigned to.
        worst_episodes: [N] each user's lowest return from that policy over the episodes.
    """

    returns: NumpyArray
    returns_stderr: NumpyArray
    lengths: NumpyArray
    welfare: float
    welfare_stderr: float
    soft_welfare: float
    reassigned: NumpyArray
    reassigned_welfare: float
    reassigned_welfare_stderr: float
    utilities: NumpyArray
    worst_episodes: NumpyArray

    def __repr__(self) -> str:
        """The welfare, without what single users get."""
        return f"Measurement(welfare {self.welfare:.2f} ± {self.welfare_stderr:.2f})"

    @property
    def worst_user(self) -> int:
        """The user with the lowest mean return."""
        return int(np.argmin(self.utilities))


@dataclass(frozen=True)
class Evaluation:
    """An honest look at trained policies.

    Attributes:
        assignment: [N] each user's policy: the likeliest under the method's distribution.
        num_episodes: of each policy, for each kind of action selection.
        seed: of the evaluation.
        deterministic: with each policy's likeliest actions; the headline.
        stochastic: with sampled actions.
    """

    assignment: NumpyArray
    num_episodes: int
    seed: int
    deterministic: Measurement
    stochastic: Measurement

    def __repr__(self) -> str:
        """The welfare and what it was measured by, without what single users get."""
        return (
            f"Evaluation(welfare {self.welfare:.2f} ± {self.welfare_stderr:.2f}, "
            f"{count(len(self.assignment), 'user')}, "
            f"{count(len(self.deterministic.lengths), 'policy')}, "
            f"{count(self.num_episodes, 'episode')} a policy, seed {self.seed})"
        )

    @property
    def welfare(self) -> float:
        """Deterministic, under the learned assignment."""
        return self.deterministic.welfare

    @property
    def welfare_stderr(self) -> float:
        """Standard error of :attr:`welfare`."""
        return self.deterministic.welfare_stderr


def evaluate(
    problem: RMDP,
    policies: Policies,
    alpha: Any = None,
    *,
    seed: int = 0,
    num_episodes: int = EVALUATION_EPISODES,
    watch: Watch = unwatched,
) -> Evaluation:
    """Measure policies and an assignment on fresh episodes.

    Args:
        alpha: [N, K] each user's distribution over policies. Without one, for users who are new,
            each is given the policy that was best for them in one half of the deterministic
            episodes; then ``reassigned_welfare``, measured on the other half, is the welfare
            without luck in the choice.
        seed: of the evaluation episodes; a stream of its own, apart from training's.
        num_episodes: even and at least 4: one half chooses the best reassignment, the other
            measures it.
        watch: is told how far the episodes are.

    Raises:
        HandfulError: if the number of episodes does not allow that, or the seed is out of range.
    """
    check_problem(problem, "evaluate")
    _check_policies(policies)
    check_seed(seed)
    if num_episodes < 4 or num_episodes % 2:
        raise HandfulError(
            f"The number of evaluation episodes must be even and at least 4, not {num_episodes}."
        )
    alpha = None if alpha is None else np.asarray(alpha, dtype=np.float64)
    key = jax.random.fold_in(jax.random.key(seed), EVALUATION_STREAM)

    population = problem.population
    play = make_player(problem, policies.num_policies, num_episodes, pay=population.reward_fn)

    measurements = []
    for index, deterministic in enumerate((True, False)):
        run_key = jax.random.split(key)[index]
        episodes = play(run_key, policies, deterministic, part(watch, index, 2))
        returns = np.asarray(episodes.returns, dtype=np.float64)
        if population.reward_fn is None:
            returns = population.returns(returns)
        if alpha is None:
            alpha = np.eye(policies.num_policies)[_best_by_half(returns)]
        measurements.append(summarize(returns, np.asarray(episodes.lengths), alpha))
    return Evaluation(np.argmax(alpha, axis=1), num_episodes, seed, *measurements)


def summarize(returns: NumpyArray, lengths: NumpyArray, alpha: NumpyArray) -> Measurement:
    """A :class:`Measurement` from every episode's returns [E, K, N] and lengths [E, K]."""
    users = np.arange(returns.shape[2])
    assignment = np.argmax(alpha, axis=1)
    served = returns[:, assignment, users]
    half = len(returns) // 2
    reassigned = _best_by_half(returns)
    welfare, welfare_stderr = mean_and_stderr(np.mean(served, axis=1))
    again, again_stderr = mean_and_stderr(np.mean(returns[half:, reassigned, users], axis=1))
    mean, stderr = mean_and_stderr(returns)
    return Measurement(
        returns=mean,
        returns_stderr=stderr,
        lengths=np.mean(lengths, axis=0),
        welfare=float(welfare),
        welfare_stderr=float(welfare_stderr),
        soft_welfare=float(np.mean(np.sum(alpha * mean.T, axis=1))),
        reassigned=reassigned,
        reassigned_welfare=float(again),
        reassigned_welfare_stderr=float(again_stderr),
        utilities=mean[assignment, users],
        worst_episodes=np.min(served, axis=0),
    )


def mean_and_stderr(samples: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
    """Mean and standard error over the first axis, of two samples or more."""
    stderr = np.std(samples, axis=0, ddof=1) / np.sqrt(len(samples))
    return np.asarray(np.mean(samples, axis=0)), np.asarray(stderr)


def _best_by_half(returns: NumpyArray) -> NumpyArray:
    """[N] each user's best policy by the first half of the episodes [E, K, N]."""
    return np.argmax(np.mean(returns[: len(returns) // 2], axis=0), axis=0)


def _check_policies(policies: Any) -> None:
    """Raise HandfulError unless policies are handful's own."""
    if isinstance(policies, Policies):
        return
    if isinstance(getattr(policies, "policies", None), Policies):
        how = "give its policies: result.policies"
    else:
        how = (
            "give those of a result (result.policies) or of a run folder "
            "(handful.resume(path).policies); of other agents handful cannot play all at once"
        )
    name = type(policies).__name__
    raise HandfulError(
        f"evaluate takes handful's Policies, not an object of the class {name}: {how}."
    )
