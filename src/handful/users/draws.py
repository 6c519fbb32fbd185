"""What users are drawn by: how many there are to be, and a seed."""

from handful._support.checks import check_range
from handful.errors import HandfulError

MOST_USERS = 10_000_000
"""Each has a name, which takes some hundred bytes."""


def check_draw(num_users: int, seed: int) -> None:
    """Look at what a task draws its users by.

    Raises:
        HandfulError: for no users or too many, or a negative seed.
    """
    check_num_users(num_users)
    if seed < 0:
        raise HandfulError(f"The population's seed must be 0 or more, not {seed}.")


def check_num_users(num_users: int) -> None:
    """Look at how many users there are to be.

    Raises:
        HandfulError: for none, or for more than have a place in memory.
    """
    if num_users < 1:
        raise HandfulError(f"A population needs at least one user, not {num_users}.")
    check_range("The number of users", num_users, 1, MOST_USERS)
