"""Policies whose returns are known exactly, with episodes of them, for the study of the router.

The router sees what policies earn, and not how they came about. So nothing is trained here: every
task has a pool of good policies, and five are chosen from it for 200 users. That takes seconds, and
what is true is no measurement.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import handful
from handful.domains.icu_sepsis import SURVIVAL, load_arrays, under_rule
from handful.domains.market.environment import (
    LEAVES,
    MEANS,
    PERCENT,
    best_shares,
    covariances,
    regime_shares,
)
from handful.domains.resource_gathering.optimum import Grid, undominated_closed_walks
from handful.routing import Returns

MEASURED, MEASUREMENTS = 128, 10
"""Episodes of a measurement, and the number of measurements."""

USERS, HELD_OUT, POLICIES, POOL = 200, 300, 5, 24
SEPSIS_STEPS = 200  # of a value iteration and of an episode; none of 100,000 lasted so long
MONTHS = 60


@dataclass(frozen=True, eq=False)
class Case:
    """A task's policies.

    Attributes:
        task: the name.
        episodes: their returns in features [E, K, D]; policies share the chance of an episode.
        exact: what an episode earns in the mean [K, D].
        users: the weights of people like the new users [N, D].
        held_out: the weights of the new users [M, D].
    """

    task: str
    episodes: np.ndarray
    exact: np.ndarray
    users: np.ndarray
    held_out: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """What each policy earns each held-out user, [M, K]."""
        return self.held_out @ self.exact.T

    def measured(self, number: int) -> Returns:
        """Return the returns that one measurement tells."""
        some = self.episodes[number * MEASURED : (number + 1) * MEASURED]
        apart = some - some.mean(axis=0)
        scale = MEASURED * (MEASURED - 1)
        joint = np.einsum("ekd,ejf->kdjf", apart, apart, optimize=True) / scale
        own = np.stack([joint[k, :, k] for k in range(some.shape[1])])
        names = tuple(f"feature_{d}" for d in range(some.shape[2]))
        return Returns(self.task, names, some.mean(axis=0), own, joint, MEASURED)


def chosen(exact: np.ndarray, users: np.ndarray) -> np.ndarray:
    """Return the policies of a pool [P, D] that serve users best, one by one: int [K]."""
    worth = users @ exact.T
    found: list[int] = []
    best = np.full(len(users), -np.inf)
    for _ in range(POLICIES):
        found.append(int(np.maximum(worth, best[:, None]).mean(axis=0).argmax()))
        best = np.maximum(best, worth[:, found[-1]])
    return np.array(found)


def _without_chance(task: str, pool: np.ndarray, users: np.ndarray, held_out: np.ndarray) -> Case:
    """Return a case whose episodes are all alike."""
    exact = pool[chosen(pool, users)]
    episodes = np.broadcast_to(exact, (MEASURED * MEASUREMENTS, *exact.shape))
    return Case(task, episodes, exact, users, held_out)


def resource_gathering(seed: int) -> Case:
    """Return the shortest tours of 3 x 3 tiles, for users who each want a mix of tiles."""
    grid = Grid(3, 3, (1, 1))
    walks = undominated_closed_walks(grid, 24)
    pool = (100.0 - walks.lengths[:, None]) * walks.visits()
    rng = np.random.default_rng(seed)
    wishes = rng.dirichlet(np.full(pool.shape[1], 0.3), USERS + HELD_OUT)
    return _without_chance("resource-gathering", pool, wishes[:USERS], wishes[USERS:])


def fruit_tree(seed: int) -> Case:
    """Return the fruits of MO-Gymnasium's tree of depth six, for users with random weights."""
    from mo_gymnasium.envs.fruit_tree.fruit_tree import FRUITS

    pool = np.array(FRUITS["6"])
    wishes = np.random.default_rng(seed).dirichlet(np.ones(pool.shape[1]), USERS + HELD_OUT)
    return _without_chance("fruit-tree", pool, wishes[:USERS], wishes[USERS:])


