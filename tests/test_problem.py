import json
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import handful
from handful.catalogue import Task
from handful.domains.resource_gathering.environment import ResourceGathering
from handful.errors import HandfulError
from handful.population import Population
from handful.problem import (
    RMDP,
    described_parameters,
    make,
    make_stored,
    register,
    run_parameters,
    tasks,
)
from tests.environments import ContextualBandit, Countdown, problem_of
from tests.speeds import cruise_registered


def test_make_gives_the_papers_task():
    problem = make("resource-gathering")
    assert problem.environment == ResourceGathering(5, 5, start=(4, 2), blocked=(), time_limit=40)
    assert problem.num_users == problem.num_features == 25
    assert problem.name == "resource-gathering"


def test_make_passes_parameters_on_and_remembers_them():
    problem = make("resource-gathering", height=2, width=3)
    assert problem.num_users == 6
    assert problem.parameters == {"height": 2, "width": 3}
    assert make(problem.name, **problem.parameters).environment == problem.environment


@pytest.mark.parametrize(
    "task", ["market", "glucose", "glide", "half-cheetah", "resource-gathering"]
)
def test_a_problem_remembers_what_was_asked_for_and_no_defaults(task):
    """A study that is continued finds its runs by what it asks for."""
    assert handful.make(task).parameters == {}


@pytest.mark.parametrize("task", ["market", "glucose", "glide"])
def test_users_that_are_drawn_are_remembered_by_their_number_and_seed(task):
    asked = {"users": 3, "population_seed": 4}
    assert handful.make(task, **asked).parameters == asked


def test_unknown_task_is_refused_with_the_nearest_name():
    with pytest.raises(HandfulError, match=r"did you mean 'resource-gathering'\?"):
        make("resource-gatherin")


def test_parameters_that_a_task_does_not_take_are_refused():
    with pytest.raises(HandfulError) as error:
        make("resource-gathering", hieght=3)
    assert str(error.value) == (
        "The task 'resource-gathering' has no parameter 'hieght' (did you mean 'height'?); it has: "
        "height, width, start, blocked, time_limit, observe_time, history, draw."
    )


def test_what_only_the_task_itself_can_tell_is_its_sentence():
    with cruise_registered(), pytest.raises(HandfulError, match=r"'cruise' was given.*'robots'"):
        make("cruise", robots=3)


@pytest.fixture
def registry(monkeypatch):
    known = {}
    monkeypatch.setattr("handful.catalogue._TASKS", known)
    return known


def test_registered_task_is_imported_when_made_and_not_before(registry):
    register("elsewhere", "no.such.module:make", "A task of somebody else's.")
    assert tasks() == (Task("elsewhere", "no.such.module:make", "A task of somebody else's."),)
    with pytest.raises(ModuleNotFoundError):
        make("elsewhere")


def test_tasks_are_listed_by_name(registry):
    for name in ("b", "a", "c"):
        register(name, "x:y", "")
    assert [task.name for task in tasks()] == ["a", "b", "c"]


def test_name_can_be_registered_once_only(registry):
    register("mine", "x:y", "")
    with pytest.raises(HandfulError, match="'mine' is registered already"):
        register("mine", "x:z", "")


@pytest.mark.parametrize("discount", [0.0, -0.5, 1.01])
def test_discount_outside_its_range_is_refused(discount):
    with pytest.raises(HandfulError, match="discount must be above 0 and at most 1"):
        RMDP(ContextualBandit(), Population.identity(2), discount=discount)


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_return_scale_must_be_positive(scale):
    with pytest.raises(HandfulError, match="return scale must be positive"):
        RMDP(ContextualBandit(), Population.identity(2), return_scale=scale)


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"discount": "0.9"}, "discount must be a number, not '0.9'"),
        ({"discount": float("nan")}, "discount must be finite, not nan"),
        ({"return_scale": None}, "return_scale must be a number, not None"),
        ({"return_scale": float("inf")}, "return_scale must be finite, not inf"),
    ],
)
def test_numbers_of_a_problem_are_finite_numbers(parts, sentence):
    with pytest.raises(HandfulError, match=f"^{sentence}\\.$"):
        RMDP(ContextualBandit(), Population.identity(2), **parts)


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [(0, "at least 1, not 0"), (-3, "at least 1, not -3"), (2.5, "a whole number, not 2.5")],
)
def test_time_limit_must_be_a_number_of_steps(limit, sentence):
    with pytest.raises(HandfulError, match=f"environment's time_limit must be {sentence}"):
        RMDP(ContextualBandit(time_limit=limit), Population.identity(2))


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize("num_policies", ["2", None, 1.0, True])
def test_budget_is_a_whole_number(num_policies):
    problem = RMDP(ContextualBandit(), Population.identity(2))
    with pytest.raises(HandfulError, match="num_policies must be a whole number, not"):
        problem.check_budget(num_policies)


