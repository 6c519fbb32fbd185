"""An environment given as arrays: the probability of every next state, and nothing else.

Equal rows of the table are kept once, and of each row only the states that can follow, so that the
compiled program holds a few megabytes where the whole table would be a hundred (ICU-Sepsis: 716
states, 25 actions, 716 next states).

Draws from given distributions in constant time: Walker's alias method (Vose, 1991).

A distribution over M values becomes M cells of equal size, each of which holds at most two of them.
A draw picks a cell, and then one of its two values: two random numbers and two look-ups, however
many values there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse import csr_array

from handful.environment import Discrete, TimeStep
from handful.types import Array, Float, Int, NumpyArray, PRNGKey

NEGLIGIBLE = 1e-8
"""A time limit that is reached with less than this chance, whatever the policy, is none."""


@dataclass(frozen=True)
class AliasTable:
    """Tables of distributions to draw from in constant time.

    Attributes:
        value: what each cell of a distribution's row stands for, int32 [R, M].
        other: what the rest of the cell stands for, int32 [R, M].
        share: the share of the cell that belongs to ``value``, float32 [R, M].
    """

    value: NumpyArray
    other: NumpyArray
    share: NumpyArray

    def draw(self, key: PRNGKey, row: Int[Array, ""]) -> Int[Array, ""]:
        """Draw once from a row's distribution."""
        cell_key, share_key = jax.random.split(key)
        cell = jax.random.randint(cell_key, (), 0, self.value.shape[1])
        is_first = jax.random.uniform(share_key) < jnp.asarray(self.share)[row, cell]
        first, second = jnp.asarray(self.value)[row, cell], jnp.asarray(self.other)[row, cell]
        return jnp.where(is_first, first, second)


def alias_table(probabilities: NumpyArray) -> AliasTable:
    """Make the tables of the distributions in the rows of a matrix [R, S], which sum to 1."""
    width = max(1, int((probabilities > 0).sum(axis=1).max()))
    shape = (len(probabilities), width)
    value, other = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    share = np.ones(shape)
    for row, distribution in enumerate(probabilities):
        support = np.flatnonzero(distribution)
        filled = np.zeros(width)
        filled[: len(support)] = distribution[support] / distribution[support].sum() * width
        value[row, : len(support)] = support
        value[row, len(support) :] = support[0]
        other[row] = value[row]
        poor, rich = list(np.flatnonzero(filled < 1)), list(np.flatnonzero(filled >= 1))
        # What a cell lacks comes from one that has too much; rounding leaves some cells over.
        while poor and rich:
            cell, donor = poor.pop(), rich[-1]
            share[row, cell], other[row, cell] = filled[cell], value[row, donor]
            filled[donor] -= 1.0 - filled[cell]
            if filled[donor] < 1:
                poor.append(rich.pop())
    return AliasTable(value, other, share.astype(np.float32))


class Move(NamedTuple):
    """The outcome of a step: a state, the action, and the next state (-1 at the end)."""

    state: Int[Array, ""]
    action: Int[Array, ""]
    next_state: Int[Array, ""]


class TabularState(NamedTuple):
    """The state that an episode is in, from 0, and the steps that it has taken."""

    state: Int[Array, ""]
    steps: Int[Array, ""]


