"""Resource Gathering as the paper has it (section 4.1), after Barrett & Narayanan (2008).

A character walks on a grid and each tile belongs to one user. A tile that the character enters is
visited; the episode ends when the character stands on the start tile after a step, and then every
visited tile's user earns ``100 - T``, with ``T`` the number of steps taken; all others earn
nothing. An episode that is not home after ``time_limit`` steps is cut and earns nothing.

Actions have MO-Gymnasium's numbers: 0 up, 1 down, 2 left, 3 right. Rows count from the top. A step
against the edge of the grid or a blocked tile leaves the character where it is, and takes time.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import check_numbers, check_range
from handful.domains.resource_gathering import name_of_owner
from handful.environment import Discrete, TimeStep
from handful.errors import HandfulError
from handful.population import Population
from handful.types import Array, Bool, Float, Int, PRNGKey

FULL_REWARD = 100.0
"""The return of a visited tile to its user if the tour took no time."""

MOVES = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]], dtype=np.int32)
"""Row and column change of each action [A, 2]."""


class GridState(NamedTuple):
    """The character's cell (row, column), the cells that it entered, and the steps taken."""

    position: Int[Array, " 2"]
    visited: Bool[Array, " cells"]
    steps: Int[Array, ""]


class TourOutcome(NamedTuple):
    """A step's outcome: the state after it, and whether the tour closed at the start tile."""

    position: Int[Array, " 2"]
    visited: Bool[Array, " cells"]
    steps: Int[Array, ""]
    home: Bool[Array, ""]


MOST_TILES = 10_000
"""Each is a user with a reward feature of their own."""


@dataclass(frozen=True)
class ResourceGathering:
    """The grid world. It is hashable; its arrays are made when a function is traced.

    Attributes:
        height, width: the size of the grid in tiles.
        start: (row, column) where every episode starts and ends; by default the middle of the
            bottom row.
        blocked: tiles that cannot be entered.
        time_limit: steps after which an episode is cut.
        observe_time: whether the observation carries the share of the time limit that has passed.
            The reward depends on it; the paper does not say what is observed.

    Raises:
        HandfulError: if the grid has no tiles, or the start or a blocked tile does not fit it.
    """

    height: int = 5
    width: int = 5
    start: tuple[int, int] | None = None
    blocked: tuple[tuple[int, int], ...] = ()
    time_limit: int = 40
    observe_time: bool = True

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.height < 1 or self.width < 1:
            raise HandfulError(f"A grid needs at least one tile, not {self.height} x {self.width}.")
        check_range("The number of tiles", self.height * self.width, 1, MOST_TILES)
        if self.time_limit < 1:
            raise HandfulError(f"The time limit must be at least 1 step, not {self.time_limit}.")
        start = tuple(self.start or (self.height - 1, self.width // 2))
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "blocked", tuple(sorted({(r, c) for r, c in self.blocked})))
        for row, column in (start, *self.blocked):
            if not (0 <= row < self.height and 0 <= column < self.width):
                raise HandfulError(
                    f"Tile ({row}, {column}) lies outside the {self.height} x {self.width} grid."
                )
        if start in self.blocked:
            raise HandfulError(f"The start tile {start} must not be blocked.")

    @property
    def num_cells(self) -> int:
        """Tiles of the whole grid, blocked ones included, in row-major order."""
        return self.height * self.width

    @property
    def open_cells(self) -> tuple[int, ...]:
        """Indices of the tiles that can be entered: one user each."""
        blocked = {row * self.width + column for row, column in self.blocked}
        return tuple(cell for cell in range(self.num_cells) if cell not in blocked)

    @property
    def observation_size(self) -> int:
        """One-hot position, visited flags, and the time if it is observed."""
        return 2 * self.num_cells + int(self.observe_time)

    @property
    def action_space(self) -> Discrete:
        """An action moves up, down, left or right."""
        return Discrete(len(MOVES))

    def reset(self, key: PRNGKey) -> tuple[GridState, Float[Array, " O"]]:
        """Start on the start tile, with no tile visited."""
        del key  # every episode starts the same
        state = GridState(
            jnp.asarray(self.start, dtype=jnp.int32),
            jnp.zeros(self.num_cells, dtype=bool),
            jnp.zeros((), dtype=jnp.int32),
        )
        return state, self.observe(state)

    def step(
        self, key: PRNGKey, state: GridState, action: Int[Array, ""]
    ) -> tuple[GridState, TimeStep]:
        """Move by one tile, or bump and stay."""
        del key  # moves are deterministic
        limits = jnp.array([self.height - 1, self.width - 1], dtype=jnp.int32)
        target = jnp.clip(state.position + jnp.asarray(MOVES)[action], 0, limits)
        open_mask = np.zeros(self.num_cells, dtype=bool)
        open_mask[list(self.open_cells)] = True
        enters = jnp.asarray(open_mask)[self._cell(target)]
        position = jnp.where(enters, target, state.position)
        cell_flags = jax.nn.one_hot(self._cell(position), self.num_cells, dtype=bool)
        new_state = GridState(position, state.visited | cell_flags, state.steps + 1)
        home = jnp.all(position == jnp.asarray(self.start, dtype=jnp.int32))
        return new_state, TimeStep(
            observation=self.observe(new_state),
            outcome=TourOutcome(*new_state, home=home),
            terminated=home,
            truncated=~home & (new_state.steps >= self.time_limit),
        )

    def observe(self, state: GridState) -> Float[Array, " O"]:
        """Return the position (one-hot), the visited tiles (flags) and the share of time passed."""
        parts = [
            jax.nn.one_hot(self._cell(state.position), self.num_cells),
            state.visited.astype(jnp.float32),
        ]
        if self.observe_time:
            parts.append(state.steps[None].astype(jnp.float32) / self.time_limit)
        return jnp.concatenate(parts)

    def _cell(self, position: Int[Array, " 2"]) -> Int[Array, ""]:
        return position[0] * self.width + position[1]


@dataclass(frozen=True)
class TileRewards:
    """What the owners of tiles earn: ``100 - T`` if the closed tour visited theirs, else 0.

    Attributes:
        cells: each user's tile, as an index in row-major order.
    """

    cells: tuple[int, ...]

    def __call__(self, outcome: TourOutcome) -> Float[Array, " N"]:
        """Return the rewards [N] of one step."""
        worth = jnp.where(outcome.home, FULL_REWARD - outcome.steps, 0.0)
        return worth * outcome.visited[np.array(self.cells)]


def tile_owners(environment: ResourceGathering) -> Population:
    """Make the population with one user for each tile that can be entered."""
    cells, width = environment.open_cells, environment.width
    labels = [name_of_owner(*divmod(cell, width)) for cell in cells]
    return Population.from_function(TileRewards(cells), len(cells), labels)
