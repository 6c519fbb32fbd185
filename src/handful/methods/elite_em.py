"""EM among remembered episodes (ours).

EM moves users among the k policies as these are now, so that it stops at the first assignment
that no single policy can improve on alone. But on the way its policies play tens of thousands of
different episodes, and what every user would have got from each is known. Choosing k of *them* is
the same problem with many more candidates, in which whole groups of users change hands at once:

1. Policies act a little at random all the time (``random_actions``), so that they keep playing
   variants of what they do; the episodes that are worth most are archived.
2. Every few updates the best k of the archive, the *elites*, are chosen by swaps from the elites
   so far, from a greedy choice and from a random one.
3. Each policy is trained for the users of its elite, softly as in
   :mod:`~handful.methods.em`, by the same learner as in EM.
4. In the end each policy imitates its elite.

The best elites are those whose users fare best by the welfare of the run. Under one that is not the
mean, elites that are best for the mean are a further beginning of the swaps: few episodes alone
raise what the worst served user gets, and many together raise the mean.

An archived episode is what a policy can do only if the same actions lead to the same outcomes.
In environments with chance it may have been luck, and the method promises too much.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import check_numbers
from handful.errors import HandfulError
from handful.methods.base import (
    AssignmentMethod,
    Feedback,
    Intervention,
    MethodInfo,
    Scene,
)
from handful.methods.choice import Value, greedy_choice, sum_of_gains, swap, total_gain
from handful.methods.em import EMState, ExpectationMaximization, greedy, responsibilities
from handful.methods.memory import EpisodeMemory, RememberedEpisodes
from handful.methods.schedule import Schedule, WarmUp, warm_up_within
from handful.types import Array, Bool, Float, Int, PRNGKey

JUDGES = 512
"""Users by whom episodes are judged, at most: of more, this many are drawn, always the same."""

ELECT_EVERY = 8
"""Updates from one choice of elites to the next: choosing before each would take as long as
learning does if there are many policies."""

NEAR = 0.1
"""An episode is kept for users whom it serves worse than their elite by up to this share of the
highest return: they may be its own one day."""


class EliteEMState(NamedTuple):
    """EM's state, and the elites.

    Attributes:
        em: the assignment, and what each policy is trained for.
        elites: [K] rows of the archive; -1 while there are none.
        earlier: the last elites of each round before; -1 if there was none.
    """

    em: EMState
    elites: Int[Array, " K"]
    earlier: Int[Array, "R K"]


@dataclass(frozen=True)
class EliteEM(AssignmentMethod):
    """The best remembered episodes lead the policies of rounds of EM, and then the best of all do.

    Attributes:
        rounds: the number of rounds. Each begins with new policies and a new deal of the users, and
            its elites are its own episodes. A run that is too short for them is a single round.
        exploring: the share of the updates that goes to the rounds. After them elites are chosen
            among the episodes of all.
        settling: updates of plain EM in each round, in which policies learn to do anything at all;
            at most half of the round's.
        landing: updates after the rounds in which policies imitate the elites of all of them.
        imitating: the share of the run, its last, in which policies imitate their elites.
        temperature: the temperature of the weights that policies are trained for
            (:class:`~handful.methods.em.SoftEM`).
        archive_size: episodes that are remembered.
    """

    info: ClassVar[MethodInfo] = MethodInfo(
        summary=(
            "elite expectation–maximisation: the policies act a little at random, the best "
            "episodes that any of them has played are kept, and each policy is led by one of those "
            "that together would serve the users best, which it imitates in the end"
        ),
        assigns_best=True,
        begins_anew=True,
        learner_settings={
            "random_actions": 0.06,
            "entropy_coefficient": 0.003,
            "final_entropy_coefficient": 0.003,
        },
    )

    rounds: int = 2
    exploring: float = 0.65
    settling: int = 40
    landing: int = 20
    imitating: float = 0.05
    temperature: float = 0.02
    archive_size: int = 2000

    def __post_init__(self) -> None:
        check_numbers(self)
        for name, least in (("rounds", 1), ("settling", 0), ("landing", 0), ("archive_size", 1)):
            if getattr(self, name) < least:
                raise HandfulError(f"{name} must be at least {least}, not {getattr(self, name)}.")
        for name in ("exploring", "imitating"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise HandfulError(
                    f"{name} is a share, between 0 and 1, not {getattr(self, name)}."
                )
        if not self.temperature > 0.0:
            raise HandfulError(f"The temperature must be positive, not {self.temperature}.")

    @property
    def memory(self) -> "EliteMemory":
        """What the method says of the episodes in its archive."""
        return EliteMemory(self)

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> EliteEMState:
        """Deal the users out evenly at random, without any elites.

        Raises:
            HandfulError: if the archive cannot hold an episode for each policy.
        """
        if self.archive_size < num_policies:
            raise HandfulError(
                f"archive_size must be at least {num_policies}, an episode for each policy, not "
                f"{self.archive_size}."
            )
        em = _EM.init(key, num_users, num_policies).with_table()
        none = jnp.full((self.rounds, num_policies), -1, jnp.int32)
        return EliteEMState(em, elites=none[0], earlier=none)

    def weights(self, state: EliteEMState) -> Int[Array, " N"]:
        """Give each user's policy."""
        return state.em.served

    def training_weights(self, state: EliteEMState) -> Float[Array, "N K"]:
        """Give EM's weights, or share the users among the elites that serve them about best."""
        return state.em.training_weights

    def schedule(self, num_updates: int, num_policies: int) -> Schedule:
        """Intervene at the beginning of every round but the first."""
        del num_policies
        starts = self.round_starts(num_updates)
        return Schedule(num_updates, interventions=starts[1:], warm_up=self._settling(num_updates))

    def _settling(self, num_updates: int) -> WarmUp:
        """Fit the updates of plain EM at the beginning of each round into a round."""
        starts = self.round_starts(num_updates)
        length = starts[1] if len(starts) > 1 else num_updates
        return warm_up_within(length, "settling", self.settling)

    def intervene(self, key: PRNGKey, state: EliteEMState, scene: Scene) -> Intervention:
        """Begin a round; the elites of the last one stay remembered."""
        number = self.round_starts(scene.num_updates).index(scene.update)
        fresh = self.init(key, len(state.em.served), state.em.num_policies)
        earlier = state.earlier.at[number - 1].set(state.elites)
        return Intervention(fresh._replace(earlier=earlier))

    def reassign(self, key: PRNGKey, state: EliteEMState, feedback: Feedback) -> EliteEMState:
        """Take EM's E-step at first; later move users to the elite that serves them best."""
        episodes = feedback.episodes
        assert episodes is not None
        starts = jnp.array(self.round_starts(feedback.num_updates))
        start = starts[jnp.searchsorted(starts, feedback.update, side="right") - 1]
        after_rounds = feedback.update - self.rounds_end(feedback.num_updates)
        may_lead = episodes.is_filled & ((after_rounds >= 0) | (episodes.born >= start))
        since = feedback.update - start
        is_led = state.elites[0] >= 0
        settled = self._settling(feedback.num_updates).updates
        can_lead = (since >= settled) & (jnp.sum(may_lead) >= len(state.elites))
        is_due = can_lead & (~is_led | (after_rounds % ELECT_EVERY == 0))
        return jax.lax.switch(
            jnp.where(is_due, 2, is_led.astype(int)),
            (
                lambda: state._replace(
                    em=_EM.reassign(key, state.em, feedback._replace(update=since))
                ),
                lambda: state,
                lambda: self._led(key, state, feedback, episodes, may_lead),
            ),
        )

    def round_starts(self, num_updates: int) -> tuple[int, ...]:
        """Name the first update of each round; there is one round if two would hardly be led."""
        length = int(self.exploring * num_updates / self.rounds)
        if length < max(3 * self.settling, 1):
            return (0,)
        return tuple(range(0, self.rounds * length, length))

    def rounds_end(self, num_updates: int) -> int:
        """Name the update from which all episodes may lead; in a single round all may at once."""
        starts = self.round_starts(num_updates)
        return len(starts) * starts[1] if len(starts) > 1 else 0

    def _led(
        self,
        key: PRNGKey,
        state: EliteEMState,
        feedback: Feedback,
        episodes: RememberedEpisodes,
        may_lead: Bool[Array, " M"],
    ) -> EliteEMState:
        users = _drawn(len(feedback.returns))
        earned = episodes.returns @ episodes.coefficients[users].T
        present = jnp.where(state.elites[0] >= 0, earned[state.elites], feedback.returns[users].T)
        worth = None if feedback.worth_to is None else feedback.worth_to(users)
        elites = _elect(key, earned, may_lead, state.elites, state.earlier, present, worth)
        by_elite = episodes.coefficients @ episodes.returns[elites].T
        chosen = greedy(by_elite, state.em.served)
        trained = responsibilities(by_elite, self.temperature)
        # Whoever has an elite is trained for its users: nobody is revived.
        em = EMState.of(chosen, len(elites))._replace(trained=trained)
        return state._replace(em=em, elites=elites)


