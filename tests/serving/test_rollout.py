"""A second bundle gets its share of the users, and outcomes release it or roll it back."""

import numpy as np
import pytest

from handful.errors import HandfulError
from handful.serving.rollout import FULL, ROLLED_BACK, SHARE, Plan, Rollout


def played(first, second, share=0.5, users=3000, margin=0.1):
    """A rollout after outcomes of users whose means are these."""
    rng, rollout = np.random.default_rng(100), Rollout(Plan(SHARE, share, margin=margin), "salt")
    for user in range(users):
        name = f"user-{user}"
        mean = second if rollout._in_share(name) else first
        rollout.add(name, float(rng.random() < mean))
    return rollout


def test_a_better_bundle_serves_everybody_and_a_worse_one_nobody():
    better, worse = played(0.4, 0.8), played(0.8, 0.4)
    assert (better.stage, worse.stage) == (FULL, ROLLED_BACK)
    assert better.is_second("anybody")
    assert not any(worse.is_second(f"user-{n}") for n in range(20))
    assert better.record()["outcomes"] < 3000  # it stopped when it was clear


def test_what_is_not_clear_stays_as_it_is():
    assert played(0.5, 0.4, users=300).stage == SHARE


def test_the_share_is_the_share_and_nobody_changes():
    rollout = Rollout(Plan(SHARE, 0.2), "salt")
    served = [rollout.is_second(f"user-{n}") for n in range(5000)]
    assert np.mean(served) == pytest.approx(0.2, abs=0.02)
    assert served == [rollout.is_second(f"user-{n}") for n in range(5000)]


def test_a_user_counts_once():
    rollout = Rollout(Plan(SHARE), "salt")
    assert rollout.add("ann", 1.0)
    assert not rollout.add("ann", 0.0)
    assert rollout.record()["outcomes"] == 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"stage": "all"}, "stage must be one of"),
        ({"share": 1.0}, "share and alpha"),
        ({"low": 1.0}, "high must be above low"),
    ],
)
def test_a_plan_that_cannot_be_is_one_sentence(settings, sentence):
    with pytest.raises(HandfulError, match=sentence):
        Plan(**settings)
    with pytest.raises(HandfulError, match="from 0 to 1"):
        Rollout(Plan(), "salt").check_outcome(2.0)
