"""Arrays in safetensors and npz files that may come from a stranger.

The readers need NumPy alone. They allocate memory only for bytes that are there: what a header says
of shapes is first compared with the bytes that follow it. No array of objects is ever read, so that
no code is run.
"""

import json
import math
import re
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful._support.files import parse_json
from handful.deploy.zipped import read_all
from handful.errors import HandfulError

LONGEST_HEADER = 2**20
"""The most bytes of the header of a safetensors file."""

MOST_AXES = 8
"""The most axes of an array."""

_TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
"""The types of arrays in a bundle's safetensors files, by the names that they have there."""

_NPY = b"\x93NUMPY\x01\x00"
_NPY_TYPES = ("<f4", "<f8", "<i8", "<i4", "<i2", "|i1", "|u1", "<u2", "<u4", "<u8", "|b1")
_NPY_HEADER = re.compile(
    r"\{'descr': '([<|][a-z][0-9])', 'fortran_order': False, 'shape': \(([0-9, ]*)\), \} *\n"
)


def read_safetensors(data: bytes, source: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays of a safetensors file by name, and its metadata.

    Args:
        data: the content of the file.
        source: its path, for error messages.

    Raises:
        HandfulError: if the content is not exactly what its header says.
    """
    header, start = _header(data, source)
    about = _metadata(header, source)
    pieces = []
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise _damaged(source, f"its entry {name[:40]!r} describes no array")
        kind, shape = entry["dtype"], _shape(entry["shape"], source)
        offsets = entry["data_offsets"]
        if kind not in _TYPES:
            raise _damaged(source, f"the array {name[:40]!r} is of a type that no policy has")
        if not (isinstance(offsets, list) and len(offsets) == 2 and all(map(_is_size, offsets))):
            raise _damaged(source, f"the place of the array {name[:40]!r} is no pair of numbers")
        pieces.append((offsets[0], offsets[1], name, np.dtype(_TYPES[kind]), shape))
    arrays, end = {}, 0
    for first, last, name, dtype, shape in sorted(pieces, key=lambda piece: piece[:2]):
        if first != end or last - first != math.prod(shape) * dtype.itemsize:
            raise _damaged(source, f"the array {name[:40]!r} is not of the size that is said")
        if start + last > len(data):
            raise _damaged(source, f"the array {name[:40]!r} is cut short")
        found = np.frombuffer(data, dtype, math.prod(shape), start + first)
        arrays[name], end = found.reshape(shape).astype(dtype.newbyteorder("=")), last
    if start + end != len(data):
        raise _damaged(source, "there are bytes after its last array")
    return arrays, about


def read_metadata(data: bytes, source: str) -> dict[str, str]:
    """Return the metadata of a safetensors file; its arrays are not looked at.

    Raises:
        HandfulError: if the file has no header of this form.
    """
    header, _ = _header(data, source)
    return _metadata(header, source)


def _metadata(header: dict[str, Any], source: str) -> dict[str, str]:
    """Take the metadata out of a header and return them."""
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(v, str) for v in about.values()):
        raise _damaged(source, "its metadata are no texts")
    return about


def read_npz(data: bytes, source: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file by name, as :func:`numpy.savez` names them.

    Raises:
        HandfulError: if the content is not exactly what its headers say, or holds objects.
    """
    arrays = {}
    for name, content in read_all(data, source).items():
        if not name.endswith(".npy"):
            raise _damaged(source, f"{name[:40]!r} is no array")
        arrays[name.removesuffix(".npy")] = _read_npy(content, f"{source}/{name}")
    return arrays


def _read_npy(data: bytes, source: str) -> NDArray[Any]:
    if len(data) < 10 or data[:8] != _NPY:
        raise _damaged(source, "it is no array of NumPy's first format")
    (length,) = struct.unpack("<H", data[8:10])
    found = _NPY_HEADER.fullmatch(data[10 : 10 + length].decode("latin-1"))
    if found is None or found[1] not in _NPY_TYPES:
        raise _damaged(source, "its header does not describe plain numbers in order")
    parts = [part for part in found[2].replace(" ", "").split(",") if part]
    if any(len(part) > 18 for part in parts):
        raise _damaged(source, "it has a shape that no array has")
    shape = _shape([int(part) for part in parts], source)
    dtype, start = np.dtype(found[1]), 10 + length
    if len(data) - start != math.prod(shape) * dtype.itemsize:
        raise _damaged(source, "it is not of the size that is said")
    return np.frombuffer(data, dtype, offset=start).reshape(shape).copy()


def _header(data: bytes, source: str) -> tuple[dict[str, Any], int]:
    """Return the header of a safetensors file, and where its arrays begin."""
    if len(data) < 8:
        raise _damaged(source, "it is too short")
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(LONGEST_HEADER, len(data) - 8):
        raise _damaged(source, "its header is longer than it can be")
    try:
        header = parse_json(data[8 : 8 + length])
    except ValueError as error:
        raise _damaged(source, f"its header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise _damaged(source, "its header is no mapping")
    return header, 8 + length


def _shape(value: Any, source: str) -> tuple[int, ...]:
    is_shape = isinstance(value, list) and len(value) <= MOST_AXES and all(map(_is_size, value))
    if not is_shape or 0 in value:
        raise _damaged(source, "it has a shape that no array has")
    return tuple(value)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _damaged(source: str, what: str) -> HandfulError:
    return HandfulError(f"'{source}' is damaged: {what}. Get another copy of the bundle.")


def metadata_of(about: Mapping[str, str], name: str, source: str) -> Any:
    """Return an entry of a safetensors file's metadata, which holds JSON.

    Raises:
        HandfulError: if it is missing or no JSON.
    """
    try:
        return parse_json(about[name].encode())
    except (KeyError, ValueError, json.JSONDecodeError) as error:
        raise _damaged(source, f"its metadata have no '{name}' in JSON ({error})") from None
