"""What every policy is worth to every user, measured on episodes that training never saw.

The welfare is a welfare of expected returns: a welfare function of the users' mean returns over the
episodes. Its standard error is that of :mod:`handful.evaluation.by_episode`. The mean return over
users stands beside it, which is the same number for the utilitarian welfare.
"""

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
from handful.evaluation.by_episode import welfare_by_episode
from handful.evaluation.played import EpisodePlayer, Played, WithOutside, check_fit
from handful.learner.policies import Policies
from handful.problem import RMDP, check_problem
from handful.types import NumpyArray, Watch, part, unwatched
from handful.welfare import (
    UTILITARIAN,
    WelfareFn,
    check_welfare,
    find_welfare,
    name_of_welfare,
    utilitarian,
    welfare_of,
)
from handful.welfare_functions import GroupWelfare

EVALUATION_EPISODES = 100
"""Episodes of each policy and each kind of action selection, unless a caller asks otherwise."""

NOBODY = -1
"""The policy of a user whom no policy fits: the outside option is better."""

EVALUATION_STREAM = 0x5EED
"""A number that is folded into the seed's key, so that no evaluation episode repeats a training
episode's chance."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """Returns of one kind of action selection, and the welfare that follows from them.

    Returns are undiscounted and in the environment's units. Standard errors are over episodes; they
    are 0 if nothing is random. The tables [K, N] are computed when they are first asked for, as
    a million users and 50 policies have 50,000,000 entries in each.

    Attributes:
        lengths: [K] mean episode length in steps.
        welfare: the welfare of the users' mean returns from the policies they are assigned to.
        welfare_stderr: the standard error of ``welfare``.
        soft_welfare: the welfare under the assignment as the method left it, a distribution over
            policies for each user; equal to ``welfare`` if that is one-hot.
        reassigned: [N] each user's best policy, chosen on one half of the episodes.
        reassigned_welfare: the welfare under that choice, measured on the other half.
        reassigned_welfare_stderr: the standard error of ``reassigned_welfare``.
        mean_utility: the mean over users of their mean returns; equal to ``welfare`` if that is
            the utilitarian one.
        mean_utility_stderr: the standard error of ``mean_utility``.
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
    mean_utility: float
    mean_utility_stderr: float
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
        """Show the welfare, and keep private what single users get."""
        return f"Measurement(welfare {self.welfare:.2f} ± {self.welfare_stderr:.2f})"

    @property
    def worst_user(self) -> int:
        """The user with the lowest mean return."""
        return int(np.argmin(self.utilities))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What trained policies earn their users on fresh episodes.

    Attributes:
        assignment: [N] each user's policy: the likeliest under the method's distribution; -1 for a
            user whom no policy fits.
        num_episodes: how many episodes each policy played for each kind of action selection.
        seed: the seed of these episodes.
        deterministic: the measurement with each policy's likeliest actions, which the attributes
            below repeat.
        stochastic: the measurement with sampled actions.
        welfare_function: the name of the welfare function.
    """

    assignment: NumpyArray
    num_episodes: int
    seed: int
    deterministic: Measurement
    stochastic: Measurement
    welfare_function: str = UTILITARIAN

    def __repr__(self) -> str:
        """Show the welfare and how it was measured, and keep private what single users get."""
        name = "" if self.welfare_function == UTILITARIAN else f" ({self.welfare_function})"
        return (
            f"Evaluation(welfare{name} {self.welfare:.2f} ± {self.welfare_stderr:.2f}, "
            f"{count(len(self.assignment), 'user')}, "
            f"{count(len(self.deterministic.lengths), 'policy')}, "
            f"{count(self.num_episodes, 'episode')} a policy, seed {self.seed})"
        )

    @property
    def num_unserved(self) -> int:
        """How many users no policy fits: they have their outside options."""
        return int((self.assignment == NOBODY).sum())

    @property
    def welfare(self) -> float:
        """The welfare with likeliest actions, under the assignment that is evaluated."""
        return self.deterministic.welfare

    @property
    def welfare_stderr(self) -> float:
        """The standard error of :attr:`welfare`."""
        return self.deterministic.welfare_stderr

    @property
    def mean_utility(self) -> float:
        """The mean over users of their mean returns, whatever the welfare function is."""
        return self.deterministic.mean_utility


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
    welfare: WelfareFn | str = UTILITARIAN,
    outside: Any = None,
) -> Evaluation:
    """Measure policies and an assignment on fresh episodes.

    Args:
        problem: the environment that the policies play, and the users whom they serve.
        policies: the ``K`` policies.
        alpha: each user's distribution over policies [N, K], or if everybody has one policy,
            its number [N]. Without either, for users who are new, each is given the policy that was
            best for them in one half of the deterministic episodes; then ``reassigned_welfare``,
            measured on the other half, is the welfare without luck in the choice.
        seed: the seed of the evaluation episodes, whose chance is apart from that of training.
        num_episodes: how many episodes each policy plays, for each kind of action selection; even
            and at least 4, as one half chooses the best reassignment and the other measures it.
        watch: is called with the share of the episodes that has been played.
        welfare: the welfare function, or its name (:mod:`handful.welfare`).
        outside: what each user gets without a policy: a number, or one for each user [N]. In
            ``alpha`` the policy -1 then says that no policy fits a user.

    Returns:
        What every user earns, and the welfare with its standard error.

    Raises:
        HandfulError: if the policies are not for this problem, the number of episodes is odd or too
            small, the seed is out of range, alpha does not fit the users and policies, or the
            welfare function cannot be used.

    Examples:
        ``problem`` and ``result`` are those of the example of :func:`handful.train`:

        >>> again = handful.evaluate(problem, result.policies, result.assignment, num_episodes=4)
        >>> again.deterministic.utilities.shape == (problem.num_users,)
        True
    """
    check_problem(problem, "evaluate")
    _check_policies(policies)
    check_fit(problem, policies)
    check_seed(seed)
    if num_episodes < 4 or num_episodes % 2:
        raise HandfulError(
            f"The number of evaluation episodes must be even and at least 4, not {num_episodes}."
        )
    options = _read_options(outside, problem.num_users)
    assignment, shares = _read_alpha(
        alpha, problem.num_users, policies.num_policies, options is not None
    )
    if isinstance(welfare, GroupWelfare) and welfare.labels:
        name, function = welfare.name, welfare
    else:
        name = name_of_welfare(welfare)
        function = find_welfare(name)
    if function is not utilitarian:
        check_welfare(name, function, problem.num_users, problem.return_scale)
    key = jax.random.fold_in(jax.random.key(seed), EVALUATION_STREAM)
    play = EpisodePlayer(problem, policies.num_policies, num_episodes)
    measurements = []
    for index, deterministic in enumerate((True, False)):
        run_key = jax.random.split(key)[index]
        played, lengths = play(run_key, policies, deterministic, part(watch, index, 2))
        measurement = summarize(played, lengths, assignment, shares, function, options)
        if assignment is None:
            assignment = measurement.reassigned
        measurements.append(measurement)
    assert assignment is not None
    deterministic, stochastic = measurements
    return Evaluation(assignment, num_episodes, seed, deterministic, stochastic, name)


def users_per_policy(assignment: NumpyArray, num_policies: int) -> NumpyArray:
    """Give how many users each policy serves, [K]; users whom no policy fits are left out."""
    return np.bincount(assignment[assignment != NOBODY], minlength=num_policies)


def _read_options(outside: Any, num_users: int) -> NumpyArray | None:
    """Read the users' outside options, [N]."""
    if outside is None:
        return None
    try:
        options = np.asarray(outside, np.float64)
    except (TypeError, ValueError):
        options = np.full((), np.nan)
    if options.shape not in ((), (num_users,)) or not np.isfinite(options).all():
        raise HandfulError(
            f"The outside options must be a finite number, or one for each of the "
            f"{count(num_users, 'user')}."
        )
    return np.broadcast_to(options, (num_users,))


