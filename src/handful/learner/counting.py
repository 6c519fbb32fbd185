"""Learning from counts: the critic is the batch's certainty equivalent, the actor improves on it.

One pass of PPO over a batch changes a table a little, and then the samples are thrown away. If
observations are numbered, all transitions so far fit into counts
(:mod:`handful.learner.experience`). Temporal differences, repeated for ever on all these
transitions, would converge to the values in the model of maximum likelihood (Sutton & Barto, 2018,
section 6.3), which are known in closed form. These are the critic's values here. The actors take
steps of policy iteration on them and act with a softmax of their advantages, so that they still try
actions that look almost as good.

Only the sampled transitions are used; the environment's own arrays are never read.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from handful._support.checks import check_numbers, check_range, require
from handful.devices import in_full_precision
from handful.environment import Discrete, num_symbols
from handful.errors import HandfulError
from handful.learner.base import (
    Improvement,
    Learner,
    LearnerState,
    Networks,
    Objective,
    check_discount,
    check_random_actions,
)
from handful.learner.counted_model import (
    Model,
    advantages_of,
    estimate,
    optimism_of,
    values_of,
)
from handful.learner.distributions import Categorical
from handful.learner.experience import Experience, symbols
from handful.learner.networks import Actor, Sharing, init_actor, init_critic, table_of
from handful.learner.normalize import Normalizer
from handful.problem import RMDP
from handful.transitions import Transitions
from handful.types import Array, Float, Int, PRNGKey, PyTree

LEAST_TEMPERATURE = 1e-6
"""The lowest temperature of the actors' softmax: below it they are greedy."""


def likeliest_actions(actor: Actor) -> Int[Array, "K S"]:
    """Return the likeliest actions of look-up policies, at every observation."""
    return jnp.argmax(table_of(actor.stack).weight, axis=2)


@in_full_precision
def returns_of(model: Model, actor: Actor, discount: float = 1.0) -> Float[Array, "K D"]:
    """Return the model's return of an episode of each policy's likeliest actions, in features.

    Args:
        discount: the discount of later rewards; it may differ from the one that the policies learn
            by.
    """
    model = model._replace(discount=discount)
    return jnp.einsum("s,ksd->kd", model.starts, values_of(model, likeliest_actions(actor)))


@in_full_precision
def plan(
    networks: Networks,
    model: Model,
    mix: Float[Array, "K D"],
    temperature: float | Float[Array, ""],
    steps: int,
) -> Networks:
    """Take steps of policy iteration from the present policies, and act by a softmax.

    The softmax is over the advantages of the last step.

    Args:
        mix: the worth of each feature to the mean user of each policy.
        temperature: the temperature of the softmax, in scaled returns.
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
    state: "CountingState", transitions: Transitions, discount: float
) -> dict[str, Float[Array, " K"]]:
    """Return the change of the policies since the latest batch, and the critic's errors on it."""
    flat = transitions.flat()
    table = table_of(state.critic).weight
    number = table.shape[1]
    look_up = jax.vmap(lambda table, rows: table[rows])
    seen, after = symbols(flat.observations, number), symbols(flat.next_observations, number)
    logits = look_up(table_of(state.actor.stack).weight, seen)
    distribution = Categorical(logits).softened(state.actor.random_actions)
    log_ratio = distribution.log_prob(flat.actions) - flat.log_probs
    goes_on = ~flat.terminated[..., None]
    errors = flat.features + discount * goes_on * look_up(table, after) - look_up(table, seen)
    return {
        "entropy": jnp.mean(distribution.entropy(), axis=1),
        "approx_kl": jnp.mean(jnp.exp(log_ratio) - 1.0 - log_ratio, axis=1),
        "critic_loss": 0.5 * jnp.mean(errors**2, axis=(1, 2)),
    }


MOST_COUNTS = 2**27
"""The most triples of two observations and an action to count: half a gigabyte."""

MOST_STEPS = 10_000
"""The most steps of policy iteration in an update, far more than change anything."""

PLANNING_STEPS = 10
"""The steps of policy iteration for kept policies: most are at their best after five."""


class CountingState(LearnerState):
    """The tables of the policies, and the counts.

    Attributes:
        experience: the counts of all transitions so far.
    """

    experience: Experience


