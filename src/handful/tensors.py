"""Named arrays in a safetensors file, with a digest that reveals damage."""

import errno
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from handful._support.files import write_atomically
from handful._support.storage import digest_of_arrays, digest_of_json
from handful.errors import HandfulError
from handful.types import NumpyArray

_DIGEST = "sha256"
"""The entry in a file's metadata for the digest of its arrays and of the other metadata."""


def write_tensors(path: Path, arrays: Mapping[str, NumpyArray], about: Mapping[str, str]) -> None:
    """Write arrays by name; the old file stays until the new one is complete.

    Args:
        path: the path of the file.
        arrays: the arrays by name.
        about: the other texts of the file's metadata, besides the digest, by name.

    Raises:
        OSError: if the file cannot be written.
    """
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    digest = _digest(arrays, about)

    def write(temporary: Path) -> None:
        try:
            # The library itself would write a file that only its owner may read.
            temporary.write_bytes(save(arrays, {**about, _DIGEST: digest}))
        except SafetensorError as error:
            raise OSError(errno.EIO, str(error), str(path)) from None

    write_atomically(path, write)


def read_tensors(path: Path, what: str) -> tuple[dict[str, NumpyArray], dict[str, str]]:
    """Return the arrays of a file by name, and its metadata, after checking the digest.

    Args:
        path: the path of the file.
        what: the words for the file in error messages, such as "The checkpoint".

    Raises:
        HandfulError: if the file cannot be read, or its arrays are not those that were written.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            about = dict(file.metadata() or {})
            arrays = {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise HandfulError(f"{what} '{path}' cannot be read ({error}).") from None
    if about.pop(_DIGEST, None) != _digest(arrays, about):
        raise HandfulError(
            f"{what} '{path}' is damaged: it does not hold what was written. Put back a sound copy "
            f"of the file, or train again."
        )
    return arrays, about


def read_about(path: Path, what: str) -> dict[str, str]:
    """Return the metadata of a file without its arrays, which are not checked.

    Raises:
        HandfulError: if the file cannot be read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise HandfulError(f"{what} '{path}' cannot be read ({error}).") from None


def _digest(arrays: Mapping[str, NumpyArray], about: Mapping[str, str]) -> str:
    return digest_of_json([digest_of_arrays(arrays), dict(about)])
