"""Assignment methods by name: who is served by whom."""

import dataclasses
from typing import Any

from handful._support.checks import did_you_mean
from handful.errors import HandfulError
from handful.methods.base import (
    FRESH,
    AssignmentMethod,
    Feedback,
    Intervention,
    RememberedEpisodes,
    Scene,
)
from handful.methods.branching_em import BranchingEM
from handful.methods.clustering import Clustering
from handful.methods.elite_em import EliteEM
from handful.methods.em import ExpectationMaximization, SoftEM
from handful.methods.end_to_end import EndToEnd
from handful.methods.fixed import Fixed, RandomAssignment
from handful.methods.planned_em import FamilyEM, PlannedEM
from handful.methods.pooled_em import PooledEM

METHODS: dict[str, type[AssignmentMethod]] = {
    "em": ExpectationMaximization,
    "end-to-end": EndToEnd,
    "cluster": Clustering,
    "random": RandomAssignment,
    "fixed": Fixed,
    "soft-em": SoftEM,
    "pooled-em": PooledEM,
    "planned-em": PlannedEM,
    "family-em": FamilyEM,
    "elite-em": EliteEM,
    "branching-em": BranchingEM,
}
"""Every method that ``--method`` knows."""


def make_method(name: str, /, **settings: Any) -> AssignmentMethod:
    """The method of that name; the settings are the fields of its class.

    Raises:
        HandfulError: if there is no such method, or it has no such setting.
    """
    method = find_method(name)
    fields = {field.name for field in dataclasses.fields(method)}
    unknown = sorted(set(settings) - fields)
    if unknown:
        raise HandfulError(
            f"The method '{name}' has no setting '{unknown[0]}'; it has: "
            f"{', '.join(sorted(fields)) or 'none'}."
        )
    if name == "fixed" and "policy" not in settings:
        raise HandfulError(
            "The method 'fixed' needs an assignment: give each user's policy, from 0 "
            "(on the command line: --assignment FILE.csv)."
        )
    return method(**settings)


def find_method(name: str) -> type[AssignmentMethod]:
    """The class of the method of that name.

    Raises:
        HandfulError: if there is no such method.
    """
    if name not in METHODS:
        raise HandfulError(
            f"There is no assignment method named '{name}'{did_you_mean(name, METHODS)}: "
            f"the methods are {', '.join(METHODS)}; training also takes 'auto', which chooses one "
            f"of them by the problem."
        )
    return METHODS[name]


__all__ = [
    "FRESH",
    "METHODS",
    "AssignmentMethod",
    "Clustering",
    "EliteEM",
    "EndToEnd",
    "ExpectationMaximization",
    "Feedback",
    "Fixed",
    "Intervention",
    "PooledEM",
    "RandomAssignment",
    "RememberedEpisodes",
    "Scene",
    "find_method",
    "make_method",
]