@pytest.mark.parametrize(
    ("discount", "scale"), [(0.9, 2.0), (0.95, 4.0), (0.999, 10.0), (1.0, 10.0), (None, 2.0)]
)
def test_return_scale_grows_with_what_the_learner_looks_ahead(discount, scale):
    """10 steps earn 2; 20 steps 4; beyond the 50 of an episode there is nothing."""
    posed = problem_of(Countdown(50, truncates=True), np.eye(2), discount=0.9)
    problem = replace(posed, return_scale=2.0)
    learnt = problem.with_discount(discount)
    assert learnt.discount == (discount or 0.9)
    assert learnt.return_scale == pytest.approx(scale)


@pytest.mark.parametrize("num_policies", [0, -1, 3])
def test_budget_beyond_the_users_is_refused(num_policies):
    problem = RMDP(ContextualBandit(), Population.identity(2))
    with pytest.raises(HandfulError, match=r"between 1 and the number of users \(2\)"):
        problem.check_budget(num_policies)


@pytest.mark.parametrize("num_policies", [1, 2])
def test_budget_may_be_one_policy_or_as_many_as_users(num_policies):
    RMDP(ContextualBandit(), Population.identity(2)).check_budget(num_policies)


def test_every_public_name_exists():
    assert all(hasattr(handful, name) for name in handful.__all__)


def test_users_are_drawn_with_the_runs_seed_unless_said_otherwise():
    assert run_parameters("ant", 7, {}) == {"population_seed": 7}
    assert run_parameters("ant", 7, {"tolerance": 0.1}, {"users": 5}) == {
        "tolerance": 0.1,
        "users": 5,
        "population_seed": 7,
    }
    assert run_parameters("ant", 7, {"population_seed": 1}) == {"population_seed": 1}
    assert run_parameters("ant", 7, {}, {"population_seed": 1}) == {"population_seed": 1}
    assert run_parameters("ant", 7, {"targets": (1.0,)}) == {"targets": (1.0,)}


