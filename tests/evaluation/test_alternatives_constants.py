"""Constant actions, whose worth is known."""

import numpy as np
import pytest

from handful.collect.episodes import make_player
from handful.evaluation.alternatives import (
    HOST_EPISODES,
    JAX_EPISODES,
    MOST_ACTIONS,
    play_constants,
)
from handful.training.run import Run
from handful.training.state import init_state
from tests.environments import ContextualBandit, problem_of, push_problem
from tests.host_environments import track_problem
from tests.training.helpers import config_of


def played(problem, num_policies=2, **settings):
    policies = init_state(Run(problem, config_of(num_policies, **settings))).policies(problem)
    return play_constants(problem, policies, seed=3)


def test_bounds_and_the_middle_of_continuous_actions():
    problem = push_problem((-0.5, 0.0, 0.5), spread=0.0)
    constants = played(problem)
    assert constants.names == ("the lowest actions", "the highest actions", "actions in the middle")
    length = problem.environment.time_limit
    # Three actions in two turns of two policies: the last one is played twice.
    assert constants.transitions == 4 * JAX_EPISODES * length
    # Pushing one way suits one user as well as pushing the other way suits the other.
    assert constants.welfare[0] == pytest.approx(constants.welfare[1], abs=1e-5)
    assert constants.best == 2
    np.testing.assert_allclose(constants.welfare_stderr, 0.0, atol=1e-6)


def test_every_discrete_action_is_played_by_what_plays_the_policies():
    problem = problem_of(ContextualBandit(3), np.eye(3))
    constants = played(problem)
    assert constants.names == ("action 0", "action 1", "action 2")
    programs = make_player.cache_info().misses
    played(problem)
    assert make_player.cache_info().misses == programs


def test_of_many_actions_some_are_played():
    problem = problem_of(ContextualBandit(40), np.ones((2, 40)))
    constants = played(problem)
    assert len(constants.names) == MOST_ACTIONS
    assert (constants.names[0], constants.names[-1]) == ("action 0", "action 39")


@pytest.mark.parametrize("sharing", [{}, {"family": True}, {"share_hidden": True}])
def test_on_the_host_and_with_whatever_policies_share(sharing):
    problem = track_problem(time_limit=8)
    constants = played(problem, **sharing)
    turns = -(-len(constants.names) // 2)
    assert constants.transitions == turns * 2 * HOST_EPISODES * 8
    other = played(problem, num_policies=3)
    np.testing.assert_allclose(constants.welfare, other.welfare, rtol=1e-3)
