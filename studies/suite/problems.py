"""The problems of the suite that no task of the catalogue is.

Each function makes a problem, and a study names it by its place,
``studies.suite.problems:couriers``. Users are 100 unless a study asks otherwise, drawn by chance.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import handful
from studies.suite import exact

EXAMPLES = Path(__file__).parents[2] / "examples"


def deep_sea_treasure(users: int = 100, population_seed: int = 0) -> handful.RMDP:
    """A submarine fetches one of ten treasures: worth against time.

    Args:
        users: how many weigh the two, uniformly.
        population_seed: of that draw.
    """
    problem = handful.make(
        "mo-gymnasium:deep-sea-treasure-v0", users=users, population_seed=population_seed
    )
    return replace(problem, solver=exact.best_vectors(exact.treasures(), "treasures"))


def fruit_tree(users: int = 100, population_seed: int = 0, depth: int = 6) -> handful.RMDP:
    """A walk down a binary tree to a fruit with six nutrients.

    Args:
        users: how many weigh the nutrients, uniformly.
        population_seed: of that draw.
        depth: of the tree, 5 to 7.
    """
    problem = handful.make(
        "mo-gymnasium:fruit-tree-v0",
        users=users,
        population_seed=population_seed,
        time_limit=depth,
        options={"depth": depth},
    )
    return replace(problem, solver=exact.best_vectors(exact.fruits(depth), "fruits"))


def gathering(users: int = 100, population_seed: int = 0) -> handful.RMDP:
    """Resource Gathering of MO-Gymnasium: gold and a diamond, two enemies, and the time it takes.

    MO-Gymnasium's users discount. Here they do not, and one way is best for all of them unless time
    counts: so it is a fourth feature.

    Args:
        users: how many weigh death, gold, diamond and time, uniformly.
        population_seed: of that draw.
    """
    problem = handful.make(
        "mo-gymnasium:resource-gathering-v0",
        users=users,
        population_seed=population_seed,
        features=f"{__name__}:gathering_features",
        feature_names=["death", "gold", "diamond", "time"],
    )
    return replace(problem, solver=exact.best_vectors(exact.walks(), "walks"))


def gathering_features(before: Any, action: Any, after: Any, reward: Any, info: Any) -> np.ndarray:
    """Its three rewards, and the cost of a step."""
    del before, action, after, info
    return np.append(reward, -exact.TIME_COST)


def couriers(users: int = 100, population_seed: int = 0) -> handful.RMDP:
    """The tutorial's couriers: a way to ride through eight streets in the rain.

    Args:
        users: how many of the tutorial's two hundred riders are drawn.
        population_seed: of that draw.
    """
    sys.path.append(str(EXAMPLES))
    try:
        from courier import Courier
    finally:
        sys.path.remove(str(EXAMPLES))
    features = ["speed", "comfort", "scenery"]
    riders = np.genfromtxt(
        EXAMPLES / "courier_users.csv", delimiter=",", skip_header=1, usecols=(1, 2, 3)
    )
    drawn = np.random.default_rng(population_seed).permutation(len(riders))[:users]
    # Other processes would look for the example's module; a step takes microseconds anyway.
    problem = handful.from_gymnasium(
        Courier, riders[drawn], features=features, time_limit=8, processes=1
    )
    model = f"Rain in {len(exact.RAIN)} strengths; an action for each."
    return replace(problem, solver=exact.best_of_model(exact.couriers_model, model))


def random_dense(users: int = 100, population_seed: int = 0) -> handful.RMDP:
    """A random problem in which any of 12 states may follow any, and every action pays something.

    Args:
        users: how many weigh the three features, most of them one or two above all.
        population_seed: of users, dynamics and rewards.
    """

    def dynamics(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        follow = rng.dirichlet(np.full(12, 0.3), size=(12, 4))
        return follow, rng.dirichlet(np.full(3, 0.3), size=(12, 4))

    return _random(users, population_seed, dynamics)


def random_sparse(users: int = 100, population_seed: int = 0) -> handful.RMDP:
    """A random problem on a graph of 40 states, in which one action in twelve pays a feature.

    Args:
        users: how many weigh the three features, most of them one or two above all.
        population_seed: of users, graph and rewards.
    """

    def dynamics(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        follow = rng.integers(40, size=(40, 3))
        follow[:, 0] = np.roll(rng.permutation(40), 1)  # no state is out of reach
        pays = rng.uniform(size=(40, 3, 1)) < 1 / 12
        return np.eye(40)[follow], pays * np.eye(3)[rng.integers(3, size=(40, 3))]

    return _random(users, population_seed, dynamics)


def _random(
    users: int,
    seed: int,
    dynamics: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]],
) -> handful.RMDP:
    rng = np.random.default_rng(seed)
    transitions, features = dynamics(rng)
    return handful.tabular_problem(
        transitions,
        features=features,
        coefficients=rng.dirichlet(np.full(features.shape[2], 0.3), size=users),
        start=np.full(len(transitions), 1 / len(transitions)),
        stop_probability=0.05,
        discount=0.95,
    )


ORDERS = 40
"""The most that a stage of the supply chain orders in a period, twice the mean demand."""


def inventory(users: int = 100, population_seed: int = 0) -> handful.RMDP:
    """A serial supply chain of ``gym-invmgmt``: three orders a period for thirty periods.

    Features of a period are those that the operator's contracts weigh: margin without penalties,
    stock on hand and customers who wait. There are three segments of contracts, which want
    margin, little stock, or service.

    Args:
        users: how many contracts there are; each belongs to one of the three segments by chance.
        population_seed: of that draw.
    """
    rng = np.random.default_rng(population_seed)
    segments = np.array([[1.0, 0.02, 0.1], [0.3, 0.25, 0.1], [0.3, 0.02, 1.5]])
    weights = segments[rng.integers(3, size=users)]
    weights = weights * rng.lognormal(sigma=0.4, size=weights.shape)
    return handful.make(
        "gymnasium:gym_invmgmt:GymInvMgmt/Serial-v0",
        weights=weights.tolist(),
        features=f"{__name__}:inventory_features",
        feature_names=["margin", "stock", "waiting"],
        action_range=[0, ORDERS],
        time_limit=30,
    )


def inventory_features(before: Any, action: Any, after: Any, reward: Any, info: Any) -> np.ndarray:
    """What a period earned before the penalty of 0.1 a waiting unit, and minus stock and queue."""
    del before, action, after
    stock, waiting = info["total_inventory"] / 100, info["total_backlog"] / 20
    return np.array([(reward + 0.1 * info["total_backlog"]) / 20, -stock, -waiting])


def warfarin(users: int = 100, population_seed: int = 0) -> handful.RMDP:
    """Ninety daily doses of warfarin (``hemosim``), for clinics with targets of their own.

    Features of a day are three ranges of the INR, in which it counts 1, and two dangers: bleeding
    (INR above 4) and clots (below 1.5). A clinic wants one of the ranges above all.

    Args:
        users: how many clinics there are.
        population_seed: of the draw of what they want.
    """
    rng = np.random.default_rng(population_seed)
    ranges = rng.dirichlet(np.full(3, 0.3), size=users)
    dangers = np.exp(rng.uniform(np.log(0.5), np.log(10.0), size=(users, 2)))
    return handful.make(
        "gymnasium:hemosim:hemosim/WarfarinDosing-v0",
        weights=np.hstack([ranges, dangers]).tolist(),
        features=f"{__name__}:warfarin_features",
        feature_names=["low", "middle", "high", "bleeding", "clots"],
        time_limit=90,
    )


def warfarin_features(before: Any, action: Any, after: Any, reward: Any, info: Any) -> np.ndarray:
    """Whether the INR is in each range, and minus whether it is a danger."""
    del before, action, after, reward
    inr = info["inr"]
    within = [low <= inr < low + 1.0 for low in (1.5, 2.0, 2.5)]
    return np.array([*within, -(inr > 4.0), -(inr < 1.5)], float)
