"""Digests: by these, files say which policies, settings and users they are about."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def digest_of_file(path: str | Path) -> str:
    """The SHA-256 of a file's bytes.

    Raises:
        OSError: if the file cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_json(values: Any) -> str:
    """The SHA-256 of values as JSON holds them, however a file with them is laid out."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    """The SHA-256 of named arrays: their names, types, shapes and numbers."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype.str} {list(array.shape)}\n".encode())
        found.update(array.tobytes() if array.ndim == 0 else _bytes_of(array))
    return found.hexdigest()


def _bytes_of(array: NDArray[Any]) -> bytes | memoryview:
    """The array's memory, without a copy where its numbers lie in one piece and in order."""
    if array.size and array.flags.c_contiguous:
        return memoryview(array.view(np.uint8).reshape(-1))  # type: ignore[arg-type]
    return array.tobytes()
