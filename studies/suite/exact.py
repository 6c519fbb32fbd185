"""The best k policies of the suite's small problems, exactly.

A problem is known where all that a policy can be worth is a list of vectors (its returns in
features), or where its dynamics fit into an array. Then the best k of the vectors are a choice that
:mod:`handful.exact.facility` proves, and arrays are for :mod:`handful.exact.search`.
"""

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import gymnasium
import mo_gymnasium  # noqa: F401
import numpy as np

import handful
from handful.exact.facility import choose
from handful.exact.search import tabular_optimum
from handful.exact.tabular import TabularRMDP

TIME_COST = 0.05
"""What a step costs in Resource Gathering of MO-Gymnasium, in the unit of its treasures."""

STREETS = 8
RAIN = (np.arange(100) + 0.5) / 100
"""The strengths of rain that stand for all of them in the couriers' optimum."""

Act = Callable[[np.ndarray], Any]
"""A policy: from one observation [O] to an action."""

Solver = Callable[[handful.RMDP, int], handful.Optimum]


def treasures() -> np.ndarray:
    """[10, 2]: each treasure's worth, and minus the steps of the shortest way to it."""
    chart = gymnasium.make("deep-sea-treasure-v0", disable_env_checker=True).unwrapped.sea_map
    return np.array([(chart[r, c], -(r + c)) for r, c in zip(*np.nonzero(chart > 0), strict=True)])


def fruits(depth: int = 6) -> np.ndarray:
    """[2 ** depth, 6]: what each way through the tree is worth."""
    env = gymnasium.make("fruit-tree-v0", depth=depth, disable_env_checker=True)
    worth = []
    for way in itertools.product((0, 1), repeat=depth):
        env.reset(seed=0)
        worth.append(sum(env.step(turn)[1] for turn in way))
    return np.array(worth)


def best_vectors(vectors: np.ndarray, what: str) -> Solver:
    """A solver for problems in which a policy's returns in features are one of some vectors.

    Mixtures of vectors are never better than the best of them, as users have one policy each.

    Args:
        vectors: [V, D].
        what: what the vectors are, in the plural.
    """

    def solve(problem: handful.RMDP, num_policies: int) -> handful.Optimum:
        values = vectors @ np.asarray(problem.population.coefficients, float).T
        best = choose(values, num_policies)
        return handful.Optimum(
            welfare=best.welfare,
            kind="exact",
            num_policies=num_policies,
            returns=values[best.indices],
            assignment=best.assignment,
            certificate=tuple(tuple(vectors[index]) for index in best.indices),
            explanation=f"The best choice of {len(vectors)} {what}.",
        )

    return solve


def best_of_model(model: Callable[[np.ndarray], TabularRMDP], explanation: str) -> Solver:
    """A solver for problems whose dynamics fit into an array.

    Args:
        model: the problem as arrays, for users' weights [N, D].
        explanation: how the arrays stand for the problem, as a sentence.
    """

    def solve(problem: handful.RMDP, num_policies: int) -> handful.Optimum:
        rmdp = model(np.asarray(problem.population.coefficients, float))
        best = tabular_optimum(rmdp, num_policies)
        return handful.Optimum(**{**vars(best), "explanation": f"{explanation} {best.explanation}"})

    return solve


Place = tuple[int, int, int, int]
"""A cell of Resource Gathering, and whether gold and a diamond are carried."""

Walk = tuple[float, float, float, float]
"""What a walk is worth on average: death, gold, diamond and time."""


@cache
def chart() -> np.ndarray:
    """The map of Resource Gathering."""
    return gymnasium.make("resource-gathering-v0", disable_env_checker=True).unwrapped.map


def home() -> Place:
    """Where a walk begins."""
    row, column = np.argwhere(chart() == "H")[0]
    return int(row), int(column), 0, 0


