"""``handful tasks``: all of them at once, and what one of them takes."""

import json
import subprocess
import sys

from handful.catalogue import TASKS, register
from tests.speeds import cruise_registered

WITHOUT_EXTRAS = """
import sys
missing = ("envpool", "gymnasium", "highway_env", "icu_sepsis", "mo_gymnasium", "mujoco", "polars")
sys.modules.update(dict.fromkeys(missing))
from handful.cli.main import main
main(["tasks"])
assert "jax" not in sys.modules, "listing the tasks waited for JAX"
main(["tasks", "--json"])
"""


def test_the_list_is_quick_and_complete_where_only_the_core_is_installed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == sorted(task.title for task in TASKS)
    assert "'handful tasks NAME' lists the parameters of a task" in done.stderr
    described = {task["name"]: task for task in json.loads(last)}
    assert described.keys() == {task.title for task in TASKS}
    assert all(task["parameters"] for task in described.values())
    own, history, draw = described["tabular"]["parameters"]
    assert own == {
        "name": "file",
        "meaning": "its path; its arrays have the names of tabular_problem's arguments.",
    }
    assert (history["name"], history["default"]) == ("history", None)
    assert (draw["name"], draw["default"]) == ("draw", None)
    assert described["glucose"]["parameters"][1] == {
        "name": "population_seed",
        "meaning": "the seed of the draw of the users.",
        "default": 0,
    }


def test_a_tasks_parameters_are_listed_with_their_defaults_and_meanings(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, output, errors = call("tasks", "resource-gathering")
    assert (code, errors) == (0, "")
    title, head, *lines = output.splitlines()
    assert title.startswith("resource-gathering: Tours of a grid")
    assert head == "Parameters and their defaults:"
    assert lines[0] == "  --param.height 5       the size of the grid in tiles."
    assert lines[3] == "  --param.blocked        tiles that cannot be entered."
    names = [line.split()[0].removeprefix("--param.") for line in lines]
    assert names[:6] == ["height", "width", "start", "blocked", "time-limit", "observe-time"]
    assert lines[6] == "What every task takes:"
    assert names[7:] == ["history", "draw"]


def test_meanings_are_wrapped_below_themselves(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "62")
    lines = call("tasks", "resource-gathering")[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  --param.start"))
    assert lines[start + 1].startswith(" " * 25)
    assert not lines[start + 1][25].isspace()
    assert all(len(line) <= 62 for line in lines[2:])


def test_a_family_needs_no_argument_to_tell_what_it_takes(call):
    family = call("tasks", "gymnasium")[1]
    lines = [line.split() for line in family.splitlines()]
    options = [
        "--param.options",
        "None",
        *["the", "keyword", "arguments", "of", "the", "environment."],
    ]
    assert options in lines
    assert call("tasks", "gymnasium:CartPole-v1")[1] == family


def test_what_cannot_be_left_out_is_said(call):
    assert "\n  --param.file  (required) its path; " in call("tasks", "tabular")[1]


def test_a_task_that_looks_at_its_parameters_itself_says_so(call):
    with cruise_registered():
        output = call("tasks", "cruise")[1]
    assert "\n  others, which the task itself looks at\nWhat every task takes:\n" in output


def test_a_task_that_cannot_be_imported_is_one_sentence_and_null_in_the_list(call, monkeypatch):
    monkeypatch.setattr("handful.catalogue._TASKS", {})
    register("elsewhere", "no.such.module:make", "A task of somebody else's.")
    assert call("tasks", "elsewhere") == (
        2,
        "",
        "handful: What the task 'elsewhere' takes cannot be told: it cannot be imported (No module "
        "named 'no').\n",
    )
    assert json.loads(call("tasks", "--json")[1]) == [
        {
            "name": "elsewhere",
            "description": "A task of somebody else's.",
            "parameters": None,
        }
    ]
