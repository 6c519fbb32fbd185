"""What training for several budgets says on the screen when it ends."""

import json

import pytest

from handful.cli import frontier as finish
from handful.cli.commands import task_first
from handful.cli.frontier import announce_frontier, frontier_summary
from tests.frontier.frontiers import a_frontier, write_frontier


def test_a_line_for_each_budget_and_the_answer():
    lines = frontier_summary(a_frontier(optimum={2: 33.0}, spare=(5,)))
    assert [line.split()[0] for line in lines[:5]] == ["policies", "1", "2", "5", "10"]
    row = "2 30.00 (29.50 to 30.50) 20.00 (19.70 to 20.30) 33.00 exact 2 of 2"
    assert " ".join(lines[2].split()) == row
    assert lines[5] == (
        "one policy for everybody 10.00 ± 0.25, a policy for each user, estimated, 50.00 ± 0.25"
    )
    assert lines[6].startswith("5 policies have 99% of what 10 gain")
    assert lines[-1] == "note: with 5 policies, 1 policy serves nobody and is spare (4)."
    assert len({len(line) for line in lines[1:3]}) == 1  # columns line up


def test_the_report_is_written_and_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("handful.report.frontier.write_report", lambda path: None)
    folder = write_frontier(tmp_path / "out", a_frontier({1: 10.0, 2: 30.0}))
    announce_frontier(folder.path, json=False)
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {folder.report}"
    assert folder.report.is_file()


def test_json_is_the_record(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(finish, "can_report", lambda: False)
    folder = write_frontier(tmp_path / "out", a_frontier({1: 10.0, 2: 30.0}))
    announce_frontier(folder.path, json=True)
    assert json.loads(capsys.readouterr().out) == folder.read()[1]
    announce_frontier(folder.path, json=False)
    assert "handful report" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("train glide --policies 1 2 --out out", None),
        ("train --policies 1 --out out glide", None),
        ("train --policies 1 2 glide --out out", "train glide --policies 1 2 --out out"),
        ("train --seed 3 --policies 1 glide", "train glide --seed 3 --policies 1"),
        ("train glide --policies 1 2 more", None),
        ("train --policies", None),
        ("train --policies 1", None),
        ("tasks", None),
    ],
)
def test_a_task_right_after_the_budgets_is_not_one_of_them(given, read):
    assert task_first(given.split()) == (read or given).split()


SMALL = ["--param.height", "2", "--param.width", "2", "--collect.batch-size", "256"]
SMALL += ["--collect.num-envs", "8", "--ppo.num-epochs", "2", "--no-tensorboard"]


def test_several_budgets_from_the_command_line(call, tmp_path, monkeypatch):
    monkeypatch.setattr("handful.report.frontier.write_report", lambda path: None)
    budgets = ["--policies", 2, 1, "--steps", 512, "--method", "em", "--method.warm-up", 1]
    code, output, _ = call("train", "resource-gathering", *budgets, *SMALL, "--out", "out")
    assert code == 0
    lines = output.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["policies", "1", "2"]
    assert lines[-1] == "report: out/report.html"
    for name in ("k-01", "k-02"):
        assert f'href="{name}/report.html"' in (tmp_path / "out/report.html").read_text()
    # A finished frontier is only read.
    code, again, _ = call("resume", "out", "--no-tensorboard")
    assert (code, again.splitlines()[:3]) == (0, lines[:3])
    # Other commands take one of its runs.
    code, _, errors = call("evaluate", "out")
    assert code == 2
    assert "It holds runs of several budgets: name one, as 'out/k-01'." in errors