@dataclass(frozen=True)
class Counting(Learner):
    """A learner that counts, for environments that number their observations.

    Attributes:
        temperature: the temperature of the policies' softmax at the start, as a share of the return
            scale.
        final_temperature: the temperature at the end of training, to which it falls linearly with
            the transitions.
        discount: the discount that policies are trained with, above 0 and at most 1; None takes the
            problem's.
        planning_steps: the number of steps of policy iteration in an update.
        random_actions: the probability with which a policy takes a uniformly random action while it
            trains; the final policies take none.

    Raises:
        HandfulError: if a number is out of its range.
    """

    has_gradients: ClassVar[bool] = False
    knows_returns: ClassVar[bool] = True
    knows_optimism: ClassVar[bool] = True

    temperature: float = 1e-3
    final_temperature: float = 1e-3
    discount: float | None = None
    planning_steps: int = 4
    random_actions: float = 0.0

    def __post_init__(self) -> None:
        check_numbers(self)
        for name in ("temperature", "final_temperature"):
            require(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        check_range("planning_steps", self.planning_steps, 1, MOST_STEPS)
        check_discount(self.discount)
        check_random_actions(self.random_actions)

    @property
    def own_discount(self) -> float | None:
        """The setting ``discount``."""
        return self.discount

    def check(self, problem: RMDP, num_policies: int) -> None:
        """Check that the observations are numbered, and few enough to be counted.

        Raises:
            HandfulError: if they are not, or actions are continuous.
        """
        del num_policies
        number, space = num_symbols(problem.environment), problem.environment.action_space
        if number is None or not isinstance(space, Discrete):
            raise HandfulError(
                "The learner 'counting' is for environments in JAX that number their observations "
                "and have discrete actions: choose another learner, such as 'ppo'."
            )
        if number**2 * space.num_actions > MOST_COUNTS:
            raise HandfulError(
                f"{number} observations and {space.num_actions} actions are too many to count: "
                f"choose another learner, such as 'ppo'."
            )

    def init(
        self, key: PRNGKey, problem: RMDP, num_policies: int, parameters: PyTree
    ) -> CountingState:
        """Return tables of small random numbers, without any counts."""
        del parameters
        environment = problem.environment
        number, space, size = (
            num_symbols(environment),
            environment.action_space,
            environment.observation_size,
        )
        assert number is not None
        assert isinstance(space, Discrete)
        actor_key, critic_key = jax.random.split(key)
        alone = Sharing.NOTHING
        actor = init_actor(
            actor_key,
            num_policies,
            size,
            space,
            (),
            alone,
            num_symbols=number,
            random_actions=self.random_actions,
        )
        features = problem.num_features
        critic = init_critic(critic_key, num_policies, size, features, (), alone, number)
        return CountingState(
            actor=actor,
            critic=critic,
            normalizer=Normalizer.identity(num_policies, size, math.inf),
            experience=Experience.empty(number, space.num_actions, features),
        )

    def begin(self, state: LearnerState, observations: Float[Array, "K B 1"]) -> LearnerState:
        """Count the observations with which the first episodes begin."""
        assert isinstance(state, CountingState)
        return dataclasses.replace(state, experience=state.experience.begin(observations))

    def observe(self, state: LearnerState, batch: Transitions) -> LearnerState:
        """Count a batch."""
        assert isinstance(state, CountingState)
        return dataclasses.replace(state, experience=state.experience.add(batch))

    def model(self, state: LearnerState, problem: RMDP) -> Model:
        """Return the model of the dynamics that the counts give."""
        assert isinstance(state, CountingState)
        return estimate(state.experience, problem.environment.time_limit, problem.discount)

    def returns(
        self, state: LearnerState, actor: Actor, problem: RMDP, discount: float
    ) -> Float[Array, "K D"]:
        """Return the model's return of an episode of each policy's likeliest actions."""
        return returns_of(self.model(state, problem), actor, discount)

    def optimism(
        self, state: LearnerState, batch: Transitions, problem: RMDP
    ) -> Float[Array, "K D"]:
        """Return by how much the model overrates each policy, by the model's errors on a batch."""
        actions = likeliest_actions(state.actor)
        return optimism_of(self.model(state, problem)._replace(discount=1.0), actions, batch)

    def improve(
        self,
        key: PRNGKey,
        state: LearnerState,
        batch: Transitions,
        objective: Objective,
        progress: Float[Array, ""],
        pace: Float[Array, ""],
        problem: RMDP,
        mesh: Mesh | None,
    ) -> Improvement:
        """Take some steps of policy iteration on the model, for every policy.

        The model has counted this batch already, so the batch serves the metrics only. The steps
        have no size, so ``pace`` changes nothing.
        """
        del key, pace, mesh
        assert isinstance(state, CountingState)
        temperature = self.temperature + progress * (self.final_temperature - self.temperature)
        networks = plan(
            state.networks,
            self.model(state, problem),
            objective.mix.mean,
            jnp.maximum(temperature, LEAST_TEMPERATURE),
            self.planning_steps,
        )
        new_state = state.with_networks(networks)
        assert isinstance(new_state, CountingState)
        metrics = _metrics(new_state, batch, problem.discount)
        is_finite = jnp.isfinite(metrics["critic_loss"]) & jnp.isfinite(metrics["entropy"])
        return Improvement(
            new_state, objective.parameters, {"temperature": temperature, **metrics}, is_finite
        )

    def restart(self, fresh: LearnerState, before: LearnerState) -> LearnerState:
        """Return new policies with all counts so far, since the dynamics are the same."""
        assert isinstance(fresh, CountingState)
        assert isinstance(before, CountingState)
        return dataclasses.replace(fresh, experience=before.experience)

    def renew(
        self, networks: Networks, state: LearnerState, mixes: Float[Array, "K D"], problem: RMDP
    ) -> Networks:
        """Return the policies after planning with all counts so far."""
        temperature = max(self.temperature, LEAST_TEMPERATURE)
        return plan(networks, self.model(state, problem), mixes, temperature, PLANNING_STEPS)
