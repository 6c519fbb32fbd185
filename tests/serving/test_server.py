"""A real client asks a real server: alone, many at once, and with the server killed in between."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from threading import Thread

import numpy as np
import pytest

import handful
from handful.export.bundle import bundle_files
from handful.serving.audit import AuditLog
from handful.serving.rollout import SHARE, Plan
from handful.serving.server import MOST_BYTES, Serving, make_server
from tests.bundles import nested_problem, put, random_policies, release_of

pytestmark = pytest.mark.usefixtures("allow_rank_promotion")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two bundles with other weights."""
    problem, place = nested_problem(), tmp_path_factory.mktemp("serve")
    releases = [
        release_of(problem, random_policies(problem, 2, seed), np.array([0, 1, 0]), seed=seed)
        for seed in (0, 1)
    ]
    return [put(bundle_files(r, False), place / str(n)) for n, r in enumerate(releases)]


def ask(port, path, question=None, body=None):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        if question is None and body is None:
            client.request("GET", path)
        else:
            client.request("POST", path, body or json.dumps(question))
        answer = client.getresponse()
        data = answer.read()
        is_json = answer.headers["Content-Type"] == "application/json"
        return answer.status, json.loads(data) if is_json else data.decode()
    finally:
        client.close()


def served(serving):
    server = make_server(serving, port=0)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def running(folders, tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    second = handful.load(folders[1])
    serving = Serving(handful.load(folders[0]), log, second)
    server = served(serving)
    yield serving, server.server_address[1], log
    server.shutdown()
    server.server_close()
    log.close()


def vector(bundle):
    low, high = bundle.interface.seen_low, bundle.interface.seen_high
    return ((low + high) / 2).tolist()


def test_answers_are_the_bundles_and_name_it(running):
    serving, port, log = running
    rows = vector(serving.first)
    user = next(iter(serving.first.assignment))
    code, answer = ask(port, "/v1/act", {"observation": rows, "flattened": True, "user": user})
    expected = serving.first.act(rows, user=user, flattened=True)
    assert code == 200
    assert answer["action"] == expected.tolist()
    assert answer["bundle"] == serving.first.digest
    assert answer["policy"] == serving.first.policy_of(user)
    (record,) = log.records()
    assert (record["kind"], record["user"], record["outside"]) == ("act", user, False)
    assert record["shadow"] == serving.second.act(rows, user=user, flattened=True).tolist()


def test_a_hundred_questions_at_once_are_all_answered_and_logged(running):
    serving, port, log = running
    rows = vector(serving.first)

    def one(number):
        question = {"observation": rows, "flattened": True, "policy": number % 2, "id": number}
        return ask(port, "/v1/act", question)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(100)))
    assert {code for code, _ in answers} == {200}
    assert [answer["id"] for _, answer in answers] == list(range(100))
    logged = [record["id"] for record in log.records() if record["kind"] == "act"]
    assert sorted(logged) == list(range(100))
    _, text = ask(port, "/v1/metrics")
    assert "handful_answers_total 100\n" in text
    assert 'handful_rollout{stage="shadow"} 1' in text


def test_what_is_wrong_is_one_sentence_and_nothing_is_logged(running):
    _, port, log = running
    wrong = [
        ("/v1/act", {"observation": [1.0], "policy": 0}, 400, "does not fit"),
        ("/v1/act", {"observation": [1.0], "polcy": 0}, 400, "'polcy'"),
        ("/v1/act", {"policy": 0}, 400, "has an observation"),
        ("/v1/act", {"observation": [1.0], "policy": "0"}, 400, "whole number"),
        ("/v1/nothing", {}, 404, "questions at /v1/act and outcomes at"),
        ("/v1/outcome", {"user": "ann", "value": 7}, 400, "from 0 to 1"),
    ]
    for path, question, code, sentence in wrong:
        found, answer = ask(port, path, question)
        assert (found, sentence in answer["error"]) == (code, True), answer
    assert "questions go by POST to /v1/act" in ask(port, "/v1/act")[1]["error"]
    assert ask(port, "/v1/act", body="{")[0] == 400
    assert ask(port, "/v1/act", body="[1]")[0] == 400
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.putrequest("POST", "/v1/act")
    client.putheader("Content-Length", str(MOST_BYTES + 1))
    client.endheaders()
    assert client.getresponse().status == 413
    client.close()
    assert list(log.records()) == []


def test_observations_outside_the_ranges_are_noticed(running):
    serving, port, log = running
    far = [1e6] * serving.first.interface.observation_size
    assert not ask(port, "/v1/ready")[1]["drift"]
    for _ in range(8):
        ask(port, "/v1/act", {"observation": far, "flattened": True, "policy": 0})
    state = ask(port, "/v1/ready")[1]
    assert state["drift"]
    assert [one["of_ranges"] for one in state["drift_of"]] == [True]
    (alarm,) = [record for record in log.records() if record["kind"] == "drift"]
    assert (alarm["of"], alarm["bundle"]) == ("ranges", serving.first.digest)


