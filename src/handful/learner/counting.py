"""Learning from counts: the critic is the batch's certainty equivalent, the actor improves on it.

One pass of PPO over a batch moves a table a little, by samples that it then throws away. Where
observations are numbered everything that was ever seen fits into counts
(:mod:`handful.learner.experience`), and what temporal differences would converge to on all of it,
repeated for ever, is known in closed form: the values in the model of maximum likelihood (Sutton &
Barto, 2018, section 6.3). These are the critic's values here. The actors take steps of policy
iteration on them and act with a softmax of their advantages, so that actions that look almost as
good go on being tried.

Only what policies sampled is used; the environment's own arrays are never read.
"""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from handful.devices import in_full_precision
from handful.learner.config import PPOConfig
from handful.learner.experience import Experience, symbols
from handful.learner.networks import Actor, Categorical, table_of
from handful.learner.ppo import ActorMetrics, LearnerState, Networks, Rates, UpdateMetrics
from handful.transitions import Transitions
from handful.types import Array, Float, Int

PRIOR_VISITS = 5.0
"""Before it was taken so often, an action is believed to do mostly what others do there."""

SETTLED = 1e-6
"""Values are known once no sweep changes them by more than this share of the largest."""

LEAST_TEMPERATURE = 1e-6
"""Of the actors' softmax: below it they are greedy."""


class Model(NamedTuple):
    """What the counts say of the dynamics.

    Attributes:
        moves: probability of the next observation; the rest of it ends the episode.
        features: mean reward features of an action.
        starts: distribution of an episode's first observation; zeros before the first is known.
        horizon: steps that an episode has at most.
        discount: of what follows.
    """

    moves: Float[Array, "S A S"]
    features: Float[Array, "S A D"]
    starts: Float[Array, " S"]
    horizon: int
    discount: float


def count(
    state: LearnerState, batch: Transitions, horizon: int, discount: float
) -> tuple[LearnerState, Model | None]:
    """Take a batch into the experience; and the model that follows, where the learner counts."""
    if state.experience is None:
        return state, None
    experience = state.experience.add(batch)
    state = dataclasses.replace(state, experience=experience)
    return state, estimate(experience, horizon, discount)


def estimate(experience: Experience, horizon: int, discount: float) -> Model:
    """Frequencies, drawn towards those of the observation's other actions while visits are few."""
    visits = experience.visits[..., None].astype(jnp.float32)
    followed = experience.followed.astype(jnp.float32)
    at = jnp.maximum(jnp.sum(visits, axis=1, keepdims=True), 1.0)
    usual_moves = jnp.sum(followed, axis=1, keepdims=True) / at
    usual_features = jnp.sum(experience.features, axis=1, keepdims=True) / at
    return Model(
        (followed + PRIOR_VISITS * usual_moves) / (visits + PRIOR_VISITS),
        (experience.features + PRIOR_VISITS * usual_features) / (visits + PRIOR_VISITS),
        experience.starts / jnp.maximum(jnp.sum(experience.starts), 1),
        horizon,
        discount,
    )


