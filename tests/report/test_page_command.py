"""The command that a report shows does the run of its folder again."""

import json
import shlex
import subprocess

import pytest

import handful.training.loop
from handful.cli.main import main
from handful.learner import PPO
from handful.problem import make
from handful.report import run as report_run
from handful.report.page import resume_command, train_command
from handful.training.config import TrainConfig
from handful.training.records.run_writer import describe_run
from handful.training.run import Run

CONFIGS = {
    "run": TrainConfig(
        num_policies=2,
        return_mixing=0.2,
        discounted_table=True,
        keep_best=False,
        overlap=True,
    ),
    "method and learner": TrainConfig(
        num_policies=3,
        method="fixed",
        method_settings={"policy": (0, 1, 2, 0)},
        steps=4096,
        seed=3,
        threads=1,
        learner=PPO(hidden_sizes=(16, 8), discount=0.9, family=True),
    ),
}


class Asked(Exception):
    """Instead of training."""


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_it_asks_for_the_same_run(config, tmp_path, monkeypatch):
    problem = make("resource-gathering", height=2, width=2)
    stored = json.loads(json.dumps(describe_run(Run(problem, config))))
    command = train_command(
        report_run.Run("a run", stored, problem.population.user_ids, None, None, [])
    )
    asked = []

    def ask(*request):
        asked.extend(request)
        raise Asked

    monkeypatch.setattr(handful.training.loop, "train_run", ask)
    monkeypatch.chdir(tmp_path)
    _, *arguments = shlex.split(command.replace("\\\n", ""))
    with pytest.raises(Asked):
        main([*arguments, "--no-tensorboard"])
    found, out, *_ = asked
    assert found.problem.parameters == problem.parameters
    # How many threads step environments is for the machine to say that runs it again.
    assert found.config.to_dict() == {**config.to_dict(), "threads": None}
    assert out.name == "a run-again"


EVIL = "$(touch stolen)`touch stolen`;touch stolen"


def test_settings_of_a_stranger_run_nothing(tmp_path):
    """Whoever pastes the command runs one program, with the settings as its arguments."""
    problem = make("resource-gathering", height=2, width=2)
    config = TrainConfig(num_policies=2)
    stored = json.loads(json.dumps(describe_run(Run(problem, config))))
    sections = {"method_settings": {EVIL: EVIL}, "collect": {EVIL: EVIL}}
    sections["learner"] = {"name": EVIL, EVIL: EVIL}
    settings = {name: sections.get(name, f"{name}{EVIL}") for name in stored["settings"]}
    stored["settings"] = settings
    stored["problem"] |= {"name": EVIL, "parameters": {EVIL: EVIL}}
    run = report_run.Run(f"-{EVIL}", stored, problem.population.user_ids, None, None, [])
    program = tmp_path / "handful"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > asked\n')
    program.chmod(0o755)
    for command in (train_command(run), resume_command(run)):
        subprocess.run(
            ["sh", "-c", command],
            cwd=tmp_path,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            check=True,
        )
        assert {path.name for path in tmp_path.iterdir()} == {"asked", "handful"}
        asked = (tmp_path / "asked").read_text().splitlines()
        assert EVIL in asked or f"./-{EVIL}" in asked
    assert f"--steps steps{EVIL} --seed" not in train_command(run)
