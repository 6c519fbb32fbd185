"""What every policy is worth to every user, measured on episodes that training never saw."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import numpy as np

from handful._support.backend import computing
from handful._support.checks import check_seed
from handful._support.foreign import in_same_directory
from handful._support.text import count
from handful.errors import HandfulError
from handful.evaluation.played import EpisodePlayer, Played, check_fit
from handful.learner.policies import Policies
from handful.problem import RMDP, check_problem
from handful.types import NumpyArray, Watch, part, unwatched

EVALUATION_EPISODES = 100
"""Of each policy and each kind of action selection, unless asked otherwise."""

EVALUATION_STREAM = 0x5EED
"""Folded into the seed's key, so that no evaluation episode repeats a training episode's chance."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """Returns of one kind of action selection, and the welfare that follows.

    All in the environment's units, undiscounted. Standard errors are over episodes; they are 0
    where nothing is random. The tables [K, N] are computed when they are first asked for: a million
    users and 50 policies have 50,000,000 of each.

    Attributes:
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
        played: what every user earned in every episode.
    """

    lengths: NumpyArray
    welfare: float
    welfare_stderr: float
    soft_welfare: float
    reassigned: NumpyArray
    reassigned_welfare: float
    reassigned_welfare_stderr: float
    utilities: NumpyArray
    worst_episodes: NumpyArray
    played: Played = field(repr=False)

    @cached_property
    def returns(self) -> NumpyArray:
        """[K, N] mean return of each user from each policy."""
        return self._tables[0]

    @cached_property
    def returns_stderr(self) -> NumpyArray:
        """[K, N] the standard errors of :attr:`returns`."""
        return self._tables[1]

    @cached_property
    def _tables(self) -> tuple[NumpyArray, NumpyArray]:
        parts = [mean_and_stderr(returns) for _, returns in self.played.chunks()]
        means, errors = zip(*parts, strict=True)
        return np.concatenate(means, axis=1), np.concatenate(errors, axis=1)

    def __repr__(self) -> str:
        """The welfare, without what single users get."""
        return f"Measurement(welfare {self.welfare:.2f} ± {self.welfare_stderr:.2f})"

    @property
    def worst_user(self) -> int:
        """The user with the lowest mean return."""
        return int(np.argmin(self.utilities))


@dataclass(frozen=True, eq=False)
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


@computing
@in_same_directory
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
        alpha: each user's distribution over policies [N, K], or where everybody has one policy,
            its number [N]. Without either, for users who are new, each is given the policy that was
            best for them in one half of the deterministic episodes; then ``reassigned_welfare``,
            measured on the other half, is the welfare without luck in the choice.
        seed: of the evaluation episodes; a stream of its own, apart from training's.
        num_episodes: even and at least 4: one half chooses the best reassignment, the other
            measures it.
        watch: is told how far the episodes are.

    Raises:
        HandfulError: if the policies are not for this problem, the number of episodes does not
            allow that, the seed is out of range, or alpha does not fit the users and policies.
    """
    check_problem(problem, "evaluate")
    _check_policies(policies)
    check_fit(problem, policies)
    check_seed(seed)
    if num_episodes < 4 or num_episodes % 2:
        raise HandfulError(
            f"The number of evaluation episodes must be even and at least 4, not {num_episodes}."
        )
    assignment, shares = _read_alpha(alpha, problem.num_users, policies.num_policies)
    key = jax.random.fold_in(jax.random.key(seed), EVALUATION_STREAM)
    play = EpisodePlayer(problem, policies.num_policies, num_episodes)
    measurements = []
    for index, deterministic in enumerate((True, False)):
        run_key = jax.random.split(key)[index]
        played, lengths = play(run_key, policies, deterministic, part(watch, index, 2))
        measurement = summarize(played, lengths, assignment, shares)
        if assignment is None:
            assignment = measurement.reassigned
        measurements.append(measurement)
    assert assignment is not None
    return Evaluation(assignment, num_episodes, seed, *measurements)


def _read_alpha(
    alpha: Any, num_users: int, num_policies: int
) -> tuple[NumpyArray | None, NumpyArray | None]:
    """The policy of each user [N], and where they have several, how they share them [N, K]."""
    if alpha is None:
        return None, None
    given = np.asarray(alpha)
    is_policies = given.shape == (num_users,) and given.dtype.kind in "iu"
    if is_policies and given.min() >= 0 and given.max() < num_policies:
        return given, None
    if given.shape == (num_users, num_policies) and given.dtype.kind in "iuf":
        shares = np.asarray(given, dtype=np.float64)
        return np.argmax(shares, axis=1), shares
    raise HandfulError(
        f"alpha must give each of the {count(num_users, 'user')} the number of a policy from 0 to "
        f"{num_policies - 1}, or {count(num_policies, 'share')} of the policies in shape "
        f"[{num_users}, {num_policies}]; it has the shape {list(given.shape)}."
    )


def summarize(
    played: Played,
    lengths: NumpyArray,
    assignment: NumpyArray | None,
    shares: NumpyArray | None = None,
) -> Measurement:
    """What episodes say of policies and of who is served by whom.

    Args:
        played: what every user earned in every episode.
        lengths: [E, K] of the episodes.
        assignment: [N] the policy of each user; None gives each the best by half of the episodes.
        shares: [N, K] each user's distribution over policies, where it is not one-hot.
    """
    num_episodes, _, num_users = played.shape
    half = num_episodes // 2
    reassigned = np.empty(num_users, dtype=np.int64)
    utilities, worst, soft = np.empty((3, num_users))
    served_total, reassigned_total = np.zeros(num_episodes), np.zeros(num_episodes - half)
    for users, returns in played.chunks():
        everyone = np.arange(returns.shape[2])
        best = np.argmax(np.mean(returns[:half], axis=0), axis=0)
        own = best if assignment is None else assignment[users]
        served = returns[:, own, everyone]
        mean = np.mean(returns, axis=0)
        reassigned[users], utilities[users] = best, mean[own, everyone]
        worst[users] = np.min(served, axis=0)
        if shares is not None:
            soft[users] = np.sum(shares[users] * mean.T, axis=1)
        served_total += np.sum(served, axis=1)
        reassigned_total += np.sum(returns[half:, best, everyone], axis=1)
    welfare, welfare_stderr = mean_and_stderr(served_total / num_users)
    again, again_stderr = mean_and_stderr(reassigned_total / num_users)
    return Measurement(
        lengths=np.mean(lengths, axis=0),
        welfare=float(welfare),
        welfare_stderr=float(welfare_stderr),
        soft_welfare=float(np.mean(utilities if shares is None else soft)),
        reassigned=reassigned,
        reassigned_welfare=float(again),
        reassigned_welfare_stderr=float(again_stderr),
        utilities=utilities,
        worst_episodes=worst,
        played=played,
    )


def mean_and_stderr(samples: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
    """Mean and standard error over the first axis, of two samples or more."""
    stderr = np.std(samples, axis=0, ddof=1) / np.sqrt(len(samples))
    return np.asarray(np.mean(samples, axis=0)), np.asarray(stderr)


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
