"""The best k policies in a model from counts, for several budgets k at once.

The best policies for k groups of users are each the best one for their group together. So policies
for groups of users are computed, many at once, and all join one pool, from which the best k are
chosen (:mod:`~handful.exact.budgets`). The users who then share a policy are a new group. This is
EM with exact M-steps from many starts (:mod:`~handful.exact.em`), but in a model whose policies
cost next to nothing when they are computed together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from handful.exact.budgets import choose_budgets
from handful.exact.counted import CountedModel

LEANINGS = (1.0, 0.3, 0.1, 0.03)
"""How much worse served users count for more: the difference in returns, as a share of the range of
returns, for which a user counts e times as much as another one."""

LEANING_STEPS = 8
"""The steps of EM with each of them."""

STARTS = 60
"""The most random starts of EM for each budget."""

MOST_CELLS = 2e6
"""The most numbers in a table of observations, actions and policies of the starts of a budget."""

MOST_STEPS = 20
"""The most steps of EM from a start."""

MOST_ROUNDS = 10
"""The most rounds of choosing from the pool and of EM from what was chosen."""

LEAST_GAIN = 1e-12
"""A smaller gain of welfare in a round is rounding."""

MOST_SINGLE = 300
"""The most users whose own best policies are in the pool."""


class CountedPool(NamedTuple):
    """A pool of policies.

    Attributes:
        policies: the action at each observation, [P, S]; no two policies are equal.
        returns: what each policy earns in an episode by the model, in features, [P, D].
    """

    policies: np.ndarray
    returns: np.ndarray


def pool_of(
    model: CountedModel,
    coefficients: np.ndarray,
    budgets: Sequence[int],
    rng: np.random.Generator,
    *,
    fair: bool = False,
) -> CountedPool:
    """Return policies among which are those that serve users best in a model, for every budget.

    Args:
        model: the model.
        coefficients: each user's weight on each feature, [N, D].
        budgets: the budgets, each at least 1.
        rng: the source of the first groups.
        fair: whether the welfare is another one than the mean. Then there are also policies for
            groups in which users count the more, the less they have.
    """
    pool = _Pool(model)
    number = len(coefficients)
    single = rng.permutation(number)[:MOST_SINGLE]
    pool.add(np.vstack([coefficients.mean(axis=0), coefficients[single]]))
    for budget in budgets:
        if 1 < budget < number:
            fit = max(int(MOST_CELLS / (model.visits.size * budget)), 1)
            # Users who look alike may want different things, and so half of the groups are random.
            ways = (_near, _anyhow)
            starts = [ways[i % 2](coefficients, budget, rng) for i in range(min(fit, STARTS))]
            _improve(pool, coefficients, starts)
    welfare = dict.fromkeys(budgets, -np.inf)
    for _ in range(MOST_ROUNDS):
        choices = choose_budgets(pool.returns @ coefficients.T, budgets, prove=False)
        better = [b for b in budgets if choices[b].welfare > welfare[b] + LEAST_GAIN]
        if not better:
            break
        welfare = {b: choices[b].welfare for b in budgets}
        _improve(pool, coefficients, [choices[b].assignment for b in better])
    if fair:
        for budget in budgets:
            _lean(pool, coefficients, choices[budget].assignment)
    return CountedPool(pool.policies, pool.returns)


class _Pool:
    """Different policies, and what they earn."""

    def __init__(self, model: CountedModel) -> None:
        self._model = model
        self._rows: dict[bytes, int] = {}
        self.policies = np.zeros((0, model.num_observations), int)
        self.returns = np.zeros((0, model.features.shape[-1]))

    def add(self, mixes: np.ndarray) -> np.ndarray:
        """Add the best policies for mixes, and return what they earn, [M, D]."""
        found = self._model.best_policies(mixes)
        keys = [policy.tobytes() for policy in found]
        new = {key: row for row, key in enumerate(keys) if key not in self._rows}
        if new:
            some = found[list(new.values())]
            for key in new:
                self._rows[key] = len(self._rows)
            self.policies = np.vstack([self.policies, some])
            self.returns = np.vstack([self.returns, self._model.returns(some)])
        return self.returns[[self._rows[key] for key in keys]]


def _near(coefficients: np.ndarray, budget: int, rng: np.random.Generator) -> np.ndarray:
    """Return groups of users around some of them, [N]."""
    centres = coefficients[rng.choice(len(coefficients), budget, replace=False)]
    distances = ((coefficients[:, None] - centres[None]) ** 2).sum(axis=2)
    return distances.argmin(axis=1)


def _anyhow(coefficients: np.ndarray, budget: int, rng: np.random.Generator) -> np.ndarray:
    """Return random groups of users of nearly the same size, [N]."""
    return rng.permutation(len(coefficients)) % budget


def _improve(pool: _Pool, coefficients: np.ndarray, groups: Sequence[np.ndarray]) -> None:
    """Run EM from groups of users, all starts together, until no user moves."""
    running = list(groups)
    for _ in range(MOST_STEPS):
        if not running:
            return
        mixes, sizes = [], []
        for group in running:
            used = np.unique(group)
            mixes += [coefficients[group == one].mean(axis=0) for one in used]
            sizes.append(len(used))
        earned = pool.add(np.array(mixes)) @ coefficients.T
        following, begin = [], 0
        for group, size in zip(running, sizes, strict=True):
            moved = earned[begin : begin + size].argmax(axis=0)
            begin += size
            _, before = np.unique(group, return_inverse=True)
            if (moved != before).any():
                following.append(moved)
        running = following


def _lean(pool: _Pool, coefficients: np.ndarray, group: np.ndarray) -> None:
    """Run EM in which users count the more, the less they have, first little and then much more.

    Args:
        pool: gets the policies.
        coefficients: each user's weight on each feature, [N, D].
        group: the group of users that each user belongs to at first, [N].
    """
    weights = np.ones(len(coefficients))
    for leaning in LEANINGS:
        for _ in range(LEANING_STEPS):
            mixes = [
                weights[group == one] @ coefficients[group == one] / weights[group == one].sum()
                for one in np.unique(group)
            ]
            earned = pool.add(np.array(mixes)) @ coefficients.T
            group, utilities = earned.argmax(axis=0), earned.max(axis=0)
            spread = max(float(np.ptp(earned)), 1e-12)
            # The weights follow slowly, so that policies do not jump between two users.
            behind = (utilities - utilities.min()) / (leaning * spread)
            weights = np.sqrt(weights * np.maximum(np.exp(-behind), 1e-9))
