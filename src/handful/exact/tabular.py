"""Tabular r-MDPs solved exactly: the best policy for a mix of rewards, and its worth to all users.

Without a horizon the best policy is stationary and found by policy iteration. With one, episodes
are cut after so many steps, what is best depends on the steps that are left, and it is found by
backward induction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from handful.exact.planning import Dynamics, backward_induction, policy_iteration


@dataclass(frozen=True, eq=False)
class TabularRMDP:
    """States, actions, and reward features; users differ in what the features are worth to them.

    Attributes:
        transitions: probability of the next state, [S, A, S]; a row of zeros ends the episode.
        features: expected reward features of an action, [S, A, D].
        coefficients: each user's weight on each feature, [N, D].
        start: distribution of the first state, [S].
        discount: in [0, 1]; 1 only where every policy ends every episode, or there is a horizon.
        horizon: steps after which an episode is cut, or None.

    Raises:
        ValueError: if the shapes do not fit, or the numbers are no probabilities.
    """

    transitions: np.ndarray
    features: np.ndarray
    coefficients: np.ndarray
    start: np.ndarray
    discount: float
    horizon: int | None = None

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
        if self.horizon is not None and self.horizon < 1:
            raise ValueError(f"The horizon must be at least 1 step, not {self.horizon}.")

    @property
    def num_users(self) -> int:
        """``N``."""
        return self.coefficients.shape[0]

    @cached_property
    def largest_reward(self) -> float:
        """That any user gets or loses for an action."""
        return float(np.abs(self.features @ self.coefficients.T).max())

    @cached_property
    def dynamics(self) -> Dynamics:
        """The same without the rewards."""
        return Dynamics(self.transitions, self.discount)

    def best_policy(self, weights: np.ndarray, first: np.ndarray | None = None) -> np.ndarray:
        """A deterministic policy that earns the most for users with these weights.

        Args:
            weights: of each user's reward in the sum, [N].
            first: a policy that may be nearly best, to start from.

        Returns:
            The action in each state, int64 [S]; where episodes are cut, in each step and state,
            int64 [T, S].
        """
        return self.best_for(weights @ self.coefficients, first)

    def best_for(self, mix: np.ndarray, first: np.ndarray | None = None) -> np.ndarray:
        """:meth:`best_policy` for a weight on each feature, [D]."""
        reward = self.features @ mix
        if self.horizon is not None:
            return backward_induction(self.dynamics, reward, self.horizon)
        return policy_iteration(self.dynamics, reward, first)

    def feature_returns(self, policy: np.ndarray) -> np.ndarray:
        """The features' expected returns from the start under a policy [S] or [T, S]: [D].

        Where episodes are cut, a policy [S] does the same in every step.
        """
        states = np.arange(len(self.start))
        if policy.ndim == 1 and self.horizon is None:
            taken = self.features[states, policy]
            return self.start @ self.dynamics.evaluate(policy, taken)
        if policy.ndim == 1:
            policy = np.broadcast_to(policy, (self.horizon or 1, len(states)))
        value = np.zeros((len(states), self.features.shape[2]))
        for actions in policy[::-1]:
            moves = self.transitions[states, actions]
            value = self.features[states, actions] + self.discount * moves @ value
        return self.start @ value

    def returns(self, policy: np.ndarray) -> np.ndarray:
        """Every user's expected return from the start under a policy [S] or [T, S]: [N]."""
        return self.coefficients @ self.feature_returns(policy)

    @cached_property
    def own_optima(self) -> np.ndarray:
        """What each user gets from the policy that is best for them alone: [N]."""
        optima, policy = np.empty(self.num_users), None
        for user, mix in enumerate(self.coefficients):
            policy = self.best_for(mix, policy)
            optima[user] = mix @ self.feature_returns(policy)
        return optima
