import importlib.util
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful._support.installing import install_command
from handful.domains.tabular.problem import tabular_problem
from handful.errors import HandfulError
from handful.learner import PPO, Counting
from handful.population import Population
from handful.problem import RMDP, make
from handful.sweep.study import RunRequest, check_what_is_needed
from handful.training.config import TrainConfig, make_config
from handful.training.preflight import (
    check_installed,
    check_method,
    check_shapes,
)
from handful.training.run import Run
from tests.environments import ContextualBandit, Push, problem_of
from tests.training.helpers import TINY, config_of


@pytest.mark.parametrize(
    "problem",
    [
        make("resource-gathering", height=2, width=2),
        problem_of(Push(low=(-1.0, -2.0), high=(1.0, 2.0)), np.eye(2)),
    ],
    ids=["discrete", "box"],
)
def test_sound_problems_pass(problem):
    check_shapes(problem)


def test_features_of_another_number_are_refused():
    population = Population.from_function(lambda outcome: jnp.zeros(3), 2)
    with pytest.raises(HandfulError, match=r"gives shape \[3\], but its coefficient table has 2"):
        check_shapes(RMDP(ContextualBandit(), population))


class WrongSize(ContextualBandit):
    observation_size = 5


class Quits(ContextualBandit):
    """Whose step ends the program."""

    def step(self, key, state, action):
        raise SystemExit(0)


def quitting_features(outcome):
    raise KeyboardInterrupt


def test_code_that_ends_the_program_is_told_in_one_sentence():
    with pytest.raises(HandfulError, match=r"failed in reset.. or step.. with SystemExit: 0"):
        check_shapes(RMDP(Quits(), Population.identity(2)))
    population = Population.from_function(quitting_features, 2)
    with pytest.raises(HandfulError, match="feature function failed with KeyboardInterrupt"):
        check_shapes(RMDP(ContextualBandit(), population))


class NothingToSee(ContextualBandit):
    observation_size = 0


def test_observations_without_entries_are_refused():
    with pytest.raises(HandfulError, match="observation_size must be at least 1, not 0"):
        check_shapes(RMDP(NothingToSee(), Population.identity(2)))


def test_observations_of_another_size_are_refused():
    with pytest.raises(HandfulError, match=r"shape \[2\], but its observation_size says \[5\]"):
        check_shapes(RMDP(WrongSize(), Population.identity(2)))


class Odd(ContextualBandit):
    """Whose steps differ from what is declared, in one thing or another."""

    def step(self, key, state, action):
        state, step = super().step(key, state, action)
        return self.change(state, step)


class LongAfterAStep(Odd):
    def change(self, state, step):
        return state, step._replace(observation=jnp.zeros(3))


class NumberForAFlag(Odd):
    """A flag of 0 or 1 would go through ``~`` as -1 or -2, and spoil what is learnt in silence."""

    def change(self, state, step):
        return state, step._replace(truncated=step.truncated.astype(jnp.int32))


class FlagAFeature(Odd):
    def change(self, state, step):
        return state, step._replace(terminated=jnp.broadcast_to(step.terminated, 2))


class OtherState(Odd):
    def change(self, state, step):
        return state.astype(jnp.float32), step


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (LongAfterAStep(), r"observation after a step has shape \[3\], but"),
        (NumberForAFlag(), r"step gives truncated as int32 of shape \[\]: it must be one truth"),
        (FlagAFeature(), r"step gives terminated as bool of shape \[2\]: it must be one truth"),
        (OtherState(), r"another kind than its reset: one array float32\[\], not one array int32"),
    ],
)
def test_steps_that_are_not_what_is_declared_are_refused(environment, sentence):
    with pytest.raises(HandfulError, match=sentence):
        check_shapes(RMDP(environment, Population.identity(2)))


def test_nothing_is_run():
    """Shapes are traced: numbers that are none are for the training loop to find."""

    def reward(outcome):
        assert isinstance(outcome, jax.core.Tracer)
        return outcome

    check_shapes(RMDP(ContextualBandit(), Population.from_function(reward, 2)))


def test_numbered_observations_are_not_normalised():
    problem = tabular_problem(np.zeros((1, 2, 1)), np.ones((2, 1, 2)))
    normalises = PPO(normalize_observations=True)
    with pytest.raises(HandfulError, match="normalize_observations"):
        normalises.check(problem, 1)
    make_config(problem, 1, "em", "paper").learner.check(problem, 1)
    normalises.check(RMDP(ContextualBandit(), Population.identity(2)), 1)


