"""What a picture of a run's page is, and how a task brings pictures of its own.

A task names a function in the catalogue (:attr:`handful.catalogue.Task.pictures`). The page of a
run of that task asks it, and it answers with a :class:`TaskPictures`: figures, each with its words,
and what the tables of policies and of users shall say besides.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from handful._support.foreign import failure
from handful.catalogue import Task, task_of_run, tasks
from handful.errors import HandfulError
from handful.parameters import find_object
from handful.report.plots.served import TableOrder
from handful.report.run import Run


@dataclass(frozen=True)
class Picture:
    """A figure of a report.

    Attributes:
        name: the name of the figure's file, without a suffix; different from all others on the
            page.
        title: what the figure is, in a few words.
        alt: what the figure shows, for those who cannot see it.
        build: draws the figure. It is called in the house style, when the page is written.
        caption: how to read the figure; it stands under it.
        heading: the heading of a section of its own. Without one the figure stands in the section
            *Who is served by whom*.
        comes_first: whether a section of its own stands above that one, rather than under it.
        is_wide: whether the figure is as wide as the page.
        is_kept_as_png: whether the folder gets a PNG of the figure beside the SVG.
    """

    name: str
    title: str
    alt: str
    build: Callable[[], Figure]
    caption: str = ""
    heading: str = ""
    comes_first: bool = False
    is_wide: bool = False
    is_kept_as_png: bool = False


@dataclass(frozen=True, eq=False)
class TaskPictures:
    """What a task adds to the page of one of its runs.

    Attributes:
        pictures: figures, in the order in which they stand on the page.
        users: a sentence that says what the users want; the page's first paragraph ends with it.
        order: the order of policies and users in the table of returns; by default users stand in
            the order of their policies.
        order_words: the same in words, as the beginning of a sentence.
        policy_columns: other columns of the table of policies, by heading: each is a function of a
            policy's number that returns the text of its cell.
        user_columns: other columns of the tables of users, by heading: each is a function of a
            user's number that returns the text of the cell.
    """

    pictures: Sequence[Picture] = ()
    users: str = ""
    order: TableOrder | None = None
    order_words: str = "Users stand in the order of their policies"
    policy_columns: Mapping[str, Callable[[int], str]] = field(default_factory=dict)
    user_columns: Mapping[str, Callable[[int], str]] = field(default_factory=dict)


def task_pictures(run: Run) -> TaskPictures:
    """Ask the run's task what it adds to the page; nothing if it brings no pictures.

    A problem that was built in Python has no task. It gets the pictures of the first registered
    task that finds in the run what it draws.

    Raises:
        HandfulError: if the function of a task fails, or returns something else.
    """
    task = task_of_run(run.problem["name"])
    for one in tasks() if task is None else (task,):
        found = _asked(one, run) if one.pictures else None
        if found is not None:
            return found
    return TaskPictures()


def _asked(task: Task, run: Run) -> TaskPictures | None:
    try:
        found = find_object(task.pictures)(run)
    except HandfulError:
        raise
    except Exception as error:
        raise failure(f"The pictures of the task '{task.name}' failed", error) from error
    if not isinstance(found, TaskPictures | None):
        raise HandfulError(
            f"'{task.pictures}', which the task '{task.name}' names for its pictures, returned a "
            f"{type(found).__name__}: it must return a TaskPictures, or None."
        )
    return found
