"""With which chance the environments of a run on the host are opened."""

import dataclasses

import jax.numpy as jnp
import pytest

from handful.training.run import Run
from handful.training.state import init_state
from handful.training.stepper import open_stepper
from tests.host_environments import SeededTrack, track_problem
from tests.training.helpers import config_of


@pytest.fixture
def seed_of(monkeypatch, as_users_call):
    """The seed that environments are opened with, given the run's seed and the updates done."""
    learn = lambda state, *_: (state, None)  # noqa: E731
    monkeypatch.setattr("handful.training.stepper._compile", lambda *_: learn)
    problem = track_problem(kind=SeededTrack)
    seeds = problem.environment.seeds

    def find(run_seed, update):
        config = dataclasses.replace(config_of(2), seed=run_seed)
        state = dataclasses.replace(init_state(Run(problem, config)), update=jnp.asarray(update))
        before = len(seeds)
        with open_stepper(Run(problem, config, None)) as step:
            state, _ = step(state)
            step(state)
        assert len(seeds) == before + 1, "environments are opened once a run"
        return seeds[-1]

    return find


def test_environments_follow_the_seed_of_the_run_and_the_update_that_it_goes_on_from(seed_of):
    """Or all runs would see the same episodes, and a resumed one the first ones again."""
    seeds = [seed_of(0, 0), seed_of(1, 0), seed_of(0, 1), seed_of(1, 1)]
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seed_of(1, 1) == seeds[3]


def test_only_episodes_that_start_anew_have_earned_nothing(monkeypatch, as_users_call):
    """A checkpoint knows what lost episodes had earned, and the environments do not."""
    given = []

    def learn(state, *_):
        given.append(state.collector.episode_return)
        return state, None

    monkeypatch.setattr("handful.training.stepper._compile", lambda *_: learn)
    problem, config = track_problem(), config_of(2)
    state = init_state(Run(problem, config))
    earned = dataclasses.replace(
        state.collector, episode_return=jnp.ones_like(state.collector.episode_return)
    )
    state = dataclasses.replace(state, collector=earned)
    with open_stepper(Run(problem, config, None)) as step:
        step(state)
        step(state)
        step.restart()
        step(state)
    assert [float(jnp.max(earned)) for earned in given] == [0.0, 1.0, 0.0]