def test_a_path_of_users_is_described_by_what_is_there(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("target\n1.5\n")
    described = described_parameters({"population": str(path), "tolerance": 0.1})
    assert described == {"population": {"target": ["1.5"]}, "tolerance": 0.1}
    assert described_parameters(described) == described


def test_numbers_of_numpy_are_described_as_json_holds_them():
    parameters = {"targets": np.linspace(0.5, 2.0, 4), "users": np.int64(5), "blocked": ((0, 1),)}
    described = described_parameters({**parameters, "file": Path("a.npz"), "start": None})
    assert json.loads(json.dumps(described)) == {
        "targets": [0.5, 1.0, 1.5, 2.0],
        "users": 5,
        "blocked": [[0, 1]],
        "file": "a.npz",
        "start": None,
    }


@pytest.mark.parametrize("value", [len, float("inf"), {"config": {"noise": object()}}])
def test_what_a_run_folder_cannot_hold_is_named(value):
    with pytest.raises(
        HandfulError, match=r"The parameter 'options' is .*config\.json cannot hold"
    ):
        described_parameters({"users": 5, "options": value})


def test_fixed_users_stay_as_they_are():
    assert run_parameters("resource-gathering", 7, {"height": 2}) == {"height": 2}
    sentence = "'resource-gathering' has users of its own.*ant, glide, glucose, gym"
    with pytest.raises(HandfulError, match=sentence):
        run_parameters("resource-gathering", 7, {}, {"users": 5})


@pytest.mark.parametrize(
    ("parameters", "users", "sentence"),
    [
        ({"users": 3}, {"users": 3}, "'users' of the task 'ant' is given twice"),
        ({"users": 3}, {"targets": (1.0,)}, "'users' is for users who are sampled"),
        ({"targets": (1.0,)}, {"population_seed": 3}, "'population_seed' is for users who are"),
    ],
)
def test_users_cannot_be_both_sampled_and_given(parameters, users, sentence):
    with pytest.raises(HandfulError, match=sentence):
        run_parameters("ant", 0, parameters, users)


TABLE = {"target": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("task", "parameters", "sentence"),
    [
        ("glide", {"population": TABLE, "targets": [3.0, 3.5]}, "'population' and 'targets' both"),
        ("glide", {"population": TABLE, "user_ids": ["ann", "bob"]}, "'user_ids' names users who"),
        ("glide", {"targets": [3.0, 3.5], "users": 2}, "'users' is for users who are sampled"),
        (
            "gymnasium:CartPole-v1",
            {"population": {"reward": [1.0]}, "weights": [[1.0]]},
            "'population' and 'weights' both",
        ),
        ("gymnasium:CartPole-v1", {"weights": [[1.0]], "concentration": 0.5}, "'concentration' is"),
        ("market", {"population": {"risk_aversion": [3.0]}, "taste": 0.5}, "'taste' is for users"),
        ("glucose", {"population": TABLE, "population_seed": 1}, "'population_seed' is for users"),
    ],
)
def test_no_task_takes_users_who_are_given_twice(task, parameters, sentence):
    with pytest.raises(HandfulError, match=sentence):
        make(task, **parameters)


def test_a_source_of_users_that_is_none_is_not_given():
    assert make("glide", targets=None, users=2).num_users == 2
    assert make("glide", targets=[3.0, 3.5], user_ids=["ann", "bob"]).num_users == 2
    assert run_parameters("glide", 7, {"targets": None})["population_seed"] == 7


def own_task(users: int = 3, population_seed: int = 0):
    """A task of this module.

    Args:
        users: how many there are.
        population_seed: of their draw.
    """
    weights = np.random.default_rng(population_seed).uniform(size=(users, 2))
    return RMDP(ContextualBandit(), Population(weights))


@pytest.fixture
def own_module(monkeypatch):
    module = ModuleType("own_tasks")
    module.__spec__ = ModuleSpec("own_tasks", None)
    module.make, module.wrong = own_task, lambda users=1, population_seed=0: ContextualBandit()
    monkeypatch.setitem(sys.modules, "own_tasks", module)


@pytest.mark.usefixtures("own_module")
def test_a_function_is_a_task_by_its_place():
    problem = make("own_tasks:make", users=4, population_seed=5)
    assert problem.name == "own_tasks:make"
    assert problem.parameters == {"users": 4, "population_seed": 5}
    again = make(problem.name, **run_parameters("own_tasks:make", 5, {"users": 4}))
    np.testing.assert_array_equal(again.population.coefficients, problem.population.coefficients)
    with pytest.raises(HandfulError, match="has no parameter 'people'"):
        make("own_tasks:make", people=4)


@pytest.mark.usefixtures("own_module")
def test_a_function_that_makes_no_problem_is_no_task():
    with pytest.raises(HandfulError, match=r"'own_tasks:wrong' is no task.*ContextualBandit"):
        make("own_tasks:wrong")
    with pytest.raises(HandfulError, match="'own_tasks:mke' cannot be imported"):
        make("own_tasks:mke")


@pytest.mark.usefixtures("own_module")
def test_a_file_calls_no_function_without_consent():
    with pytest.raises(HandfulError, match=r"function to import and call, 'make'.*--trust"):
        make_stored("own_tasks:make", {}, "The file", trust=False)
    assert make_stored("own_tasks:make", {"users": 2}, "The file", trust=True).num_users == 2


def test_a_name_of_no_module_is_no_function():
    for name in ("gymnasum:CartPole-v1", "glide:fast", "own_tasks:", ":make"):
        with pytest.raises(HandfulError, match="There is no task named"):
            make(name)