def test_continuous_actions_are_not_random_besides():
    explores, problem = PPO(random_actions=0.1), problem_of(Push(), np.eye(1))
    with pytest.raises(HandfulError, match="random_actions is for finite actions, and those of"):
        explores.check(problem, 1)
    PPO().check(problem, 1)
    explores.check(problem_of(ContextualBandit()), 1)


def states(number, num_actions=2):
    return tabular_problem(np.zeros((number, num_actions, number)), np.ones((2, number, 2)))


@pytest.mark.parametrize(
    "problem",
    [make("resource-gathering", height=2, width=2), problem_of(Push(), np.eye(1))],
    ids=["not numbered", "continuous"],
)
def test_what_cannot_be_counted_is_refused(problem):
    with pytest.raises(HandfulError, match="number their observations"):
        Counting().check(problem, 1)


def test_tables_that_are_too_large_to_count_are_refused(monkeypatch):
    Counting().check(states(8), 1)
    monkeypatch.setattr("handful.learner.counting.MOST_COUNTS", 8 * 2 * 8 - 1)
    with pytest.raises(HandfulError, match="8 observations and 2 actions are too many to count"):
        Counting().check(states(8), 1)


def test_an_assignment_that_is_learnt_by_gradients_needs_a_learner_with_gradients():
    counting = TrainConfig(1, "end-to-end", learner=Counting())
    with pytest.raises(HandfulError, match="'end-to-end' learns by the policies' gradients"):
        check_method(Run(states(3), counting))
    check_method(Run(states(3), TrainConfig(1, learner=Counting())))
    check_method(Run(states(3), TrainConfig(1, "end-to-end")))


def without(monkeypatch, *missing):
    """Packages that are not installed, as far as anybody can see without importing them."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in missing else find(name)
    )


def test_clusters_need_scikit_learn_before_the_first_step(monkeypatch, tmp_path):
    without(monkeypatch, "sklearn")
    problem = problem_of(ContextualBandit(3), np.eye(3))
    message = f"'cluster' needs scikit-learn: {install_command('cluster')}"
    with pytest.raises(HandfulError, match=re.escape(message)):
        handful.train(problem, 2, "cluster", steps=256, settings=TINY, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_single_policy_needs_no_clusters(monkeypatch):
    without(monkeypatch, "sklearn")
    problem = problem_of(ContextualBandit(3), np.eye(3))
    check_installed(Run(problem, config_of(1, "cluster")))
    check_installed(Run(problem, config_of(2, "random")))


@pytest.mark.parametrize(
    ("backend", "missing", "message"),
    [
        ("auto", ("envpool", "gymnasium"), "need EnvPool, or Gymnasium with MuJoCo"),
        ("auto", ("envpool", "mujoco"), "need EnvPool, or Gymnasium with MuJoCo"),
        ("gymnasium", ("mujoco",), "need EnvPool, or Gymnasium with MuJoCo"),
        ("envpool", ("envpool",), "'envpool' needs EnvPool"),
    ],
)
def test_robots_need_an_engine_before_the_first_step(monkeypatch, backend, missing, message):
    without(monkeypatch, *missing)
    problem = make("half-cheetah", users=3, backend=backend)
    with pytest.raises(HandfulError, match=message):
        check_installed(Run(problem, config_of(2, "random")))


def test_one_engine_is_enough(monkeypatch):
    without(monkeypatch, "envpool")
    monkeypatch.setattr("handful.domains.speeds.gymnasium_batch.is_installed", lambda: True)
    check_installed(Run(make("half-cheetah", users=3), config_of(2, "random")))


def test_a_sweep_looks_for_what_its_runs_will_need(monkeypatch):
    config = config_of(2, "cluster")
    request = RunRequest("glide", {}, config, Path("run"))
    check_what_is_needed([request])
    without(monkeypatch, "sklearn")
    with pytest.raises(HandfulError, match="needs scikit-learn"):
        check_what_is_needed([request])


@pytest.mark.parametrize("sizes", [(10**4, 10**4), (12_000, 12_000)])
def test_networks_that_no_memory_holds_are_refused(sizes):
    problem = make("market", users=5)
    config = make_config(problem, 2, "em", "fast", {"hidden_sizes": sizes})
    with pytest.raises(HandfulError, match=r"weights for 3 reward features .* smaller hidden_size"):
        config.learner.check(problem, config.num_policies)


def test_many_policies_of_usual_networks_fit():
    problem = make("market", users=5000)
    fits = make_config(problem, 5000, "em", "fast", {"hidden_sizes": (64, 64)})
    fits.learner.check(problem, 5000)
