"""What a run says of itself on the screen when it ends."""

import pytest

from handful._support.installing import install_command
from handful.cli import output as finish
from handful.cli.output import evaluation_summary
from handful.run_folder import RunFolder
from tests.report.folders import evaluation_record, write_run

FINDING = {"kind": "idle-policies", "message": "1 policy serves nobody.", "advice": "Train longer."}


def test_findings_are_said_after_the_numbers():
    record = evaluation_record(["ann", "bob"], 2)
    plain = evaluation_summary(record, 2)
    assert "note:" not in plain
    summary = evaluation_summary({**record, "findings": [FINDING, FINDING]}, 2)
    note = "note: 1 policy serves nobody. Train longer."
    assert summary.splitlines() == [*plain.splitlines(), note, note]


@pytest.mark.parametrize("is_there", [True, False])
def test_that_there_will_be_no_report_is_said_before_the_first_step(monkeypatch, capsys, is_there):
    for name in ("use_cores", "keep_compiled_programs"):  # they are for the whole process
        monkeypatch.setattr(f"handful.devices.{name}", lambda: None)
    monkeypatch.setattr(finish, "can_report", lambda: is_there)
    started = []

    def start(callbacks, loggers):
        assert loggers == []
        started.append(capsys.readouterr().err)

    finish.run_training(start, (), tensorboard=False)
    assert ("there will be no report" in started[0]) != is_there
    assert (install_command("report") in started[0]) != is_there


def test_a_run_without_a_report_says_how_to_get_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(finish, "can_report", lambda: False)
    folder = write_run(tmp_path / "run", users=["ann", "bob"], num_policies=2)
    finish.announce(folder, json=False)
    assert install_command("report") in capsys.readouterr().out
    assert not RunFolder(folder).report.exists()
