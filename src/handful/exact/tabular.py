"""Tabular r-MDPs solved exactly: the best policy for a mix of rewards, and its worth to all users.

Policy iteration (Howard, 1960) with the policy's value from a linear system: it ends after
finitely many steps, in a policy that no other exceeds from any state.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

_MARGIN = 1e-9
"""As a share of the largest value: a better action is better by more, else rounding has no end."""


@dataclass(frozen=True, eq=False)
class TabularRMDP:
    """States, actions, and reward features; users differ in what the features are worth to them.

    Attributes:
        transitions: probability of the next state, [S, A, S]; a row of zeros ends the episode.
        features: expected reward features of an action, [S, A, D].
        coefficients: each user's weight on each feature, [N, D].
        start: distribution of the first state, [S].
        discount: in [0, 1); 1 only where every policy ends every episode.

    Raises:
        ValueError: if the shapes do not fit, or the numbers are no probabilities.
    """

    transitions: np.ndarray
    features: np.ndarray
    coefficients: np.ndarray
    start: np.ndarray
    discount: float

    def __post_init__(self) -> None:
        for name in ("transitions", "features", "coefficients", "start"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        states, actions = self.transitions.shape[:2]
        fits = (
            self.transitions.shape == (states, actions, states)
            and self.features.shape[:2] == (states, actions)
            and self.features.ndim == 3
            and self.coefficients.shape[1:] == self.features.shape[2:]
            and self.start.shape == (states,)
        )
        if not fits:
            raise ValueError(
                f"The shapes do not fit: transitions {self.transitions.shape}, features "
                f"{self.features.shape}, coefficients {self.coefficients.shape}, start "
                f"{self.start.shape}; they must be [S, A, S], [S, A, D], [N, D] and [S]."
            )
        arrays = (self.transitions, self.features, self.coefficients, self.start)
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError("Transitions, features, coefficients and start must be finite.")
        sums = self.transitions.sum(axis=2)
        if self.transitions.min() < 0 or not (np.isclose(sums, 1) | np.isclose(sums, 0)).all():
            raise ValueError(
                "Every row of the transitions must be 0 or more and sum to 1, or to 0 at an end."
            )
        if self.start.min() < 0 or not np.isclose(self.start.sum(), 1):
            raise ValueError("The start distribution must be 0 or more and sum to 1.")
        if not 0.0 <= self.discount <= 1.0:
            raise ValueError(f"The discount must be from 0 to 1, not {self.discount}.")

    @property
    def num_users(self) -> int:
        """``N``."""
        return self.coefficients.shape[0]

    def best_policy(self, weights: np.ndarray) -> np.ndarray:
        """A deterministic policy that earns the most for users with these weights.

        Args:
            weights: of each user's reward in the sum, [N].

        Returns:
            The action in each state, int64 [S]; the first of equally good ones.
        """
        reward = self.features @ (weights @ self.coefficients)
        state = np.arange(len(self.start))
        policy = reward.argmax(axis=1)
        while True:
            value = self._solve(policy, reward[state, policy])
            gain = reward + self.discount * self.transitions @ value
            own, best = gain[state, policy], gain.max(axis=1)
            is_better = best > own + _MARGIN * max(1.0, np.abs(value).max())
            if not is_better.any():
                return policy
            policy = np.where(is_better, gain.argmax(axis=1), policy)

    def returns(self, policy: np.ndarray) -> np.ndarray:
        """Every user's expected discounted return from the start under a policy [S]: [N]."""
        taken = self.features[np.arange(len(policy)), policy]
        return self.coefficients @ (self.start @ self._solve(policy, taken))

    @cached_property
    def own_optima(self) -> np.ndarray:
        """What each user gets from the policy that is best for them alone: [N]."""
        users = np.eye(self.num_users)
        return np.array([self.returns(self.best_policy(user))[i] for i, user in enumerate(users)])

    def _solve(self, policy: np.ndarray, reward: np.ndarray) -> np.ndarray:
        """The value of a policy for rewards [S] or [S, D] of its actions: as the rewards' shape."""
        moves = self.transitions[np.arange(len(policy)), policy]
        return np.linalg.solve(np.eye(len(policy)) - self.discount * moves, reward)
