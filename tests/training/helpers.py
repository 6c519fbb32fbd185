"""Small runs that compile once and take seconds."""

from functools import partial

import jax
import numpy as np

from handful.training.config import TrainConfig, resolve_settings
from handful.training.run import Run
from handful.training.state import init_state
from handful.training.step import train_step
from handful.training.watching.callbacks import Report

TINY = {
    "num_envs": 8,
    "batch_size": 256,
    "minibatch_size": 64,
    "num_epochs": 2,
    "hidden_sizes": (16,),
}


def config_of(num_policies, method="random", updates=4, method_settings=None, **settings):
    learner, collect = resolve_settings("paper", settings, suited=TINY)
    return TrainConfig(
        num_policies=num_policies,
        method=method,
        method_settings=method_settings or {},
        steps=updates * collect.batch_size,
        learner=learner,
        collect=collect,
    )


def step_of(problem, config, mesh=None):
    """The compiled step, which leaves the state that it is given alone."""
    return jax.jit(partial(train_step, run=Run(problem, config, mesh)))


def train_tiny(problem, config, updates=None):
    """The state after some updates, and the last metrics."""
    step, state = step_of(problem, config), init_state(Run(problem, config))
    for _ in range(updates or config.num_updates):
        state, metrics = step(state)
    return state, metrics


def arrays_of(tree):
    """All leaves on the host, keys as numbers, by their path."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    is_key = lambda x: jax.numpy.issubdtype(x.dtype, jax.dtypes.prng_key)  # noqa: E731
    return {
        jax.tree_util.keystr(path): np.asarray(jax.random.key_data(x) if is_key(x) else x)
        for path, x in leaves
    }


def assert_identical(one, other):
    """Bit for bit."""
    one, other = arrays_of(one), arrays_of(other)
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def report(update, seconds=1.0, rate=12_345.6):
    """Of one update of ten."""
    metrics = {"welfare": 10.0 * update, "entropy": [1.5, float(update)]}
    return Report(update, 10, 256 * update, rate, seconds, metrics)
