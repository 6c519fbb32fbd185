"""A finite model of the dynamics from counts of transitions, solved for many mixes at once.

Where a problem shows few different observations, all transitions fit into counts, and their
frequencies are the model of maximum likelihood. Policies that are best in this model cost no
transition, so that hundreds of them can be computed, one for each mix of users (certainty
equivalence: Sutton & Barto, 2018, section 6.3).

Models from counts have two weaknesses, and there is a remedy for each.

* *What was never tried is not known.* To explore, an action gets a bonus that falls with the root
  of its visits, and one that was never taken is worth the most that there is (optimism: Strehl &
  Littman, 2008). In the end such actions are left out.
* *Few visits mislead.* The best of several estimates is mostly one that is too high. So, in the
  end, an action is worth its estimate less a standard error (a lower confidence bound).

Rewards add up over whole episodes, without a discount. An episode ends with an action that ended it
before, or after the time limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

SETTLED = 1e-7
"""Values are known once no sweep changes them by more than this share of the largest."""

PRIOR_VISITS = 4.0
"""The visits that the mean variance of all actions counts for, beside an action's own variance."""

CAUTION = 0.5
"""The standard errors by which an action's worth is lowered in the end."""

OPTIMISM = 0.3
"""The bonus of an action with one visit, as a share of the range of values."""

EXPLORING_DISCOUNT = 0.98
"""The discount of later bonuses for a policy that only explores."""

MOST_IMPROVEMENTS = 50
"""The most steps of policy iteration after value iteration. Mostly one or two change anything."""


