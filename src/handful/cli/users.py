"""Who the users of a command are: options that choose them, and a table of their policies."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful._support.checks import did_you_mean
from handful._support.text import count
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.users import UserTable

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def chosen_users(
    users: int | None, population_seed: int | None, population: Path | None
) -> dict[str, Any]:
    """Return the options that say who the users are, as parameters of a task.

    Args:
        users: the number of users to sample.
        population_seed: the seed of their draw.
        population: the file with a table of users.

    Returns:
        the parameters by name, without those that are None.
    """
    given = {"users": users, "population_seed": population_seed, "population": population}
    return {name: value for name, value in given.items() if value is not None}


def read_assignment(path: Path, user_ids: Sequence[str]) -> tuple[int, ...]:
    """Return each user's policy, in the population's order, from a table with a column ``policy``.

    If it has a column ``user`` or ``id`` too, as the ``assignment.csv`` of a run has, users are
    found by name and rows may stand in any order; else they stand in the population's.

    Args:
        path: the path of a CSV or Parquet file with a row for each user.
        user_ids: the population's names of its users.

    Raises:
        HandfulError: if the file or the column is missing, an entry is not a whole number, or the
            names are not exactly those of the population's users, each once.
    """
    # Imported here: tables need NumPy, for which the other commands need not wait.
    from handful.users import read_names, read_table

    table = read_table(path, "assignment")
    policies = _policies(table)
    names = read_names(table)
    if not names:
        return policies
    known = set(user_ids)
    unknown = next((row for row, name in enumerate(names) if name not in known), None)
    if unknown is not None:
        raise HandfulError(
            f"{table.source} names a user '{names[unknown]}' in {table.where(unknown)}, whom the "
            f"population does not have{did_you_mean(names[unknown], user_ids)}: name its users, or "
            f"leave out the column of names and give one row a user in the population's order."
        )
    policy_of = dict(zip(names, policies, strict=True))
    missing = next((user for user in user_ids if user not in policy_of), None)
    if missing is not None:
        raise HandfulError(
            f"{table.source} has no row for the user '{missing}': give each of the population's "
            f"{count(len(user_ids), 'user')} a policy."
        )
    return tuple(policy_of[user] for user in user_ids)


def _policies(table: "UserTable") -> tuple[int, ...]:
    from handful.users import find_column
    from handful.users.entries import text_of

    column = find_column(table, "policy")
    policies = []
    for row, entry in enumerate(table.columns[column]):
        text = text_of(entry)
        if _WHOLE_NUMBER.fullmatch(text) is None:
            raise HandfulError(
                f"{table.source} has '{entry}' in column '{column}' of {table.where(row)}: "
                f"policies are whole numbers from 0."
            )
        policies.append(int(text))
    return tuple(policies)
