"""Arrays in an ``.npz`` file, read without NumPy's own loader.

NumPy's loader unpacks a file before its size is known, raises the errors of four other libraries if
a file is damaged, and advises to load objects, which runs code. Here the sizes are read first: the
sizes that the archive states, and each array's shape and type, which precede its numbers.
"""

import io
import math
import struct
import zipfile
import zlib
from pathlib import Path
from warnings import catch_warnings

import numpy as np

from handful._support.files import MAX_BYTES, read_whole, too_large
from handful.errors import HandfulError
from handful.types import NumpyArray

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000  # bytes
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LAST_CHARACTER = 0x10FFFF
_KINDS = "biufcmMSU"
"""NumPy's letters for the kinds of arrays that hold no objects and no records."""


def read_arrays(path: Path, source: str) -> dict[str, NumpyArray]:
    """Return the arrays of an ``.npz`` file, as :func:`numpy.savez` writes it, by name.

    Args:
        path: the path of the file.
        source: the words for the file in error messages.

    Raises:
        HandfulError: if the file cannot be read, is damaged, holds objects, or holds more than
            `MAX_BYTES`.
    """
    data = read_whole(path, source)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if size > MAX_BYTES:
                raise too_large(source, size)
            arrays = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                if member.compress_type not in _PACKINGS:
                    raise _Damaged(f"the array {name!r} is packed as numpy.savez packs none")
                arrays[name] = _read_array(archive.read(member), name)
    except _Damaged as error:
        raise _unreadable(source, str(error)) from None
    except HandfulError:
        raise
    except zipfile.BadZipFile as error:
        is_archive = zipfile.is_zipfile(io.BytesIO(data))
        raise _unreadable(source, _reason(error) if is_archive else "it is no .npz file") from None
    # The archive's reader raises these if names, versions, packings or packed bytes are damaged.
    except (
        zlib.error,
        struct.error,
        OSError,
        EOFError,
        ValueError,
        IndexError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise _unreadable(source, _reason(error)) from None
    return arrays


def _reason(error: Exception) -> str:
    """Return the reason that a library gives for a damaged file, in one short line."""
    return f"it is damaged: {' '.join(str(error).split()) or type(error).__name__}"[:200]


class _Damaged(ValueError):
    """The error for an array that cannot be read; its text is the reason."""


def _unreadable(source: str, why: str) -> HandfulError:
    return HandfulError(f"{source} cannot be read as arrays ({why}): write it with numpy.savez.")


def _read_array(data: bytes, name: str) -> NumpyArray:
    """Return the array that the bytes of an ``.npy`` file hold."""
    shape, is_fortran, dtype, start = _read_header(data, name)
    if dtype.hasobject or dtype.kind not in _KINDS or dtype.subdtype is not None:
        raise _Damaged(f"the array {name!r} holds no numbers and no text, but {_content(dtype)}")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or dtype.itemsize * count != len(data) - start:
        raise _Damaged(f"the array {name!r} is shorter or longer than it says")
    if dtype.kind == "U":
        codes = np.frombuffer(data, np.dtype(np.uint32).newbyteorder(dtype.byteorder), offset=start)
        if codes.size and codes.max() > _LAST_CHARACTER:
            raise _Damaged(f"the array {name!r} holds text of characters that there are not")
    content = data[start:] if count else b""
    array = np.frombuffer(content, dtype) if content else np.zeros(count, dtype)
    return array.reshape(shape, order="F" if is_fortran else "C").copy()


def _content(dtype: np.dtype) -> str:
    if dtype.hasobject:
        return "Python objects, which are not loaded, as that could run code"
    return "records"


def _read_header(data: bytes, name: str) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Return the shape, whether columns come first, the type, and where the numbers begin."""
    if not data.startswith(_MAGIC):
        raise _Damaged(f"{name!r} is no array")
    at = len(_MAGIC)
    version, at = data[at : at + 2], at + 2
    if version not in (b"\1\0", b"\2\0", b"\3\0"):
        raise _Damaged(f"the array {name!r} is of an unknown version")
    size = 2 if version == b"\1\0" else 4
    length = int.from_bytes(data[at : at + size], "little")
    end = at + size + length
    if length > _LONGEST_HEADER or end > len(data):
        raise _Damaged(f"the array {name!r} says too much of itself, or ends in that")
    formats = np.lib.format
    read = formats.read_array_header_1_0 if size == 2 else formats.read_array_header_2_0
    try:
        with catch_warnings(action="error"):
            shape, is_fortran, dtype = read(io.BytesIO(data[at:end]))
    # A damaged header may be any text, and NumPy and Python read it in several steps.
    except Exception:
        raise _Damaged(f"the array {name!r} does not say what it holds") from None
    return shape, is_fortran, dtype, end
