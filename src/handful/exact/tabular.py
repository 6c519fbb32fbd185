"""Tabular r-MDPs solved exactly: the best policy for a mix of rewards, and its worth to all users.

Without a horizon the best policy is stationary and found by policy iteration. With one, episodes
are cut after so many steps, what is best depends on the steps that are left, and it is found by
backward induction.

One mix of rewards: the best policy of a finite MDP, by three methods that must agree.

A model is the matrix of next-state probabilities, one row a state and action. Where a row sums to
less than 1, the rest of the probability ends the episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, kron

_MARGIN = 1e-9
"""As a share of the largest value: a better action is better by more, else rounding has no end."""

_ROUNDING = 1e-14
"""The same as a share of the largest reward, for values that are next to nothing beside it."""

_MAX_SWEEPS = 100_000  # of value iteration


@dataclass(frozen=True, eq=False)
class Dynamics:
    """A finite MDP without its rewards.

    Attributes:
        transitions: probability of the next state, [S, A, S].
        discount: the discount of later rewards, in [0, 1]; 1 only if every policy ends every
            episode.
    """

    transitions: np.ndarray
    discount: float

    @cached_property
    def matrix(self) -> csr_array:
        """Discounted, a row a state and action: [S * A, S]. Most rows reach few states."""
        num_states = self.transitions.shape[0]
        return csr_array(self.discount * self.transitions.reshape(-1, num_states))

    def look_ahead(self, value: np.ndarray) -> np.ndarray:
        """Return what follows each action, [S, A], where states are worth ``value`` [S]."""
        return (self.matrix @ value).reshape(self.transitions.shape[:2])

    def evaluate(self, policy: np.ndarray, reward: np.ndarray) -> np.ndarray:
        """Return the value [S] or [S, D] of a policy [S] whose actions earn ``reward``."""
        states = np.arange(len(policy))
        moves = self.discount * self.transitions[states, policy]
        return np.linalg.solve(np.eye(len(policy)) - moves, reward)


def policy_iteration(
    dynamics: Dynamics, reward: np.ndarray, first: np.ndarray | None = None
) -> np.ndarray:
    """Howard's (1960): ends after finitely many steps in a policy that none exceeds anywhere.

    Args:
        reward: the reward of each action, [S, A].
        first: the policy [S] to improve; a policy that is nearly best saves steps.

    Returns:
        The action in each state, int64 [S].
    """
    states, largest = np.arange(len(reward)), float(np.abs(reward).max())
    policy = reward.argmax(axis=1) if first is None else first
    while True:
        value = dynamics.evaluate(policy, reward[states, policy])
        gain = reward + dynamics.look_ahead(value)
        is_better = gain.max(axis=1) > gain[states, policy] + margin(value, largest)
        if not is_better.any():
            return policy
        policy = np.where(is_better, gain.argmax(axis=1), policy)


def value_iteration(dynamics: Dynamics, reward: np.ndarray) -> np.ndarray:
    """Bellman's (1957): the policy [S] that is greedy for the limit of repeated look-aheads.

    Raises:
        RuntimeError: if the values have not settled after a great many sweeps.
    """
    value, largest = np.zeros(len(reward)), float(np.abs(reward).max())
    for _ in range(_MAX_SWEEPS):
        gain = reward + dynamics.look_ahead(value)
        before, value = value, gain.max(axis=1)
        if np.abs(value - before).max() <= margin(value, largest, 1e-3 * _MARGIN):
            return gain.argmax(axis=1)
    raise RuntimeError(f"The values have not settled after {_MAX_SWEEPS:,} sweeps.")


def linear_program(dynamics: Dynamics, reward: np.ndarray) -> np.ndarray:
    """D'Epenoux's (1963): the least values that no action exceeds; the policy [S] that meets them.

    Raises:
        RuntimeError: if HiGHS does not solve it.
    """
    num_states, num_actions = reward.shape
    own = kron(eye_array(num_states), np.ones((num_actions, 1)), format="csr")
    solution = linprog(
        np.ones(num_states),
        A_ub=dynamics.matrix - own,
        b_ub=-reward.ravel(),
        bounds=(None, None),
        method="highs",
    )
    if not solution.success:
        raise RuntimeError(f"HiGHS could not solve the linear program ({solution.message}).")
    return (reward + dynamics.look_ahead(solution.x)).argmax(axis=1)


def backward_induction(dynamics: Dynamics, reward: np.ndarray, horizon: int) -> np.ndarray:
    """Return the best policy of episodes that are cut after ``horizon`` steps: int64 [T, S]."""
    value, policy = np.zeros(len(reward)), np.empty((horizon, len(reward)), dtype=np.int64)
    for step in reversed(range(horizon)):
        gain = reward + dynamics.look_ahead(value)
        policy[step], value = gain.argmax(axis=1), gain.max(axis=1)
    return policy


def margin(value: np.ndarray, largest_reward: float, share: float = _MARGIN) -> float:
    """Return what counts as no difference between values that come of rewards, in whatever unit."""
    return max(share * float(np.abs(value).max()), _ROUNDING * largest_reward)


@dataclass(frozen=True, eq=False)
class TabularRMDP:
    """States, actions, and reward features; users differ in what the features are worth to them.

    Attributes:
        transitions: probability of the next state, [S, A, S]; a row of zeros ends the episode.
        features: expected reward features of an action, [S, A, D].
        coefficients: each user's weight on each feature, [N, D].
        start: distribution of the first state, [S].
        discount: the discount, in [0, 1]; 1 only if every policy ends every episode, or there is a
            horizon.
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
        """Return a deterministic policy that earns the most for users with these weights.

        Args:
            weights: the weight of each user's reward in the sum, [N].
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
        """Return the features' expected returns from the start under a policy [S] or [T, S]: [D].

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
        """Return every user's expected return from the start under a policy [S] or [T, S]: [N]."""
        return self.coefficients @ self.feature_returns(policy)

    @cached_property
    def own_optima(self) -> np.ndarray:
        """What each user gets from the policy that is best for them alone: [N]."""
        optima, policy = np.empty(self.num_users), None
        for user, mix in enumerate(self.coefficients):
            policy = self.best_for(mix, policy)
            optima[user] = mix @ self.feature_returns(policy)
        return optima


PAID = 0.15
"""Share of the rewards of a sparse problem that are not zero."""


def random_rmdp(
    seed: int,
    kind: Literal["dense", "sparse"],
    num_states: int = 6,
    num_actions: int = 3,
    num_users: int = 8,
    discount: float = 0.9,
) -> TabularRMDP:
    """A dense one (any state follows any, all actions pay) or a sparse one (a graph, few pay)."""
    rng = np.random.default_rng(seed)
    shape = (num_states, num_actions)
    if kind == "dense":
        transitions = rng.dirichlet(np.ones(num_states), size=shape)
        rewards = rng.uniform(size=(*shape, num_users))
    else:
        transitions = np.eye(num_states)[rng.integers(num_states, size=shape)]
        rewards = rng.uniform(size=(*shape, num_users))
        rewards[rng.uniform(size=rewards.shape) > PAID] = 0.0
    start = np.full(num_states, 1 / num_states)
    return TabularRMDP(transitions, rewards, np.eye(num_users), start, discount)
