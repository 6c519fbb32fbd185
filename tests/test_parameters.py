"""What tasks take, from signatures and docstrings that are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from handful.catalogue import Task, find_task, tasks
from handful.errors import HandfulError
from handful.parameters import check_parameters, parameters_of, takes_anything

HERE = "tests.test_parameters"


@dataclass(frozen=True)
class Track:
    """A track.

    Attributes:
        length, width: in metres,
            without its ends.
        surface: ``tartan`` or ``grass``; see :func:`~handful.make`.

    Raises:
        HandfulError: never.
    """

    length: int = 400
    width: float = 1.22
    surface: str = "tartan"


def runners(track, steps, *, users: int = 10, targets: Sequence[float] | None = None):
    """Runners.

    Args:
        users: how many.
    """


def make_race(laps: int, **parameters):
    """A race."""


def make_known(env_id: str, *, discount: float = 0.9):
    """A family's."""


OF_EVERY_TASK = [
    (
        "history",
        ["None"],
        "the number L of the latest observations that policies see, as a window.",
    ),
    (
        "draw",
        ["None"],
        "the number M of parts of each policy, of which one is drawn for each episode.",
    ),
]
"""What every task takes besides its own parameters."""

RACE = Task("race", f"{HERE}:make_race", "", takes=(f"{HERE}:Track", f"{HERE}:runners"))
ANY_RACE = Task("race", f"{HERE}:make_race", "")
FAMILY = Task("known", f"{HERE}:make_known", "", argument="ENV-ID")


def test_parameters_are_those_of_the_entry_point_and_of_what_takes_the_rest():
    """What a task fills in itself, before the star, is not for callers."""
    found = parameters_of(RACE)
    assert [(one.name, one.words[1:], one.meaning) for one in found.values()] == [
        ("laps", [], ""),
        ("length", ["400"], "in metres, without its ends."),
        ("width", ["1.22"], "in metres, without its ends."),
        ("surface", ["tartan"], "tartan or grass; see handful.make."),
        ("users", ["10"], "how many."),
        ("targets", ["None"], ""),
        *OF_EVERY_TASK,
    ]
    assert found["laps"].words == ["--param.laps"]
    assert [one.name for one in found.values() if one.is_required] == ["laps"]
    assert not takes_anything(RACE)


def test_an_entry_point_that_hands_on_without_saying_where_takes_anything():
    assert list(parameters_of(ANY_RACE)) == ["laps", "history", "draw"]
    assert takes_anything(ANY_RACE)
    check_parameters("race", ANY_RACE, {"laps": 3, "weather": "wet"})


def test_a_familys_argument_is_no_parameter():
    assert list(parameters_of(FAMILY)) == ["discount", "history", "draw"]
    assert not takes_anything(FAMILY)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"laps": 3, "lenght": 100},
            "The task 'race' has no parameter 'lenght' (did you mean 'length'?); it has: laps, "
            "length, width, surface, users, targets, history, draw.",
        ),
        (
            {"length": 100},
            "The task 'race' needs the parameter 'laps' (on the command line: --param.laps VALUE).",
        ),
        ({"laps": 3, "users": "abc"}, "users must be a whole number, not 'abc'."),
        ({"laps": 3, "targets": 5.0}, "targets must be a list like [0.5, 0.5], not 5.0."),
        ({"laps": "many"}, "laps must be a whole number, not 'many'."),
    ],
)
def test_what_a_task_cannot_be_made_of_is_one_sentence(given, sentence):
    with pytest.raises(HandfulError) as error:
        check_parameters("race", RACE, given)
    assert str(error.value) == sentence


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task.name)
def test_every_task_of_ours_says_what_each_parameter_means(task):
    assert not takes_anything(task)
    for parameter in parameters_of(task).values():
        assert parameter.meaning, parameter.name
        assert "`" not in parameter.meaning, parameter.meaning


def test_tasks_that_sample_their_users_take_what_says_how():
    for task in tasks():
        found = parameters_of(task)
        assert ({"users", "population_seed", "population"} <= set(found)) == task.samples_users


def test_the_robots_take_users_and_a_backend():
    assert list(parameters_of(find_task("hopper"))) == [
        *["users", "population_seed", "targets", "user_ids", "population", "tolerance", "backend"],
        *["history", "draw"],
    ]


def own_history(*, history: int = 3):
    """A task with a parameter of that name.

    Args:
        history: the years that it looks back.
    """


def test_a_parameter_of_the_tasks_own_comes_before_that_of_every_task():
    found = parameters_of(Task("past", f"{HERE}:own_history", ""))
    assert [(one.name, one.wraps, one.default) for one in found.values()] == [
        ("history", False, 3),
        ("draw", True, None),
    ]
