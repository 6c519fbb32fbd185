"""``handful optimum`` for welfares other than the mean, with floors and what users have outside."""

import json

import numpy as np
import pytest

SQUARE = ("optimum", "resource-gathering", "--param.height", 2, "--param.width", 2)


@pytest.fixture
def fork(tmp_path):
    """A choice of two ends, each of which pays one of two users of two groups."""
    transitions = np.zeros((3, 2, 3))
    transitions[0, 0, 1] = transitions[0, 1, 2] = 1.0
    rewards = np.zeros((2, 3, 2))
    rewards[0, 1] = rewards[1, 2] = 1.0
    np.savez(tmp_path / "fork.npz", transitions=transitions, rewards=rewards, user_ids=["a", "b"])
    return ("optimum", "tabular", "--param.file", tmp_path / "fork.npz")


def test_a_policy_that_draws_is_described(call, fork):
    code, output, _ = call(*fork, "--policies", 1, "--welfare", "egalitarian")
    assert code == 0
    assert "exact: welfare (egalitarian) 0.5000 with 1 policy" in output
    assert "deterministic policies alone: welfare 0.0000" in output
    assert "draws 50.0% (" in output


def test_floors_that_a_smaller_number_cannot_meet_are_a_row(call, fork):
    output = call(*fork, "--policies", 1, 2, "--floor", 0.9)[1]
    assert "the least that would do is 2 policies" in output
    assert "exact" in output.splitlines()[2]
    record = json.loads(call(*fork, "--policies", 1, 2, "--floor", 0.9, "--json")[1])
    assert record[0]["kind"] == "impossible"
    assert record[0]["smallest"] == 2
    assert record[1]["kind"] == "exact"


def test_floors_that_nothing_meets_end_with_a_sentence(call, fork):
    code, _, error = call(*fork, "--policies", 1, "--floor", 2)
    assert code == 2
    assert "reaches the floor of 2 users (a, b)" in error


def test_what_users_have_outside_counts(call, fork):
    record = json.loads(call(*fork, "--policies", 1, "--outside", 3, "--json")[1])
    assert record["welfare"] == 3.0
    assert record["assignment"] == [-1, -1]


def test_the_worst_tile(call):
    output = call(*SQUARE, "--policies", 1, 2, "--welfare", "egalitarian")[1]
    rows = [line.split()[:2] for line in output.splitlines()[1:]]
    assert rows == [["1", "96.0000"], ["2", "96.0000"]]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--welfare", "nahs"), "no welfare function"),
        (("--group", "ward"), "the users have none"),
        (("--outside", "now"), "no attribute 'now'"),
        (("--welfare", "groups:nash"), "needs the users' groups"),
    ],
)
def test_mistakes_are_told(call, fork, arguments, sentence):
    code, _, error = call(*fork, "--policies", 1, *arguments)
    assert code == 2
    assert sentence in error


def test_a_task_that_knows_the_mean_only(call):
    code, _, error = call("optimum", "market", "--policies", 1, "--welfare", "nash")
    assert code == 2
    assert "no optimum is known beyond the mean" in error
