"""EM among remembered episodes (ours).

EM moves users among the k policies as these are now, so that it stops at the first assignment
that no single policy can improve on alone. But on the way its policies play tens of thousands of
different episodes, and what every user would have got from each is known. Choosing k of *them* is
the same problem with many more candidates, in which whole groups of users change hands at once:

1. Policies act a little at random all the time (``random_actions``), so that they keep playing
   variants of what they do; the episodes that are worth most are archived.
2. Before every update the best k of the archive, the *elites*, are chosen by swaps from the elites
   so far, from a greedy choice and from a random one.
3. Each policy is trained for the users of its elite, softly as in
   :mod:`~handful.assignment.soft_em`, by the same learner as in EM.
4. In the end each policy imitates its elite.

An archived episode is what a policy can do only where the same actions lead to the same outcomes.
In environments with chance it may have been luck, and the method promises too much.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful.assignment.base import (
    AssignmentMethod,
    Feedback,
    RememberedEpisodes,
    one_hot_assignment,
)
from handful.assignment.choice import greedy_choice, swap, total_gain
from handful.assignment.em import EMState, ExpectationMaximization, greedy
from handful.assignment.soft_em import responsibilities
from handful.errors import HandfulError
from handful.types import Array, Bool, Float, Int, PRNGKey
from handful.validation import check_numbers

JUDGES = 512
"""Users by whom episodes are judged, at most: of more, this many are drawn, always the same."""

NEAR = 0.1
"""An episode is kept for users whom it serves worse than their elite by up to this share of the
highest return: they may be its own one day."""


class EliteEMState(NamedTuple):
    """EM's state, and the elites.

    Attributes:
        em: who is served by whom, and what each policy is trained for.
        elites: [K] rows of the archive; -1 while there are none.
    """

    em: EMState
    elites: Int[Array, " K"]


@dataclass(frozen=True)
class EliteEM(AssignmentMethod):
    """EM first; then the best k remembered episodes lead the policies.

    Attributes:
        settling: updates of plain EM, in which policies learn to do anything at all.
        imitating: the share of the run, its last, in which policies imitate their elites.
        temperature: of what policies are trained for (:class:`~handful.assignment.soft_em.SoftEM`).
        archive_size: episodes that are remembered.
    """

    learner_settings: ClassVar[dict[str, Any]] = {
        "random_actions": 0.06,
        "entropy_coefficient": 0.003,
        "final_entropy_coefficient": 0.003,
    }

    settling: int = 40
    imitating: float = 0.05
    temperature: float = 0.02
    archive_size: int = 1000

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.settling < 0:
            raise HandfulError(f"settling must be 0 or more updates, not {self.settling}.")
        if not 0.0 < self.imitating < 1.0:
            raise HandfulError(f"imitating is a share, between 0 and 1, not {self.imitating}.")
        if not self.temperature > 0.0:
            raise HandfulError(f"The temperature must be positive, not {self.temperature}.")
        if self.archive_size < 1:
            raise HandfulError(f"archive_size must be at least 1, not {self.archive_size}.")

    @property
    def remembers(self) -> int:
        """Episodes in the archive."""
        return self.archive_size

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> EliteEMState:
        """A random, balanced assignment, and no elites."""
        return EliteEMState(
            _EM.init(key, num_users, num_policies), jnp.full(num_policies, -1, jnp.int32)
        )

    def weights(self, state: EliteEMState) -> Float[Array, "N K"]:
        """One-hot rows."""
        return state.em.served

    def training_weights(self, state: EliteEMState) -> Float[Array, "N K"]:
        """EM's, or the users of the elites, softly."""
        return state.em.trained

    def reassign(self, key: PRNGKey, state: EliteEMState, feedback: Feedback) -> EliteEMState:
        """EM's E-step at first; later users go to the elite that serves them best."""
        episodes = feedback.episodes
        assert episodes is not None
        enough = jnp.sum(episodes.is_filled) >= len(state.elites)
        return jax.lax.cond(
            (feedback.update >= self.settling) & enough,
            lambda: self._led(key, state, feedback.returns, episodes),
            lambda: EliteEMState(_EM.reassign(key, state.em, feedback), state.elites),
        )

    def worth(
        self, state: EliteEMState, returns: Float[Array, "E D"], episodes: RememberedEpisodes
    ) -> Float[Array, " E"]:
        """What episodes add to the elites, or nearly add.

        That is by how much they serve users better, or worse by less than :data:`NEAR`. Before
        there are elites it is what all users get together.
        """
        judges = _judges(episodes.coefficients)
        earned = returns @ judges.T
        have = jnp.max(episodes.returns[state.elites] @ judges.T, axis=0)
        margin = NEAR * jnp.max(jnp.abs(have))
        with_elites = jnp.sum(jnp.maximum(earned - have + margin, 0.0), axis=1)
        return jnp.where(state.elites[0] >= 0, with_elites, jnp.sum(earned, axis=1))

    def demonstrated(self, state: EliteEMState) -> Int[Array, " K"]:
        """The elites."""
        return state.elites

    def imitates(self, update: Int[Array, ""], num_updates: int) -> Bool[Array, ""]:
        """In the last share of the run."""
        return update >= int((1.0 - self.imitating) * num_updates)

    def _led(
        self,
        key: PRNGKey,
        state: EliteEMState,
        returns: Float[Array, "N K"],
        episodes: RememberedEpisodes,
    ) -> EliteEMState:
        judges = _judges(episodes.coefficients)
        earned = episodes.returns @ judges.T
        present = jnp.where(
            state.elites[0] >= 0, earned[state.elites], returns[_drawn(len(returns))].T
        )
        elites = _elect(key, earned, episodes.is_filled, state.elites, present)
        by_elite = episodes.coefficients @ episodes.returns[elites].T
        chosen = greedy(by_elite, jnp.argmax(state.em.served, axis=1))
        served = one_hot_assignment(chosen, len(elites))
        trained = responsibilities(by_elite, self.temperature)
        return EliteEMState(EMState(served, trained), elites)


