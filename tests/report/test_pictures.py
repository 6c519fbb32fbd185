"""Pictures that tasks bring, also those of another package, and what goes wrong with them."""

import pytest
from matplotlib.figure import Figure

from handful.catalogue import _TASKS, register
from handful.errors import HandfulError
from handful.report.page import write_report
from handful.report.pictures import Picture, TaskPictures, task_pictures
from handful.report.run import read_run
from handful.report.study.figure import StudyFigure
from handful.report.study.figures import study_figures
from handful.report.study.reading import read_collection
from tests.report.folders import write_grid_run, write_run
from tests.report.study.results import run_row, write_results

HERE = "tests.report.test_pictures"


@pytest.fixture(autouse=True)
def _catalogue_of_its_own(monkeypatch):
    monkeypatch.setattr("handful.catalogue._TASKS", dict(_TASKS))


def named(name, **picture):
    return Picture(name, f"The {name}", f"Shows the {name}.", Figure, **picture)


def all_kinds(run):
    """A section above, a picture beside the table of returns, and two in a section below."""
    del run
    return TaskPictures(
        [
            named("above", heading="On the map", comes_first=True, caption="A <map>."),
            named("beside", is_kept_as_png=True),
            named("first", heading="What they do"),
            named("second", heading="What they do"),
        ],
        users="Everybody wants something.",
        policy_columns={"squared": lambda policy: str(policy**2)},
        user_columns={"letter": lambda user: "pq"[user]},
    )


def fails(run):
    raise ZeroDivisionError(run.name)


def gives_none(run):
    del run


def gives_text(run):
    return run.name


def clashes(run):
    del run
    return TaskPictures([named("returns")])


def run_of(path, pictures, name="mine"):
    register("mine", "x:y", "", pictures=f"{HERE}:{pictures}")
    return write_run(path / "run", users=["a", "b"], num_policies=2, name=name)


def test_pictures_stand_where_they_ask_to(tmp_path):
    folder = run_of(tmp_path, "all_kinds")
    page = write_report(folder).read_text(encoding="utf-8")
    places = [
        page.index(text)
        for text in (
            "Everybody wants something.",
            '<h2 id="above">On the map</h2>',
            "A &lt;map&gt;.",
            '<h2 id="served">Who is served by whom</h2>',
            'alt="Shows the beside."',
            '<th scope="col">squared</th>',
            '<h2 id="first">What they do</h2>',
            'alt="Shows the second."',
            '<th scope="col">letter</th>',
        )
    ]
    assert places == sorted(places)
    assert page.count("What they do") == 1
    plots = {path.name for path in (folder / "plots").iterdir()}
    assert {"above.svg", "beside.svg", "beside.png", "first.svg", "second.svg"} <= plots
    assert "above.png" not in plots


@pytest.mark.parametrize(
    ("pictures", "sentence"),
    [
        ("fails", "The pictures of the task 'mine' failed with ZeroDivisionError: run"),
        ("gives_text", "returned a str: it must return a TaskPictures, or None"),
        ("clashes", "Two pictures of the page are named 'returns'"),
    ],
)
def test_what_is_wrong_with_pictures_is_one_sentence(tmp_path, pictures, sentence):
    with pytest.raises(HandfulError, match=sentence):
        write_report(run_of(tmp_path, pictures))


def test_a_run_that_a_task_draws_nothing_of_has_the_usual_page(tmp_path):
    run = read_run(run_of(tmp_path, "gives_none"))
    nothing = task_pictures(run)
    assert (nothing.pictures, nothing.users, nothing.order) == ((), "", None)
    assert not nothing.policy_columns
    assert not nothing.user_columns
    assert "Who is served by whom" in write_report(tmp_path / "run").read_text(encoding="utf-8")


def test_a_problem_from_python_has_the_pictures_of_the_task_that_knows_it(tmp_path):
    grid = read_run(write_grid_run(tmp_path / "grid", name="custom"))
    assert [picture.name for picture in task_pictures(grid).pictures] == ["walks", "served"]
    plain = read_run(write_run(tmp_path / "plain", users=["a", "b"], num_policies=1))
    assert task_pictures(plain).pictures == ()


def one_figure(collection, tasks):
    """Names its tasks and how many runs there are of them."""
    runs = [len(cell.seeds) for task in tasks for cell in collection.of(task)]
    return [StudyFigure("mine", "Mine", "", "", [list(tasks), runs], Figure)]


def no_figure(collection, tasks):
    raise KeyError(tasks[0])


def study_of(path):
    rows = [run_row(task, "em", 3, seed, 5.0) for task in ("this", "that") for seed in (0, 1)]
    write_results(path / "one", [*rows, run_row("other", "em", 3, 0, 5.0)])
    return read_collection(path)


def test_tasks_that_name_one_function_are_drawn_together(tmp_path):
    for name in ("this", "that"):
        register(name, "x:y", "", study_pictures=f"{HERE}:one_figure")
    figures = {figure.name: figure for figure in study_figures(study_of(tmp_path))[0]}
    assert sorted(figures["mine"].data[0]) == ["that", "this"]
    assert figures["mine"].data[1] == [2, 2]


def test_a_study_whose_pictures_fail_is_one_sentence(tmp_path):
    register("this", "x:y", "", study_pictures=f"{HERE}:no_figure")
    with pytest.raises(HandfulError, match="draws the studies of this, failed with KeyError"):
        study_figures(study_of(tmp_path))