@dataclass(frozen=True)
class EliteMemory(EpisodeMemory):
    """What :class:`EliteEM` says of remembered episodes.

    Attributes:
        method: whose settings decide.
    """

    method: EliteEM

    @property
    def size(self) -> int:
        """The number of episodes in the archive."""
        return self.method.archive_size

    def worth(
        self, state: EliteEMState, returns: Float[Array, "E D"], episodes: RememberedEpisodes
    ) -> Float[Array, " E"]:
        """Say what episodes add to the elites, or nearly add.

        That is by how much they serve users better, or worse by less than :data:`NEAR`. Before
        there are elites it is what all users get together.
        """
        judges = _judges(episodes.coefficients)
        earned = returns @ judges.T
        have = jnp.max(episodes.returns[state.elites] @ judges.T, axis=0)
        margin = NEAR * jnp.max(jnp.abs(have))
        with_elites = jnp.sum(jnp.maximum(earned - have[None] + margin, 0.0), axis=1)
        return jnp.where(state.elites[0] >= 0, with_elites, jnp.sum(earned, axis=1))

    def demonstrated(self, state: EliteEMState) -> Int[Array, " K"]:
        """Give the elites."""
        return state.elites

    def protected(self, state: EliteEMState) -> Int[Array, " R"]:
        """Give the elites, and those of earlier rounds."""
        return jnp.concatenate([state.elites, state.earlier.reshape(-1)])

    def imitates(self, update: Int[Array, ""], num_updates: int) -> Bool[Array, ""]:
        """Let policies imitate for a while after the rounds, and in the last share of the run."""
        method = self.method
        landed = update - method.rounds_end(num_updates)
        is_landing = (landed >= 0) & (landed < method.landing) & (landed < update)
        return is_landing | (update >= int((1.0 - method.imitating) * num_updates))


