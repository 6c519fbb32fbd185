"""What policies are worth, apart from the batches that they collected in training.

Where the learner counts, by the model of all that it has counted so far: a hundred episodes would
say less. Elsewhere by validation episodes.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from handful.collect.episodes import make_player
from handful.collect.watching import Watch, unwatched
from handful.evaluation.returns import EVALUATION_EPISODES
from handful.learner.counting import estimate, returns_of
from handful.learner.experience import Experience
from handful.learner.networks import Actor
from handful.learner.policies import Policies
from handful.learner.update import LearnerState
from handful.problem import RMDP
from handful.training.config import TrainConfig
from handful.training.state import TrainState
from handful.types import Array, NumpyArray

VALIDATION_STREAM = 0x7A11D
"""Folded into the run's key: neither training nor evaluation plays these episodes."""

ASSIGNMENT_STREAM = 0xA5519
"""Folded into the run's key for the episodes that the final assignment comes from: they had no part
in the choice of the policies either."""

HOST_EPISODES = 20
"""Of each policy on the host, where stepping takes long. In JAX compiling does: there as many are
played as in evaluation, by the same program."""


class Worth(NamedTuple):
    """What ``K`` policies are worth.

    Attributes:
        returns: of their likeliest actions, in features and the environment's units, [K, D].
        episodes: the same of an even number of episodes, [E, K, D]; of a model the returns twice.
        steps: transitions a policy that it took to find out.
    """

    returns: NumpyArray
    episodes: NumpyArray
    steps: int


@runtime_checkable
class Appraiser(Protocol):
    """Finds out what policies are worth."""

    def __call__(self, policies: Policies, watch: Watch = unwatched) -> Worth:
        """Of ``K`` policies; ``watch`` is told how far that is."""
        ...


def make_appraiser(
    problem: RMDP, config: TrainConfig, state: TrainState, stream: int = VALIDATION_STREAM
) -> Appraiser:
    """What appraises ``K`` policies at a time; at one moment of a run all by the same means.

    Args:
        stream: of the episodes' chance.
    """
    if state.learner.experience is not None:
        return _by_counts(problem, state.learner)
    num_episodes = HOST_EPISODES if problem.runs_on_host else EVALUATION_EPISODES
    play = make_player(problem, config.num_policies, num_episodes)
    key = jax.random.fold_in(jax.random.key(config.seed), stream)
    key = jax.random.fold_in(key, state.update)

    def by_episodes(policies: Policies, watch: Watch = unwatched) -> Worth:
        episodes = play(key, policies, True, watch)
        steps = int(np.sum(episodes.lengths)) // config.num_policies
        returns = np.asarray(episodes.returns)
        return Worth(np.mean(returns, axis=0), returns, steps)

    return by_episodes


def _by_counts(problem: RMDP, learner: LearnerState) -> Appraiser:
    assert learner.experience is not None
    horizon, discount = problem.environment.time_limit, problem.discount

    @jax.jit
    def returns(experience: Experience, actor: Actor) -> Array:
        return returns_of(estimate(experience, horizon, discount), actor)

    def by_counts(policies: Policies, watch: Watch = unwatched) -> Worth:
        found = np.asarray(returns(learner.experience, policies.actor)) * problem.return_scale
        watch(1.0)
        return Worth(found, np.stack([found, found]), 0)

    return by_counts
