"""Assignment methods, which say who is served by whom, and the names that they have.

A method of somebody else is a frozen dataclass derived from :class:`AssignmentMethod`, whose fields
are its settings. It is given to training as an object, or by the name that it was registered with.
"""

import dataclasses
import importlib
from typing import Any

from handful._support.checks import did_you_mean
from handful.errors import HandfulError
from handful.methods.base import (
    FRESH,
    AssignmentMethod,
    Feedback,
    Intervention,
    MethodInfo,
    Scene,
    Trainable,
)
from handful.methods.branching_em import BranchingEM
from handful.methods.clustering import Clustering
from handful.methods.elite_em import EliteEM
from handful.methods.em import ExpectationMaximization, SoftEM
from handful.methods.end_to_end import EndToEnd
from handful.methods.fixed import NEEDED, Fixed, RandomAssignment
from handful.methods.ledger import BlockwiseMethod
from handful.methods.memory import EpisodeMemory, RememberedEpisodes
from handful.methods.planned_em import FamilyEM, PlannedEM
from handful.methods.pooled_em import PooledEM
from handful.methods.schedule import RateRound, Schedule

AUTO = "auto"
"""The name by which training chooses one of the methods."""

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
    if not (isinstance(method, type) and issubclass(method, AssignmentMethod)):
        raise HandfulError(
            f"An assignment method must be a class derived from handful.AssignmentMethod, not "
            f"{method!r}."
        )
    if not name or METHODS.get(name, method) is not method or name == AUTO:
        raise HandfulError(
            f"The name '{name}' cannot be given to the method {method.__name__}: choose another "
            f"one, which no other method has."
        )
    METHODS[name] = method


def load_method(name: str) -> None:
    """Import and register the method that ``module:Class`` names; any other name is left alone.

    Only the caller's own words may come here, as importing a module runs its code.

    Raises:
        HandfulError: if the module cannot be imported, or has no such assignment method.
    """
    module, _, attribute = name.partition(":")
    if not attribute or name in METHODS:
        return
    try:
        method = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise HandfulError(
            f"The assignment method '{name}' cannot be imported ({error}): check the names of the "
            f"module and of the class in it."
        ) from None
    register_method(name, method)


def load_stored_method(name: str, source: str, trust: bool) -> None:
    """Make sure that this program knows the method that a file names.

    The file may be a stranger's, so nothing that it names is imported unless the caller trusts it.

    Args:
        name: the method's name in the file.
        source: what sentences call the file, as ``The run in 'runs/one'``.
        trust: whether the caller trusts the file.

    Raises:
        HandfulError: if the method is not known, cannot be imported, or importing it needs the
            caller's consent.
    """
    if name in METHODS or ":" not in name:
        return
    if not is_importable(name):
        raise HandfulError(
            f"{source} uses an assignment method of its own, '{name}', which was made in a Python "
            f"program and cannot be imported: open it in that program, after "
            f"handful.register_method('{name}', ...)."
        )
    if not trust:
        raise HandfulError(
            f"{source} uses an assignment method of its own, '{name}', and that names a module to "
            f"import: that would run code which the file chooses. If you trust the file and that "
            f"code, say so with --trust (in Python: trust=True), or import the module and call "
            f"handful.register_method('{name}', ...) before."
        )
    load_method(name)


def is_importable(name: str) -> bool:
    """Say whether another program can know the method of that name by importing something.

    That is so for the library's own methods, and for names like ``module:Class``, unless the module
    is the program itself.
    """
    if ":" in name:
        return name.partition(":")[0] != "__main__"
    return name not in METHODS or METHODS[name].__module__.startswith(f"{__name__}.")


def name_and_settings(method: AssignmentMethod) -> tuple[str, dict[str, Any]]:
    """Give what makes an equal method again: its name, and all its settings.

    A class without a name is registered as ``module:Class``.

    Raises:
        HandfulError: if the fields do not make an equal method.
    """
    kind = type(method)
    settings = {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}
    try:
        is_whole = kind(**settings) == method
    except TypeError:
        is_whole = False
    if not is_whole:
        raise HandfulError(
            f"The assignment method {kind.__name__} cannot be made again from its fields: write it "
            f"as a dataclass with frozen=True, whose fields are all its settings."
        )
    names = [name for name, known in METHODS.items() if known is kind]
    name = names[0] if names else f"{kind.__module__}:{kind.__qualname__}"
    register_method(name, kind)
    return name, settings


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
    method = find_method(name)
    fields = {field.name: field for field in dataclasses.fields(method) if field.init}
    unknown = sorted(set(settings) - set(fields))
    if unknown:
        raise HandfulError(
            f"The method '{name}' has no setting '{unknown[0]}'; it has: "
            f"{', '.join(sorted(fields)) or 'none'}."
        )
    for field in fields.values():
        has_default = not (field.default is field.default_factory is dataclasses.MISSING)
        if not has_default and field.name not in settings:
            needed = field.metadata.get(NEEDED, f"a value for its setting '{field.name}'")
            raise HandfulError(f"The method '{name}' needs {needed}.")
    return method(**settings)


def find_method(name: str) -> type[AssignmentMethod]:
    """Find the class of the method of that name.

    Raises:
        HandfulError: if there is no such method.
    """
    if name not in METHODS and ":" in name:
        raise HandfulError(
            f"The assignment method '{name}' is not known to this program: import its module and "
            f"call handful.register_method('{name}', ...) before, in Python."
        )
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
    "find_method",
    "is_importable",
    "load_method",
    "load_stored_method",
    "make_method",
    "name_and_settings",
    "register_method",
]
