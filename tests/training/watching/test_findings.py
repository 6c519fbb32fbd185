"""Every finding: with it, and just without it."""

import dataclasses

import numpy as np
import pytest

from handful.evaluation.alternatives import Alternative, ConstantActions
from handful.methods.schedule import WarmUp
from handful.training.watching.findings import Ending, Moment, find

EVEN = Alternative(welfare=10.0, gain=0.0, gain_stderr=0.1, users_moved=0)


def resting(num_updates=40):
    """Users move at first, welfare rises and levels out."""
    return [
        Moment(10.0 * min(update, 20) / 20, 0.5 if update < 8 else 0.0)
        for update in range(num_updates)
    ]


WELL = Ending(
    method="em",
    assigns_best=True,
    users_per_policy=np.array([5, 5, 5]),
    welfare=10.0,
    welfare_stderr=0.1,
    alternatives={"one_policy": dataclasses.replace(EVEN, gain=-3.0), "reassigned": EVEN},
    constants=ConstantActions(("action 0", "action 1"), np.array([1.0, 9.0]), np.zeros(2), 20),
    history=resting(),
    warm_up=WarmUp("warm_up", 15, 15),
    starts_at_random=True,
)


def found(**changes):
    return {finding.kind: finding for finding in find(dataclasses.replace(WELL, **changes))}


def better(name, gain, stderr):
    alternative = Alternative(10.0 + gain, gain, stderr, users_moved=7)
    return {"alternatives": {**WELL.alternatives, name: alternative}}


def constants(welfare, stderr):
    return {
        "constants": ConstantActions(
            ("action 0", "action 1"), np.array([1.0, welfare]), np.array([0.0, stderr]), 20
        )
    }


def test_nothing_is_said_of_a_run_that_ended_well():
    assert find(WELL) == []


@pytest.mark.parametrize(
    ("changes", "is_found"),
    [
        (constants(10.5, 0.1), True),
        (constants(10.2, 0.1), False),  # no more than two standard errors, of both together
        (constants(10.5, 0.4), False),
        ({"constants": None}, False),
    ],
)
def test_a_result_below_a_constant_action(changes, is_found):
    findings = found(**changes)
    assert ("below-constant-action" in findings) == is_found
    if is_found:
        message = findings["below-constant-action"].message
        assert "worth 10.00" in message
        assert "(action 1) is worth 10.50" in message


@pytest.mark.parametrize(("gain", "stderr", "is_found"), [(0.5, 0.2, True), (0.3, 0.2, False)])
def test_a_result_below_one_policy_for_everybody(gain, stderr, is_found):
    findings = found(**better("one_policy", gain, stderr))
    assert ("below-one-policy" in findings) == is_found
    if is_found:
        finding = findings["below-one-policy"]
        assert "0.50 ± 0.20 more than the assignment that is handed out" in finding.message
        assert "final_assignment=validation" in finding.advice


@pytest.mark.parametrize(("gain", "stderr", "is_found"), [(0.5, 0.2, True), (0.3, 0.2, False)])
def test_users_who_are_better_served_elsewhere(gain, stderr, is_found):
    findings = found(**better("reassigned", gain, stderr), method="random", assigns_best=False)
    assert ("better-served-elsewhere" in findings) == is_found
    if is_found:
        finding = findings["better-served-elsewhere"]
        assert "7 users of 15" in finding.message
        assert "'random' keeps its own rule" in finding.advice


def test_policies_that_serve_nobody():
    findings = found(users_per_policy=np.array([0, 150, 0]))
    assert findings["idle-policies"].message == (
        "2 policies of 3 serve nobody and are spare (numbers 0, 2): 1 policy serves all 150 users."
    )
    alone = found(users_per_policy=np.array([75, 75, 0]))["idle-policies"].message
    assert (
        alone
        == "1 policy of 3 serves nobody and is spare (number 2): 2 policies serve all 150 users."
    )


@pytest.mark.parametrize(
    ("moved", "is_found"),
    [
        ([0.0] * 30 + [0.3] * 10, True),
        ([0.0] * 30 + [0.3, 0, 0] * 3 + [0], True),  # every third update
        ([0.0] * 30 + [0.3, 0.3] + [0] * 8, False),  # there and back, once
        ([0.0] * 30 + [0.05] * 10, False),  # few users, whom two policies serve alike
        ([0.5] * 30 + [0.0] * 10, False),  # it came to rest
    ],
)
def test_assignments_that_swing(moved, is_found):
    history = [Moment(m.welfare, share) for m, share in zip(resting(), moved, strict=True)]
    findings = found(history=history)
    assert ("swinging" in findings) == is_found
    if is_found:
        assert "of the last 10 updates" in findings["swinging"].message


@pytest.mark.parametrize(
    ("welfare", "is_found"),
    [
        (np.arange(40.0), True),
        (np.minimum(np.arange(40.0), 30.0), False),
        (np.minimum(np.arange(40.0), 20.0) + 0.02 * np.arange(40.0), False),  # a creep
        (20.0 + (-1.0) ** np.arange(40), False),  # noise
        (-np.arange(40.0), False),  # a fall
        (np.arange(11.0), False),  # too few to tell
    ],
)
def test_training_that_still_rises(welfare, is_found):
    findings = found(history=[Moment(value, 0.0) for value in welfare], starts_at_random=False)
    assert ("still-rising" in findings) == is_found


def test_e_steps_that_never_moved_anybody():
    still = [Moment(m.welfare, 0.0) for m in resting()]
    finding = found(history=still)["never-moved"]
    assert finding.message.startswith("In all 40 updates no user was moved")
    # Methods that keep what they began with, or that begin with a plan, and a single policy.
    assert "never-moved" not in found(history=still, starts_at_random=False)
    assert "never-moved" not in found(history=still, users_per_policy=np.array([15]))


def test_a_run_too_short_for_its_warm_up():
    finding = found(warm_up=WarmUp("warm_up", 15, 7), history=resting(14))["short-run"]
    assert "warm_up asks for 15 updates and was cut to 7" in finding.message
    assert "short-run" not in found(warm_up=None)


def test_a_finding_is_kept_as_plain_text():
    record = find(dataclasses.replace(WELL, users_per_policy=np.array([15, 0, 0])))[0].record()
    assert set(record) == {"kind", "message", "advice"}
    assert all(isinstance(value, str) and value for value in record.values())
