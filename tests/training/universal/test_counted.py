"""Runs of `universal` on problems that show few different observations."""

import os
import signal
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

import handful
from handful.environment import Discrete, TimeStep
from handful.exact.tabular import random_rmdp
from handful.run_folder import RunFolder
from handful.tensors import read_tensors
from handful.training.session import TrainingInterrupted
from handful.training.universal.counted import Progress, has_counted, read_counted
from handful.training.watching.callbacks import UNIVERSAL, Callback
from tests.environments import problem_of
from tests.training.helpers import TINY

SETTINGS = {**TINY, "hidden_sizes": (16,)}


def tabular():
    """Users of a random problem; an episode goes on after a step with the chance of 0.8."""
    rmdp = random_rmdp(1, "sparse", num_states=8, num_users=6)
    return handful.tabular_problem(
        rmdp.transitions,
        features=rmdp.features,
        coefficients=rmdp.coefficients,
        start=rmdp.start,
        stop_probability=0.2,
    )


def train(problem, out=None, callbacks=(), steps=12_000, **more):
    return handful.train(
        problem,
        2,
        "universal",
        steps=steps,
        settings=SETTINGS,
        out=out,
        callbacks=callbacks,
        progress=False,
        **more,
    )


class Follow(Callback):
    """Collects the purposes of the work, and asks for a stop in the survey."""

    def __init__(self, stop_at=None):
        self.stop_at, self.purposes = stop_at, set()

    def on_update(self, report):
        self.purposes.add(report.purpose)

    def on_episodes(self, report):
        self.purposes.add(report.purpose)
        if report.purpose == "survey" and self.stop_at and report.share >= self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
            self.stop_at = None


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed run, with a folder."""
    return train(tabular(), tmp_path_factory.mktemp("runs") / "whole")


def test_the_optimum_is_found(whole):
    problem = tabular()
    returns = handful.exact_returns(problem, whole.policies)
    best = handful.optimum(problem, 2).welfare
    assert returns.max(axis=0).mean() >= 0.97 * best


def test_all_transitions_are_counted(whole):
    record = RunFolder(whole.folder).read_evaluation()
    stage = whole.config.universal
    assert stage.survey_steps > 0
    own = whole.config.num_updates * whole.config.collect.batch_size
    assert record["transitions"] == whole.config.share_of(stage.survey_steps + stage.steps) + own
    assert record["validation_transitions"] > 0
    assert whole.config.total_steps >= record["transitions"]


@pytest.mark.parametrize("share", [0.2, 0.8], ids=["before the test", "after it"])
def test_a_run_stopped_in_its_survey_ends_as_if_it_had_not_been(whole, tmp_path, share):
    with pytest.raises(TrainingInterrupted, match="handful"):
        train(tabular(), tmp_path / "run", [Follow(share)])
    assert RunFolder(tmp_path / "run").has_state
    again = handful.resume(tmp_path / "run", tabular(), progress=False)
    one, other = (load_file(r.folder / "policies.safetensors") for r in (whole, again))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert again.transitions == whole.transitions
    np.testing.assert_array_equal(again.assignment, whole.assignment)


def test_the_policies_that_were_computed_are_kept(whole):
    stage = RunFolder(whole.folder).universal
    assert has_counted(stage)
    found = read_counted(stage, tabular())
    assert found.policies.shape == found.is_reached.shape
    assert found.candidates.halves().shape == (2, *found.candidates.returns.shape)
    assert 0.9 * whole.config.universal.training_steps < found.model.visits.sum()
    assert found.model.visits.sum() <= whole.config.universal.training_steps


def test_several_budgets_share_one_survey():
    follow = Follow()
    result = handful.train_frontier(
        tabular(),
        (1, 2),
        "universal",
        steps=12_000,
        settings=SETTINGS,
        callbacks=[follow],
        progress=False,
    )
    assert UNIVERSAL not in follow.purposes
    assert result[2].evaluation.welfare > result[1].evaluation.welfare
    assert result.transitions < sum(result[k].transitions for k in (1, 2))


@dataclass(frozen=True)
class Forgotten:
    """The first action decides what the second pays, and the second step does not show it.

    Two different actions pay 1, and two equal ones nothing. By the counts, any second action pays
    what it did on average.
    """

    observation_size: int = 1
    time_limit: int = 2

    @property
    def action_space(self):
        return Discrete(2)

    def reset(self, key):
        return jnp.zeros(2, jnp.int32), jnp.zeros(1)

    def step(self, key, state, action):
        step, first = state
        is_last = step == 1
        pays = is_last & (first != action)
        outcome = jnp.array([1.0, 0.0]) * pays
        after = jnp.array([1, 0]) + jnp.array([0, 1]) * action
        return after, TimeStep(jnp.ones(1) * (step == 0), outcome, is_last, ~jnp.ones((), bool))


def test_counts_that_are_no_model_are_given_up(tmp_path):
    follow = Follow()
    problem = problem_of(Forgotten(), jnp.array([[1.0, 0.0], [0.9, 0.0]]))
    result = train(problem, tmp_path / "run", [follow])
    stage = RunFolder(result.folder).universal
    assert result.config.universal.survey_steps > 0
    tested = Progress.read(stage.survey).test_steps
    tried, _ = read_tensors(stage.path / "candidates.safetensors", "The file of candidates")
    # An episode has two steps, and an observation of a candidate two episodes.
    assert tested > 0
    assert int(tried["steps"]) == 4 * len(tried["rows"]) + tested
    assert {"survey", UNIVERSAL} <= follow.purposes
    assert result.evaluation.welfare == pytest.approx(0.95)


def test_no_survey_where_none_is_asked_for():
    follow = Follow()
    result = train(tabular(), callbacks=[follow], method_settings={"model": False}, steps=1_536)
    assert result.config.universal.survey_steps == 0
    assert "survey" not in follow.purposes
