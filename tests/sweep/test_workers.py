"""Processes that die, with stand-ins for training."""

import os

import pytest

from handful.devices import usable_cores
from handful.errors import HandfulError
from handful.sweep.workers import MAX_DEATHS, run_all
from tests.sweep.helpers import Log, die_at_first, die_of_seed_0, request_of, tell_shares


def test_a_run_that_kills_its_process_stops_none_of_the_others(tmp_path):
    requests = [request_of(tmp_path, seed) for seed in range(3)]
    log = Log()
    outcomes = run_all(requests, 2, log, {}, die_of_seed_0)
    errors = {outcome.request.config.seed: outcome.error for outcome in outcomes}
    assert errors[0].startswith("3 processes died of it, the last one killed by signal 9")
    assert errors[1] is errors[2] is None
    assert log.events.count(("started", 0)) == MAX_DEATHS
    assert log.events.count(("ended", 0)) == 1
    assert len(outcomes) == 3


def test_a_run_goes_on_in_another_process(tmp_path):
    requests = [request_of(tmp_path, 0), request_of(tmp_path, 1)]
    log = Log()
    outcomes = run_all(requests, 1, log, {}, die_at_first)
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert all(outcome.seconds == 1.0 for outcome in outcomes)
    assert log.events.count(("started", 0)) == log.events.count(("started", 1)) == 2


def test_processes_leave_room_for_each_other(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    requests = [request_of(tmp_path)]
    (outcome,) = run_all(requests, usable_cores(), Log(), {}, tell_shares)
    assert outcome.error == "1 false"
    assert "OMP_NUM_THREADS" not in os.environ
    assert "XLA_PYTHON_CLIENT_PREALLOCATE" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # the caller's word stands
    (outcome,) = run_all(requests, usable_cores(), Log(), {}, tell_shares)
    assert outcome.error == "3 false"
    assert os.environ["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize("config", [None, "", "{}", '{"format": 2}'])
def test_a_damaged_folder_is_one_failed_run(tmp_path, config):
    requests = [request_of(tmp_path, 1), request_of(tmp_path, 2)]
    requests[0].folder.mkdir()
    if config is not None:
        (requests[0].folder / "config.json").write_text(config)
    log = Log()
    outcomes = run_all(requests, 1, log, {}, die_of_seed_0)
    assert [outcome.error is None for outcome in outcomes] == [False, True]
    assert "config.json" in outcomes[0].error
    assert log.events == [("ended", 1), ("started", 2), ("ended", 2)]


def test_a_place_where_no_run_can_be_is_said_before_any_is_begun(tmp_path):
    (tmp_path / "runs").touch()
    log = Log()
    with pytest.raises(HandfulError, match="cannot be written to"):
        run_all([request_of(tmp_path / "runs")], 1, log, {}, die_of_seed_0)
    assert log.events == []


def test_known_runs_are_not_run(tmp_path):
    requests = [request_of(tmp_path, 0), request_of(tmp_path, 1)]
    row = {"task": requests[0].task, "policies": 1, "transitions": 640, "seconds": 1.0}
    log = Log()
    outcomes = run_all(requests, 1, log, {requests[0].digest: row}, die_of_seed_0)
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert log.events == [("ended", 0), ("started", 1), ("ended", 1)]