def _drawn(num_users: int) -> np.ndarray:
    """Which users judge episodes."""
    return np.random.default_rng(0).permutation(num_users)[:JUDGES]


def _judges(coefficients: Float[Array, "N D"]) -> Float[Array, "J D"]:
    return coefficients[_drawn(len(coefficients))]


def _elect(
    key: PRNGKey,
    earned: Float[Array, "M J"],
    is_filled: Bool[Array, " M"],
    elites: Int[Array, " K"],
    present: Float[Array, "K J"],
) -> Int[Array, " K"]:
    """The best rows that swaps lead to, from the elites so far, from greed and from chance.

    Each place is one policy's: rows from elsewhere are given to the policies that are now nearest.

    Args:
        present: what the policies earn now, or their elites.
    """
    num_policies = len(elites)
    floor = jnp.min(jnp.where(is_filled[:, None], earned, jnp.inf), axis=0)
    gains = jnp.where(is_filled[:, None], earned - floor, 0.0)
    greedy_rows = greedy_choice(gains, is_filled, num_policies)
    chance = jnp.where(is_filled, jax.random.uniform(key, is_filled.shape), -1.0)
    random_rows = jax.lax.top_k(chance, num_policies)[1]
    first = jnp.where(elites[0] >= 0, elites, greedy_rows)
    candidates = jax.lax.map(
        lambda rows: swap(gains, is_filled, rows), jnp.stack([first, greedy_rows, random_rows])
    )
    totals = jax.vmap(lambda rows: total_gain(gains, rows))(candidates)
    # The elites go first: equally good ones do not replace them.
    best = jnp.argmax(totals)
    keeps_places = (best == 0) & (elites[0] >= 0)
    matched = _matched(candidates[best], gains, present - floor)
    return jnp.where(keeps_places, candidates[0], matched).astype(jnp.int32)


def _matched(
    rows: Int[Array, " K"], gains: Float[Array, "M J"], present: Float[Array, "K J"]
) -> Int[Array, " K"]:
    """The rows in the policies' order: the most similar pair first, by the cosine of gains."""
    similarity = _directions(gains[rows]) @ _directions(present).T

    def pair(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        order, similarity = carry
        row, policy = jnp.unravel_index(jnp.argmax(similarity), similarity.shape)
        similarity = similarity.at[row, :].set(-jnp.inf).at[:, policy].set(-jnp.inf)
        return order.at[policy].set(rows[row]), similarity

    return jax.lax.fori_loop(0, len(rows), pair, (rows, similarity))[0]


def _directions(gains: Float[Array, "K J"]) -> Float[Array, "K J"]:
    return gains / jnp.maximum(jnp.linalg.norm(gains, axis=1, keepdims=True), 1e-9)


_EM = ExpectationMaximization()
