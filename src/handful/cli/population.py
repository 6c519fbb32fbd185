"""Who the users are: how many to sample, or a file with what each of them wants."""

from pathlib import Path
from typing import Any


def chosen_users(
    users: int | None, population_seed: int | None, population: Path | None
) -> dict[str, Any]:
    """The parameters of a task that the command line's options stand for; none for None."""
    given = {"users": users, "population_seed": population_seed, "population": population}
    return {name: value for name, value in given.items() if value is not None}