def values_of(model: Model, actions: Int[Array, "K S"]) -> Float[Array, "K S D"]:
    """What policies earn from each observation on, in features."""
    rows = jnp.arange(actions.shape[1])
    moves, paid = model.moves[rows, actions], model.features[rows, actions]

    def goes_on(carry: tuple[Array, Array, Array]) -> Array:
        values, change, step = carry
        scale = jnp.maximum(jnp.max(jnp.abs(values)), SETTLED)
        return (step < model.horizon) & (change > SETTLED * scale)

    def sweep(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        values, _, step = carry
        new = paid + model.discount * moves @ values
        return new, jnp.max(jnp.abs(new - values)), step + 1

    start = (jnp.zeros_like(paid), jnp.asarray(jnp.inf), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(goes_on, sweep, start)[0]


def advantages_of(
    model: Model, values: Float[Array, "K S D"], mix: Float[Array, "K D"]
) -> Float[Array, "K S A"]:
    """How much less than the best action each earns its policy's users: 0 or below."""
    worth = jnp.einsum("sad,kd->ksa", model.features, mix)
    after = jnp.einsum("sat,kt->ksa", model.moves, jnp.einsum("ksd,kd->ks", values, mix))
    worth += model.discount * after
    return worth - jnp.max(worth, axis=2, keepdims=True)


@in_full_precision
def mean_mix(
    trained: Float[Array, "N K"], coefficients: Float[Array, "N D"]
) -> Float[Array, "K D"]:
    """What each feature is worth to the mean user that each policy is trained for.

    Args:
        trained: how much each user counts for each policy.
    """
    users = jnp.maximum(jnp.sum(trained, axis=0), 1e-6)
    return trained.T @ coefficients / users[:, None]


def likeliest_actions(actor: Actor) -> Int[Array, "K S"]:
    """Of look-up policies, at every observation."""
    return jnp.argmax(table_of(actor.stack).weight, axis=2)


@in_full_precision
def returns_of(model: Model, actor: Actor, discount: float = 1.0) -> Float[Array, "K D"]:
    """What an episode of each policy's likeliest actions earns by the model, in features.

    Args:
        discount: of what comes later: a policy may learn by another than it is judged by.
    """
    model = model._replace(discount=discount)
    return jnp.einsum("s,ksd->kd", model.starts, values_of(model, likeliest_actions(actor)))


def improve(
    state: LearnerState,
    model: Model,
    transitions: Transitions,
    mix: Float[Array, "K D"],
    rates: Rates,
    config: PPOConfig,
) -> tuple[LearnerState, UpdateMetrics]:
    """``config.num_epochs`` steps of policy iteration for every policy, on the model.

    Args:
        transitions: the latest batch, for the metrics only: the model has counted it.
        mix: what each feature is worth to the mean user that a policy is trained for.
        rates: the entropy coefficient is the temperature of the actors' softmax, in returns.
    """
    temperature = jnp.maximum(rates.entropy_coefficient, LEAST_TEMPERATURE)
    networks = plan(state.networks, model, mix, temperature, config.num_epochs)
    new_state = eqx.tree_at(lambda s: (s.actor, s.critic), state, (networks.actor, networks.critic))
    return new_state, _metrics(new_state, transitions, config, model.discount)


@in_full_precision
def plan(
    networks: Networks,
    model: Model,
    mix: Float[Array, "K D"],
    temperature: float | Float[Array, ""],
    steps: int,
) -> Networks:
    """So many steps of policy iteration from what policies do, and a softmax of the advantages.

    Args:
        mix: what each feature is worth to the mean user of each policy.
        temperature: of the softmax, in scaled returns.
    """

    def step(actions: Array, _: None) -> tuple[Array, Float[Array, "K S D"]]:
        values = values_of(model, actions)
        gaps = advantages_of(model, values, mix)
        stays = jnp.take_along_axis(gaps, actions[..., None], axis=2)[..., 0] == 0.0
        return jnp.where(stays, actions, jnp.argmax(gaps, axis=2)), values

    _, values = jax.lax.scan(step, likeliest_actions(networks.actor), None, length=steps)
    values = values[-1]
    logits = advantages_of(model, values, mix) / temperature
    heads = (table_of(networks.actor.stack), table_of(networks.critic))
    return eqx.tree_at(
        lambda n: (
            *(n.actor.stack.head.weight, n.actor.stack.head.bias),
            *(n.critic.head.weight, n.critic.head.bias),
        ),
        networks,
        (logits, jnp.zeros_like(heads[0].bias), values, jnp.zeros_like(heads[1].bias)),
    )


def _metrics(
    state: LearnerState, transitions: Transitions, config: PPOConfig, discount: float
) -> UpdateMetrics:
    """PPO's metrics, on the latest batch: how the new policies differ from those that acted."""
    flat = transitions.flat()
    table = table_of(state.critic).weight
    number = table.shape[1]
    look_up = jax.vmap(lambda table, rows: table[rows])
    seen, after = symbols(flat.observations, number), symbols(flat.next_observations, number)
    logits = look_up(table_of(state.actor.stack).weight, seen)
    distribution = Categorical(logits).softened(state.actor.random_actions)
    log_ratio = distribution.log_prob(flat.actions) - flat.log_probs
    ratio = jnp.exp(log_ratio)
    goes_on = ~flat.terminated[..., None]
    errors = flat.features + discount * goes_on * look_up(table, after) - look_up(table, seen)
    return UpdateMetrics(
        ActorMetrics(
            entropy=jnp.mean(distribution.entropy(), axis=1),
            approx_kl=jnp.mean(ratio - 1.0 - log_ratio, axis=1),
            clip_fraction=jnp.mean(jnp.abs(ratio - 1.0) > config.clip_range, axis=1),
        ),
        critic_loss=0.5 * jnp.mean(errors**2, axis=(1, 2)),
    )
