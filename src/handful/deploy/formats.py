"""The formats in which a bundle may hold its policies, and how each of them is run.

A bundle always has ``policies/2.safetensors``, which NumPy runs. Another format is a file beside
it, such as ``policies/2.onnx``. :func:`register_format` makes ``handful verify`` replay it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from handful.deploy.files import CheckedFiles

if TYPE_CHECKING:
    from handful.deploy.bundle import Bundle

Act = Callable[[NDArray[Any]], NDArray[Any]]
"""A function from flattened observations, float32 [V, O], to a policy's likeliest actions as the
simulator takes them, [V, *shape]."""


@dataclass(frozen=True)
class Format:
    """A format of policies.

    Attributes:
        name: the format's name in what ``handful verify`` prints.
        suffix: the ending of its files in ``policies/``, with the dot.
        open: a function that gets the bundle's checked files, the bundle and a policy's number, and
            returns what acts by that policy's file.
        missing: a function that returns what must be installed to run the format, in words; None if
            nothing is missing.
    """

    name: str
    suffix: str
    open: Callable[[CheckedFiles, "Bundle", int], Act]
    missing: Callable[[], str | None]


def _open_numpy(files: CheckedFiles, bundle: "Bundle", policy: int) -> Act:
    """Return what acts by a policy's safetensors file."""
    del files  # the bundle has read it from them
    found, actions = bundle.policies[policy], bundle.interface.actions

    def act(vectors: NDArray[Any]) -> NDArray[Any]:
        return actions.decode(actions.choose(found, vectors, None))

    return act


NUMPY = Format("numpy", ".safetensors", _open_numpy, lambda: None)

_FORMATS: dict[str, Format] = {NUMPY.suffix: NUMPY}


def register_format(found: Format) -> None:
    """Make a format known to ``handful verify``; one with the same suffix is replaced."""
    _FORMATS[found.suffix] = found


def formats() -> Mapping[str, Format]:
    """Return the formats that are known, by the suffix of their files."""
    return dict(_FORMATS)
