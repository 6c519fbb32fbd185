"""One mix of rewards: the best policy of a finite MDP, by three methods that must agree.

A model is the matrix of next-state probabilities, one row a state and action. Where a row sums to
less than 1, the rest of the probability ends the episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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
        discount: of what follows, in [0, 1]; 1 only where every policy ends every episode.
    """

    transitions: np.ndarray
    discount: float

    @cached_property
    def matrix(self) -> csr_array:
        """Discounted, a row a state and action: [S * A, S]. Most rows reach few states."""
        num_states = self.transitions.shape[0]
        return csr_array(self.discount * self.transitions.reshape(-1, num_states))

    def look_ahead(self, value: np.ndarray) -> np.ndarray:
        """What follows each action, [S, A], where states are worth ``value`` [S]."""
        return (self.matrix @ value).reshape(self.transitions.shape[:2])

    def evaluate(self, policy: np.ndarray, reward: np.ndarray) -> np.ndarray:
        """The value [S] or [S, D] of a policy [S] whose actions earn ``reward`` [S] or [S, D]."""
        states = np.arange(len(policy))
        moves = self.discount * self.transitions[states, policy]
        return np.linalg.solve(np.eye(len(policy)) - moves, reward)


def policy_iteration(
    dynamics: Dynamics, reward: np.ndarray, first: np.ndarray | None = None
) -> np.ndarray:
    """Howard's (1960): ends after finitely many steps in a policy that none exceeds anywhere.

    Args:
        reward: of each action, [S, A].
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
    """The best policy of episodes that are cut after ``horizon`` steps: int64 [T, S]."""
    value, policy = np.zeros(len(reward)), np.empty((horizon, len(reward)), dtype=np.int64)
    for step in reversed(range(horizon)):
        gain = reward + dynamics.look_ahead(value)
        policy[step], value = gain.argmax(axis=1), gain.max(axis=1)
    return policy


def margin(value: np.ndarray, largest_reward: float, share: float = _MARGIN) -> float:
    """What counts as no difference between values that come of rewards, in whatever unit."""
    return max(share * float(np.abs(value).max()), _ROUNDING * largest_reward)
