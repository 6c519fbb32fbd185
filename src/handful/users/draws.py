"""The settings by which users are drawn: their number and a seed."""

from handful._support.checks import check_range
from handful.errors import HandfulError

MOST_USERS = 10_000_000
"""The most users of a population: each has a name, which takes some hundred bytes."""


def check_draw(num_users: int, seed: int) -> None:
    """Check the number and the seed with which a task draws its users.

    Raises:
        HandfulError: if there are no users or too many, or the seed is negative.
    """
    check_num_users(num_users)
    if seed < 0:
        raise HandfulError(f"The population's seed must be 0 or more, not {seed}.")


def check_num_users(num_users: int) -> None:
    """Check the number of users.

    Raises:
        HandfulError: if there are no users, or more than fit into memory.
    """
    if num_users < 1:
        raise HandfulError(f"A population needs at least one user, not {num_users}.")
    check_range("The number of users", num_users, 1, MOST_USERS)
