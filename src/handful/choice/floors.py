"""Floors: what every user, every group on average, or a share of the users must get at least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful.choice.pool import Pool
from handful.errors import HandfulError

KINDS = ("everyone", "groups", "share")


@dataclass(frozen=True)
class Floor:
    """A return that users must get at least. What a user has outside counts as well.

    Args:
        least: the return: a number, or one for each user (for each group if ``of`` is ``groups``,
            in the order in which the groups occur).
        of: ``everyone`` (each user), ``groups`` (the mean of each group), or ``share`` (so large a
            share of the users).
        share: the share of the users, above 0 and at most 1, for ``share``.
        in_groups: whether the share must be reached in every group, for ``share``.
    """

    least: float | Sequence[float]
    of: str = "everyone"
    share: float = 1.0
    in_groups: bool = False

    def __post_init__(self) -> None:
        if self.of not in KINDS:
            raise HandfulError(f"A floor is of {', '.join(KINDS)}, not of '{self.of}'.")
        if not 0.0 < self.share <= 1.0:
            raise HandfulError(f"The share of a floor must be above 0 and at most 1: {self.share}.")

    def levels(self, pool: Pool) -> np.ndarray:
        """Give the floor of each user [N], or of each group [G] if it is of groups."""
        if (self.of == "groups" or self.in_groups) and pool.groups is None:
            raise HandfulError(
                "A floor of groups needs the users' groups: name their column, or give groups=."
            )
        length = len(pool.group_names) if self.of == "groups" else pool.num_users
        levels = np.asarray(self.least, np.float64)
        if levels.shape not in ((), (length,)) or not np.isfinite(levels).all():
            raise HandfulError(
                f"A floor must be one finite number or {length} of them, not an array of shape "
                f"{list(levels.shape)}."
            )
        return np.broadcast_to(levels, (length,))

    def parts(self, pool: Pool) -> list[tuple[str, np.ndarray, int]]:
        """Give the sets of users whose share must be reached.

        Returns:
            for each set its name, its users' rows, and how many of them must be served.
        """
        everyone = np.arange(pool.num_users)
        sets = [("all users", everyone)]
        if self.in_groups and pool.groups is not None:
            sets = [
                (name, np.flatnonzero(pool.groups == number))
                for number, name in enumerate(pool.group_names)
            ]
        return [(name, users, int(np.ceil(self.share * len(users) - 1e-9))) for name, users in sets]

    def misses(self, pool: Pool, utilities: np.ndarray) -> list[Miss]:
        """List who is below the floor.

        Args:
            pool: the pool.
            utilities: what each user gets, [N].
        """
        levels = self.levels(pool)
        if self.of == "everyone":
            below = np.flatnonzero(utilities < levels - pool.slack)
            return [Miss("user", int(i), float(levels[i] - utilities[i])) for i in below]
        if self.of == "groups":
            short = levels - group_means(pool) @ utilities
            below = np.flatnonzero(short > 1e3 * pool.slack)
            return [Miss("group", int(g), float(short[g])) for g in below]
        found = []
        for number, (_, users, needed) in enumerate(self.parts(pool)):
            served = int((utilities[users] >= levels[users] - pool.slack).sum())
            if served < needed:
                found.append(Miss("share", number, float(needed - served)))
        return found


@dataclass(frozen=True)
class Miss:
    """A floor that is not reached.

    Attributes:
        kind: ``user``, ``group`` or ``share``.
        number: the row of the user, or the number of the group.
        short: how much is missing, in the unit of returns; for ``share``, how many users.
    """

    kind: str
    number: int
    short: float


def group_means(pool: Pool) -> np.ndarray:
    """Give the matrix [G, N] that makes groups' means, with the users' weights within a group."""
    members = (pool.groups == np.arange(len(pool.group_names))[:, None]) * pool.shares
    return members / members.sum(axis=1, keepdims=True)


def checked_floors(floors: Any, pool: Pool) -> tuple[Floor, ...]:
    """Read floors as a caller gives them.

    Args:
        floors: None, a number, an array [N], a :class:`Floor`, or a sequence of :class:`Floor`.
        pool: the pool, to whose users and groups they must fit.

    Raises:
        HandfulError: if they are none of these, or do not fit.
    """
    if floors is None:
        return ()
    if isinstance(floors, Floor):
        found: tuple[Floor, ...] = (floors,)
    elif isinstance(floors, list | tuple) and all(isinstance(one, Floor) for one in floors):
        found = tuple(floors)
    else:
        try:
            found = (Floor(np.asarray(floors, np.float64).tolist()),)
        except (TypeError, ValueError):
            raise HandfulError(
                "Floors must be a number, a number for each user, or handful.Floor objects."
            ) from None
    for floor in found:
        floor.levels(pool)
    return found
