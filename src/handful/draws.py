"""What users are drawn by: how many there are to be, and a seed."""

from handful.errors import HandfulError


def check_draw(num_users: int, seed: int) -> None:
    """Look at what a task draws its users by.

    Raises:
        HandfulError: for no users or a negative seed.
    """
    check_num_users(num_users)
    if seed < 0:
        raise HandfulError(f"The population's seed must be 0 or more, not {seed}.")


def check_num_users(num_users: int) -> None:
    """Look at how many users there are to be.

    Raises:
        HandfulError: for none.
    """
    if num_users < 1:
        raise HandfulError(f"A population needs at least one user, not {num_users}.")
