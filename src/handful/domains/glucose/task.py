"""The task ``glucose``: the pump, its wearers, and what suits the learner on it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from handful.domains.glucose.environment import DAY_STEPS, ArtificialPancreas
from handful.domains.glucose.optimum import reachable, solve
from handful.domains.glucose.users import FEARS, LOW, TARGETS, wearers
from handful.problem import RMDP
from handful.types import NumpyArray, Preset
from handful.users import Column, read_users
from handful.users.draws import check_draw


def make_glucose(users: int = 100, population_seed: int = 0, population: Any = None) -> RMDP:
    """Make the task of the artificial pancreas and its users.

    Args:
        users: how many to draw: targets from 90 to 160 mg/dl, fears of lows from 0.5 to 20, both
            evenly on a logarithmic scale.
        population_seed: the seed of the draw of the users.
        population: a table instead, with a column ``target`` (mg/dl, 70 to 250) and perhaps
            ``fear`` (0 or more; 3 if there is none).

    Raises:
        HandfulError: if a number is out of its range.
    """
    if population is not None:
        columns = [
            Column("target", "glucose targets in mg/dl", low=LOW, high=250.0),
            Column("fear", "fears of lows", low=0.0, high=1000.0, default=3.0),
        ]
        table = read_users(population, columns)
        targets, fears = table.numbers["target"], table.numbers["fear"]
        people = wearers(targets, fears, DAY_STEPS, table.user_ids, table.labels)
        parameters: dict[str, Any] = {"population": population}
    else:
        people = wearers(*_sample(users, population_seed), DAY_STEPS)
        parameters = {"users": users, "population_seed": population_seed}
    return RMDP(
        environment=ArtificialPancreas(),
        population=people,
        discount=0.98,  # what is done now is felt for some twelve hours
        return_scale=20.0,
        learner_settings=_learner_settings,
        method_settings=_method_settings,
        solver=solve,
        reachable=reachable,
        name="glucose",
        parameters=parameters,
    )


def _sample(users: int, seed: int) -> tuple[NumpyArray, NumpyArray]:
    check_draw(users, seed)
    rng = np.random.default_rng(seed)
    (low, high), (calm, afraid) = np.log(TARGETS), np.log(FEARS)
    targets = np.exp(rng.uniform(low, high, users))
    return targets, np.exp(rng.uniform(calm, afraid, users))


def _learner_settings(num_policies: int, preset: Preset) -> Mapping[str, Any]:
    """Keep first actions narrow: a pump that doses at random soon has its wearer in a coma."""
    del num_policies, preset
    return {"initial_log_std": -1.5, "entropy_coefficient": 0.0, "final_entropy_coefficient": 0.0}


def _method_settings(method: str, preset: Preset) -> Mapping[str, Any]:
    """Give ``em`` a longer warm-up: who serves whom is noise until glucose is under control."""
    del preset
    return {"warm_up": 60} if method == "em" else {}
