"""The tasks that have a name: those that come with handful, and those that callers register.

This module holds names only. It imports no environment, so that listing the tasks is fast.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from handful._support.checks import did_you_mean
from handful.errors import HandfulError


@dataclass(frozen=True)
class Task:
    """A problem with a name.

    Attributes:
        name: the name by which the task is asked for.
        entry_point: ``"package.module:function"``; the function takes the task's parameters and
            returns an :class:`~handful.problem.RMDP`. It is imported only when the task is made.
        description: one line for ``handful tasks``.
        samples_users: whether the task draws its users by chance. Such a task takes the parameters
            ``users`` (the number of users) and ``population_seed``, or instead of them
            ``population``, a table of users (:mod:`handful.users`). Other tasks have users of their
            own.
        sampling: the names of further parameters that say how the users are drawn. They are refused
            if the users are given, because they would mean nothing then.
        given: the names of further parameters that say who the users are, instead of
            ``population``.
        argument: the word for what follows the name of a family of tasks and a colon
            (``gymnasium:ENV-ID``); the entry point gets it as its first argument. It is empty for a
            single task.
        takes: the functions or classes, as ``"package.module:name"``, to which the entry point
            passes parameters that it does not name itself. The task takes all their named
            parameters, or, if their signature has a ``*``, only those that follow it (the task
            fills in the others). They are imported only when the parameters of the task are asked
            for (:mod:`handful.parameters`).
        consent: ``"package.module:function"`` for a task that may import or call what its argument
            or its parameters name. The function takes the argument and the parameters. It returns
            the reason why making the task from these needs the user's consent, or None if it does
            not. Files that may come from a stranger (run folders, studies) are checked with it.
        pictures: ``"package.module:function"``; the function takes a run as reports read it
            (:class:`~handful.report.run.Run`) and returns the
            :class:`~handful.report.pictures.TaskPictures` that the task adds to the run's page, or
            None if the run does not have the data for them. It is imported when a report is
            written.
        study_pictures: ``"package.module:function"`` for the page of a study. The function takes
            the runs of the study (:class:`~handful.report.study.collection.Collection`) and the
            names of those of its tasks that this function is for, and returns figures
            (:class:`~handful.report.study.figure.StudyFigure`).
        film: ``"package.module:function"`` for ``handful render``. The function takes what is to be
            filmed (:class:`~handful.render.run.Shot`) and returns the film of one policy
            (:class:`~handful.render.run.Film`).
        kept: ``"package.module:NAME"`` of a :class:`~handful.results.tables.KeptTable`, which says
            what a sweep keeps of each run of the task besides what it keeps of all runs.
    """

    name: str
    entry_point: str
    description: str
    samples_users: bool = False
    sampling: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    argument: str = ""
    takes: tuple[str, ...] = ()
    consent: str = ""
    pictures: str = ""
    study_pictures: str = ""
    film: str = ""
    kept: str = ""

    @property
    def title(self) -> str:
        """The form in which the task is asked for."""
        return f"{self.name}:{self.argument}" if self.argument else self.name

    @property
    def draws_by(self) -> tuple[str, ...]:
        """The names of all parameters that say how users are drawn."""
        return ("users", "population_seed", *self.sampling)

    @property
    def users_from(self) -> tuple[str, ...]:
        """The names of all parameters that say who the users are, so that none are drawn."""
        return ("population", *self.given)


def _of_speeds(name: str, entry_point: str, description: str, *takes: str, film: str = "") -> Task:
    """Return a task whose users each want a velocity."""
    room = "handful.domains.speeds"
    return Task(
        name,
        f"{room}.{entry_point}",
        description,
        samples_users=True,
        given=("targets",),
        takes=(f"{room}.targets:users_with_speeds", *takes),
        pictures=f"{room}.pictures:run_pictures",
        study_pictures=f"{room}.pictures:study_pictures",
        film=film,
    )


def _robot(name: str, description: str) -> Task:
    """Return a task with a robot in MuJoCo, which can be filmed."""
    return _of_speeds(
        name,
        f"tasks:make_{name.replace('-', '_')}",
        description,
        "handful.domains.speeds.tasks:robot_task",
        film="handful.domains.speeds.film:shoot",
    )


WRAPPERS = {
    "history": "handful.envs.history:with_history",
    "draw": "handful.envs.drawn:with_draw",
}
"""The parameters that every task takes besides its own, unless it has one of the same name. Each is
the second argument of a function that takes the task's problem first and changes what policies see
of it. If several are given, the problem goes through the functions in this order."""

_GRID = "handful.domains.resource_gathering"
_ANY = ("handful.envs.gym.problem:any_task",)

TASKS = (
    Task(
        "resource-gathering",
        f"{_GRID}.task:make_resource_gathering",
        "Tours of a grid; each user wants one tile visited, early (25 users; Ivanov & Ben-Porat "
        "2024).",
        takes=(f"{_GRID}.environment:ResourceGathering",),
        pictures=f"{_GRID}.pictures:run_pictures",
        study_pictures=f"{_GRID}.pictures:study_pictures",
        kept=f"{_GRID}.walks:WALKS",
    ),
    _of_speeds(
        "glide",
        "glide:make_glide",
        "A body on a line, trained in seconds; each user wants it to glide at 0 to 4 m/s.",
    ),
    Task(
        "market",
        "handful.domains.market.task:make_market",
        "Funds for investors, in a market with two regimes; risk aversions from 1 to 10.",
        samples_users=True,
        sampling=("taste",),
    ),
    Task(
        "glucose",
        "handful.domains.glucose.task:make_glucose",
        "An artificial pancreas; each user wants a glucose target of their own and fears lows.",
        samples_users=True,
    ),
    _robot(
        "half-cheetah",
        "HalfCheetah in MuJoCo; each user wants it to run at a speed from 0 to 4 m/s.",
    ),
    _robot("ant", "Ant in MuJoCo; each user wants it to walk at a speed from 0 to 3 m/s."),
    _robot("hopper", "Hopper in MuJoCo; each user wants it to hop at a speed from 0 to 2.5 m/s."),
    _robot(
        "walker2d", "Walker2d in MuJoCo; each user wants it to walk at a speed from 0 to 2.5 m/s."
    ),
    Task(
        "tabular",
        "handful.domains.tabular.problem:make_tabular",
        "A problem of your own given as arrays: --param.file ARRAYS.npz (docs/tabular.md).",
    ),
    Task(
        "icu-sepsis",
        "handful.domains.icu_sepsis:make_icu_sepsis",
        "Treating sepsis; users weigh a patient's survival against the burden of treatment.",
        samples_users=True,
        takes=("handful.domains.icu_sepsis:icu_sepsis_task",),
    ),
    Task(
        "gymnasium",
        "handful.envs.gym.problem:make_gymnasium",
        "Any Gymnasium environment; users weigh its reward features, at random unless given.",
        samples_users=True,
        sampling=("concentration",),
        given=("weights",),
        argument="ENV-ID",
        takes=_ANY,
        consent="handful.envs.gym.trust:why_consent",
    ),
    Task(
        "mo-gymnasium",
        "handful.envs.gym.problem:make_mo_gymnasium",
        "Any MO-Gymnasium environment; users weigh its rewards, at random unless given.",
        samples_users=True,
        sampling=("concentration",),
        given=("weights",),
        argument="ENV-ID",
        takes=_ANY,
        consent="handful.envs.gym.trust:why_consent_of_many_rewards",
    ),
    Task(
        "highway",
        "handful.domains.highway:make_highway",
        "A car among slower ones (highway-env); users weigh speed, the right lane and crashes.",
        samples_users=True,
        given=("weights",),
        takes=("handful.domains.highway:highway_task",),
    ),
)
"""The tasks that come with handful. Their order means nothing: they are listed by name."""

_TASKS = {task.name: task for task in TASKS}


def register(
    name: str,
    entry_point: str,
    description: str,
    samples_users: bool = False,
    argument: str = "",
    takes: Sequence[str] = (),
    consent: str = "",
    *,
    sampling: Sequence[str] = (),
    given: Sequence[str] = (),
    pictures: str = "",
    study_pictures: str = "",
    film: str = "",
    kept: str = "",
) -> None:
    """Give a problem a name, for :func:`handful.make` and the command line.

    The parameters are the fields of :class:`Task`, which says what each of them means.

    Raises:
        HandfulError: if the name is taken.
    """
    if name in _TASKS:
        raise HandfulError(f"A task named '{name}' is registered already: choose another name.")
    _TASKS[name] = Task(
        name,
        entry_point,
        description,
        samples_users,
        tuple(sampling),
        tuple(given),
        argument,
        tuple(takes),
        consent,
        pictures,
        study_pictures,
        film,
        kept,
    )


def tasks() -> tuple[Task, ...]:
    """List all registered tasks.

    Returns:
        the tasks, sorted by name.
    """
    return tuple(_TASKS[name] for name in sorted(_TASKS))


def find_task(name: str) -> Task:
    """Find the task that is asked for by this name, a family's argument included.

    A function of the caller's own that makes a problem is a task by its place alone,
    ``module:function``, without being registered: nothing is imported here. It takes the parameters
    ``users`` and ``population_seed``, as all tasks do that draw their users.

    Raises:
        HandfulError: if there is none, or the argument is missing.
    """
    family, colon, argument = name.partition(":")
    task = _TASKS.get(family)
    if task is None and argument and _is_installed(family):
        return Task(
            name,
            name,
            "A function of the caller's own that makes a problem.",
            samples_users=True,
            consent=f"{__name__}:why_consent_of_function",
        )
    if task is None or (colon and not task.argument):
        names = {known.title for known in tasks()}
        raise HandfulError(
            f"There is no task named '{name}'{did_you_mean(name, names)}: "
            f"the tasks are {', '.join(sorted(names))}."
        )
    if task.argument and not argument:
        raise HandfulError(f"The task '{family}' is asked for as {task.title}.")
    return task


def _is_installed(module: str) -> bool:
    """Return whether the package of a module can be found; it is not imported."""
    try:
        return find_spec(module.partition(".")[0]) is not None
    except ValueError:  # no name of a module, or the running program
        return False


def why_consent_of_function(function: str, parameters: Mapping[str, Any]) -> str:
    """Return why making a task by the place of a function needs the user's consent.

    Args:
        function: the name of the function in its module.
        parameters: the parameters of the task, which do not matter here.
    """
    del parameters
    return f"its name is the place of a function to import and call, '{function}'"


def task_of_run(name: str) -> Task | None:
    """Find the task that a stored name stands for; None if no task has that name here.

    Args:
        name: a problem's name in a run folder or a table of results. Its task may not be registered
            in this program, or the problem may have been built in Python.
    """
    return _TASKS.get(name.partition(":")[0])