def _read_alpha(
    alpha: Any, num_users: int, num_policies: int, has_options: bool
) -> tuple[NumpyArray | None, NumpyArray | None]:
    """Read the policy of each user [N], and the shares [N, K] if users have several."""
    if alpha is None:
        return None, None
    given = np.asarray(alpha)
    is_policies = given.shape == (num_users,) and given.dtype.kind in "iu"
    least = NOBODY if has_options else 0
    if is_policies and given.min() >= least and given.max() < num_policies:
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
    welfare: WelfareFn = utilitarian,
    options: NumpyArray | None = None,
) -> Measurement:
    """Work out what episodes say of policies and of who is served by whom.

    Args:
        played: what every user earned in every episode.
        lengths: [E, K] the lengths of the episodes in steps.
        assignment: [N] the policy of each user; None gives each the best by half of the episodes.
        shares: [N, K] each user's distribution over policies, if it is not one-hot.
        welfare: the welfare function.
        options: what each user gets without a policy, [N], if they have outside options.

    Returns:
        The users' mean returns, and their welfare with its standard error.
    """
    policies = played
    if options is not None:  # the last of the policies is the outside option; so it is -1, too
        played = WithOutside(policies, options)
        last = played.shape[1] - 1
        assignment = None if assignment is None else np.where(assignment < 0, last, assignment)
        shares = None if shares is None else np.pad(shares, ((0, 0), (0, 1)))
    num_episodes, num_choices, num_users = played.shape
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
    mean_utility, mean_stderr = mean_and_stderr(served_total / num_users)
    if welfare is utilitarian:
        value, stderr = mean_utility, mean_stderr
        again, again_stderr = mean_and_stderr(reassigned_total / num_users)
    else:
        served = reassigned if assignment is None else assignment
        later = (slice(half, None),)
        value, stderr = mean_and_stderr(welfare_by_episode(played, [served], welfare)[0][0])
        again, again_stderr = mean_and_stderr(
            welfare_by_episode(played, [reassigned], welfare, later)[0][0]
        )
    return Measurement(
        lengths=np.mean(lengths, axis=0),
        welfare=float(value),
        welfare_stderr=float(stderr),
        soft_welfare=welfare_of(welfare, utilities if shares is None else soft),
        reassigned=reassigned if options is None else _marked(reassigned, num_choices - 1),
        reassigned_welfare=float(again),
        reassigned_welfare_stderr=float(again_stderr),
        mean_utility=float(mean_utility),
        mean_utility_stderr=float(mean_stderr),
        utilities=utilities,
        worst_episodes=worst,
        played=policies,
    )


def _marked(assignment: NumpyArray, last: int) -> NumpyArray:
    """Give an assignment in which the outside option is -1."""
    return np.where(assignment == last, NOBODY, assignment)


def mean_and_stderr(samples: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
    """Give the mean and its standard error over the first axis, of two samples or more."""
    stderr = np.std(samples, axis=0, ddof=1) / np.sqrt(len(samples))
    return np.asarray(np.mean(samples, axis=0)), np.asarray(stderr)


def _check_policies(policies: Any) -> None:
    """Raise HandfulError unless the policies are an object of :class:`Policies`."""
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
