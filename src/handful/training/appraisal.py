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

HOST_EPISODES = 20
"""Of each policy on the host, where stepping takes long. In JAX compiling does: there as many are
played as in evaluation, by the same program."""


class Worth(NamedTuple):
    """What ``K`` policies are worth.

    Attributes:
        returns: of their likeliest actions, in features and the environment's units, [K, D].
        steps: transitions a policy that it took to find out.
    """

    returns: NumpyArray
    steps: int


@runtime_checkable
class Appraiser(Protocol):
    """Finds out what policies are worth."""

    def __call__(self, policies: Policies, watch: Watch = unwatched) -> Worth:
        """Of ``K`` policies; ``watch`` is told how far that is."""
        ...


def make_appraiser(problem: RMDP, config: TrainConfig, state: TrainState) -> Appraiser:
    """What appraises ``K`` policies at a time; at one moment of a run all by the same means."""
    if state.learner.experience is not None:
        return _by_counts(problem, state.learner)
    num_episodes = HOST_EPISODES if problem.runs_on_host else EVALUATION_EPISODES
    play = make_player(problem, config.num_policies, num_episodes)
    key = jax.random.fold_in(jax.random.key(config.seed), VALIDATION_STREAM)
    key = jax.random.fold_in(key, state.update)

    def by_episodes(policies: Policies, watch: Watch = unwatched) -> Worth:
        episodes = play(key, policies, True, watch)
        steps = int(np.sum(episodes.lengths)) // config.num_policies
        return Worth(np.mean(np.asarray(episodes.returns), axis=0), steps)

    return by_episodes


def _by_counts(problem: RMDP, learner: LearnerState) -> Appraiser:
    assert learner.experience is not None
    horizon, discount = problem.environment.time_limit, problem.discount

    @jax.jit
    def returns(experience: Experience, actor: Actor) -> Array:
        return returns_of(estimate(experience, horizon, discount), actor)

    def by_counts(policies: Policies, watch: Watch = unwatched) -> Worth:
        found = returns(learner.experience, policies.actor)
        watch(1.0)
        return Worth(np.asarray(found) * problem.return_scale, 0)

    return by_counts