def market(seed: int) -> Case:
    """Return funds that each suit one investor best; the chance is the market's regimes."""
    users, held_out = _people("market", seed, taste=0.005)
    rng = np.random.default_rng(seed)
    some = users[rng.choice(len(users), POOL, replace=False)]
    shares = np.array([best_shares(-aversion, taste / PERCENT) for _, aversion, taste in some])
    expected = np.einsum("psa,sa->ps", shares, np.array(MEANS))
    variance = np.einsum("psa,sab,psb->ps", shares, covariances(), shares)
    of_regime = PERCENT * np.stack([expected, variance / 2, shares[..., 2]], axis=2)  # [P, S, D]
    exact = np.einsum("s,psd->pd", regime_shares(), of_regime)
    mine = chosen(exact, users)
    number = MEASURED * MEASUREMENTS
    regime = (rng.random(number) < regime_shares()[1]).astype(int)
    turbulent = np.zeros(number)
    for _ in range(MONTHS):
        turbulent += regime / MONTHS
        regime = np.where(rng.random(number) < np.array(LEAVES)[regime], 1 - regime, regime)
    share = np.stack([1.0 - turbulent, turbulent], axis=1)
    episodes = np.einsum("es,psd->epd", share, of_regime[mine])
    return Case("market", episodes, exact[mine], users, held_out)


def icu_sepsis(seed: int) -> Case:
    """Return policies that each suit one user best, by value iteration on the tables."""
    users, held_out = _people("icu-sepsis", seed, inadmissible="nearest")
    arrays = load_arrays()
    transitions, doses = under_rule(arrays, "nearest")
    rng = np.random.default_rng(seed)
    some = users[rng.choice(len(users), POOL, replace=False)].T  # [D, P]
    states, actions = transitions.shape[:2]
    flat = transitions.reshape(-1, states)
    features = np.concatenate([100.0 * flat[:, SURVIVAL, None], doses.reshape(-1, 2)], axis=1)
    value, rewards = np.zeros((states, POOL)), features @ some
    for _ in range(SEPSIS_STEPS):
        earned = (rewards + flat @ value).reshape(states, actions, POOL)
        value, before = earned.max(axis=1), value
        if np.abs(value - before).max() < 1e-6:
            break
    taken = np.arange(states)[:, None] * actions + earned.argmax(axis=1)  # rows of `flat`, [S, P]
    eye, start = np.eye(states), arrays["d_0"]
    pool = np.array([start @ np.linalg.solve(eye - flat[rows], features[rows]) for rows in taken.T])
    mine = chosen(pool, users)
    episodes = _treated(flat, doses.reshape(-1, 2), taken[:, mine], start, rng)
    return Case("icu-sepsis", episodes, pool[mine], users, held_out)


def _treated(
    flat: np.ndarray,
    doses: np.ndarray,
    taken: np.ndarray,
    start: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Play episodes [E, K, D]; all policies see the same patient and the same chance."""
    number, num_policies = MEASURED * MEASUREMENTS, taken.shape[1]
    first = rng.choice(len(start), number, p=start / start.sum())
    chance = np.random.SeedSequence(int(rng.integers(2**31)))
    episodes = np.zeros((number, num_policies, 3))
    for k in range(num_policies):
        draw, state, alive = np.random.default_rng(chance), first.copy(), np.arange(number)
        sums = np.cumsum(flat[taken[:, k]], axis=1)
        while len(alive):
            now, luck = state[alive], draw.random(number)[alive]
            episodes[alive, k, 1:] += doses[taken[now, k]]
            after = (luck[:, None] * sums[now, -1:] > sums[now]).sum(axis=1)
            state[alive] = after
            episodes[alive, k, 0] += 100.0 * (after == SURVIVAL)
            alive = alive[sums[after, -1] > 0.5]  # nothing follows death and survival
    return episodes


def _people(task: str, seed: int, **parameters: object) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of a task's users and of new ones."""
    found = handful.make(task, users=USERS + HELD_OUT, population_seed=seed, **parameters)
    weights = np.asarray(found.population.coefficients, np.float64)
    return weights[:USERS], weights[USERS:]


CASES: dict[str, Callable[[int], Case]] = {
    "resource-gathering": resource_gathering,
    "fruit-tree": fruit_tree,
    "market": market,
    "icu-sepsis": icu_sepsis,
}
"""The tasks: the first two without chance, the others with it."""
