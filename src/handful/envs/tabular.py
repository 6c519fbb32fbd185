"""An environment given as arrays: the probability of every next state, and nothing else.

The next state is drawn by Walker's alias method (Vose, 1991): two random numbers and two look-ups,
however many states there are. Equal rows of the table are kept once, and of each row only the
states that can follow, so that the compiled program holds a few megabytes where the whole table
would be a hundred (ICU-Sepsis: 716 x 25 x 716).
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful.environment import Discrete, TimeStep
from handful.types import Array, Float, Int, NumpyArray, PRNGKey


class Move(NamedTuple):
    """What a step was: a state, the action taken there, and where it led."""

    state: Int[Array, ""]
    action: Int[Array, ""]
    next_state: Int[Array, ""]


class TabularState(NamedTuple):
    """The state that an episode is in, from 0, and the steps that it has taken."""

    state: Int[Array, ""]
    steps: Int[Array, ""]


@dataclass(frozen=True)
class AliasTable:
    """Distributions to draw from in constant time.

    Attributes:
        value: what each cell of a distribution's row stands for, int32 [R, M].
        other: what the rest of the cell stands for, int32 [R, M].
        share: of the cell that ``value`` has, float32 [R, M].
    """

    value: NumpyArray
    other: NumpyArray
    share: NumpyArray

    def draw(self, key: PRNGKey, row: Int[Array, ""]) -> Int[Array, ""]:
        """One draw from a row's distribution."""
        cell_key, share_key = jax.random.split(key)
        cell = jax.random.randint(cell_key, (), 0, self.value.shape[1])
        is_first = jax.random.uniform(share_key) < jnp.asarray(self.share)[row, cell]
        first, second = jnp.asarray(self.value)[row, cell], jnp.asarray(self.other)[row, cell]
        return jnp.where(is_first, first, second)


def alias_table(probabilities: NumpyArray) -> AliasTable:
    """Tables for the distributions in the rows of a matrix [R, S], each of which sums to 1."""
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


@dataclass(frozen=True, eq=False)
class TabularEnvironment:
    """States and actions by number. Hashable by identity.

    An episode ends with an action from which nothing follows (a row of zeros), or on arrival in a
    terminal state, where no action is taken.

    Attributes:
        transitions: probability of the next state, float64 [S, A, S]; every row sums to 1, or to 0
            where the episode ends.
        start: distribution of the first state, float64 [S].
        terminal: states that end an episode on arrival, bool [S].
        time_limit: steps after which an episode is cut.
        observe_time: show the policies the share of the time limit that has passed, too.
    """

    transitions: NumpyArray = field(repr=False)
    start: NumpyArray = field(repr=False)
    terminal: NumpyArray = field(repr=False)
    time_limit: int
    observe_time: bool = False

    @property
    def num_states(self) -> int:
        """``S``."""
        return len(self.start)

    @property
    def observation_size(self) -> int:
        """An entry a state, 1 for the one that the episode is in, and perhaps the time."""
        return self.num_states + self.observe_time

    @property
    def action_space(self) -> Discrete:
        """Actions by number."""
        return Discrete(self.transitions.shape[1])

    @cached_property
    def _first(self) -> AliasTable:
        return alias_table(self.start[None])

    @cached_property
    def _rows(self) -> tuple[NumpyArray, AliasTable]:
        """Which distribution each state and action have, int32 [S, A], -1 at an end; and those."""
        row_of, rows, known = np.full(self.transitions.shape[:2], -1, np.int32), [], {}
        for state, action in np.argwhere(self.transitions.any(axis=2)):
            row = self.transitions[state, action]
            index = known.setdefault(row.tobytes(), len(rows))
            if index == len(rows):
                rows.append(row)
            row_of[state, action] = index
        return row_of, alias_table(np.array(rows or [self.start]))

    def reset(self, key: PRNGKey) -> tuple[TabularState, Float[Array, " O"]]:
        """A first state by chance."""
        state = TabularState(self._first.draw(key, jnp.zeros((), jnp.int32)), jnp.zeros((), jnp.int32))
        return state, self.observe(state)

    def step(
        self, key: PRNGKey, state: TabularState, action: Int[Array, ""]
    ) -> tuple[TabularState, TimeStep]:
        """The next state by chance; where the action ends the episode, the state stays."""
        row_of, rows = self._rows
        row = jnp.asarray(row_of)[state.state, action]
        is_end = row < 0
        reached = jnp.where(is_end, state.state, rows.draw(key, jnp.maximum(row, 0)))
        after = TabularState(reached, state.steps + 1)
        terminated = is_end | jnp.asarray(self.terminal)[reached]
        truncated = (after.steps >= self.time_limit) & ~terminated
        outcome = Move(state.state, action, reached)
        return after, TimeStep(self.observe(after), outcome, terminated, truncated)

    def observe(self, state: TabularState) -> Float[Array, " O"]:
        """What policies see of a state."""
        seen = jax.nn.one_hot(state.state, self.num_states)
        if not self.observe_time:
            return seen
        return jnp.append(seen, state.steps / self.time_limit)
