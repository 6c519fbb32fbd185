"""Files of named arrays in a run folder: safetensors, which can hold no code."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from handful.errors import HandfulError
from handful.runs import write_atomically
from handful.types import NumpyArray


def write_arrays(path: Path, arrays: Mapping[str, NumpyArray]) -> None:
    """Write arrays by name; the old file stays until the new one is whole.

    Raises:
        OSError: if the file cannot be written.
    """
    # The format holds rows one after the other, whatever the order in memory.
    data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    write_atomically(path, lambda temporary: _write(temporary, data))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def read_arrays(path: Path) -> dict[str, NumpyArray]:
    """The arrays of a file by their names.

    Raises:
        HandfulError: if the file is missing or damaged.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise HandfulError(f"'{path}' cannot be read ({error}).") from None