def taken(place: Place, action: int) -> tuple[Place, float, bool]:
    """Where a step leads, the chance to die of it, and whether it leads home."""
    row, column, gold, diamond = place
    down, right = ((-1, 0), (1, 0), (0, -1), (0, 1))[action]
    there = row + down, column + right
    if not (0 <= there[0] < chart().shape[0] and 0 <= there[1] < chart().shape[1]):
        there = row, column
    what = chart()[there]
    carried = int(gold or what == "R1"), int(diamond or what == "R2")
    return (*there, *carried), 0.1 if what.startswith("E") else 0.0, what == "H"


def walks() -> np.ndarray:
    """[V, 4]: each walk in Resource Gathering that is not beaten.

    A walk is beaten if another one is no worse in any of the four. The walks are found backwards,
    from those that end with the next step (White, 1982), until no longer one is worth its time.
    Those that never end are beaten by an end at once, with a step against the wall at home.
    """
    places = list(np.ndindex(*chart().shape, 2, 2))
    best: dict[Place, set[Walk]] = {place: set() for place in places}
    while True:
        longer = {place: _not_beaten(_continued(place, best)) for place in places}
        if longer == best:
            return np.array(sorted(best[home()]))
        best = longer


def _continued(place: Place, best: dict[Place, set[Walk]]) -> set[Walk]:
    """Each way to take one step, and to go on from there."""
    found = set()
    for action in range(4):
        there, risk, is_home = taken(place, action)
        if is_home:
            found.add((0.0, float(place[2]), float(place[3]), -TIME_COST))
            continue
        now = np.array([-risk, 0.0, 0.0, -TIME_COST])
        for later in best[there]:
            found.add(tuple((now + (1.0 - risk) * np.array(later)).round(12).tolist()))
    return found


def _not_beaten(vectors: set[Walk]) -> set[Walk]:
    rows = np.array(sorted(vectors)).reshape(len(vectors), 4)
    beats = (rows[:, None] >= rows).all(axis=2) & (rows[:, None] > rows).any(axis=2)
    return {tuple(row) for row in rows[~beats.any(axis=0)].tolist()}


def worth_of_walk(act: Act) -> np.ndarray:
    """[4]: what a policy's walk is worth on average, cut after the environment's 100 steps."""
    place, alive, worth = home(), 1.0, np.zeros(4)
    for _ in range(100):
        there, risk, is_home = taken(place, int(act(np.array(place, np.float32))))
        worth += alive * np.array([-risk, 0.0, 0.0, -TIME_COST])
        if is_home:
            return worth + alive * np.array([0.0, *place[2:], 0.0])
        place, alive = there, alive * (1.0 - risk)
    return worth


def worth_of_ride(act: Act) -> np.ndarray:
    """[3]: what a courier's policy is worth on average over the strengths of rain."""
    streets, paid = np.arange(STREETS) / STREETS, street_features()
    rides = [
        paid[rain, int(act(np.array([street, RAIN[rain]], np.float32)))]
        for rain in range(len(RAIN))
        for street in streets
    ]
    return np.sum(rides, axis=0) / len(RAIN)


def street_features() -> np.ndarray:
    """[R, 3, 3]: speed, comfort and scenery of a street, for every rain and way to ride."""
    ones = np.ones_like(RAIN)
    slow = (-6 * ones, -ones, ones)
    fast = (-3 * ones, -(2 + 2 * RAIN), 0 * ones)
    park = (-7 * ones, -1.5 * ones, 5 - 4 * RAIN)
    return np.stack([np.stack(parts, axis=1) for parts in (slow, fast, park)], axis=1)


def couriers_model(weights: np.ndarray) -> TabularRMDP:
    """The tutorial's couriers: a state is a strength of rain, and an action is for all streets.

    Each street is like the one before, so nothing is gained by riding them in different ways.
    """
    moves = np.zeros((len(RAIN), 3, len(RAIN)))
    start = np.full(len(RAIN), 1 / len(RAIN))
    return TabularRMDP(moves, STREETS * street_features(), weights, start, 1.0)
