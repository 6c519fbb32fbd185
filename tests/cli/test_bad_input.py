"""Bad input: one clear sentence, exit code 2, no traceback, nothing left behind."""

import errno
import json
import shutil
from pathlib import Path

import pytest
from jax.errors import JaxRuntimeError

from handful.cli.main import main
from handful.run_folder import RunFolder

GYM = ["optimum", "gymnasium:CartPole-v1", "--policies", "1"]
TRAIN = ["train", "resource-gathering", "--policies", "2", "--out", "run"]
TINY = ["--collect.batch-size", "64", "--collect.num-envs", "8", "--ppo.minibatch-size", "32"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "resource-gatherin", *TRAIN[2:]], "did you mean 'resource-gathering'?"),
        ([*TRAIN, "--method", "emm"], "did you mean 'em'?"),
        ([*TRAIN, "--method", "planned-em"], "after version 0.2.0: 'universal' takes its place."),
        ([*TRAIN, "--method", "branching-em", "--method.warm-up", "3"], "'branching-em' left the"),
        ([*TRAIN, "--method", "emm"], "'auto' leaves the choice to training"),
        ([*TRAIN, "--policies", "0"], "between 1 and the number of users (25), not 0"),
        ([*TRAIN, "--policies", "26"], "between 1 and the number of users (25), not 26"),
        ([*TRAIN, "--policies", "1", "26"], "between 1 and the number of users (25), not 26"),
        ([*TRAIN, "--policies"], "Give a number of policies, as in --policies 5, or several."),
        ([*TRAIN, "--steps", "-5"], "at least one batch (2048), not -5"),
        ([*TRAIN, "--seed", "-1"], "The seed must be between 0 and"),
        ([*TRAIN, "--preset", "slow"], "no preset named 'slow'"),
        (
            [*TRAIN, "--ppo.learning-rat", "1"],
            "--ppo.learning-rat, 1 (did you mean '--ppo.learning-rate'?)",
        ),
        ([*TRAIN, "--ppo.learning-rate", "-1.0"], "learning_rate must be positive, not -1.0"),
        ([*TRAIN, "--ppo.learning-rate"], "Missing value for argument '--ppo.learning-rate'"),
        ([*TRAIN, "--ppo.minibatch-size", "100"], "must be a multiple of minibatch_size"),
        ([*TRAIN, "--method", "em", "--method.warm", "3"], "did you mean '--method.warm-up'?"),
        ([*TRAIN, "--method.warm-up", "3"], "and 'auto' chooses among them: name the method"),
        ([*TRAIN, "--run.mixing", "3"], "did you mean '--run.return-mixing'?"),
        ([*TRAIN, "--run.return-mixing", "3.0"], "return_mixing must be above 0"),
        ([*TRAIN, "--method", "em", "--method.warm-up", "-3"], "warm_up must be 0 or more"),
        ([*TRAIN, "--param.height", "0"], "at least one tile"),
        ([*TRAIN, "--param.height", str(10**30)], "height must be between -9,007,199,254,740,992"),
        ([*TRAIN, "--param.height", "10000000000"], "number of tiles must be from 1 to 10,000"),
        ([*TRAIN, "--param.height", "9" * 400], "not 99999999999"),
        ([*TRAIN, "--param.height", "9" * 5000], "Exceeds the limit (4300 digits)"),
        ([*TRAIN, "--param.start", str(10**30), "1"], "start must be between -9,007"),
        ([*GYM, "--param.options", "[" * 50 + "]" * 50], "nested more than 32 deep"),
        ([*GYM, "--param.options", "[" * 100_000 + "]" * 100_000], "nested too deeply"),
        ([*GYM, "--param.options", '{"a": 1, "a": 2}'], "gives 'a' twice"),
        ([*GYM, "--param.options", r'{"a": "\u0000"}'], "the character NUL"),
        ([*GYM, "--param.options", "5"], "options must be a mapping"),
        ([*TRAIN, "--set", "hidden_sizes=[64, 64]"], "now write --ppo.hidden-sizes 64 64."),
        ([*TRAIN, "--set=share_hidden=false"], "now write --ppo.no-share-hidden."),
        ([*TRAIN, "--method-set", "warm_up=3"], "now write --method.warm-up 3."),
        ([*TRAIN, "--run-set", "keep_best=true"], "now write --run.keep-best."),
        ([*TRAIN, "--param", "time_limit=9"], "now write --param.time-limit 9."),
        ([*TRAIN, "--param"], "now write --param.NAME VALUE."),
        (["train", "--param.height", "3"], "Give the task before its parameters"),
        (["train", "glide"], "handful train needs --policies K [K ...] and --out PATH."),
        (["trian"], "did you mean 'train'?"),
        ([*TRAIN, "--out-of", "3"], "Unrecognized options: --out-of, 3"),
        ([*TRAIN, "--ppo.hidden-sizes", str(10**30)], "hidden_sizes must be at most 100 layers"),
        ([*TRAIN, "--ppo.hidden-sizes", "100000", "100000"], "268,435,456 weights"),
        ([*TRAIN, "--ppo.hidden-sizes", *["1"] * 101], "at most 100 layers"),
        ([*TRAIN, "--collect.batch-size", str(2**40)], "batch_size must be from 1 to 134,217,728"),
        ([*TRAIN, "--ppo.learning-rate", "1e300"], "learning_rate must be at most 3.4e+38"),
        ([*TRAIN, "--ppo.learning-rate", "1e400"], "learning_rate must be finite"),
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
            [*TRAIN, "--param.hieght", "3"],
            "Unrecognized options: --param.hieght, 3 (did you mean '--param.height'?).",
        ),
        ([*TRAIN, "--param.start", "5"], "--param.start"),
        (["optimum", "market", "--policies", "1", "--param.users", "abc"], "'abc'"),
        (
            ["optimum", "market", "--policies", "1", "--param.mnths", "3"],
            "(did you mean '--param.months'?)",
        ),
        (["optimum", "tabular", "--policies", "1"], "needs the parameter 'file'"),
        (["check-env", "market", "--param.time-limit", "abc"], "'abc'"),
        (["check-env", "market", "--param.feature", "1"], "(did you mean '--param.features'?)"),
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
        (["assign", "nowhere", "users.csv"], "neither a run nor a bundle at 'nowhere'"),
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
        ([*TRAIN, "--ppo.learning-rate", "9" * 400], "learning_rate must be finite"),
        (
            [
                "optimum",
                "gymnasium:CartPole-v1",
                "--policies",
                "1",
                "--param.weights",
                "[[1],[1,2]]",
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
        (
            ["--ppo.learning-rate", "high"],
            "Error parsing --ppo.learning-rate: could not convert string to float: 'high'; it is "
            "--ppo.learning-rate FLOAT.",
        ),
        (
            ["--collect.num-envs", "2.5"],
            "Error parsing --collect.num-envs: invalid literal for int() with base 10: '2.5'; it "
            "is --collect.num-envs INT.",
        ),
        (["--ppo.share-hidden", "1"], "Unrecognized options: 1."),
        (
            ["--method", "em", "--method.warm-up", "soon"],
            "Error parsing --method.warm-up: invalid literal for int() with base 10: 'soon'; it is "
            "--method.warm-up INT.",
        ),
        (
            ["--ppo.hidden-sizes", "64,64"],
            "Error parsing --ppo.hidden-sizes: Could not find valid parse for arguments: "
            "['64,64']; it is --ppo.hidden-sizes [INT [INT ...]].",
        ),
    ],
)
@pytest.mark.usefixtures("as_users_call")
def test_values_of_another_kind(call, tmp_path, setting, sentence):
    code, _, errors = call(*TRAIN, *setting)
    assert (code, errors) == (2, f"handful: {sentence}\n")
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
    command = [*TRAIN[:-1], str(folder), *TINY, "--steps", "128", "--param.height", "2"]
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
        (lambda run: edit(run, settings={"learner": {}}), "another version"),
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
    assert errors == "handful: the report was not written again (Read-only file system).\n"


def test_a_logger_of_the_callers_is_found_in_the_current_folder(call, run_folder, tmp_path):
    code, output, errors = call("resume", run_folder, "--log", "my_own_log:Log")
    assert (code, output) == (2, "")
    assert errors.startswith("handful: The logger 'my_own_log:Log' cannot be made (No module")
    (tmp_path / "my_own_log.py").write_text(
        "import handful\n\nclass Log(handful.Logger):\n    def log(self, step, metrics): pass\n"
    )
    assert call("resume", run_folder, "--log", "my_own_log:Log")[0] == 0


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
