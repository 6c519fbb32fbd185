"""How policies are appraised that a run may hand out."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.evaluation.returns import EVALUATION_STREAM
from handful.training.choosing import (
    ASSIGNMENT_STREAM,
    MOST_TURNS,
    VALIDATION_STREAM,
    make_appraiser,
)
from handful.training.run import Run
from handful.training.state import init_state
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import config_of


@pytest.fixture
def played(monkeypatch, as_users_call):
    """The keys and the kind of action selection of every appraisal, given a seed and an update."""

    def find(seed, update):
        calls = []

        def play(key, policies, deterministic, *_):
            calls.append((tuple(jax.random.key_data(key).tolist()), bool(deterministic)))
            return SimpleNamespace(returns=np.zeros((4, 2, 2)), lengths=np.ones((4, 2)))

        monkeypatch.setattr("handful.training.choosing.make_player", lambda *_, **__: play)
        problem = problem_of(ContextualBandit())
        config = dataclasses.replace(config_of(2), seed=seed)
        state = dataclasses.replace(init_state(Run(problem, config)), update=jnp.asarray(update))
        make_appraiser(Run(problem, config), state)(state.policies(problem))
        return calls

    return find


def test_validation_has_chance_of_its_own_and_none_in_its_actions(played):
    """Neither training nor evaluation draws anything by the keys of validation."""
    own = jax.random.key(3)
    others = [own, jax.random.fold_in(own, EVALUATION_STREAM), *jax.random.split(own, 100)]
    others += [jax.random.fold_in(own, update) for update in range(100)]
    taken = {tuple(jax.random.key_data(key).tolist()) for key in others}
    calls = played(3, 4)
    assert calls
    assert all(deterministic for _, deterministic in calls)
    assert not {key for key, _ in calls} & taken
    assert played(3, 4) == calls
    assert played(3, 5) != calls
    assert played(4, 4) != calls


def test_what_is_played_for_one_purpose_is_not_played_for_another():
    """Moments, assignment (in several turns) and evaluation each have a stream of their own."""
    turns = [ASSIGNMENT_STREAM + turn for turn in range(MOST_TURNS)]
    streams = [EVALUATION_STREAM, VALIDATION_STREAM, *turns]
    assert len(set(streams)) == len(streams)
