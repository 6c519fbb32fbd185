"""Who gets which policy: the content of ``assignment.csv``."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from handful._support.controls import unprotect
from handful.errors import HandfulError

NAME = "assignment.csv"
"""The name of the file."""

LONGEST_NAME = 10_000
"""The most letters of a cell."""


class Assignment:
    """The policy of each user.

    Args:
        data: the content of the file.
        num_policies: the number ``K`` of policies.
        place: the path of the file, for error messages.

    Raises:
        HandfulError: if the file is damaged.
    """

    def __init__(self, data: bytes, num_policies: int, place: str) -> None:
        self._place = place
        self._policies: dict[str, int] = {}
        try:
            rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
            header = next(rows, [])
            if header[:2] != ["user", "policy"]:
                raise HandfulError(
                    f"'{place}' is damaged: its first columns must be 'user' and 'policy'."
                )
            for row in rows:
                self._add(header, row, num_policies)
        except (UnicodeDecodeError, csv.Error) as error:
            raise HandfulError(f"'{place}' is damaged: it is no CSV file ({error}).") from None
        self.users = tuple(self._policies)

    def _add(self, header: list[str], row: list[str], num_policies: int) -> None:
        line = len(self._policies) + 2
        if len(row) != len(header) or any(len(cell) > LONGEST_NAME for cell in row):
            raise HandfulError(f"'{self._place}' is damaged in row {line}: it has other columns.")
        user, policy = unprotect(row[0]), row[1]
        is_number = policy.isascii() and policy.isdecimal() and len(policy) < 10
        if user in self._policies or not is_number or int(policy) >= num_policies:
            raise HandfulError(
                f"'{self._place}' is damaged in row {line}: each user has one row, with the number "
                f"of a policy from 0 to {num_policies - 1}."
            )
        self._policies[user] = int(policy)

    @property
    def by_user(self) -> Mapping[str, int]:
        """The number of the policy of each user, by name, in the order of the file."""
        return self._policies

    def get(self, user: Any) -> int | None:
        """Return the number of a user's policy; None if there is no such user.

        Args:
            user: the user's name, or their number from 0.
        """
        if isinstance(user, str):
            return self._policies.get(user)
        if isinstance(user, int) and not isinstance(user, bool) and 0 <= user < len(self.users):
            return self._policies[self.users[user]]
        return None
