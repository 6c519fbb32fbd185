"""Bad input: one clear sentence, exit code 2, no traceback, nothing left behind."""

import errno
import json
import shutil
from pathlib import Path

import pytest
from jax.errors import JaxRuntimeError

from handful.cli.main import main
from handful.run_folder import RunFolder
from tests.programs import handful

TRAIN = ["train", "resource-gathering", "--policies", "2", "--out", "run"]
TINY = ["--set", "batch_size=64", "--set", "num_envs=8", "--set", "minibatch_size=32"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "resource-gatherin", *TRAIN[2:]], "did you mean 'resource-gathering'?"),
        ([*TRAIN, "--method", "emm"], "did you mean 'em'?"),
        ([*TRAIN, "--method", "emm"], "also takes 'auto'"),
        ([*TRAIN, "--policies", "0"], "between 1 and the number of users (25), not 0"),
        ([*TRAIN, "--policies", "26"], "between 1 and the number of users (25), not 26"),
        ([*TRAIN, "--steps", "-5"], "at least one batch (2048), not -5"),
        ([*TRAIN, "--seed", "-1"], "The seed must be between 0 and"),
        ([*TRAIN, "--preset", "slow"], "no preset named 'slow'"),
        ([*TRAIN, "--set", "learning_rat=1"], "no setting named 'learning_rat'"),
        ([*TRAIN, "--set", "learning_rate=-1.0"], "learning_rate must be positive, not -1.0"),
        ([*TRAIN, "--set", "learning_rate"], "--set takes NAME=VALUE"),
        ([*TRAIN, "--set", "minibatch_size=100"], "must be a multiple of minibatch_size"),
        ([*TRAIN, "--method-set", "warm=3"], "has no setting 'warm'"),
        ([*TRAIN, "--run-set", "mixing=3"], "has no setting 'mixing'"),
        ([*TRAIN, "--run-set", "return_mixing=3.0"], "return_mixing must be above 0"),
        ([*TRAIN, "--method", "em", "--method-set", "warm_up=-3"], "warm_up must be 0 or more"),
        ([*TRAIN, "--param", "height=0"], "at least one tile"),
        ([*TRAIN, "--param", f"height={10**30}"], "height must be between -9,007,199,254,740,992"),
        ([*TRAIN, "--param", "height=10000000000"], "number of tiles must be from 1 to 10,000"),
        ([*TRAIN, "--param", f"height={'9' * 400}"], "not 99999999999"),
        ([*TRAIN, "--param", f"height={'9' * 5000}"], "height is a number of too many digits"),
        ([*TRAIN, "--param", f"start=[{10**30}, 1]"], "start must be between -9,007"),
        ([*TRAIN, "--param", "start=" + "[" * 50 + "]" * 50], "nested more than 32 deep"),
        ([*TRAIN, "--param", "start=" + "[" * 100_000 + "]" * 100_000], "nested too deeply"),
        ([*TRAIN, "--param", 'start={"a": 1, "a": 2}'], "start gives 'a' twice"),
        ([*TRAIN, "--param", r'start="\u0000"'], "the character NUL"),
        ([*TRAIN, "--set", f"hidden_sizes=[{10**30}]"], "hidden_sizes must be at most 100 layers"),
        ([*TRAIN, "--set", "hidden_sizes=[100000, 100000]"], "268,435,456 weights"),
        ([*TRAIN, "--set", f"hidden_sizes={[1] * 101}"], "at most 100 layers"),
        ([*TRAIN, "--set", f"batch_size={2**40}"], "batch_size must be from 1 to 134,217,728"),
        ([*TRAIN, "--set", "learning_rate=1e300"], "learning_rate must be at most 3.4e+38"),
        ([*TRAIN, "--set", "learning_rate=1e400"], "learning_rate must be finite"),
        ([*TRAIN, "--steps", "9" * 400], "steps must be between"),
        (
            [*TRAIN, "--steps", str(2**50)],
            "The number of updates (steps / batch_size) must be from",
        ),
        ([*TRAIN, "--seed", "9" * 400], "(400 letters)"),
        ([*TRAIN, "--policies", "9" * 400], "num_policies must be between"),
        (["optimum", "market", "--policies", "1", "--users", "9" * 400], "users must be between"),
        (["optimum", "market", "--policies", "1", "--users", str(10**9)], "from 1 to 10,000,000"),
        (
            [*TRAIN, "--param", "hieght=3"],
            "no parameter 'hieght' (did you mean 'height'?); it has:",
        ),
        ([*TRAIN, "--param", "start=5"], "start must be a list like [1, 1], not 5."),
        (["optimum", "market", "--policies", "1", "--param", "users=abc"], "a whole number, not"),
        (
            ["optimum", "market", "--policies", "1", "--param", "mnths=3"],
            "(did you mean 'months'?)",
        ),
        # 'name' is what the functions call the task, the preset and the method.
        ([*TRAIN, "--param", "name=x"], "no parameter 'name'"),
        ([*TRAIN, "--set", "name=x"], "no setting named 'name'"),
        ([*TRAIN, "--method", "em", "--method-set", "name=x"], "has no setting 'name'"),
        (["optimum", "tabular", "--policies", "1"], "needs the parameter 'file'"),
        (["check-env", "market", "--param", "time_limit=abc"], "a whole number, not 'abc'"),
        (["check-env", "market", "--param", "feature=1"], "(did you mean 'features'?); it has: "),
        (["tasks", "antt"], "no task named 'antt' (did you mean 'ant'?)"),
        ([*TRAIN, "--method", "fixed"], "needs an assignment"),
        ([*TRAIN, "--assignment", "none.csv"], "--assignment goes with --method fixed"),
        ([*TRAIN, "--method", "fixed", "--assignment", "no.csv"], "'no.csv' cannot be read"),
        (["optimum", "resource-gathering", "--policies", "0"], "between 1 and"),
        (["optimum", "resource-gathering", "--policies", "26"], "between 1 and"),
        (["optimum", "resource-gathering", "--policies", "1", "26"], "between 1 and"),
        (["optimum", "resource-gathering", "--policies"], "Give a number of policies"),
        (["evaluate", "nowhere"], "no run folder at 'nowhere'"),
        (["resume", "nowhere"], "no run folder at 'nowhere'"),
        (["report", "nowhere"], "no run folder at 'nowhere'"),
        (["sweep", "nothing.yaml"], "'nothing.yaml' cannot be read"),
    ],
)
def test_one_sentence_and_exit_code_2(call, tmp_path, arguments, sentence):
    code, output, errors = call(*arguments)
    assert code == 2
    assert sentence in errors
    assert errors.startswith("handful: ")
    assert len(errors.strip().splitlines()) == 1
    assert output == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([*TRAIN, "--set", f"learning_rate={'9' * 400}"], "learning_rate must be between"),
        (
            [
                "optimum",
                "gymnasium:CartPole-v1",
                "--policies",
                "1",
                "--param",
                "weights=[[1],[1,2]]",
            ],
            "The users' weights must be a table, with one row a user",
        ),
    ],
)
def test_one_sentence_where_the_kind_is_another_too(call, tmp_path, arguments, sentence):
    code, output, errors = call(*arguments)
    assert (code, output) == (2, "")
    assert sentence in errors
    assert len(errors.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (["--set", "learning_rate=high"], "learning_rate must be a number, not 'high'."),
        (["--set", "num_envs=2.5"], "num_envs must be a whole number, not 2.5."),
        (["--set", "share_hidden=1"], "share_hidden must be true or false, not 1."),
        (["--param", "height=tall"], "height must be a whole number, not 'tall'."),
        (
            ["--method", "em", "--method-set", "warm_up=soon"],
            "warm_up must be a whole number, not 'soon'.",
        ),
        (
            ["--method", "fixed", "--method-set", "policy=3"],
            "The fixed assignment must be a list of every user's policy, not 3.",
        ),
        (
            ["--set", "hidden_sizes=64,64"],
            "hidden_sizes must be a list of widths of at least 1, like [64, 64], not '64,64'.",
        ),
    ],
)
def test_values_of_another_kind(tmp_path, setting, sentence):
    """As users run it: the type checks of the tests themselves would come first."""
    done = handful(*TRAIN, *setting, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (2, f"handful: {sentence}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["empty", "notes.txt"])
def test_what_a_report_could_be_of_is_said(call, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    assert call("report", name) == (
        2,
        "",
        f"handful: '{name}' is not a run folder (it has no config.json), nor a folder of results "
        f"(it has no table of runs), nor a study's YAML file: check the path.\n",
    )


@pytest.mark.parametrize("seed", [-2, 2**32])
def test_an_evaluation_has_a_seed_as_a_run_has(call, run_folder, seed):
    sentence = f"handful: The seed must be between 0 and 2^32 - 1, not {seed}.\n"
    assert call("evaluate", run_folder, "--seed", seed) == (2, "", sentence)
    assert call(*TRAIN[:-1], "other", "--seed", seed) == (2, "", sentence)


def test_an_unknown_command_exits_with_2(call):
    assert call("trian")[0] == 2


def test_an_assignment_file_is_checked_line_by_line(call, tmp_path):
    (tmp_path / "a.csv").write_text("user,policy\nu,0\nv,first\n")
    code, _, errors = call(*TRAIN, "--method", "fixed", "--assignment", "a.csv")
    assert code == 2
    assert "'first' in column 'policy' of line 3" in errors
    (tmp_path / "a.csv").write_text("user,policy\nu,0\nu,0\n")
    sentence = "'a.csv' has 'u' again, as in line 2, in column 'user' of line 3"
    assert sentence in call(*TRAIN, "--method", "fixed", "--assignment", "a.csv")[2]
    (tmp_path / "a.csv").write_text("user,group\nu,0\n")
    assert "no column 'policy'" in call(*TRAIN, "--method", "fixed", "--assignment", "a.csv")[2]
    (tmp_path / "a.csv").write_text("policy\n0\n1\n")
    assert (
        "2 users, but the population has 25"
        in call(*TRAIN, "--method", "fixed", "--assignment", "a.csv")[2]
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    command = [*TRAIN[:-1], str(folder), *TINY, "--steps", "128", "--param", "height=2"]
    main([*command, "--no-tensorboard"])
    return folder


@pytest.fixture
def run_folder(trained, tmp_path):
    """A finished run to damage."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_a_folder_in_use_is_left_alone(call, run_folder):
    before = sorted(run_folder.iterdir())
    code, _, errors = call(*TRAIN, *TINY, "--steps", "128")
    assert code == 2
    assert "exists already" in errors
    assert sorted(run_folder.iterdir()) == before


@pytest.mark.parametrize("command", ["evaluate", "resume"])
@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda run: (run / "config.json").unlink(), "is not a run folder"),
        (lambda run: (run / "config.json").write_text("{"), "is not valid JSON"),
        (lambda run: (run / "config.json").write_text("[]"), "config.json' is damaged: it does"),
        (lambda run: edit(run, format=99), "of format 99"),
        (lambda run: edit(run, settings={"ppo": {}}), "another version"),
        (lambda run: (run / "policies.safetensors").write_bytes(b"torn"), "is not the file that"),
    ],
)
def test_a_damaged_run_folder_is_told_from_a_good_one(call, run_folder, command, damage, sentence):
    damage(run_folder)
    code, _, errors = call(command, run_folder)
    assert code == 2
    assert sentence in errors
    assert len(errors.strip().splitlines()) == 1


def test_a_finished_run_without_its_policies_was_not_stopped(call, run_folder):
    (run_folder / "policies.safetensors").unlink()
    code, _, errors = call("evaluate", run_folder)
    assert code == 2
    assert errors == (
        f"handful: '{run_folder / 'policies.safetensors'}' is missing, and the evaluation of the "
        f"run is bound to it. Put the right file back, or remove evaluation.json, and 'handful "
        f"resume {run_folder}' makes the results again from the checkpoint.\n"
    )


def test_a_finished_run_can_be_read_where_nobody_can_write(call, run_folder, monkeypatch):
    def refuse(folder):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("handful.report.page.write_report", refuse)
    code, output, errors = call("resume", run_folder)
    assert code == 0
    assert output.startswith("welfare ")
    assert errors == "handful: the report was not written anew (Read-only file system).\n"


def test_a_run_is_not_resumed_while_another_process_trains_it(call, run_folder):
    (run_folder / "evaluation.json").unlink()
    before = {path: path.read_bytes() for path in run_folder.iterdir() if path.is_file()}
    with RunFolder(run_folder).hold():
        code, _, errors = call("resume", run_folder, "--no-tensorboard")
    assert code == 2
    assert errors.startswith(f"handful: Another process is training the run in '{run_folder}': ")
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    "error", [JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating"), MemoryError()]
)
def test_more_episodes_than_memory_holds_are_told(call, run_folder, monkeypatch, error):
    def allocate(*_, **__):
        raise error

    monkeypatch.setattr("handful.evaluation.returns.evaluate", allocate)
    assert call("evaluate", run_folder, "--episodes", 10**8) == (
        2,
        "",
        "handful: 100,000,000 episodes at once do not fit into memory: take fewer.\n",
    )
    monkeypatch.setattr("handful.evaluation.returns.evaluate", _defective)
    with pytest.raises(JaxRuntimeError, match="INTERNAL"):  # a defect of ours stays one
        call("evaluate", run_folder)


def _defective(*_, **__):
    raise JaxRuntimeError("INTERNAL: no")


def edit(run, **changes):
    path = run / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
