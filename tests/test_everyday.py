"""What somebody sees who uses the library at a prompt: short objects, and sentences for slips."""

from dataclasses import replace
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest

import handful
from handful._support.controls import has_controls
from handful.learner import LEARNERS
from handful.methods import METHODS
from handful.training.config import PRESETS
from handful.training.watching.callbacks import Callback, with_progress
from handful.types import LearnerName, MethodName, PresetName

TINY = {"batch_size": 64, "num_envs": 8, "minibatch_size": 32, "num_epochs": 1}
NAMES = ("ann-private", "bob-private", "cem-private")


@pytest.fixture(scope="module")
def problem():
    made = handful.make("glide", targets=(0.25, 0.5, 1.125), user_ids=NAMES)
    return replace(made, name="mine")


@pytest.fixture(scope="module")
def result(problem):
    fixed = {"policy": (0, 1, 0)}
    return handful.train(
        problem, 2, "fixed", steps=64, settings=TINY, method_settings=fixed, progress=False
    )


def test_objects_are_short_and_tell_nothing_of_single_users(problem, result):
    objects = [
        problem,
        problem.population,
        result,
        result.config,
        result.policies,
        result.evaluation,
        result.evaluation.deterministic,
        handful.optimum(handful.make("resource-gathering", height=2, width=2), 2),
    ]
    for one in objects:
        shown = repr(one)
        assert shown.startswith(f"{type(one).__name__}(")
        assert len(shown) < 400
        assert not has_controls(shown)
        for private in (*NAMES, "0.25", "1.125", "array", "(0, 1, 0)"):
            assert private not in shown
    assert repr(problem.population) == "Population(3 users, 3 features)"
    assert "RMDP('mine', " in repr(problem)
    assert repr(result.config) == "TrainConfig(2 policies, method 'fixed', 64 steps, seed 0)"
    assert repr(result.policies).startswith("Policies(2 policies, observations [")
    welfare = f"welfare {result.evaluation.welfare:.2f} ± "
    assert welfare in repr(result)
    assert "not kept" in repr(result)


def test_features_with_names_are_named():
    population = handful.Population(np.eye(2), feature_names=("time", "fuel"))
    assert repr(population) == "Population(2 users, 2 features: time, fuel)"


class Courier:
    """An environment with the Gymnasium API, as far as a look at it tells."""

    def reset(self, seed=None, options=None): ...

    def step(self, action): ...


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize("call", [handful.train, handful.optimum])
@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (Courier(), r"class Courier: .* handful.from_gymnasium\(environment, users\)"),
        ("glide", r"class str: .* handful.make\('glide'\)"),
        (handful.Population(np.eye(2)), r"class Population: add their environment"),
        (None, "class NoneType: make one with handful.make"),
        (Courier, "was given the class Courier: of an environment"),
    ],
)
def test_something_else_for_a_problem(call, value, sentence):
    with pytest.raises(handful.HandfulError, match=sentence):
        call(value, 3)


@pytest.mark.usefixtures("as_users_call")
def test_an_environment_alone_is_told_what_it_lacks(problem):
    with pytest.raises(handful.HandfulError, match=r"add its users: handful.RMDP\(environment"):
        handful.train(problem.environment, 3)
    with pytest.raises(handful.HandfulError, match=r"RMDP takes an environment .* class Courier"):
        handful.RMDP(Courier(), problem.population)
    with pytest.raises(handful.HandfulError, match="RMDP takes a Population, not an object"):
        handful.RMDP(problem.environment, np.eye(2))
    with pytest.raises(handful.HandfulError, match="resume takes a problem, which"):
        handful.resume("nowhere", Courier())


@pytest.mark.usefixtures("as_users_call")
def test_something_else_for_policies(problem, result):
    class Agent:
        def act(self, observation, policy=0): ...

    with pytest.raises(handful.HandfulError, match="not an object of the class Agent: give those"):
        handful.evaluate(problem, Agent())
    with pytest.raises(handful.HandfulError, match=r"class TrainResult: .*: result\.policies"):
        handful.evaluate(problem, result)


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("callbacks", "sentence"),
    [
        (handful.ProgressBar(), r"must be a list: write callbacks=\[ProgressBar\(...\)\]"),
        ([handful.ProgressBar], r"holds the class ProgressBar: .* \[ProgressBar\(\)\]"),
        ([print], "must be objects of classes made from handful.Callback"),
        (print, "must be a list of callbacks"),
        ("bar", "must be a list of callbacks"),
        (None, "must be a list of callbacks, not None"),
    ],
)
def test_callbacks_that_are_none(problem, callbacks, sentence):
    with pytest.raises(handful.HandfulError, match=sentence):
        handful.train(problem, 2, callbacks=callbacks)


def bars(callbacks):
    return [one for one in callbacks if isinstance(one, handful.ProgressBar)]


def test_progress_is_shown_once():
    own, other = handful.ProgressBar(), Callback()
    for progress, given, shown in [
        (None, [], 1),
        (None, [other], 1),
        (None, [own, other], 1),
        (True, [own], 1),
        (True, [], 1),
        (False, [], 0),
        (False, [own], 1),
    ]:
        callbacks = with_progress(given, progress)
        assert len(bars(callbacks)) == shown
        assert callbacks[: len(given)] == given


def test_progress_can_be_switched_off(problem, capsys):
    handful.train(problem, 2, steps=128, settings=TINY, progress=False)
    assert capsys.readouterr().err == ""


def test_names_are_typed():
    # A class that is named by its place, as module:Class, is known too once a run has used it.
    methods, learners = ({n for n in names if ":" not in n} for names in (METHODS, LEARNERS))
    assert set(get_args(MethodName)) == {"auto", *methods}
    assert set(get_args(PresetName)) == set(PRESETS)
    assert set(get_args(LearnerName)) == learners
    hints = get_type_hints(handful.train)
    for name in ("method", "learner", "preset"):
        assert any(get_origin(option) is Literal for option in get_args(hints[name]))


def test_dir_holds_what_is_exported():
    assert set(dir(handful)) == {*handful.__all__, "__version__"}
    assert all(getattr(handful, name) is not None for name in dir(handful))
