"""Soft actor-critic of one policy for all users, with a context as an input (off-policy).

Its ``K`` policies are one network with a context, as those of
:class:`~handful.learner.universal.UniversalPPO`, and so are the critics. A transition says its
reward features, so that it can be relabelled: each transition of a minibatch is paid for a mix that
is drawn for it anew, most of the time, or for the mix that it was collected for (Andrychowicz et
al. 2017 relabel goals so). So what one user's policy met also teaches what all other users want.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from handful._support.checks import require
from handful.environment import Box, num_symbols
from handful.errors import HandfulError
from handful.learner.base import (
    Improvement,
    LearnerState,
    Networks,
    Objective,
    UniversalLearner,
)
from handful.learner.conditioned import apart, with_contexts, with_embedding
from handful.learner.critics import init_twins
from handful.learner.curriculum import Curriculum
from handful.learner.losses import adam
from handful.learner.networks import Actor, Sharing, init_stack
from handful.learner.preferences import (
    Embedding,
    blend_moments,
    draw_mixes,
    embed_by_rewards,
    is_embedding_due,
    landmarks,
    prior_moment,
)
from handful.learner.replay import Replay
from handful.learner.soft_actor_critic import (
    HEAD_GAIN,
    SAC,
    Minibatch,
    SACState,
    as_seen,
    reward_sizes,
)
from handful.learner.soft_losses import Learnt
from handful.learner.squashed import squashed_actor
from handful.problem import RMDP
from handful.transitions import Transitions
from handful.types import Array, Float, Int, PRNGKey, PyTree

REMEMBERED_MIXES = 2048
"""The most mixes that transitions were collected for and can be paid for again: those of the
latest episodes. A transition of an older episode is paid for one of these."""

DRAWN_MIXES = 512
"""The mixes that are drawn anew for the gradient steps after a batch."""


class UniversalSACState(SACState):
    """The state of soft actor-critic, and what is known of the users and of the outcomes met.

    Attributes:
        users: the coefficients of the users whom mixes are drawn from.
        prior: the second moment of the reward features that might be met.
        embedding: the embedding of mixes.
        mixes: the mixes that transitions were collected for; a label is a row of it.
        rows: the row of the mix that each policy acts for now.
        updates: the number of updates done.
        curriculum: how far the mixes have come from what everybody wants to what each user wants.
    """

    users: Float[Array, "N D"]
    prior: Float[Array, "D D"]
    embedding: Embedding
    mixes: Float[Array, "R D"]
    rows: Int[Array, " K"]
    updates: Int[Array, ""]
    curriculum: Curriculum


@dataclass(frozen=True)
class UniversalSAC(SAC, UniversalLearner):
    """Soft actor-critic of one conditioned policy; further fields are those of :class:`SAC`.

    Attributes:
        context_size: the number of entries of a context.
        group_share: the probability with which a mix is a neighbourhood of users, not one user.
        relabelled_share: the probability with which a transition is paid for a mix that is drawn
            anew, and not for the one that it was collected for.
        curriculum: whether mixes begin with what everybody wants where users lose by the ends of
            episodes (:mod:`handful.learner.curriculum`).

    Raises:
        HandfulError: if a number is out of its range.
    """

    context_size: int = 8
    group_share: float = 0.5
    relabelled_share: float = 0.7
    curriculum: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.context_size >= 1, "context_size", "at least 1", self.context_size)
        for name in ("group_share", "relabelled_share"):
            require(0 <= getattr(self, name) <= 1, name, "from 0 to 1", getattr(self, name))
        if not self.actor_sizes or not self.critic_sizes:
            raise HandfulError(
                "A universal policy takes the context as an input of its first hidden layer: give "
                "actor_sizes and critic_sizes at least one width."
            )

    @property
    def shares_layers(self) -> bool:
        """Whether policies share layers: they are one network."""
        return True

    def init(
        self, key: PRNGKey, problem: RMDP, num_policies: int, parameters: PyTree
    ) -> UniversalSACState:
        """Return new networks, moments and statistics, with the first mixes drawn."""
        base_key, actor_key, critic_key, user_key, mix_key = jax.random.split(key, 5)
        base = super().init(base_key, problem, num_policies, parameters)
        environment, space = problem.environment, problem.environment.action_space
        size, number = environment.observation_size, num_symbols(environment)
        outputs = 2 * space.size if isinstance(space, Box) else space.num_actions
        conditioned, sizes = Sharing.CONDITIONED, (size, *self.actor_sizes, outputs)
        stack = init_stack(
            actor_key, num_policies, sizes, HEAD_GAIN, conditioned, number, self.context_size
        )
        actor = squashed_actor(stack, space) if isinstance(space, Box) else Actor(stack, None)
        critic = init_twins(
            critic_key,
            num_policies,
            size,
            space,
            self.critic_sizes,
            number,
            conditioned,
            self.context_size,
        )
        temperature = base.log_temperature[:1]
        users = landmarks(user_key, jnp.asarray(problem.population.coefficients))
        prior = prior_moment(problem)
        embedding = embed_by_rewards(users, prior, self.context_size)
        remembered = max(REMEMBERED_MIXES, num_policies)
        mixes, centres = draw_mixes(mix_key, remembered, users, embedding, self.group_share)
        values = {
            **vars(base),
            "actor": actor,
            "critic": critic,
            "target_critic": jax.tree.map(jnp.copy, critic),
            "log_temperature": temperature,
            "moments": adam(self.adam_epsilon).init(Learnt(actor, critic, temperature)),
            "replay": Replay.empty(self.capacity, size, space, problem.num_features, True),
        }
        state = UniversalSACState(
            **values,
            users=users,
            prior=prior,
            embedding=embedding,
            mixes=mixes,
            rows=jnp.arange(num_policies),
            updates=jnp.zeros((), jnp.int32),
            curriculum=Curriculum.none(users, prior, centres[:num_policies]),
        )
        return _acting(state)

    def labels(self, state: SACState) -> Int[Array, " K"]:
        """Return the rows of the mixes that the policies act for."""
        assert isinstance(state, UniversalSACState)
        return state.rows % len(state.mixes)

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
        """Take gradient steps for mixes of all kinds; draw others where episodes ended."""
        del mesh
        assert isinstance(state, UniversalSACState)
        learn_key, draw_key, mix_key = jax.random.split(key, 3)
        number = self.steps_after(batch.terminated.size)
        limit, may_begin = problem.environment.time_limit, self.curriculum & (state.updates == 0)
        curriculum = state.curriculum.after(batch, state.users, progress, limit, may_begin)
        state = dataclasses.replace(state, curriculum=curriculum)
        known: UniversalSACState = jax.lax.cond(
            is_embedding_due(state.updates, progress),
            self._embedded_anew,
            lambda state: state,
            state,
        )
        draw = self._minibatches(draw_key, known, problem)
        learnt, metrics = self.descend(learn_key, known, draw, number, pace, problem)
        assert isinstance(learnt, UniversalSACState)
        ended = jnp.any(batch.terminated | batch.truncated, axis=(1, 2))
        after = _acting(self._drawn_anew(mix_key, learnt, ended))
        means = {name: jnp.mean(values) for name, values in metrics._asdict().items()}
        temperature = jnp.exp(after.log_temperature[0])
        is_finite = jnp.isfinite(means["critic_loss"]) & jnp.isfinite(means["entropy"])
        return Improvement(
            after,
            objective.parameters,
            {
                **means,
                "temperature": temperature,
                "curriculum": jnp.mean(after.curriculum.come),
            },
            jnp.broadcast_to(is_finite, ended.shape),
        )

    def contexts(self, state: LearnerState, mixes: Float[Array, "M D"]) -> Float[Array, "M Z"]:
        """Return the contexts of mixes of preferences."""
        assert isinstance(state, UniversalSACState)
        return state.embedding(mixes)

    def at(self, state: LearnerState, contexts: Float[Array, "M Z"]) -> Networks:
        """Return the policy and its critics at given contexts, as conditioned networks."""
        rows = jnp.zeros(len(contexts), jnp.int32)  # policies see alike: all rows are equal
        actor, critic = (with_contexts(part, contexts) for part in (state.actor, state.critic))
        return Networks(actor, critic, state.normalizer.take(rows))

    def apart(self, state: LearnerState, contexts: Float[Array, "M Z"]) -> Networks:
        """Return the policy and its critics at given contexts, as networks that share nothing."""
        together = self.at(state, contexts)
        return Networks(apart(together.actor), apart(together.critic), together.normalizer)

    def common_scale(
        self, mixes: Float[Array, "M D"], state: UniversalSACState
    ) -> Float[Array, ""]:
        """Return the factor that brings the rewards of all mixes together to their usual size.

        With a factor for each mix, mixes that are hardly ever paid would count most, and their
        rewards would be rare and huge.
        """
        size = jnp.sqrt(jnp.mean(reward_sizes(mixes, state.moment) ** 2))
        return self.reward_size / jnp.where(size > 0.0, size, 1.0)

    def _minibatches(
        self,
        key: PRNGKey,
        state: UniversalSACState,
        problem: RMDP,
    ) -> Callable[[PRNGKey], Minibatch]:
        """Return what draws minibatches, in which each transition has a mix of its own.

        To networks, each transition is then the only one of a policy of its own.
        """
        drawn, _ = self._draw(key, DRAWN_MIXES, state)
        mixes = jnp.concatenate([drawn, state.mixes])
        contexts = state.embedding(mixes)
        paid = state.curriculum.paid(mixes, blend_moments(state.prior, state.moment))
        paid = paid * self.common_scale(paid[:DRAWN_MIXES], state)
        alone = state.normalizer.take(jnp.zeros(1, jnp.int32))
        space, count = problem.environment.action_space, self.minibatch_size

        def draw(key: PRNGKey) -> Minibatch:
            row_key, mix_key, kind_key = jax.random.split(key, 3)
            rows = jax.random.randint(row_key, (count,), 0, state.replay.size)
            stored = state.replay.take(rows)
            assert stored.labels is not None
            is_drawn = jax.random.uniform(kind_key, (count,)) < self.relabelled_share
            some = jax.random.randint(mix_key, (count,), 0, DRAWN_MIXES)
            mine = jnp.where(is_drawn, some, DRAWN_MIXES + stored.labels)
            sample = as_seen(stored, alone, jnp.zeros_like(paid[:1]), space)
            sample = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), sample)
            rewards = jnp.sum(paid[mine] * stored.features, axis=1)
            sample = sample._replace(rewards=rewards[:, None])
            return Minibatch(sample, lambda networks: with_contexts(networks, contexts[mine]))

        return draw

    def _draw(
        self, key: PRNGKey, count: int, state: UniversalSACState
    ) -> tuple[Float[Array, "M D"], Int[Array, " M"]]:
        """Draw mixes as far as the curriculum has come, and the user in the middle of each."""
        drawn, centres = draw_mixes(key, count, state.users, state.embedding, self.group_share)
        return state.curriculum.led(centres, drawn, state.users), centres

    def _drawn_anew(
        self,
        key: PRNGKey,
        state: UniversalSACState,
        ended: Array,
    ) -> UniversalSACState:
        """Return the state with other mixes for the policies whose episodes ended."""
        drawn, centres = self._draw(key, len(ended), state)
        # Rows are handed out in a ring, as long as all policies together may need at once.
        following = jnp.max(state.rows) + jnp.cumsum(ended)
        rows = jnp.where(ended, following, state.rows)
        places = jnp.where(ended, rows % len(state.mixes), len(state.mixes))
        mixes = state.mixes.at[places].set(drawn, mode="drop")
        return dataclasses.replace(
            state,
            mixes=mixes,
            rows=rows,
            updates=state.updates + 1,
            curriculum=state.curriculum.following(ended, centres),
        )

    def _embedded_anew(self, state: UniversalSACState) -> UniversalSACState:
        """Return the state with an embedding by all outcomes met so far."""
        moment = blend_moments(state.prior, state.moment)
        embedding = embed_by_rewards(state.users, moment, self.context_size)
        before, after = state.embedding(state.users), embedding(state.users)

        return dataclasses.replace(
            state,
            embedding=embedding,
            actor=with_embedding(state.actor, before, after),
            critic=with_embedding(state.critic, before, after),
            target_critic=with_embedding(state.target_critic, before, after),
        )


def _acting(state: UniversalSACState) -> UniversalSACState:
    """Return the state with the contexts of the policies' mixes in its networks."""
    contexts = state.embedding(state.mixes[state.rows % len(state.mixes)])
    return dataclasses.replace(
        state,
        actor=with_contexts(state.actor, contexts),
        critic=with_contexts(state.critic, contexts),
        target_critic=with_contexts(state.target_critic, contexts),
    )
