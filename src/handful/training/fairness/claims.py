"""What users may claim from a run: an outside option, and floors, of themselves or their groups.

An *outside option* is what a user gets without us. Nobody is served by a policy that is worth less
to them: "no policy fits" is their assignment, and the welfare counts the outside option. A *floor*
is what users, or groups in the mean, or a share of the users must get at least
(:class:`handful.Floor`).

Columns of a users' table are named, and their entries are kept in the run's settings, so that a run
goes on and is read without the table.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from handful._support.checks import brief, did_you_mean
from handful.choice.floors import Floor, checked_floors
from handful.choice.pool import Pool
from handful.errors import HandfulError
from handful.population import Population
from handful.types import NumpyArray
from handful.welfare import WelfareFn
from handful.welfare_functions import GroupWelfare


@dataclass(frozen=True)
class Claims:
    """The users' groups, outside options and floors.

    Attributes:
        groups: the group of each user [N]; empty if users have none.
        outside: what each user gets without us [N]; empty if everybody must have a policy.
        floors: what must be reached.
    """

    groups: tuple[str, ...] = ()
    outside: tuple[float, ...] = ()
    floors: tuple[Floor, ...] = ()

    @cached_property
    def options(self) -> NumpyArray | None:
        """The outside options as an array [N]; None if there are none."""
        return np.asarray(self.outside, np.float64) if self.outside else None

    def pool(self, returns: NumpyArray, rows: NumpyArray | None = None) -> Pool:
        """Return policies and users as a pool to choose from, with groups and outside options.

        Args:
            returns: what policies earn for users, [M, n].
            rows: the users [n]; None for all of them.
        """
        chosen = np.arange(returns.shape[1]) if rows is None else rows
        options = None if self.options is None else self.options[chosen]
        groups = [self.groups[row] for row in chosen] if self.groups else None
        return Pool.of(returns, outside=options, groups=groups)

    def __bool__(self) -> bool:
        """Return whether there is anything that changes what users count or get."""
        return bool(self.outside or self.floors)

    def bind(self, welfare: WelfareFn) -> WelfareFn:
        """Return a welfare function that knows the users' groups, if it needs them.

        Raises:
            HandfulError: if it needs groups that there are not.
        """
        if not isinstance(welfare, GroupWelfare) or welfare.labels:
            return welfare
        if not self.groups:
            raise HandfulError(
                f"The welfare '{welfare.name}' needs the users' groups: name the column of the "
                f"users' table that has them, with --group (in Python: groups=)."
            )
        names = {name: number for number, name in enumerate(dict.fromkeys(self.groups))}
        return welfare.bind([names[name] for name in self.groups])

    def to_dict(self) -> dict[str, Any]:
        """Return them in the types of JSON, without what there is not."""
        described = {
            "groups": list(self.groups),
            "outside": list(self.outside),
            "floors": [asdict(floor) for floor in self.floors],
        }
        return {name: values for name, values in described.items() if values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Claims":
        """Return the claims that :meth:`to_dict` described."""
        floors = [{**one, "least": _frozen(one["least"])} for one in values.get("floors", ())]
        return cls(
            tuple(values.get("groups", ())),
            tuple(values.get("outside", ())),
            tuple(Floor(**one) for one in floors),
        )


def read_claims(population: Population, groups: Any, outside: Any, floors: Any) -> Claims:
    """Read what a caller says of the users' claims.

    Args:
        population: the users.
        groups: the name of one of the population's attributes, or the group of each user [N].
        outside: a number, the name of an attribute that holds numbers, or a number for each user.
        floors: the same, or :class:`handful.Floor` objects.

    Raises:
        HandfulError: if they do not fit the users.
    """
    if isinstance(groups, str):
        groups = [str(one) for one in _attribute(population, groups, "groups")]
    if isinstance(outside, str):
        outside = _numbers(population, outside, "outside options")
    if isinstance(floors, str):
        floors = _numbers(population, floors, "floors")
    nothing = np.zeros((1, population.num_users))
    pool = Pool.of(nothing, outside=outside, groups=groups)
    found = checked_floors(floors, pool)
    return Claims(
        () if groups is None else tuple(str(one) for one in groups),
        () if pool.outside is None else tuple(pool.outside.tolist()),
        tuple(replace(floor, least=_frozen(floor.least)) for floor in found),
    )


def _attribute(population: Population, name: str, what: str) -> Any:
    if name not in population.attributes:
        known = list(population.attributes)
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise HandfulError(
            f"The users have no column {brief(name)} for their {what}"
            f"{did_you_mean(name, known)}: {has}. Every column of text of a table of users is "
            f"kept, and of numbers those called group, label, outside or floor, or beginning so."
        )
    return population.attributes[name]


def _numbers(population: Population, name: str, what: str) -> list[float]:
    found = []
    for user, entry in zip(population.user_ids, _attribute(population, name, what), strict=True):
        try:
            number = float(entry)
        except (TypeError, ValueError):
            number = np.nan
        if not np.isfinite(number):
            raise HandfulError(
                f"The column '{name}' must have a finite number for each user, and has "
                f"{brief(str(entry))} for the user '{user}'."
            )
        found.append(number)
    return found


def _frozen(least: Any) -> Any:
    """Return a floor's level as a number or a tuple, so that settings are immutable."""
    values = np.asarray(least, np.float64)
    return float(values) if values.ndim == 0 else tuple(values.tolist())
