"""PPO of one policy for all users, with a context as an input that says what it is rewarded for.

Its ``K`` policies are one network that takes a context besides the observation
(:attr:`~handful.learner.networks.Sharing.CONDITIONED`), and so is its critic. Each of them is
trained for a mix that the learner draws itself (:mod:`handful.learner.preferences`), and draws
again as soon as an episode of it has ended. So the objective that it is given is not used: it
learns what any user and any neighbourhood of users might want of a policy. Afterwards any context
gives an ordinary policy (:meth:`UniversalPPO.apart`).
"""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from handful._support.checks import require
from handful.environment import num_symbols
from handful.errors import HandfulError
from handful.learner.base import (
    Improvement,
    LearnerState,
    Networks,
    Objective,
    UniversalLearner,
)
from handful.learner.conditioned import apart, drawing, with_contexts, with_embedding
from handful.learner.curriculum import PACE, Curriculum
from handful.learner.exploring import Exploration, with_explorer, with_interest
from handful.learner.gae import advantage_scale, mix_advantages
from handful.learner.networks import Actor, Sharing
from handful.learner.ppo import PPO, PPOState, init_learner, learn_from, prepare
from handful.learner.preferences import (
    Embedding,
    blend_moments,
    draw_mixes,
    embed_by_rewards,
    is_embedding_due,
    landmarks,
    prior_moment,
)
from handful.learner.recall import DRAWN, Learnt, judged, relearn
from handful.learner.starts import TRIAL, Starts
from handful.mix import Mix
from handful.problem import RMDP
from handful.transitions import Transitions
from handful.types import Array, Bool, Float, Int, PRNGKey, PyTree

PACES = (0.1, 10.0)
"""The smallest and the largest factor of the step size."""

PACE_STEP = 1.2
"""The factor by which the step size changes after an update."""


class UniversalState(PPOState):
    """The state of PPO, and what is known of the users and of the outcomes met.

    Attributes:
        users: the coefficients of the users whom mixes are drawn from.
        prior: the second moment of the reward features that might be met.
        moment: the second moment of the reward features of all transitions so far.
        embedding: the embedding of mixes.
        mixes: the mix that each policy is trained for.
        updates: the number of updates done.
        pace: the factor of the step size.
        exploration: what exploring keeps; None if it never explores.
        curriculum: how far the mixes have come from what everybody wants to what each user wants.
        starts: what is known of several starts, of which the best goes on; None if training begins
            once.
    """

    users: Float[Array, "N D"]
    prior: Float[Array, "D D"]
    moment: Float[Array, "D D"]
    embedding: Embedding
    mixes: Float[Array, "K D"]
    updates: Int[Array, ""]
    pace: Float[Array, ""]
    exploration: Exploration | None
    curriculum: Curriculum
    starts: Starts | None = None


