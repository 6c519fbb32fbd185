"""``NAME=VALUE`` arguments, and assignments from a file."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handful._support.checks import brief, check_plain, did_you_mean
from handful._support.text import count
from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.users import UserTable

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


LONGEST_NAME = 50
"""Letters of a setting's name that a sentence about its value repeats."""


def parse_settings(pairs: Sequence[str], flag: str) -> dict[str, Any]:
    """``["a=1", "b=[2,3]"]`` to ``{"a": 1, "b": (2, 3)}``; values are JSON, else text.

    Raises:
        HandfulError: for a pair without ``=``, or a name that is there twice.
    """
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise HandfulError(f"{flag} takes NAME=VALUE, not {brief(pair)}.")
        name = name.replace("-", "_")
        if name in settings:
            raise HandfulError(f"{flag} gives {brief(name)} twice: leave one of them out.")
        settings[name] = _tuples(_value(value, f"{flag} {name[:LONGEST_NAME]}"))
    return settings


def _value(text: str, what: str) -> Any:
    """JSON, else the text itself.

    Raises:
        HandfulError: for JSON that Python cannot hold, or of which a part would be lost.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise HandfulError(f"{what} gives {brief(twice)} twice: leave one of them out.")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError:
        return text
    except RecursionError:
        raise HandfulError(f"{what} has lists or mappings nested too deeply.") from None
    except ValueError:
        raise HandfulError(f"{what} is a number of too many digits: give a smaller one.") from None
    check_plain(value, what)
    return value


def read_assignment(path: Path, user_ids: Sequence[str]) -> tuple[int, ...]:
    """Each user's policy, in the population's order, from a table with a column ``policy``.

    If it has a column ``user`` or ``id`` too, as the ``assignment.csv`` of a run has, users are
    found by name and rows may stand in any order; else they stand in the population's.

    Args:
        path: a CSV or Parquet file with one row a user.
        user_ids: the population's names of its users.

    Raises:
        HandfulError: if the file or the column is missing, an entry is no whole number, or the
            names are not just those of the population's users, once each.
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


def _tuples(value: Any) -> Any:
    """Lists as tuples, all the way down: settings are hashable."""
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value


def chosen_users(
    users: int | None, population_seed: int | None, population: Path | None
) -> dict[str, Any]:
    """The parameters of a task that the command line's options stand for; none for None."""
    given = {"users": users, "population_seed": population_seed, "population": population}
    return {name: value for name, value in given.items() if value is not None}