class TabularEnvironment:
    """An environment of numbered states and actions. It is hashable by identity, and read-only.

    An episode ends with an action from which nothing follows (a row of zeros), or on arrival in a
    terminal state, where no action is taken.

    Attributes:
        transitions: probability of the next state, float64 [S, A, S]; every row sums to 1, or to 0
            if the action ends the episode.
        start: distribution of the first state, float64 [S].
        terminal: states that end an episode on arrival, bool [S].
        time_limit: steps after which an episode is cut.
        stop_probability: the probability that the episode ends after a step, whatever the action
            was.
        observe_time: show the policies the share of the time limit that has passed, too.
    """

    def __init__(
        self,
        transitions: NumpyArray,
        start: NumpyArray,
        terminal: NumpyArray,
        time_limit: int,
        stop_probability: float = 0.0,
        observe_time: bool = False,
    ) -> None:
        self.transitions = transitions
        self.start = start
        self.terminal = terminal
        self.time_limit = time_limit
        self.stop_probability = stop_probability
        self.observe_time = observe_time

    @property
    def num_states(self) -> int:
        """``S``."""
        return len(self.start)

    @property
    def num_symbols(self) -> int | None:
        """``S`` if the state is all that is observed: policies then are look-up tables."""
        return None if self.observe_time else self.num_states

    @property
    def observation_size(self) -> int:
        """The state's number; with the time, an entry a state, and the time."""
        return self.num_states + 1 if self.observe_time else 1

    @property
    def action_space(self) -> Discrete:
        """An action is a number from 0."""
        return Discrete(self.transitions.shape[1])

    def reset(self, key: PRNGKey) -> tuple[TabularState, Float[Array, " O"]]:
        """Draw the first state."""
        none = jnp.zeros((), jnp.int32)
        state = TabularState(self._first.draw(key, none), none)
        return state, self.observe(state.state, state.steps)

    def step(
        self, key: PRNGKey, state: TabularState, action: Int[Array, ""]
    ) -> tuple[TabularState, TimeStep]:
        """Draw the next state; if the action ends the episode, the state stays."""
        move_key, stop_key = jax.random.split(key)
        row_of, rows = self._rows
        row = jnp.asarray(row_of)[state.state, action]
        is_end = row < 0
        reached = jnp.where(is_end, state.state, rows.draw(move_key, jnp.maximum(row, 0)))
        after = TabularState(reached, state.steps + 1)
        terminated = is_end | jnp.asarray(self.terminal)[reached]
        if self.stop_probability > 0:
            terminated |= jax.random.bernoulli(stop_key, self.stop_probability)
        truncated = (after.steps >= self.time_limit) & ~terminated
        outcome = Move(state.state, action, jnp.where(is_end, -1, reached))
        observation = self.observe(after.state, after.steps)
        return after, TimeStep(observation, outcome, terminated, truncated)

    def observe(self, state: Any, steps: Any) -> Float[Array, " O"]:
        """Return what policies observe in a state after some steps.

        The state's number divided by how many there are (:func:`~handful.environment.num_symbols`);
        with the time, an entry a state, 1 for this one, and the share of the limit that has passed.
        """
        if not self.observe_time:
            return jnp.asarray(state, jnp.float32)[None] / self.num_states
        return jnp.append(jax.nn.one_hot(state, self.num_states), steps / self.time_limit)

    @cached_property
    def cut_probability(self) -> float:
        """The chance of reaching the time limit, under the policy that makes it likeliest."""
        return next(islice(self.chances_to_go_on(), self.time_limit - 1, None))

    def chances_to_go_on(self) -> Iterator[float]:
        """Yield the highest chance, over policies, to be still running after 1, 2, ... steps."""
        matrix = csr_array(self.transitions.reshape(-1, self.num_states))
        goes_on = (1.0 - self.stop_probability) * ~self.terminal
        runs = (~self.terminal).astype(np.float64)
        while True:
            runs = goes_on * (matrix @ runs).reshape(self.num_states, -1).max(axis=1)
            yield float(self.start @ runs)

    @cached_property
    def _first(self) -> AliasTable:
        return alias_table(self.start[None])

    @cached_property
    def _rows(self) -> tuple[NumpyArray, AliasTable]:
        """Which distribution each state and action have, int32 [S, A], -1 at an end; and those."""
        row_of = np.full(self.transitions.shape[:2], -1, np.int32)
        rows: list[NumpyArray] = []
        known: dict[bytes, int] = {}
        for state, action in np.argwhere(self.transitions.any(axis=2)):
            row = self.transitions[state, action]
            index = known.setdefault(row.tobytes(), len(rows))
            if index == len(rows):
                rows.append(row)
            row_of[state, action] = index
        return row_of, alias_table(np.array(rows or [self.start]))


@dataclass(frozen=True, eq=False)
class TableFeatures:
    """Reward features that are looked up in tables. It is hashable by identity.

    Attributes:
        of_action: paid for an action in a state, float64 [S, A, D].
        of_arrival: paid on arrival in a state, float64 [S, D].
    """

    of_action: NumpyArray
    of_arrival: NumpyArray

    def __call__(self, outcome: Move) -> Float[Array, " D"]:
        """Return the features [D] of one step."""
        taken = jnp.asarray(self.of_action, jnp.float32)[outcome.state, outcome.action]
        arrived = jnp.asarray(self.of_arrival, jnp.float32)[outcome.next_state]
        return taken + jnp.where(outcome.next_state < 0, 0.0, arrived)

    def expected(self, transitions: NumpyArray) -> NumpyArray:
        """Return what an action earns on average, [S, A, D]."""
        return self.of_action + transitions @ self.of_arrival
