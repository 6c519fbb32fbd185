"""The traces of a run, whatever pytree of arrays its environment reports."""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import pytest

import handful
from handful._support.files import read_json
from handful.environment import Discrete, TimeStep
from handful.population import Population
from handful.problem import RMDP
from handful.run_folder import RunFolder
from tests.environments import NEVER, Clock
from tests.training.helpers import TINY


class Body(NamedTuple):
    speed: object
    place: object


class Robot(NamedTuple):
    reward: object
    body: Body


class Timed(NamedTuple):
    reward: object
    length: object


SHAPES = {
    "array": lambda step: jnp.stack([step, 2.0 * step]),
    "dict": lambda step: {"x": jnp.stack([step, -step]), "f": step},
    "tuple": lambda step: (step, jnp.zeros((2, 1))),
    "nested": lambda step: Robot(step, Body(step + 1.0, {"floor": step > 1.0})),
    "infinite": lambda step: Robot(step, Body(jnp.inf / (step - 2.0), jnp.log(2.0 - step))),
    "length": lambda step: Timed(step, 10.0 * step),
    "twice": lambda step: {"a": {"b": step}, "a.b": -step},
}

TRACES = {
    "array": {"outcome": [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]},
    "dict": {"f": [1.0, 2.0, 3.0], "x": [[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]]},
    "tuple": {"0": [1.0, 2.0, 3.0], "1": [[[0.0], [0.0]]] * 3},
    "nested": {
        "reward": [1.0, 2.0, 3.0],
        "body.speed": [2.0, 3.0, 4.0],
        "body.place.floor": [False, True, True],
    },
    "infinite": {
        "reward": [1.0, 2.0, 3.0],
        "body.speed": [None] * 3,
        "body.place": [0.0, None, None],
    },
    "length": {"reward": [1.0, 2.0, 3.0], "outcome.length": [10.0, 20.0, 30.0]},
    "twice": {"a.b": [1.0, 2.0, 3.0], "outcome.a.b": [-1.0, -2.0, -3.0]},
}


@dataclass(frozen=True)
class Steps:
    """Episodes of three steps, whose number is in the outcome."""

    shape: str
    time_limit: int = 3
    observation_size: int = 1

    @property
    def action_space(self):
        return Discrete(2)

    def reset(self, key):
        return Clock(jnp.zeros((), jnp.int32)), jnp.ones(1)

    def step(self, key, state, action):
        state = Clock(state.steps + 1)
        outcome = SHAPES[self.shape](state.steps.astype(jnp.float32))
        return state, TimeStep(jnp.ones(1), outcome, NEVER, state.steps >= self.time_limit)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_keeps_every_array_of_an_outcome_by_its_path(tmp_path, shape):
    population = Population.identity(2, lambda outcome: jnp.ones(2))
    problem = RMDP(Steps(shape), population)
    settings = {**TINY, "hidden_sizes": (2,)}
    handful.train(problem, 2, "random", steps=256, settings=settings, out=tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    assert folder.is_finished
    assert read_json(folder.traces) == [{"length": 3, **TRACES[shape]}] * 2
