"""What a run folder says of a problem: JSON, and enough to tell it from others."""

import subprocess
import sys
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.problem import RMDP
from handful.run_folder import RunFolder
from handful.training.records.run_reader import check_same_problem, open_run
from handful.training.records.run_writer import describe_run
from handful.training.run import Run
from tests.environments import ContextualBandit, Countdown, problem_of
from tests.training.helpers import config_of


def stored(problem, tmp_path):
    """As it comes back from the folder."""
    folder = RunFolder(tmp_path / "run")
    folder.create(describe_run(Run(problem, config_of(1))))
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
from handful.run_folder import RunFolder
from handful.training.config import make_config
from handful.training.records.run_writer import describe_run
from handful.training.run import Run
problems = {
    "glide": handful.make("glide", targets=np.linspace(0.5, 2, 4), tolerance=np.float64(0.5)),
    "market": handful.make("market", users=np.int64(5), population_seed=np.uint8(3)),
}
for name, problem in problems.items():
    RunFolder(name).create(describe_run(Run(problem, make_config(problem, 1, "em", "fast"))))
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
        "{'users': 5, 'population_seed': 3}",
    ]


TABLE = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 2.0]])


def countdown(length=3, table=TABLE, discount=0.9, scale=2.0, **parts):
    """Three users of Countdown, or what else the arguments say."""
    parts = {"user_ids": ("a", "b", "c")[: len(table)], **parts}
    problem = problem_of(Countdown(length, truncates=True), table, discount)
    population = replace(problem.population, **parts)
    return replace(problem, population=population, return_scale=scale)


def labelled(group):
    return countdown(attributes={"group": np.array(group)}, feature_names=("food", "rest"))


def keep(problem, tmp_path):
    """A run folder as it is before the first checkpoint."""
    folder = RunFolder(tmp_path / "run")
    folder.create(describe_run(Run(problem, config_of(1))))
    return folder


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (countdown(discount=0.8), r"the discount \(0.8 instead of 0.9\)"),
        (countdown(scale=1.0), r"the return scale \(1.0 instead of 2.0\)"),
        (countdown(length=4), r"the environment's 'length' \(4 instead of 3\)"),
        (countdown(table=TABLE[:, :1]), r"the number of reward features \(1 instead of 2\)"),
        (countdown(table=TABLE[:2]), r"the users .*"),
        (countdown(user_ids=("a", "c", "b")), r"the users .*"),
        (countdown(table=TABLE + np.eye(3, 2)), "the users' coefficients"),
        (replace(countdown(), environment=ContextualBandit()), r"the environment's 'length' .*"),
    ],
)
def test_a_run_is_not_opened_with_another_problem(tmp_path, other, what):
    """Their arrays may have the same shapes, so that nothing else would tell."""
    path = keep(countdown(), tmp_path).path
    with pytest.raises(HandfulError, match=rf"not the one that the run .* differ in {what}\.$"):
        open_run(path, other)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (labelled([0, 1, 1]), "the users' attributes .*"),
        (replace(labelled([0, 1, 0]), population=countdown().population), "the names of .*"),
    ],
)
def test_what_is_known_of_users_and_features_is_compared(tmp_path, other, what):
    path = keep(labelled([0, 1, 0]), tmp_path).path
    with pytest.raises(HandfulError, match=rf"differ in {what}\.$"):
        open_run(path, other)


def test_nor_is_it_resumed_with_another_one(tmp_path):
    folder = keep(countdown(), tmp_path)
    with pytest.raises(HandfulError, match="differ in the discount"):
        handful.resume(folder.path, countdown(discount=0.8))
    assert not folder.checkpoint.exists()


@pytest.mark.parametrize(
    "make",
    [
        countdown,
        lambda: labelled([0, 1, 1]),
        lambda: RMDP(Fitted(rule=lambda: 0), problem_of(ContextualBandit()).population),
        lambda: handful.make("glide", users=3),
        lambda: handful.make("resource-gathering", height=2, width=2, blocked=((0, 0),)),
    ],
    ids=["plain", "labelled", "fitted", "glide", "resource-gathering"],
)
def test_a_run_is_opened_with_its_own_problem_made_anew(tmp_path, make):
    """Also where Python shows a field otherwise each time, as functions with their address."""
    path, problem = keep(make(), tmp_path).path, make()
    assert open_run(path, problem)[1].problem is problem


def test_a_folder_that_says_less_is_compared_by_what_it_says(tmp_path):
    """As older versions wrote them."""
    whole = stored(countdown(), tmp_path)
    older = {n: whole[n] for n in ("name", "parameters", "environment", "discount", "users")}
    check_same_problem(older, countdown(table=TABLE + 1.0), "run")
    with pytest.raises(HandfulError, match="the discount"):
        check_same_problem(older, countdown(discount=0.5), "run")


def test_a_tasks_parameters_are_compared_where_both_were_given(tmp_path):
    described = stored(handful.make("glide", users=3, tolerance=0.5), tmp_path)
    with pytest.raises(HandfulError, match=r"parameter 'tolerance' \(0.4 instead of 0.5\)"):
        check_same_problem(described, handful.make("glide", users=3, tolerance=0.4), "run")


def test_weights_that_a_compression_computed_are_not_compared(tmp_path):
    """Their last digits are the machine's."""
    compressed = countdown(reward_fn=lambda outcome: outcome)
    described = stored(compressed, tmp_path)
    assert described["coefficients_digest"] is None
    check_same_problem(described, countdown(table=TABLE * (1 + 1e-6)), "run")
