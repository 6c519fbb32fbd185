"""A stranger's run folder or study chooses no code to run."""

import subprocess
import sys
from pathlib import Path

import pytest

import handful
from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.training.records.run_reader import open_run
from handful.training.records.run_writer import describe_run
from handful.training.run import Run
from tests.environments import push_problem
from tests.training.helpers import config_of
from tests.training.test_evidence import edit

ENVIRONMENT = """
from pathlib import Path
import gymnasium
Path("{mark}").touch()
class Env(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))
    action_space = gymnasium.spaces.Discrete(2)
"""

STRANGERS = [
    ("gymnasium:subprocess:getoutput", {"options": {"cmd": "touch MARK"}}, "names a module"),
    ("gymnasium:evil:Env", {"time_limit": 5}, "names a module to import"),
    ("gymnasium:CartPole-v1", {"registry": "evil"}, "'registry' names a module"),
    ("gymnasium:CartPole-v1", {"features": "evil:Env"}, "'features' names a function"),
    ("gymnasium:CartPole-v1", {"options": {"a": [{"b": "evil.Env"}]}}, "'options' holds text"),
    ("gymnasium:GymV26Environment-v0", {}, "none of those that Gymnasium brings"),
    ("mo-gymnasium:mo-highway-v0", {"options": {"config": {"x": "evil.Env"}}}, "holds text"),
]


@pytest.mark.parametrize(("name", "parameters", "why"), STRANGERS)
def test_a_strangers_folder_runs_nothing(tmp_path, monkeypatch, name, parameters, why):
    """It names its code in config.json, and has it in and beside itself."""
    pytest.importorskip("mo_gymnasium")
    run, mark = tmp_path / "run", tmp_path / "MARK"
    RunFolder(run).create(describe_run(Run(push_problem((0.5, -0.5)), config_of(1))))
    for place in (run, tmp_path):
        (place / "evil.py").write_text(ENVIRONMENT.format(mark=mark))
    monkeypatch.chdir(run)
    edit(run / "config.json", lambda c: c["problem"].update(name=name, parameters=parameters))
    with pytest.raises(HandfulError, match=f"{why}.*--trust"):
        handful.resume(run)
    program = "import sys; from handful.cli.main import main; sys.path.pop(0); main(sys.argv[1:])"
    command = [sys.executable, "-c", program, "resume", "."]
    done = subprocess.run(command, cwd=run, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not mark.exists()


def test_what_gymnasium_brings_is_opened_without_more_ado():
    from handful.envs.gym.trust import why_consent, why_consent_of_many_rewards

    assert why_consent("CartPole-v1", {"options": {"sutton_barto_reward": True}}) is None
    assert why_consent("CartPole-v1", {"features": ["reward"], "time_limit": 5}) is None
    pytest.importorskip("mo_gymnasium")
    assert why_consent_of_many_rewards("deep-sea-treasure-v0", {}) is None


def test_a_study_of_a_stranger_is_reported_without_running_its_code(tmp_path, monkeypatch):
    from handful.sweep.study_file import read_study

    pytest.importorskip("yaml")
    monkeypatch.chdir(tmp_path)
    Path("evil.py").write_text(ENVIRONMENT.format(mark=tmp_path / "MARK"))
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("study.yaml").write_text(
        "tasks: ['gymnasium:evil:Env']\nmethods: [em]\npolicies: [1]\nseeds: [0]\nsteps: 1000\n"
        "out: runs\nresults: results\n"
    )
    with pytest.raises(HandfulError, match=r"names a module to import.*--trust"):
        read_study(Path("study.yaml")).runs(trust=False)
    assert not Path("MARK").exists()


METHOD = """
from pathlib import Path
from handful.methods import RandomAssignment
Path("{mark}").touch()
class Mine(RandomAssignment):
    pass
"""


@pytest.fixture
def evil_method(tmp_path, monkeypatch):
    """A module with a method, which leaves a mark when it is imported: the mark."""
    monkeypatch.delitem(sys.modules, "evil_method", raising=False)
    mark = tmp_path / "MARK"
    (tmp_path / "evil_method.py").write_text(METHOD.format(mark=mark))
    monkeypatch.syspath_prepend(str(tmp_path))
    return mark


def test_a_strangers_folder_imports_no_method_without_trust(tmp_path, evil_method):
    run = RunFolder(tmp_path / "run")
    run.create(describe_run(Run(push_problem((0.5, -0.5)), config_of(1))))
    method = {"method": "evil_method:Mine", "method_settings": {}}
    edit(run.config, lambda c: c["settings"].update(method))
    problem = push_problem((0.5, -0.5))
    with pytest.raises(HandfulError, match=r"'evil_method:Mine', and that names a module.*--trust"):
        open_run(run.path, problem)
    assert not evil_method.exists()
    _, opened = open_run(run.path, problem, trust=True)
    assert type(opened.method).__name__ == "Mine"
    assert evil_method.exists()


def test_a_method_of_another_program_cannot_be_imported_from_anywhere(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.create(describe_run(Run(push_problem((0.5, -0.5)), config_of(1))))
    edit(run.config, lambda c: c["settings"].update(method="__main__:Mine"))
    with pytest.raises(
        HandfulError, match=r"open it in that program, after handful\.register_meth"
    ):
        open_run(run.path, push_problem((0.5, -0.5)), trust=True)


def test_a_study_of_a_stranger_is_reported_without_importing_its_method(
    tmp_path, monkeypatch, evil_method
):
    from handful.sweep.study_file import read_study

    pytest.importorskip("yaml")
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(
        "tasks: [resource-gathering]\nmethods: ['evil_method:Mine']\npolicies: [1]\nseeds: [0]\n"
        "steps: 3000\nout: runs\nresults: results\n"
    )
    study = read_study(Path("study.yaml"))
    with pytest.raises(HandfulError, match=r"study 'study.yaml': It uses .*--trust"):
        study.runs(trust=False)
    assert not evil_method.exists()
    (request,) = study.runs()
    assert request.config.method == "evil_method:Mine"
    assert evil_method.exists()
