"""The provenance of a run: versions, machine, date, and the simulator's package."""

import datetime as dt
import importlib.metadata
import platform
import sys
from collections.abc import Mapping
from typing import Any

import jax

from handful._support.storage import digest_of_file
from handful.problem import RMDP

RECORDED_PACKAGES = ("handful", "jax", "jaxlib", "numpy", "equinox", "optax")
"""The packages whose version can change the result of every problem."""

SIMULATORS = ("gymnasium", "mo-gymnasium", "envpool", "mujoco", "highway-env", "gymnax")
"""The packages that step environments; a run records those that its process has loaded."""

_OURS = "handful"


def now() -> str:
    """Return the date and time in UTC, to the second, in the form of ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions of Python and of all packages that take part in a run of this process."""
    loaded = [name for name in SIMULATORS if name.replace("-", "_") in sys.modules]
    found = {"python": platform.python_version()}
    for name in (*RECORDED_PACKAGES, *loaded):
        version = _version(name)
        if version is not None:
            found[name] = version
    return found


def machine() -> dict[str, str]:
    """Return the kind of machine, and of the device that JAX computes on."""
    return {"platform": platform.platform(), "device": jax.devices()[0].device_kind}


def session() -> dict[str, Any]:
    """Return the record of this process, as one of those that work at a run."""
    return {"date": now(), "versions": versions(), "machine": machine()}


def described_simulator(problem: RMDP) -> dict[str, Any] | None:
    """Return the module that steps the problem's environment, and the version of its package.

    A module that belongs to no package has the digest of its file instead. None if the environment
    is one of handful's own.
    """
    environment = problem.environment
    module = getattr(environment, "simulator_module", type(environment).__module__)
    top = module.partition(".")[0]
    if top == _OURS:
        return None
    package = next(iter(importlib.metadata.packages_distributions().get(top, ())), None)
    if package is not None:
        return {"module": module, "package": package, "version": _version(package)}
    file = getattr(sys.modules.get(module), "__file__", None)
    try:
        return {"module": module, "sha256": None if file is None else digest_of_file(file)}
    except OSError:
        return {"module": module, "sha256": None}


def changed_versions(stored: Mapping[str, Any], here: Mapping[str, str]) -> list[str]:
    """Return the packages whose version changed since the run began, as "jax 0.9.1 (now 0.10.2)".

    Args:
        stored: the versions with which the run began.
        here: the versions of this process.
    """
    return [
        f"{name} {stored[name]} (now {here[name]})"
        for name in here
        if name in stored and stored[name] != here[name]
    ]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
