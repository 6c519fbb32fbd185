"""Time that policies share between speeds, by hand."""

import numpy as np
import pytest

from studies import fair_speeds
from studies.command import run


def test_one_policy_shares_its_time_between_users_who_want_different_speeds():
    """Paid 100, 50 and 25: all get the same if the time is shared by 1 to 2 to 4."""
    payoffs = np.diag([100.0, 50.0, 25.0])
    utilities = fair_speeds.shared_time(payoffs, 1, 1 / 3)
    np.testing.assert_allclose(utilities, 100 / 7, rtol=1e-6)
    shares = fair_speeds.shares_for_worst(payoffs, np.zeros(3, int), 1, 1 / 3)
    np.testing.assert_allclose(shares, [[1 / 7, 2 / 7, 4 / 7]], rtol=1e-6)


def test_a_policy_for_each_shares_nothing():
    utilities = fair_speeds.shared_time(np.diag([4.0, 2.0]), 2, 0.5)
    np.testing.assert_allclose(utilities, [4.0, 2.0])


def test_the_table_holds_both_and_says_what_the_mean_lost(tmp_path, capsys):
    out = tmp_path / "made" / "speeds.csv"
    words = [
        "--task",
        "glide",
        "--users",
        "12",
        "--policies",
        "2",
        "--seeds",
        "3",
        "--out",
        str(out),
    ]
    run(fair_speeds.FairSpeeds, words)
    assert "time shared" in capsys.readouterr().out
    held, shared = (line.split(",") for line in out.read_text().splitlines()[1:])
    assert float(held[4]) >= float(shared[4])
    assert float(shared[5]) >= float(held[5])
    with pytest.raises(SystemExit):
        run(fair_speeds.FairSpeeds, ["--task", "market", "--out", str(out)])