@dataclass(frozen=True)
class UniversalPPO(PPO, UniversalLearner):
    """PPO of one conditioned policy; further fields are those of :class:`PPO`.

    Its batch has few transitions of each policy, as many policies act at once, so that a minibatch
    has few of each, too. How large a step may be depends on the problem: with numbered observations
    one that is three to ten times as large is best. So the step size may follow how much the
    policies change: it grows by a fifth after an update in which their divergence stays below
    ``target_kl``, and shrinks by as much otherwise.

    Attributes:
        context_size: the number of entries of a context.
        group_share: the probability with which a mix is a neighbourhood of users, not one user.
        target_kl: the mean divergence (nats) of an update's policies from those that acted, which
            the step size aims at; None for a step size that does not adapt.
        stretch: the number of steps of its one environment that each policy takes between two
            updates, if it explores where rewards are rare (:mod:`handful.learner.exploring`);
            0 if it never does.
        curriculum: whether mixes begin with what everybody wants where users lose by the ends of
            episodes (:mod:`handful.learner.curriculum`).
        starts: how often training begins with new networks; it goes on with the best of them
            (:mod:`handful.learner.starts`).

    Raises:
        HandfulError: if a number is out of its range.
    """

    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-4
    minibatch_size: int = 4
    num_epochs: int = 6
    mix_weight: float = 0.1
    hidden_sizes: tuple[int, ...] = (64, 64)
    context_size: int = 8
    group_share: float = 0.5
    target_kl: float | None = None
    stretch: int = 0
    curriculum: bool = True
    starts: int = 1

    can_draw: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.context_size >= 1, "context_size", "at least 1", self.context_size)
        if self.target_kl is not None:
            require(self.target_kl > 0, "target_kl", "positive", self.target_kl)
        require(self.stretch >= 0, "stretch", "0 or more", self.stretch)
        most = int(1.0 / TRIAL)
        require(1 <= self.starts <= most, "starts", f"from 1 to {most}", self.starts)
        share = self.group_share
        require(0 <= share <= 1, "group_share", "between 0 and 1", share)
        if self.has_own_network or not self.hidden_sizes:
            raise HandfulError(
                "A universal policy takes the context as an input of its first hidden layer: use "
                "the library's own networks, with at least one width in hidden_sizes."
            )

    @property
    def sharing(self) -> Sharing:
        """The policies are one conditioned network."""
        return Sharing.CONDITIONED

    @property
    def critic_sharing(self) -> Sharing:
        """The critics are one conditioned network."""
        return Sharing.CONDITIONED

    def init(
        self, key: PRNGKey, problem: RMDP, num_policies: int, parameters: PyTree
    ) -> UniversalState:
        """Return new networks, moments and statistics, with the first mixes drawn."""
        state = self._begun(key, problem, num_policies, parameters)
        if self.starts == 1:
            return state
        return dataclasses.replace(state, starts=Starts.begin(state))

    def _begun(
        self, key: PRNGKey, problem: RMDP, num_policies: int, parameters: PyTree
    ) -> UniversalState:
        """Return the first state of a start."""
        network_key, user_key, mix_key = jax.random.split(key, 3)
        environment = problem.environment
        size, space = environment.observation_size, environment.action_space
        exploration, further = None, 0
        if self.stretch:
            further = 1  # novelty is one more reward, and its weight one more entry of the context
            exploration = Exploration.begin(
                num_policies, self.stretch, size, space, problem.num_features
            )
        state = init_learner(
            network_key,
            self,
            num_policies,
            size,
            space,
            problem.num_features + further,
            parameters,
            num_symbols(environment),
            self.context_size + further,
        )
        users = landmarks(user_key, jnp.asarray(problem.population.coefficients))
        prior = prior_moment(problem)
        embedding = embed_by_rewards(users, prior, self.context_size)
        mixes, centres = draw_mixes(mix_key, num_policies, users, embedding, self.group_share)
        whole = UniversalState(
            **vars(state),
            users=users,
            prior=prior,
            moment=jnp.zeros_like(prior),
            embedding=embedding,
            mixes=mixes,
            updates=jnp.zeros((), jnp.int32),
            pace=jnp.ones(()),
            exploration=exploration,
            curriculum=Curriculum.none(users, prior, centres),
        )
        return _acting(whole)

    def observe(self, state: LearnerState, batch: Transitions) -> UniversalState:
        """Return the state once it has seen the outcomes of a batch."""
        assert isinstance(state, UniversalState)
        features = batch.features.reshape(-1, batch.features.shape[-1])
        share = 1.0 / (state.updates + 1.0)
        moment = state.moment + share * (features.T @ features / len(features) - state.moment)
        return eqx.tree_at(lambda s: s.moment, state, moment)

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
        """Improve the policy for the mixes that its transitions were collected for; draw others."""
        assert isinstance(state, UniversalState)
        if state.starts is not None:
            present = dataclasses.replace(state, starts=None)
            come = state.starts.progress(progress, self.starts)
            improved = self.improve(key, present, batch, objective, come, pace, problem, mesh)
            return self._with_starts(key, state, improved, batch, progress, problem)
        learn_key, mix_key = jax.random.split(key)
        rates = self.rates(progress, pace * state.pace)
        exploration, rewarded, weights = self._rewarded(state, batch, problem)
        mix = Mix(weights, jnp.ones(len(weights)))
        own = Objective(lambda _: mix, objective.parameters, objective.parameters_rate)
        prepared = prepare(state, rewarded, self, problem.discount)
        learnt = learn_from(learn_key, state, rewarded, prepared, own, rates, self, mesh)
        assert isinstance(learnt.state, PPOState)
        following = eqx.tree_at(_ppo, state, _ppo(learnt.state))
        following = dataclasses.replace(following, updates=state.updates + 1)
        is_due = is_embedding_due(following.updates, progress)
        ended = jnp.any(batch.terminated | batch.truncated, axis=(1, 2))
        if exploration is not None:
            recall_key, interest_key = jax.random.split(jax.random.fold_in(mix_key, 1))
            following = dataclasses.replace(following, exploration=exploration)
            mixed = mix_advantages(prepared.actors.advantages, weights)
            scale = advantage_scale(mixed, together=True).std[0]
            following = self._recalled(
                recall_key, following, scale, rates.learning_rate, problem.discount
            )
            is_new = ended | (state.updates == 0)
            exploration = exploration.interested(interest_key, is_new, is_due, progress)
            following = dataclasses.replace(following, exploration=exploration)
        following = jax.lax.cond(is_due, self._embedded_anew, lambda same: same, following)
        limit, may_begin = problem.environment.time_limit, self.curriculum & (state.updates == 0)
        curriculum = state.curriculum.after(batch, state.users, progress, limit, may_begin)
        following = dataclasses.replace(
            following,
            pace=self._next_pace(state.pace, learnt.metrics["approx_kl"], curriculum),
        )
        following = self._drawn_anew(mix_key, following, curriculum, ended)
        return learnt._replace(
            state=_acting(following),
            metrics={
                **learnt.metrics,
                "reward": _rewards(batch, state.mixes),
                "pace": state.pace,
                "curriculum": jnp.mean(curriculum.come),
            },
        )

    def contexts(self, state: LearnerState, mixes: Float[Array, "M D"]) -> Float[Array, "M Z"]:
        """Return the contexts of mixes of preferences."""
        assert isinstance(state, UniversalState)
        return state.embedding(mixes)

    def at(self, state: LearnerState, contexts: Float[Array, "M Z"]) -> Networks:
        """Return the policy and its critic at given contexts, as conditioned networks."""
        assert isinstance(state, UniversalState)
        rows = jnp.zeros(len(contexts), jnp.int32)  # policies see alike: all rows are equal
        actor, critic = state.actor, state.critic
        if state.exploration is not None:
            contexts = with_interest(contexts, jnp.zeros(len(contexts)))
            head = (critic.head.weight[..., :-1], critic.head.bias[..., :-1])
            critic = eqx.tree_at(lambda c: (c.head.weight, c.head.bias), critic, head)
        actor, critic = (with_contexts(part, contexts) for part in (actor, critic))
        return Networks(actor, critic, state.normalizer.take(rows))

    def apart(self, state: LearnerState, contexts: Float[Array, "M Z"]) -> Networks:
        """Return the policy and its critic at given contexts, as networks that share nothing."""
        together = self.at(state, contexts)
        actor = _with_own_spread(apart(together.actor), len(contexts))
        return Networks(actor, apart(together.critic), together.normalizer)

    def drawing(self, state: LearnerState, contexts: Float[Array, "K M Z"]) -> Networks:
        """Return ``K`` policies that share nothing, each with ``M`` parts at given contexts."""
        count, parts, _ = contexts.shape
        together = self.at(state, contexts[:, 0])
        assert isinstance(state, UniversalState)
        if state.exploration is not None:  # the weight of novelty, which nobody wants any more
            contexts = jnp.pad(contexts, ((0, 0), (0, 0), (0, 1)))
        normalizer = together.normalizer.with_equal_choices(parts)
        mean, scale = float(normalizer.mean[0, -1]), float(normalizer.scale[0, -1])
        actor, critic = (
            drawing(part, contexts, mean, scale) for part in (together.actor, together.critic)
        )
        return Networks(_with_own_spread(actor, count), critic, normalizer)

    def _with_starts(
        self,
        key: PRNGKey,
        before: UniversalState,
        improved: Improvement,
        batch: Transitions,
        progress: Float[Array, ""],
        problem: RMDP,
    ) -> Improvement:
        """Return an update of one start as an update of training with several starts.

        Args:
            key: the key of the update.
            before: the state before the update.
            improved: what the update gave, for the present start alone.
            batch: the batch of the update.
            progress: how far all of training had come before it, from 0 to 1.
            problem: the problem.
        """
        assert before.starts is not None
        begin_key = jax.random.fold_in(key, 1)
        following, starts = before.starts.after(
            improved.state,
            jnp.mean(_rewards(batch, before.users[before.curriculum.centres])),
            progress,
            self.starts,
            lambda: self._begun(begin_key, problem, len(before.mixes), improved.parameters),
        )
        return improved._replace(state=dataclasses.replace(following, starts=starts))

    def _rewarded(
        self, state: UniversalState, batch: Transitions, problem: RMDP
    ) -> tuple[Exploration | None, Transitions, Float[Array, "K C"]]:
        """Return what exploring keeps, a batch that also pays for novelty, and what is wanted."""
        if state.exploration is None:
            return None, batch, _paid(state)
        horizon = 1.0 / max(1.0 - problem.discount, 1.0 / problem.environment.time_limit)
        exploration, found = state.exploration.meet(batch, horizon)
        decided = exploration.decided(batch.features, state.users)
        exploration = jax.lax.cond(state.updates == 0, lambda: decided, lambda: exploration)
        features = jnp.concatenate([batch.features, found[..., None]], axis=-1)
        weights = with_interest(_paid(state), exploration.interest)
        return exploration, eqx.tree_at(lambda b: b.features, batch, features), weights

    def _next_pace(
        self, pace: Float[Array, ""], divergence: Float[Array, " K"], curriculum: Curriculum
    ) -> Float[Array, ""]:
        """Return the factor of the next update's step size.

        Args:
            pace: the factor of this update's.
            divergence: how far this update led the policies from those that acted, in nats.
            curriculum: the curriculum of the next update.
        """
        if self.target_kl is None:
            return jnp.where(curriculum.has_begun, PACE, 1.0)
        is_slow = jnp.mean(divergence) < self.target_kl
        return jnp.clip(pace * jnp.where(is_slow, PACE_STEP, 1.0 / PACE_STEP), *PACES)

    def _drawn_anew(
        self,
        key: PRNGKey,
        state: UniversalState,
        curriculum: Curriculum,
        ended: Bool[Array, " K"],
    ) -> UniversalState:
        """Return the state with other mixes for the policies whose episodes ended."""
        drawn, centres = draw_mixes(key, len(ended), state.users, state.embedding, self.group_share)
        drawn = curriculum.led(centres, drawn, state.users)
        mixes = jnp.where(ended[:, None], drawn, state.mixes)
        return dataclasses.replace(
            state, mixes=mixes, curriculum=curriculum.following(ended, centres)
        )

    def _recalled(
        self,
        key: PRNGKey,
        state: UniversalState,
        scale: Float[Array, ""],
        learning_rate: Float[Array, ""],
        discount: float,
    ) -> UniversalState:
        """Return the state once it has learnt again from what it remembers, if that is due."""
        exploration = state.exploration
        assert exploration is not None
        draw_key, mix_key, order_key = jax.random.split(key, 3)

        def learn(before: Learnt) -> Learnt:
            mixes, _ = draw_mixes(mix_key, DRAWN, state.users, state.embedding, self.group_share)
            lesson = judged(
                before.critic,
                state.normalizer,
                exploration.recall.draw(draw_key, DRAWN),
                mixes,
                with_interest(state.embedding(mixes), jnp.zeros(DRAWN)),
                discount,
                scale,
            )
            return relearn(
                order_key,
                before,
                lesson,
                learning_rate,
                self.max_grad_norm,
                self.adam_epsilon,
                self.learnable_log_std,
            )

        actor_moments, parameter_moments = state.actor_moments
        before = Learnt(state.actor, state.critic, actor_moments, state.critic_moments)
        after = jax.lax.cond(exploration.is_due, learn, lambda same: same, before)
        return dataclasses.replace(
            state,
            actor=after.actor,
            critic=after.critic,
            actor_moments=(after.actor_moments, parameter_moments),
            critic_moments=after.critic_moments,
        )

    def _embedded_anew(self, state: UniversalState) -> UniversalState:
        """Return the state with an embedding by all outcomes met so far."""
        moment = blend_moments(state.prior, state.moment)
        embedding = embed_by_rewards(state.users, moment, self.context_size)
        before, after = state.embedding(state.users), embedding(state.users)
        if state.exploration is not None:
            before, after = (with_explorer(one) for one in (before, after))
        return dataclasses.replace(
            state,
            embedding=embedding,
            actor=with_embedding(state.actor, before, after),
            critic=with_embedding(state.critic, before, after),
        )


