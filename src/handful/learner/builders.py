"""Networks of the caller's own: what a builder is, and the names by which runs know builders.

A builder makes one Equinox module. :class:`~handful.learner.modules.ModuleStack` makes ``K`` of
them and learns all of them together. Settings hold text and no functions, so a builder has a name:

* the name that :func:`register_network` gave it;
* else ``module:function``, where importing the module finds this very builder;
* else a name that begins with :data:`UNNAMED`, by which nothing can be imported: of a builder that
  a script or a notebook defines. The caller passes such a builder again to continue a run.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import equinox as eqx

from handful._support.checks import brief, did_you_mean
from handful._support.registry import import_named
from handful.errors import HandfulError
from handful.types import PRNGKey

NetworkBuilder = Callable[[PRNGKey, int, int], eqx.Module]
"""Makes one module of a key, the number of observation entries and the number of outputs."""

Network = NetworkBuilder | str | tuple[NetworkBuilder | str | None, NetworkBuilder | str | None]
"""What training takes: one builder (or its name) for actors and critics, or one for each of them,
with None for the library's own network."""

UNNAMED = "made-in-python:"
"""The beginning of the names of builders that cannot be imported: no module can be called so."""

FIELDS = ("actor_network", "critic_network")
"""The settings of the learner that name builders."""

_BUILDERS: dict[str, NetworkBuilder] = {}


def register_network(name: str, build: NetworkBuilder) -> None:
    """Give a network's builder a name, by which settings and run folders know it.

    Args:
        name: the name; the same builder may be registered again under the name that it has.
        build: the builder. It is called as ``build(key, observation_size, num_outputs)`` and
            returns an Equinox module, which maps one observation [O] to [num_outputs].

    Raises:
        HandfulError: if the name belongs to another builder, or the builder cannot be called.
    """
    _check_callable(build)
    if not name or name.startswith(UNNAMED) or _BUILDERS.get(name, build) is not build:
        raise HandfulError(
            f"The name {brief(name)} cannot be given to this network: choose another one, which "
            f"no other network has."
        )
    _BUILDERS[name] = build


def load_network(name: str) -> None:
    """Import and register the builder that ``module:function`` names; leave other names alone.

    Importing a module runs its code, so the name must be the caller's own, or the caller must trust
    the file that it comes from.

    Raises:
        HandfulError: if the module cannot be imported, or has no such builder.
    """
    if name not in _BUILDERS and is_importable(name):
        register_network(name, import_named(name, "network", "function or class"))


def is_importable(name: str) -> bool:
    """Return whether a name has the form ``module:function``."""
    module, _, attribute = name.partition(":")
    return bool(module and attribute) and not name.startswith(UNNAMED)


def is_known(name: str) -> bool:
    """Return whether this program knows a builder of this name without importing anything."""
    return name in _BUILDERS


def find_network(name: str) -> NetworkBuilder:
    """Return the builder of a name.

    Raises:
        HandfulError: if this program knows no builder of that name.
    """
    if name in _BUILDERS:
        return _BUILDERS[name]
    if name.startswith(UNNAMED):
        how = "pass the builder itself again, as network="
    else:
        how = f"call handful.register_network({name!r}, build) before, in Python"
    raise HandfulError(
        f"This program knows no network named '{name}'{did_you_mean(name, _BUILDERS)}: {how}."
    )


def settled_name(name: str, network: NetworkBuilder | str | None, source: str, trust: bool) -> str:
    """Return the name, known to this program, of the builder that a file asks for.

    The file may be a stranger's, so nothing that it names is imported unless the caller trusts it.

    Args:
        name: the name in the file.
        network: the builder that the caller gives for it, or its name; None if the caller gives
            none.
        source: the words for the file in error messages, such as ``The run in 'runs/one'``.
        trust: whether the caller trusts the file.

    Raises:
        HandfulError: if the builder is not known, or importing it needs the caller's consent.
    """
    if network is not None:
        return network if isinstance(network, str) else name_of(network)
    if is_known(name):
        return name
    if not is_importable(name):
        raise HandfulError(
            f"{source} has a network of its own, '{name}', which cannot be imported: open it from "
            f"Python and pass the network's builder, as network=build."
        )
    if not trust:
        raise HandfulError(
            f"{source} has a network of its own, '{name}', and that names a module to import: that "
            f"would run code which the file chooses. If you trust the file and that code, say so "
            f"with --trust (in Python: trust=True), or pass the network's builder in Python, as "
            f"network=build."
        )
    load_network(name)
    return name


def name_of(build: NetworkBuilder) -> str:
    """Return the name of a builder.

    A builder without a name is registered under a name that says where it is.

    Raises:
        HandfulError: if the builder cannot be called.
    """
    _check_callable(build)
    for name, known in _BUILDERS.items():
        if known is build:
            return name
    name = f"{getattr(build, '__module__', '')}:{getattr(build, '__qualname__', '')}"
    if _found_by(name) is not build:
        own = UNNAMED + getattr(build, "__name__", type(build).__name__)
        number, name = 1, own
        while name in _BUILDERS:
            number += 1
            name = f"{own}-{number}"
    _BUILDERS[name] = build
    return name


def network_settings(network: Network | None) -> dict[str, str | None]:
    """Return the settings of the learner that a caller's choice of networks stands for.

    Raises:
        HandfulError: if it is neither a builder, a name nor a pair of these.
    """
    if network is None:
        return {}
    pair = network if isinstance(network, tuple | list) else (network, network)
    if len(pair) != len(FIELDS):
        raise HandfulError(
            f"network takes a builder, or a pair of builders (actor, critic), not {len(pair)} of "
            f"them."
        )
    return dict(zip(FIELDS, map(_named, pair), strict=True))


def named_networks(settings: Any) -> list[str]:
    """Return the names of the builders in a learner's settings, an object or a mapping."""
    get = settings.get if isinstance(settings, Mapping) else partial(getattr, settings)
    names = (get(field, None) for field in FIELDS)
    return [name for name in names if isinstance(name, str)]


def with_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the learner's settings with the names of builders in place of the builders.

    Raises:
        HandfulError: if a network is neither a builder nor a name.
    """
    return {**settings, **{name: _named(settings[name]) for name in FIELDS if name in settings}}


def _named(network: Any) -> str | None:
    return network if network is None or isinstance(network, str) else name_of(network)


def _found_by(name: str) -> Any:
    """Return the object that ``module:function`` names in a module that is imported already."""
    module, _, attribute = name.partition(":")
    found: Any = None if module == "__main__" else sys.modules.get(module)
    for part in attribute.split("."):
        found = getattr(found, part, None)
    return found


def _check_callable(build: Any) -> None:
    if not callable(build) or isinstance(build, eqx.Module) or type(build).__hash__ is None:
        raise HandfulError(
            f"A network is given as a builder, which is called as build(key, observation_size, "
            f"num_outputs) and returns an Equinox module, not as {brief(build)}."
        )
