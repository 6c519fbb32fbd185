"""The best that k policies can earn, exactly, as a bound, or as the runs of the suite have it."""

from collections.abc import Iterator

import numpy as np

import handful
from handful.errors import HandfulError
from handful.exact.facility import choose
from studies.suite.rows import POOL, Reference, Row, title

BUDGETS = tuple(range(1, 11))
SLOW = {"icu-sepsis": (1, 2, 3, 5, 10)}
"""Problems whose proofs take a minute for each budget, and the budgets that they are made for."""


def solved(problem: handful.RMDP, seed: int) -> Iterator[Reference]:
    """What the problem's solver says of every budget; nothing if it has none."""
    for k in SLOW.get(problem.name, BUDGETS):
        try:
            best = handful.optimum(problem, k)
        except HandfulError:  # no solver, or one for other users
            return
        yield Reference(problem.name, seed, k, best.kind, best.welfare)


def keep(row: Row, returns: np.ndarray) -> None:
    """Keep what a run's policies earn every user, [K, N], for the references."""
    POOL.mkdir(parents=True, exist_ok=True)
    name = f"{title(row.problem)}-{row.seed}-{row.method}-{row.steps}-{row.k}.npy"
    np.save(POOL / name, returns.astype(np.float32), allow_pickle=False)


def of_runs(problem: str, seed: int, known: dict[int, float]) -> Iterator[Reference]:
    """The best choice of the policies of all runs with the same users.

    Args:
        known: what earlier runs had, by budget, whose policies may be gone.
    """
    kept = sorted(POOL.glob(f"{title(problem)}-{seed}-*.npy"))
    if not kept:
        return
    returns = np.concatenate([np.load(path, allow_pickle=False) for path in kept])
    for k in BUDGETS:
        best = choose(returns.astype(float), k).welfare
        yield Reference(problem, seed, k, "runs", max(best, known.get(k, -np.inf)))