def _with_own_spread(actor: Actor, count: int) -> Actor:
    """Return actors each of which has the spread of actions that they had together."""
    if actor.log_std is None:
        return actor
    return eqx.tree_at(lambda a: a.log_std, actor, jnp.repeat(actor.log_std, count, axis=0))


def _rewards(batch: Transitions, mixes: Float[Array, "K D"]) -> Float[Array, " K"]:
    """Return the mean reward of each policy's steps by a mix of each policy."""
    return jnp.mean(jnp.einsum("ktbd,kd->ktb", batch.features, mixes), axis=(1, 2))


def _paid(state: UniversalState) -> Float[Array, "K D"]:
    """Return what each policy is rewarded for."""
    return state.curriculum.paid(state.mixes, blend_moments(state.prior, state.moment))


def _acting(state: UniversalState) -> UniversalState:
    """Return the state with the contexts of its mixes in its networks."""
    contexts = state.embedding(state.mixes)
    if state.exploration is not None:
        contexts = with_interest(contexts, state.exploration.interest)
    return dataclasses.replace(
        state,
        actor=with_contexts(state.actor, contexts),
        critic=with_contexts(state.critic, contexts),
    )


def _ppo(state: PPOState) -> tuple[PyTree, ...]:
    """Return what PPO's update changes."""
    return (
        state.actor,
        state.critic,
        state.normalizer,
        state.actor_moments,
        state.critic_moments,
    )
