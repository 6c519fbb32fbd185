"""Floors that no choice meets: which users make it so, and how many policies would do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handful._support.text import count
from handful.choice.floors import Floor
from handful.choice.pool import Pool
from handful.choice.program import program_of
from handful.errors import HandfulError

SHOWN = 5
"""The most users who are named in a sentence."""


class FloorsNotMet(HandfulError):
    """No choice within the budget meets the floors.

    Attributes:
        users: the rows of a smallest set of users whose own floors would have to be given up;
            empty if floors of groups or shares make it so.
        unreachable: the rows of users whom no policy of the pool serves up to their floor.
        smallest: the smallest number of policies (or the least money) that meets all floors; None
            if the whole pool does not.
    """

    def __init__(
        self, what: str, users: np.ndarray, unreachable: np.ndarray, smallest: float | None
    ) -> None:
        self.what, self.users, self.unreachable, self.smallest = what, users, unreachable, smallest
        super().__init__(self.sentence())

    def sentence(self, names: Sequence[str] | None = None) -> str:
        """Say why there is no choice, and what would do.

        Args:
            names: the users' names; their rows are named without them.

        Returns:
            the sentence.
        """
        is_money = self.what.startswith("a budget")
        if self.smallest is not None:
            least = f"{self.smallest:g}" if is_money else count(int(self.smallest), "policy")
            mend = f"the least that would do is {least}"
        elif len(self.unreachable):
            who = _listed(self.unreachable, names)
            mend = f"no policy of the pool reaches the floor of {who}"
        else:
            mend = "not even all policies of the pool together do"
        if len(self.users):
            mend += f"; they could be met without the floors of {_listed(self.users, names)}"
        return f"The floors cannot be met with {self.what}: {mend}."


def smallest_budget(pool: Pool, floors: tuple[Floor, ...], seconds: float) -> float | None:
    """Find the fewest policies, or the least money, that meet all floors; None if nothing does."""
    program = program_of(pool, None, floors, with_levels=False)
    prices = np.ones(pool.num_policies) if pool.costs is None else pool.costs
    solved = program.maximise(program.policies, -prices, seconds)
    return None if solved.rows is None else pool.price(solved.rows)


def check_floors(pool: Pool, most: float, floors: tuple[Floor, ...], seconds: float) -> np.ndarray:
    """Find any choice that meets the floors.

    Args:
        pool: the pool.
        most: how many policies, or how much money.
        floors: the floors.
        seconds: the time limit of each program.

    Returns:
        the choice.

    Raises:
        FloorsNotMet: if there is none.
        HandfulError: if none was found in time.
    """
    program = program_of(pool, most, floors, with_levels=False)
    solved = program.maximise(np.array([0]), np.zeros(1), seconds)
    if solved.rows is not None:
        return solved.rows
    if not solved.is_infeasible:
        raise HandfulError(
            f"In {seconds:g} seconds it was not found out whether the floors can be met: allow "
            f"more seconds, or lower the floors."
        )
    smallest = smallest_budget(pool, floors, seconds)
    users = _users_in_the_way(pool, most, floors, seconds)
    unreachable = np.flatnonzero(
        np.any(
            [
                pool.lifted.max(axis=0) < floor.levels(pool) - pool.slack
                for floor in floors
                if floor.of == "everyone"
            ]
            or [np.zeros(pool.num_users, bool)],
            axis=0,
        )
    )
    what = count(int(most), "policy") if pool.costs is None else f"a budget of {most:g}"
    raise FloorsNotMet(what, users, unreachable, smallest)


def _users_in_the_way(
    pool: Pool, most: float, floors: tuple[Floor, ...], seconds: float
) -> np.ndarray:
    """Return a smallest set of users without whose own floors all floors can be met."""
    own = [floor for floor in floors if floor.of == "everyone"]
    others = tuple(floor for floor in floors if floor.of != "everyone")
    if not own:
        return np.empty(0, np.int64)
    levels = np.max([floor.levels(pool) for floor in own], axis=0)
    program = program_of(pool, most, others, with_levels=False)
    everyone = np.arange(pool.num_users)
    needy = everyone[pool.base < levels - pool.slack]
    served, _ = program.count_served(everyone, levels)
    solved = program.maximise(served, np.ones(len(served)), seconds)
    if solved.rows is None:
        return np.empty(0, np.int64)
    utilities = pool.utilities(solved.rows)
    return needy[utilities[needy] < levels[needy] - pool.slack]


def _listed(users: np.ndarray, names: Sequence[str] | None) -> str:
    """Name the first few users, and say how many there are."""
    shown = ", ".join(
        str(user) if names is None else str(names[int(user)]) for user in users[:SHOWN]
    )
    more = f" and {len(users) - SHOWN} more" if len(users) > SHOWN else ""
    return f"{count(len(users), 'user')} ({shown}{more})"
