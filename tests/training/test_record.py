"""What a run folder says of a problem: JSON, whatever the problem was made of."""

import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handful.problem import RMDP
from handful.runs import RunFolder
from handful.training.record import describe_run
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import config_of


def stored(problem, tmp_path):
    """As it comes back from the folder."""
    folder = RunFolder(tmp_path / "run")
    folder.create(describe_run(problem, config_of(1)))
    return folder.read_config()["problem"]


@dataclass(frozen=True, eq=False)
class Engine:
    power: Any = field(default_factory=lambda: np.float32(1.5))


@dataclass(frozen=True, eq=False)
class Fitted(ContextualBandit):
    """The bandit, with what a fitted environment may hold."""

    weights: Any = field(default_factory=lambda: np.eye(2))
    engine: Engine = field(default_factory=Engine)
    limit: float = float("inf")
    rule: Any = max


def test_fields_of_an_environment_are_described_as_json_or_as_python_shows_them(tmp_path):
    problem = RMDP(Fitted(), problem_of(ContextualBandit()).population)
    described = stored(problem, tmp_path)["environment"]
    own = {name: described[name] for name in ("weights", "engine", "limit", "rule")}
    assert own == {
        "weights": [[1.0, 0.0], [0.0, 1.0]],
        "engine": {"power": 1.5},
        "limit": "inf",
        "rule": "<built-in function max>",
    }


ARRAYS = """
import numpy as np
import handful
from handful.runs import RunFolder
from handful.training.config import make_config
from handful.training.record import describe_run
problems = {
    "glide": handful.make("glide", targets=np.linspace(0.5, 2, 4), tolerance=np.float64(0.5)),
    "market": handful.make("market", users=np.int64(5), population_seed=np.uint8(3)),
}
for name, problem in problems.items():
    RunFolder(name).create(describe_run(problem, make_config(problem, 1, "em", "fast")))
    parameters = RunFolder(name).read_config()["problem"]["parameters"]
    again = handful.make(name, **parameters).population.attributes
    for attribute, values in problem.population.attributes.items():
        np.testing.assert_array_equal(again[attribute], values)
    print(parameters)
"""


def test_a_problem_of_arrays_can_be_made_again_from_its_folder(tmp_path):
    """As users run it: the type checks of the tests themselves would refuse the arrays."""
    command = [sys.executable, "-c", ARRAYS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "{'targets': [0.5, 1.0, 1.5, 2.0], 'tolerance': 0.5}",
        "{'months': 60, 'users': 5, 'population_seed': 3, 'taste': 0.0}",
    ]
