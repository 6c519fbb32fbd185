"""The one thing that happens between two updates: a method that decides on the host."""

import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.episodes import make_player
from handful.problem import RMDP
from handful.training.config import TrainConfig
from handful.training.state import Snapshot, TrainState, init_policies
from handful.types import NumpyArray


def intervene(problem: RMDP, config: TrainConfig, state: TrainState) -> TrainState:
    """Let the method decide on the host, with episodes of the policies as they are."""
    key, episodes_key, method_key, restart_key = jax.random.split(state.key, 4)
    method = config.make_method()

    def trajectories(policy: int, num_episodes: int) -> NumpyArray:
        policies = state.policies(problem).take(jnp.array([policy]))
        play = make_player(problem, 1, num_episodes, trace=True)
        features = play(episodes_key, policies, False).features
        steps = np.asarray(features).reshape(-1, problem.num_features)
        return problem.population.returns(steps).T

    decision = method.intervene(method_key, state.assignment, trajectories)
    learner, collector, table, best = state.learner, state.collector, state.table, state.best
    if decision.restart:
        parameters = method.parameters(decision.state)
        learner, collector, table = init_policies(restart_key, problem, config, parameters)
        best = Snapshot.worthless(learner, decision.state)
    return TrainState(key, state.update, learner, collector, table, decision.state, best)