def test_a_sensor_that_is_stuck_within_its_range_is_noticed_and_named(folders, tmp_path):
    """The gear is one of four at random; here its first entry is always 1."""
    log, bundle = AuditLog(tmp_path / "audit.jsonl"), handful.load(folders[0])
    serving, rng = Serving(bundle, log), np.random.default_rng(0)
    with np.load(folders[0] / "vectors.npz") as recorded:
        rows = recorded["0/observations"]
    for _ in range(5 * 60):
        row = rng.choice(rows).copy()
        row[0] = bundle.interface.seen_high[0]
        serving.act({"observation": row.tolist(), "flattened": True, "user": "user-0"})
    server = served(serving)
    port = server.server_address[1]
    state, metrics = ask(port, "/v1/ready")[1], ask(port, "/v1/metrics")[1]
    server.shutdown()
    server.server_close()
    (found,) = state["drift_of"]
    assert (state["drift"], found["of_ranges"], found["of_distributions"]) == (True, False, True)
    assert found["windows"] == 60
    worst = found["entries"][0]
    assert (worst["entry"], worst["name"], worst["drifted"]) == (0, "body.gear=-1", True)
    assert not any(one["drifted"] for one in found["entries"][1:])
    (alarm,) = [record for record in log.records() if record["kind"] == "drift"]
    assert (alarm["of"], [one["entry"] for one in alarm["entries"]]) == ("distributions", [0])
    label = f'bundle="{bundle.digest[:12]}"'
    assert f"handful_drift_of_distributions{{{label}}} 1\n" in metrics
    assert f"handful_drift_windows_total{{{label}}} 60\n" in metrics
    assert f'handful_drift_distance{{{label},entry="0",name=' in metrics
    names = [line.split("{")[0].split()[0] for line in metrics.splitlines()]
    assert len(list(groupby(names))) == len(set(names))  # a metric's lines are together
    log.close()


def test_a_bundle_in_the_shadow_is_not_watched_and_one_that_serves_is(folders, tmp_path):
    first, second = map(handful.load, folders)
    log = AuditLog(tmp_path / "audit.jsonl")
    for stage, bundles in (("shadow", [first]), ("full", [first, second])):
        found = Serving(first, log, second, Plan(stage)).state()["drift_of"]
        assert [one["bundle"] for one in found] == [bundle.digest for bundle in bundles]
    log.close()


def test_a_connection_that_is_kept_does_not_wait_between_answers(running):
    """Head and body as two small writes take 40 ms on a connection that stays open."""
    serving, port, _ = running
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    question = json.dumps({"observation": vector(serving.first), "flattened": True, "policy": 0})
    times = []
    for _ in range(20):
        began = time.perf_counter()
        client.request("POST", "/v1/act", question)
        assert json.loads(client.getresponse().read())["policy"] == 0
        times.append(time.perf_counter() - began)
    client.close()
    assert min(times[1:]) < 0.02


def start(folders, log):
    words = ["serve", folders[0], "--second", folders[1], "--stage", "share", "--share", "0.5"]
    code = "import sys; from handful.cli.main import main; main(sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words), "--port", "0", "--audit", str(log)],
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stderr.readline()
    found = re.search(r":(\d+)/v1/", line)
    assert found, line
    return process, int(found[1])


def test_a_killed_server_goes_on_with_its_log_and_its_rollout(folders, tmp_path):
    log = tmp_path / "audit.jsonl"
    process, port = start(folders, log)
    answered = []
    try:
        rows = vector(handful.load(folders[0]))
        for number in range(10):
            ask(port, "/v1/outcome", {"user": f"u{number}", "value": 1.0})
        before = ask(port, "/v1/ready")[1]["rollout"]

        def many(first):
            for number in range(first, first + 1000):
                question = {"observation": rows, "flattened": True, "policy": 0, "id": number}
                try:
                    answered.append(ask(port, "/v1/act", question)[1]["id"])
                except (OSError, http.client.HTTPException):
                    return

        threads = [Thread(target=many, args=(1000 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        while len(answered) < 40:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        for thread in threads:
            thread.join()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    lines = log.read_bytes().split(b"\n")
    assert lines[-1] == b""  # the last line is whole, and so are all others
    assert all("kind" in json.loads(line) for line in lines[:-1])
    kept = AuditLog(log)
    logged = {record["id"] for record in kept.records() if record["kind"] == "act"}
    kept.close()
    assert set(answered) <= logged  # nothing was answered that the log does not have
    with log.open("ab") as file:
        file.write(b'{"kind": "outcome", "us')  # as if power had failed
    process, port = start(folders, log)
    try:
        after = ask(port, "/v1/ready")[1]["rollout"]
        assert after == before
        assert after["outcomes"] == 10
        assert ask(port, "/v1/outcome", {"user": "u0", "value": 1.0})[1]["counted"] is False
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def test_a_share_of_users_is_served_by_the_second(folders, tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    first, second = map(handful.load, folders)
    serving = Serving(first, log, second, Plan(SHARE, 0.5))
    digests = set()
    for user in first.assignment:
        answer = serving.act({"observation": vector(first), "flattened": True, "user": user})
        is_second = serving.rollout.is_second(user)
        assert answer["bundle"] == (second if is_second else first).digest
        digests.add(answer["bundle"])
    log.close()
    assert digests <= {first.digest, second.digest}