def _drawn(num_users: int) -> np.ndarray:
    """Draw the users who judge episodes; they are always the same."""
    return np.random.default_rng(0).permutation(num_users)[:JUDGES]


def _judges(coefficients: Float[Array, "N D"]) -> Float[Array, "J D"]:
    return coefficients[_drawn(len(coefficients))]


def _elect(
    key: PRNGKey,
    earned: Float[Array, "M J"],
    may_lead: Bool[Array, " M"],
    elites: Int[Array, " K"],
    earlier: Int[Array, "R K"],
    present: Float[Array, "K J"],
    worth: Value | None,
) -> Int[Array, " K"]:
    """Find the best rows that swaps lead to, from elites, earlier ones, greed and chance.

    Each place is one policy's: rows from elsewhere are given to the policies that are now nearest.

    Args:
        present: what the policies earn now, or their elites.
        worth: what utilities are worth; None if it is their mean.
    """
    num_policies = len(elites)
    floor = jnp.min(jnp.where(may_lead[:, None], earned, jnp.inf), axis=0)
    gains = jnp.where(may_lead[:, None], earned - floor[None], 0.0)
    value = _value_over(floor, worth)
    greedy_rows = greedy_choice(gains, may_lead, num_policies, value)
    chance = jnp.where(may_lead, jax.random.uniform(key, may_lead.shape), -1.0)
    random_rows = jax.lax.top_k(chance, num_policies)[1]
    known = jnp.concatenate([elites[None], earlier])
    known = jnp.where((known >= 0) & may_lead[known], known, greedy_rows)
    starts = jnp.concatenate([known, greedy_rows[None], random_rows[None]])
    if worth is not None:
        by_mean = swap(gains, may_lead, greedy_choice(gains, may_lead, num_policies))
        starts = jnp.concatenate([starts, by_mean[None]])
    candidates = jax.lax.map(lambda rows: swap(gains, may_lead, rows, value), starts)
    totals = jax.vmap(lambda rows: total_gain(gains, rows, value))(candidates)
    # The elites go first: equally good ones do not replace them.
    best = jnp.argmax(totals)
    keeps_places = (best == 0) & (elites[0] >= 0)
    matched = _matched(candidates[best], gains, present - floor[None])
    return jnp.where(keeps_places, candidates[0], matched).astype(jnp.int32)


def _value_over(floor: Float[Array, " J"], worth: Value | None) -> Value:
    """Return what gains over a floor are worth, from what utilities are worth."""
    if worth is None:
        return sum_of_gains

    def of_gains(gains: Float[Array, "*rows J"]) -> Float[Array, "*rows"]:
        return worth(gains + jnp.broadcast_to(floor, gains.shape))

    return of_gains


def _matched(
    rows: Int[Array, " K"], gains: Float[Array, "M J"], present: Float[Array, "K J"]
) -> Int[Array, " K"]:
    """Give the rows in the policies' order: the most similar pair first, by the cosine of gains."""
    similarity = _directions(gains[rows]) @ _directions(present).T

    def pair(_: Int[Array, ""], carry: tuple[Array, Array]) -> tuple[Array, Array]:
        order, similarity = carry
        row, policy = jnp.unravel_index(jnp.argmax(similarity), similarity.shape)
        similarity = similarity.at[row, :].set(-jnp.inf).at[:, policy].set(-jnp.inf)
        return order.at[policy].set(rows[row]), similarity

    return jax.lax.fori_loop(0, len(rows), pair, (rows, similarity))[0]


def _directions(gains: Float[Array, "K J"]) -> Float[Array, "K J"]:
    return gains / jnp.maximum(jnp.linalg.norm(gains, axis=1, keepdims=True), 1e-9)


_EM = ExpectationMaximization()
