"""Several budgets from one universal policy, and going on after a stop."""

import os
import signal

import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.training.config import make_config
from handful.training.frontier import plan_budgets, planned_budgets
from handful.training.session import TrainingInterrupted
from handful.training.watching.callbacks import TRAINING, UNIVERSAL, Callback
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import TINY
from tests.training.test_welfare import QUICK

BUDGETS = (1, 3)
STEPS = 2048


def start(out=None, callbacks=(), budgets=BUDGETS):
    return handful.train_frontier(
        handful.make("resource-gathering", height=2, width=3),
        budgets,
        steps=STEPS,
        settings={**TINY, "hidden_sizes": (8,)},
        method_settings={"candidate_share": 0.3, "model": False},
        out=out,
        callbacks=callbacks,
        progress=False,
    )


class StopInSmaller(Callback):
    """Sends this process a signal at the first update of the second run that is trained."""

    def __init__(self):
        self.budgets = []

    def on_update(self, report):
        if report.purpose == TRAINING:
            number = len(report.metrics["users"])
            self.budgets.append(number)
            if number == 1:
                os.kill(os.getpid(), signal.SIGTERM)


class Purposes(Callback):
    def __init__(self):
        self.seen = []

    def on_update(self, report):
        self.seen.append(report.purpose)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    follower = Purposes()
    result = start(tmp_path_factory.mktemp("runs") / "whole", [follower])
    return result, follower


def test_one_universal_policy_serves_all_budgets(whole):
    result, follower = whole
    assert result.budgets == BUDGETS
    universal = result[3].config.universal
    batch = universal.num_members * universal.collect.batch_size
    assert follower.seen.count(UNIVERSAL) == universal.steps // batch
    assert (result[3].folder / "universal").is_dir()
    assert not (result[1].folder / "universal").exists()
    # What the budgets share is counted once.
    alone = sum(result[budget].transitions for budget in BUDGETS)
    shared = alone - result.transitions
    assert universal.steps <= shared <= universal.total_steps + 3 * len(BUDGETS)


def test_a_stopped_training_ends_as_if_it_had_not_been(whole, tmp_path):
    stop = StopInSmaller()
    with pytest.raises(TrainingInterrupted):
        start(tmp_path / "run", [stop])
    assert planned_budgets(tmp_path / "run") == list(BUDGETS)
    assert RunFolder(tmp_path / "run" / "k-03").is_finished
    again = handful.resume_frontier(tmp_path / "run", progress=False)
    for budget in BUDGETS:
        expected = whole[0][budget]
        assert again[budget].evaluation.welfare == expected.evaluation.welfare
        np.testing.assert_array_equal(again[budget].assignment, expected.assignment)
    read = handful.resume_frontier(tmp_path / "run")
    assert read.budgets == BUDGETS


def test_the_plan_of_a_folder_is_the_plan_that_it_began_with():
    problem = handful.make("market", users=20)
    alone = make_config(problem, 5, "universal", "fast", steps=100_000)
    configs = plan_budgets(problem, alone, [1, 3, 5])
    assert plan_budgets(problem, configs[5], [1, 3, 5]) == configs
    own = sum(k * c.num_updates * c.collect.batch_size for k, c in configs.items())
    stage = configs[5].universal
    assert all(c.universal == stage for c in configs.values())
    assert 0.9 * 500_000 < own + stage.total_steps <= 500_000
    others = plan_budgets(problem, make_config(problem, 5, "em", "fast"), [1, 5])
    assert [c.num_policies for c in others.values()] == [1, 5]


@pytest.mark.parametrize(
    ("budgets", "words"),
    [((), "list of numbers"), ((1, 7), "7"), ((0, 1), "0")],
)
def test_bad_budgets_are_refused_before_anything_is_made(tmp_path, budgets, words):
    with pytest.raises(HandfulError, match=words):
        start(tmp_path / "run", budgets=budgets)
    assert not (tmp_path / "run").exists()


def test_the_smallest_budget_that_meets_the_floors_is_named(tmp_path):
    """One policy cannot serve both arms of a bandit; two can, and the folder says so as well."""
    problem = problem_of(ContextualBandit(2), np.eye(2))
    result = handful.train_frontier(
        problem,
        (1, 2),
        "em",
        steps=256 * 30,
        settings=QUICK,
        groups=["a", "b"],
        floors=handful.Floor(0.9, "groups"),
        out=tmp_path / "run",
        progress=False,
    )
    assert [point.floors_hold for point in result.points] == [False, True]
    assert result.frontier.smallest_with_floors == 2
    assert [row["floors_hold"] for row in result.to_rows()] == [False, True]
    assert result[2].holds
    read = handful.read_frontier(tmp_path / "run", problem)
    assert read.frontier == result.frontier


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(HandfulError, match="exists already"):
        start(tmp_path)
    with pytest.raises(HandfulError, match="no folder of several budgets"):
        handful.resume_frontier(tmp_path)
