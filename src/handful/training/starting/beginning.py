"""The beginning of a run that starts from given policies.

The policies play a few episodes, so that the run knows what they are worth to its users before its
first update, and each user begins at the one that serves them best. They also stay in the run as
they came: when it ends they are validated beside the best moments of training, so that what is
chosen is never worse than the start, by the same validation episodes.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from handful.errors import HandfulError
from handful.learner.base import Networks
from handful.learner.policies import Policies
from handful.training.choosing import make_player_of_run
from handful.training.run import Run
from handful.training.starting.holding import in_all_places, of_players
from handful.training.starting.start import Given
from handful.training.state import Snapshot, TrainState, init_state, open_ledger
from handful.types import Watch, unwatched

START_STREAM = 0x57A47
"""A number that is folded into the run's key for the episodes of the policies at the start."""


def begin(run: Run, given: Given, watch: Watch = unwatched) -> TrainState:
    """Return the state of a run before its first update, with given policies in it.

    Args:
        run: the run, whose settings name the same start.
        given: the policies.
        watch: is called with the share of their episodes that has been played.

    Raises:
        HandfulError: if the run's networks have another shape than the policies.
    """
    state = init_state(run)
    networks = placed(in_all_places(run, state.learner.networks), given.policies)
    learner = state.learner.with_networks(of_players(run, networks))
    problem, num_given = run.problem, given.settings.num_given
    actor = networks.actor.without_random_actions()
    policies = Policies(actor, networks.normalizer, problem.environment.action_space)
    worth = make_player_of_run(run, state, START_STREAM)(policies, watch)
    is_given = np.arange(run.num_policies) < num_given
    # Further policies are new: nobody begins with them, whatever they earn by chance.
    served = np.argmax(problem.population.returns(worth.returns[:num_given]), axis=0)
    policy = jnp.asarray(served, jnp.int32)
    assignment = run.method.started(state.assignment, policy)
    mean = jnp.asarray(worth.returns, jnp.float32)
    table = dataclasses.replace(
        state.table, mean=jnp.where(is_given[:, None], mean, 0.0), seen=jnp.asarray(is_given)
    )
    if table.plain is not None:  # the mean is discounted, and episodes were measured without
        unknown = jnp.zeros_like(table.seen)
        table = dataclasses.replace(
            state.table, plain=jnp.where(is_given[:, None], mean, 0.0), seen=unknown
        )
    start = Snapshot(jnp.asarray(-jnp.inf), mean, networks, assignment)
    state = dataclasses.replace(
        state,
        learner=learner,
        table=table,
        assignment=assignment,
        start=start,
        validated=jnp.asarray(worth.steps, jnp.int32),
        ledger=open_ledger(run, assignment),
    )
    return jax.tree.map(jnp.copy, state)  # a step consumes its state: no array may be in it twice


def placed(networks: Networks, policies: Policies) -> Networks:
    """Return networks with given policies in the first places, and critics as they are.

    Args:
        networks: networks that share no layers, of ``K`` policies.
        policies: up to ``K`` policies that share none.

    Raises:
        HandfulError: if the actors have other shapes.
    """
    own = (networks.actor.stack, networks.actor.log_std, networks.normalizer)
    theirs = (policies.actor.stack, policies.actor.log_std, policies.normalizer)
    fits = jax.tree.structure(own) == jax.tree.structure(theirs) and all(
        mine.shape[1:] == other.shape[1:]
        for mine, other in zip(jax.tree.leaves(own), jax.tree.leaves(theirs), strict=True)
    )
    if not fits or type(networks.actor) is not type(policies.actor):
        raise HandfulError(
            "The policies that the run starts from have other networks than its settings make: "
            "leave out the learner's settings of networks (hidden_sizes, share_hidden, family, "
            "normalize_observations), which then come from the policies."
        )
    stack, log_std, normalizer = jax.tree.map(
        lambda mine, other: mine.at[: len(other)].set(other), own, theirs
    )
    actor = dataclasses.replace(networks.actor, stack=stack, log_std=log_std)
    return Networks(actor, networks.critic, normalizer)
