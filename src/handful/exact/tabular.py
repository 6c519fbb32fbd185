"""Tabular r-MDPs solved exactly: the best policy for a mix of rewards, and its worth to users.

Without a horizon the best policy is stationary, and policy iteration finds it. With a horizon,
episodes are cut after that many steps. Then the best action depends on the steps that are left, and
backward induction finds it.

For one mix of rewards there are three methods, which must agree.

A model is the matrix of next-state probabilities, with one row for each state and action. If a row
sums to less than 1, the episode ends with the remaining probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, kron

_MARGIN = 1e-9
"""The least gain of a better action, as a share of the largest value: less may be rounding."""

_ROUNDING = 1e-14
"""The least gain as a share of the largest reward, for values much smaller than that reward."""

_MAX_SWEEPS = 100_000  # the most sweeps of value iteration


@dataclass(frozen=True, eq=False)
class Dynamics:
    """A finite MDP without its rewards.

    Attributes:
        transitions: the probability of the next state, [S, A, S].
        discount: the discount of later rewards, in [0, 1]; 1 only if every policy ends every
            episode.
    """

    transitions: np.ndarray
    discount: float

    @cached_property
    def matrix(self) -> csr_array:
        """The discounted transitions [S * A, S], a row for each state and action.

        Most rows reach few states, so the matrix is sparse.
        """
        num_states = self.transitions.shape[0]
        return csr_array(self.discount * self.transitions.reshape(-1, num_states))

    def look_ahead(self, value: np.ndarray) -> np.ndarray:
        """Return the later value after each action, [S, A], if states are worth ``value`` [S]."""
        return (self.matrix @ value).reshape(self.transitions.shape[:2])

    def evaluate(self, policy: np.ndarray, reward: np.ndarray) -> np.ndarray:
        """Return the value [S] or [S, D] of a policy [S] whose actions earn ``reward``."""
        states = np.arange(len(policy))
        moves = self.discount * self.transitions[states, policy]
        return np.linalg.solve(np.eye(len(policy)) - moves, reward)


def policy_iteration(
    dynamics: Dynamics, reward: np.ndarray, first: np.ndarray | None = None
) -> np.ndarray:
    """Find the best policy by policy iteration (Howard, 1960).

    It ends after finitely many steps in a policy that no other exceeds in any state.

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
    """Find the best policy by value iteration (Bellman, 1957).

    It is greedy for the limit of repeated look-aheads.

    Returns:
        the action in each state, int64 [S].

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
    """Find the best policy by linear programming (D'Epenoux, 1963).

    It attains the least values that no action exceeds.

    Returns:
        the action in each state, int64 [S].

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
    """Find the best policy of episodes that are cut after ``horizon`` steps.

    Returns:
        the action in each step and state, int64 [T, S].
    """
    value, policy = np.zeros(len(reward)), np.empty((horizon, len(reward)), dtype=np.int64)
    for step in reversed(range(horizon)):
        gain = reward + dynamics.look_ahead(value)
        policy[step], value = gain.argmax(axis=1), gain.max(axis=1)
    return policy


def margin(value: np.ndarray, largest_reward: float, share: float = _MARGIN) -> float:
    """Return the difference between values that counts as none, whatever the unit of rewards."""
    return max(share * float(np.abs(value).max()), _ROUNDING * largest_reward)


@dataclass(frozen=True, eq=False)
class TabularRMDP:
    """A finite r-MDP: states, actions, reward features and users' weights on these.

    Attributes:
        transitions: the probability of the next state, [S, A, S]; a row of zeros ends the episode.
        features: the expected reward features of an action, [S, A, D].
        coefficients: each user's weight on each feature, [N, D].
        start: the distribution of the first state, [S].
        discount: the discount, in [0, 1]; 1 only if every policy ends every episode, or there is a
            horizon.
        horizon: the steps after which an episode is cut, or None.

    Raises:
        ValueError: if the shapes do not fit, or the numbers are not probabilities.
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
        """The number of users ``N``."""
        return self.coefficients.shape[0]

    @cached_property
    def largest_reward(self) -> float:
        """The largest absolute reward of any user for an action."""
        return float(np.abs(self.features @ self.coefficients.T).max())

    @cached_property
    def dynamics(self) -> Dynamics:
        """The MDP without its rewards."""
        return Dynamics(self.transitions, self.discount)

    def best_policy(self, weights: np.ndarray, first: np.ndarray | None = None) -> np.ndarray:
        """Return a deterministic policy that earns the most for users with these weights.

        Args:
            weights: the weight of each user's reward in the sum, [N].
            first: a policy that may be nearly best, to start from.

        Returns:
            The action in each state, int64 [S]; if episodes are cut, in each step and state,
            int64 [T, S].
        """
        return self.best_for(weights @ self.coefficients, first)

    def best_for(self, mix: np.ndarray, first: np.ndarray | None = None) -> np.ndarray:
        """Return the result of :meth:`best_policy` for a weight on each feature, [D]."""
        reward = self.features @ mix
        if self.horizon is not None:
            return backward_induction(self.dynamics, reward, self.horizon)
        return policy_iteration(self.dynamics, reward, first)

    def feature_returns(self, policy: np.ndarray) -> np.ndarray:
        """Return the expected return in each feature under a policy [S] or [T, S]: [D].

        If episodes are cut, a policy [S] takes the same actions in every step.
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
        """The return of each user from the policy that is best for them alone, [N]."""
        optima, policy = np.empty(self.num_users), None
        for user, mix in enumerate(self.coefficients):
            policy = self.best_for(mix, policy)
            optima[user] = mix @ self.feature_returns(policy)
        return optima


PAID = 0.15
"""The share of the rewards of a sparse problem that are not zero."""


def random_rmdp(
    seed: int,
    kind: Literal["dense", "sparse"],
    num_states: int = 6,
    num_actions: int = 3,
    num_users: int = 8,
    discount: float = 0.9,
) -> TabularRMDP:
    """Draw a random problem.

    In a dense problem any state may follow any, and all actions pay. In a sparse one states form a
    graph, and few actions pay.
    """
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
