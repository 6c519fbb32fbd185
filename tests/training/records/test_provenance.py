"""A run keeps what its problem was made of, and is opened with that and nothing else."""

import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.training.records.run_reader import open_run
from handful.training.records.run_writer import describe_run
from handful.training.run import Run
from tests.training.helpers import TINY, config_of


def test_the_arrays_of_a_tabular_run_are_checked(tmp_path):
    file = tmp_path / "problem.npz"
    moves = np.zeros((2, 2, 2))
    moves[0, :, 1] = 1.0
    rewards = np.array([[[1.0, 3.0], [0.0, 0.0]], [[2.0, 1.0], [0.0, 0.0]]])
    np.savez(file, transitions=moves, rewards=rewards)
    handful.train(
        handful.make("tabular", file=str(file)),
        1,
        "em",
        steps=256,
        settings={**TINY, "hidden_sizes": ()},
        out=tmp_path / "run",
        progress=False,
    )
    welfare = handful.resume(tmp_path / "run").evaluation.welfare
    np.savez(tmp_path / "moved.npz", transitions=moves, rewards=rewards)
    moved = handful.make("tabular", file=str(tmp_path / "moved.npz"))
    assert handful.resume(tmp_path / "run", moved).evaluation.welfare == welfare
    np.savez(file, transitions=moves, rewards=-rewards)
    with pytest.raises(HandfulError, match="what is paid in each reward feature"):
        handful.resume(tmp_path / "run")


def test_a_run_from_python_can_be_opened_by_name(tmp_path):
    pytest.importorskip("gymnasium")
    weights = np.array([[1.0], [0.5]])
    problem = handful.from_gymnasium("CartPole-v1", weights, time_limit=20)
    assert problem.name == "gymnasium:CartPole-v1"
    scaled = handful.RMDP(
        problem.environment,
        problem.population,
        return_scale=20.81,
        scale_is_measured=True,
        name=problem.name,
        parameters=problem.parameters,
    )
    handful.train(
        scaled, 1, "random", steps=256, settings=TINY, out=tmp_path / "run", progress=False
    )
    described = RunFolder(tmp_path / "run").read_config()["problem"]
    assert described["feature_names"] == ["reward"]
    assert described["time_limit"] == 20
    assert described["simulator"]["package"] == "gymnasium"
    again = open_run(tmp_path / "run")[1].problem
    assert again.return_scale == 20.81
    np.testing.assert_array_equal(again.population.coefficients, weights)


def test_problems_that_no_file_can_hold_stay_without_a_name():
    gymnasium = pytest.importorskip("gymnasium")
    weights = np.array([[1.0], [0.5]])
    made = handful.from_gymnasium(lambda: gymnasium.make("CartPole-v1"), weights)
    assert made.name == "custom"
    by_function = handful.from_gymnasium("CartPole-v1", weights, features=lambda *step: step[3])
    assert by_function.name == "custom"


def test_every_argument_of_a_problem_from_python_is_kept(tmp_path):
    """Ranges, offsets and limits too: without one the policies would see another environment."""
    pytest.importorskip("gymnasium")
    given = {
        "features": ["reward"],
        "feature_names": ["pay"],
        "discount": 0.9,
        "time_limit": 7,
        "return_scale": 3.0,
        "processes": 1,
        "options": {"g": 9.0},
        "action_range": [-1.0, 0.5],
        "observation_offset": [0.1, 0.2, 0.3],
    }
    problem = handful.from_gymnasium("Pendulum-v1", np.array([[1.0]]), **given)
    assert {n: v for n, v in problem.parameters.items() if n in given} == given
    folder = RunFolder(tmp_path / "run")
    folder.create(describe_run(Run(problem, config_of(1))))
    again = open_run(folder.path)[1].problem
    assert again.environment.action_space == problem.environment.action_space
    assert again.environment.time_limit == 7
    seen = np.ones(3, np.float32)
    np.testing.assert_array_equal(
        again.environment.flatten(seen), problem.environment.flatten(seen)
    )
