"""Relabelling users or policies changes nothing but the labels."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from handful.learner.networks import take_policies
from handful.learner.ppo import PPOState
from handful.population import Population
from handful.problem import RMDP
from handful.training.run import Run
from handful.training.state import init_state
from tests.environments import Weather
from tests.training.helpers import arrays_of, config_of, step_of

USERS = np.array([3, 0, 4, 1, 2])
POLICIES = np.array([2, 0, 1])
NO_WAIT = {"em": {"warm_up": 0}, "end-to-end": {}}
SETTINGS = {"batch_size": 128, "minibatch_size": 64, "num_epochs": 1}


def problem_for(order):
    table = np.random.default_rng(0).normal(size=(5, 2))[order]
    return RMDP(Weather(), Population.from_array(table), discount=0.9, return_scale=100.0)


# Parts of a training state by path: tables [N, K] or what stands for one, and what has a row for
# each policy. EM keeps the number of each user's policy in place of a table, and of each policy's
# revived user.
TABLES = (
    ".assignment",
    ".shortlist.snapshots.assignment",
    *(f".learner.actor_moments[1].{m}" for m in ("mu", "nu")),
)
ROWS = (".collector", ".table", ".shortlist.snapshots.returns")


def relabel(state, parts, take, take_served=None, take_revived=None):
    """The state with ``take`` applied to every array of these parts (below a shortlist's rows).

    The numbers that EM keeps are changed by the other two functions.
    """

    def change(path, leaf):
        name = jax.tree_util.keystr(path)
        if not name.startswith(parts):
            return leaf
        kinds = {".served": take_served, ".revived": take_revived}
        apply = next((f for end, f in kinds.items() if name.endswith(end)), take)
        return jax.vmap(apply)(leaf) if name.startswith(".shortlist") else apply(leaf)

    return jax.tree_util.tree_map_with_path(change, state)


def with_users(state, order):
    """The state of the same run with its users in another order."""
    place = jnp.argsort(jnp.asarray(order))  # of each user's old number in the new order
    return relabel(
        state,
        TABLES,
        lambda table: table[order],
        lambda served: served[order],
        lambda revived: jnp.where(revived < 0, revived, place[revived]),
    )


def with_learners(state, order):
    """The learner's state with its policies in another order, moments and all."""
    actor_moments, assignment_moments = state.actor_moments
    return PPOState(
        actor=take_policies(state.actor, order),
        critic=take_policies(state.critic, order),
        actor_moments=(with_moments(actor_moments, order), assignment_moments),
        critic_moments=with_moments(state.critic_moments, order),
        normalizer=state.normalizer.take(order),
    )


def with_moments(moments, order):
    """Adam's moments of policies in another order; those of shared layers stay."""
    return optax.ScaleByAdamState(
        moments.count, take_policies(moments.mu, order), take_policies(moments.nu, order)
    )


def with_policies(state, order):
    """The same run with its policies, their environments and their chance in another order."""
    order = jnp.asarray(order)
    kept = jax.vmap(lambda networks: networks.take(order))(state.shortlist.snapshots.networks)
    networks = (with_learners(state.learner, order), kept)
    state = eqx.tree_at(lambda s: (s.learner, s.shortlist.snapshots.networks), state, networks)
    state = relabel(state, ROWS, lambda leaf: leaf[order])
    place = jnp.argsort(order)  # of each policy's old number in the new order
    return relabel(
        state,
        TABLES,
        lambda table: table[:, order],
        lambda served: place[served].astype(served.dtype),
        lambda revived: revived[order],
    )


def assert_close(one, other):
    one, other = arrays_of(one), arrays_of(other)
    for name, values in one.items():
        np.testing.assert_allclose(values, other[name], rtol=1e-3, atol=2e-5, err_msg=name)


class TrainedRun:
    """A compiled step and a state that is no longer as it started."""

    def __init__(self, method, sharing):
        settings = NO_WAIT[method]
        self.config = config_of(3, method, method_settings=settings, **sharing, **SETTINGS)
        problem = problem_for(np.arange(5))
        self.first = init_state(Run(problem, self.config))
        self.step = step_of(problem, self.config)
        self.second, _ = self.step(self.first)
        self.third, self.metrics = self.step(self.second)


KINDS = [
    ("em", {"share_hidden": True}),
    ("end-to-end", {"share_hidden": False}),
    ("em", {"family": True}),
]


@pytest.fixture(scope="module", params=KINDS, ids=str)
def run(request):
    return TrainedRun(*request.param)


def test_relabelling_users_changes_nothing_but_their_labels(run):
    step = step_of(problem_for(USERS), run.config)
    state, _ = step(with_users(run.first, USERS))
    other, metrics = step(state)
    assert_close(with_users(run.third, USERS), other)
    assert_close(run.metrics, metrics)


def test_relabelling_policies_changes_nothing_but_their_labels(run):
    other, metrics = run.step(with_policies(run.second, POLICIES))
    assert_close(with_policies(run.third, POLICIES), other)
    np.testing.assert_allclose(metrics.welfare, run.metrics.welfare, rtol=1e-5)
    np.testing.assert_allclose(metrics.users, run.metrics.users[POLICIES], rtol=1e-5)
