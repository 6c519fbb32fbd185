"""Assignment methods, which say who is served by whom, and the names that they have.

A method of somebody else is a frozen dataclass derived from :class:`AssignmentMethod`, whose fields
are its settings. It is given to training as an object, or by the name that it was registered with.
"""

from collections.abc import Mapping
from typing import Any

from handful._support.registry import Registry
from handful.methods.base import (
    FRESH,
    AssignmentMethod,
    Feedback,
    Intervention,
    MethodInfo,
    Scene,
    Trainable,
)
from handful.methods.clustering import Clustering
from handful.methods.elite_em import EliteEM
from handful.methods.em import ExpectationMaximization, SoftEM
from handful.methods.end_to_end import EndToEnd
from handful.methods.family_em import FamilyEM
from handful.methods.fixed import Fixed, RandomAssignment
from handful.methods.gone import GONE, GoneMethod
from handful.methods.ledger import BlockwiseMethod
from handful.methods.memory import EpisodeMemory, RememberedEpisodes
from handful.methods.pooled_em import PooledEM
from handful.methods.schedule import RateRound, Schedule
from handful.methods.universal import Universal

AUTO = "auto"
"""The name by which training chooses one of the methods."""

METHODS: Registry[AssignmentMethod] = Registry(
    "assignment method",
    AssignmentMethod,
    {
        "em": ExpectationMaximization,
        "end-to-end": EndToEnd,
        "cluster": Clustering,
        "random": RandomAssignment,
        "fixed": Fixed,
        "soft-em": SoftEM,
        "pooled-em": PooledEM,
        "family-em": FamilyEM,
        "elite-em": EliteEM,
        "universal": Universal,
    },
    "register_method",
    {AUTO: "leaves the choice to training, which chooses one of them by the problem"},
    GONE,
)
"""Every method that ``--method`` knows; :func:`register_method` adds to it."""


def register_method(name: str, method: Any) -> None:
    """Give an assignment method a name, by which training and run folders know it.

    Args:
        name: the name; the same class may be registered again under the name that it has.
        method: the class of the method, a frozen dataclass derived from
            :class:`AssignmentMethod`, whose fields are its settings.

    Raises:
        HandfulError: if the name belongs to another class, or the class is no assignment method.
    """
    METHODS.register(name, method)


def make_method(name: str, /, **settings: Any) -> AssignmentMethod:
    """Make a method.

    Args:
        name: the method's name (:data:`METHODS`).
        settings: fields of the method's class that differ from their defaults.

    Returns:
        The method, which is immutable and hashable.

    Raises:
        HandfulError: if there is no such method, it has no such setting, or a setting that it must
            have is missing.
    """
    return METHODS.make(name, settings)


def stored_method(name: str, settings: Mapping[str, Any]) -> AssignmentMethod:
    """Make the method that a run's settings name, which may have left the library.

    Args:
        name: the method's name.
        settings: fields of the method's class that differ from their defaults.

    Returns:
        The method. In place of one that left the library it is a method that only has its name.

    Raises:
        HandfulError: if there neither is nor was such a method, it has no such setting, or a
            setting that it must have is missing.
    """
    return GoneMethod(name) if METHODS.is_gone(name) else METHODS.make(name, settings)


__all__ = [
    "FRESH",
    "METHODS",
    "AssignmentMethod",
    "BlockwiseMethod",
    "Clustering",
    "EliteEM",
    "EndToEnd",
    "EpisodeMemory",
    "ExpectationMaximization",
    "Feedback",
    "Fixed",
    "Intervention",
    "MethodInfo",
    "PooledEM",
    "RandomAssignment",
    "RateRound",
    "RememberedEpisodes",
    "Scene",
    "Schedule",
    "Trainable",
    "make_method",
    "register_method",
    "stored_method",
]
