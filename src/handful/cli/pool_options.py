"""The options of ``handful choose`` and ``handful frontier``: a table, and what must hold."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from handful.errors import HandfulError

if TYPE_CHECKING:
    from handful.choice.table import ReturnsTable


@dataclass
class PoolOptions:
    """A table of returns, and what a choice from it must do."""

    returns: tyro.conf.Positional[Path]
    """The table, as CSV: a row a policy and a column a user; the first line names the columns. A
    row is a user if --group, --weight, --outside or --ignore names a column, or with --rows
    users."""

    rows: Literal["policies", "users"] = "policies"
    """What a row of the table is."""

    group: str | None = None
    """The column with the users' groups."""

    weight: str | None = None
    """The column that says how much each user counts."""

    outside: str | None = None
    """What users get without us: a number, or the column that says it. Nobody is assigned to a
    policy that is worse."""

    ignore: tuple[str, ...] = ()
    """Columns that are no policies."""

    floor: float | None = None
    """What every user must get at least."""

    group_floor: float | None = None
    """What the mean of every group must be at least."""

    share: float | None = None
    """The share of the users for whom --floor must hold; everybody if it is not given."""

    costs: Path | None = None
    """What each policy costs, as CSV with two columns: the policy's name and its cost."""

    seconds: float = 60.0
    """About how many seconds to look for each proof."""

    json: bool = False
    """Print the result as JSON."""

    def read(self) -> "ReturnsTable":
        """Read the table."""
        from handful.choice.table import read_returns

        outside = [] if self.outside is None or _is_number(self.outside) else [self.outside]
        named = [name for name in (self.group, self.weight) if name is not None]
        about_users = [*dict.fromkeys([*named, *outside, *self.ignore])]
        return read_returns(
            self.returns, rows_are_users=self.rows == "users", about_users=about_users
        )

    def settings(self, table: "ReturnsTable") -> dict[str, Any]:
        """Return what :func:`handful.choose` takes besides the returns and the welfare."""
        from handful.choice.floors import Floor
        from handful.choice.table import numbers_of, read_costs

        floors = []
        if self.floor is not None:
            kind = "everyone" if self.share is None else "share"
            floors.append(Floor(self.floor, kind, 1.0 if self.share is None else self.share))
        elif self.share is not None:
            raise HandfulError("A share is of a floor: give --floor as well.")
        if self.group_floor is not None:
            floors.append(Floor(self.group_floor, "groups"))
        settings: dict[str, Any] = {"seconds": self.seconds}
        if floors:
            settings["floors"] = floors
        if self.group is not None:
            settings["groups"] = table.columns[self.group]
        if self.weight is not None:
            settings["weights"] = numbers_of(table, self.weight)
        if self.outside is not None:
            is_number = _is_number(self.outside)
            settings["outside"] = (
                float(self.outside) if is_number else numbers_of(table, self.outside)
            )
        if self.costs is not None:
            settings["costs"] = read_costs(self.costs, table.policies)
        return settings


def number_or_name(text: str | None) -> float | str | None:
    """Return an option as a number, or as the name of a column."""
    return float(text) if text is not None and _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