@dataclass(frozen=True, eq=False)
class CountedModel:
    """The counts of ``S`` observations, ``A`` actions and ``D`` reward features.

    Attributes:
        starts: the number of episodes that began with each observation, [S].
        visits: the number of times that each action was taken, [S, A].
        followed: the number of times that each observation came next, sparse [S * A, S], with a row
            for each observation and action; the visits that are missing in a row ended an episode.
        features: the reward features, summed over the visits, [S, A, D].
        squares: their squares, summed over the visits, [S, A, D].
        horizon: the largest number of steps of an episode.
    """

    starts: np.ndarray
    visits: np.ndarray
    followed: csr_array
    features: np.ndarray
    squares: np.ndarray
    horizon: int

    @property
    def num_observations(self) -> int:
        """``S``."""
        return len(self.visits)

    @cached_property
    def is_tried(self) -> np.ndarray:
        """Whether an action was ever taken, bool [S, A]."""
        return self.visits > 0

    @cached_property
    def moves(self) -> csr_array:
        """The probability of each next observation, [S * A, S]; the rest ends the episode."""
        lengths = np.diff(self.followed.indptr)
        visits = np.maximum(self.visits.reshape(-1), 1)
        data = self.followed.data / np.repeat(visits, lengths)
        return csr_array((data, self.followed.indices, self.followed.indptr), self.followed.shape)

    @cached_property
    def mean_features(self) -> np.ndarray:
        """The mean reward features of each action, [S, A, D]; 0 for one that was never taken."""
        return self.features / np.maximum(self.visits, 1)[..., None]

    @cached_property
    def feature_variances(self) -> np.ndarray:
        """The variance of the reward features of each action, [S, A, D]."""
        mean_square = self.squares / np.maximum(self.visits, 1)[..., None]
        return np.maximum(mean_square - self.mean_features**2, 0.0)

    @cached_property
    def start(self) -> np.ndarray:
        """The distribution of an episode's first observation, [S]."""
        return self.starts / self.starts.sum()

    def best_policies(self, mixes: np.ndarray) -> np.ndarray:
        """Return the policies that earn most for mixes of features, as far as the counts show.

        Actions that were never taken are left out, and those with few visits count for less than
        their estimate. Policies do not see how much time is left. Where only the time limit ends
        episodes, a better action may seem as good as a wait, as it can be taken later. So they are
        also computed with a discount, by which sooner is better, and the better ones are kept.

        Args:
            mixes: the weight of each feature, [M, D].

        Returns:
            The action at each observation, int64 [M, S].
        """
        reward = self._rewards(mixes)
        lowest = np.where(self.is_tried.reshape(-1), 0.0, -np.inf)
        found = []
        for discount in (1.0, 1.0 - 1.0 / self.horizon):
            values = self._settled(lambda seen: seen + lowest[:, None], reward, discount)
            lowered = reward - CAUTION * self._standard_errors(mixes, values)
            policies = self._greedy(lowered + discount * self.moves @ values + lowest[:, None])
            found.append(self._improved(policies, lowered, lowest, discount))
        (policies, worth), (others, others_worth) = found
        is_other_better = others_worth > worth + SETTLED * np.abs(worth)
        return np.where(is_other_better[:, None], others, policies)

    def returns(self, policies: np.ndarray) -> np.ndarray:
        """Return what policies earn in an episode by the model, in features.

        Args:
            policies: the action at each observation, [M, S].

        Returns:
            The expected returns without discount, [M, D].
        """
        rows = self._rows(policies)
        paid = self.mean_features.reshape(-1, self.features.shape[-1])[rows.reshape(-1)]
        values = self._evaluated(rows, paid).reshape(*policies.shape, -1)
        return np.einsum("s,msd->md", self.start, values)

    def reached(self, policies: np.ndarray) -> np.ndarray:
        """Return which observations policies come to from the start, bool [M, S].

        Args:
            policies: the action at each observation, [M, S].
        """
        reached = np.zeros(policies.shape, bool)
        for policy, row in enumerate(self._rows(policies)):
            steps, front = self.moves[row], self.start > 0
            while front.any():
                reached[policy] |= front
                front = (steps.T @ front.astype(float) > 0) & ~reached[policy]
        return reached

    def exploring_policies(self, noise: np.ndarray) -> np.ndarray:
        """Return policies that look for what has been tried least.

        Args:
            noise: factors of each policy's interest in every action, [M, S, A], near 1, so that
                policies go different ways.

        Returns:
            The action at each observation, int64 [M, S].
        """
        interest = 1.0 / np.sqrt(self.visits + 1.0)
        reward = (noise * interest).reshape(len(noise), -1).T
        most = 1.0 / (1.0 - EXPLORING_DISCOUNT)  # as if interest never fell any more
        unknown = np.where(self.is_tried.reshape(-1), 0.0, most)[:, None]
        values = self._settled(lambda worth: worth + unknown, reward, EXPLORING_DISCOUNT)
        return self._greedy(reward + EXPLORING_DISCOUNT * self.moves @ values + unknown)

    def optimistic_policies(self, mixes: np.ndarray) -> np.ndarray:
        """Return policies that earn most for mixes if what is little known turns out well.

        Args:
            mixes: the weight of each feature, [M, D].

        Returns:
            The action at each observation, int64 [M, S].
        """
        reward = self._rewards(mixes)
        lowest = np.where(self.is_tried.reshape(-1), 0.0, -np.inf)[:, None]
        known = self._settled(lambda worth: worth + lowest, reward)
        worth = (reward + self.moves @ known)[self.is_tried.reshape(-1)]
        spread = np.ptp(worth, axis=0)
        most = worth.max(axis=0) + spread
        bonus = OPTIMISM * spread / np.sqrt(np.maximum(self.visits.reshape(-1), 1))[:, None]

        def hopeful(worth: np.ndarray) -> np.ndarray:
            return np.where(lowest == 0.0, np.minimum(worth, most), most)

        values = self._settled(hopeful, reward + bonus)
        return self._greedy(hopeful(reward + bonus + self.moves @ values))

    def _rewards(self, mixes: np.ndarray) -> np.ndarray:
        """Return the mean reward of each action for each mix, [S * A, M]."""
        return self.mean_features.reshape(-1, self.features.shape[-1]) @ mixes.T

    def _rows(self, policies: np.ndarray) -> np.ndarray:
        """Return the rows of the actions that policies take, [M, S]."""
        return np.arange(self.num_observations) * self.visits.shape[1] + policies

    def _greedy(self, worth: np.ndarray) -> np.ndarray:
        """Return the best actions, [M, S], by the worth of all, [S * A, M]."""
        by_action = worth.reshape(*self.visits.shape, -1)
        return by_action.argmax(axis=1).T

    def _settled(
        self,
        seen: Callable[[np.ndarray], np.ndarray],
        reward: np.ndarray,
        discount: float = 1.0,
    ) -> np.ndarray:
        """Return the values [S, M] of the best actions, by sweeps of value iteration.

        Args:
            seen: gives the worth that counts, from the estimated worth of all actions, [S * A, M].
            reward: the reward of each action, [S * A, M].
            discount: the discount of later rewards.
        """
        values = np.zeros((self.num_observations, reward.shape[1]))
        shape = (*self.visits.shape, reward.shape[1])
        for _ in range(self.horizon):
            worth = seen(reward + discount * (self.moves @ values)).reshape(shape)
            new = worth.max(axis=1)
            new = np.where(np.isfinite(new), new, 0.0)  # no action was taken at an observation
            change = np.abs(new - values).max()
            values = new
            if change <= SETTLED * np.abs(values).max():
                break
        return values

    def _evaluated(self, rows: np.ndarray, paid: np.ndarray, discount: float = 1.0) -> np.ndarray:
        """Return the values of policies, by sweeps over all of them together.

        Args:
            rows: the rows of the actions that the policies take, [M, S].
            paid: what these actions pay, [M * S, ...].
            discount: the discount of later rewards.
        """
        number = rows.shape[1]
        chosen = self.moves[rows.reshape(-1)]
        lengths = np.diff(chosen.indptr)
        columns = chosen.indices + np.repeat(np.arange(rows.size) // number * number, lengths)
        steps = csr_array((chosen.data, columns, chosen.indptr), (rows.size, rows.size))
        values = np.zeros_like(paid)
        for _ in range(self.horizon):
            new = paid + discount * (steps @ values)
            change = np.abs(new - values).max()
            values = new
            if change <= SETTLED * np.abs(values).max():
                break
        return values

    def _improved(
        self, policies: np.ndarray, reward: np.ndarray, lowest: np.ndarray, discount: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return policies after steps of policy iteration, of which the best is kept.

        Value iteration finds what is best with so many steps left; policies that do not see the
        time can be worth less than that.

        Args:
            policies: the policies to improve, [M, S].
            reward: the reward of each action for each mix, [S * A, M].
            lowest: what is added to the worth of each action, [S * A]: minus infinity for those
                that are left out.
            discount: the discount by which policies are improved.

        Returns:
            The policies, and what they earn without discount, [M].
        """
        best, best_worth, is_new = policies, np.zeros(len(policies)), True
        for _ in range(MOST_IMPROVEMENTS):
            rows = self._rows(policies)
            paid = np.take_along_axis(reward.T, rows, axis=1).reshape(-1)
            worth = self._evaluated(rows, paid).reshape(policies.shape) @ self.start
            is_better = worth > np.where(is_new, -np.inf, best_worth + SETTLED * np.abs(best_worth))
            is_new = False
            best = np.where(is_better[:, None], policies, best)
            best_worth = np.where(is_better, worth, best_worth)
            values = self._evaluated(rows, paid, discount).reshape(policies.shape)
            after = reward + discount * self.moves @ values.T + lowest[:, None]
            own = np.take_along_axis(after.T, rows, axis=1)
            found = self._greedy(after)
            most = np.take_along_axis(after.T, self._rows(found), axis=1)
            slack = 1e-9 * np.abs(values).max(axis=1)
            moved = np.where(most > own + slack[:, None], found, policies)
            if not is_better.any() or (moved == policies).all():
                break
            policies = moved
        return best, best_worth

    def _standard_errors(self, mixes: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the standard error of each action's worth, [S * A, M].

        Few visits say little of their own variance; so it is drawn towards the mean of all.
        """
        later = self.moves @ values
        spread = np.maximum(self.moves @ values**2 - later**2, 0.0)
        variances = self.feature_variances.reshape(-1, mixes.shape[1]) @ (mixes**2).T + spread
        visits = self.visits.reshape(-1)[:, None].astype(float)
        mean = (variances * visits).sum(axis=0) / np.maximum(visits.sum(), 1.0)
        drawn = (variances * visits + PRIOR_VISITS * mean) / (visits + PRIOR_VISITS)
        return np.sqrt(drawn / np.maximum(visits, 1.0))
