"""Zip files that may come from a stranger: whole bundles, and the arrays in ``vectors.npz``.

What a zip file says of itself is checked before anything is unpacked, and unpacking stops at the
size that was said. Nothing is unpacked to the disk.
"""

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from handful.errors import HandfulError

MOST_ENTRIES = 10_000
"""The most files in a zip file."""

MOST_LISTED = 2**22
"""The most bytes of the list of files at the end of a zip file."""

MOST_GROWTH, FREE_GROWTH = 100, 2**24
"""A zip file may hold this many times its own size, and this many bytes besides."""

_END = struct.Struct("<4s4H2LH")
"""The record at the end of a zip file: mark, disks, numbers of files, size and place of the list,
and the length of a comment."""

_FAR_END = b"PK\x06\x07"
"""The mark of the record before it that larger zip files have."""


def open_zip(path: Path) -> tuple[dict[str, int], Callable[[str], bytes]]:
    """Return the sizes of the files in a zip file, and a function that reads them.

    Raises:
        HandfulError: if it is no zip file, or one that no bundle is.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        sizes = list_zip(file, os.fstat(file.fileno()).st_size, str(path))

    def read(name: str) -> bytes:
        with path.open("rb") as file:
            return read_entry(file, name, sizes[name], str(path))

    return sizes, read


def list_zip(file: io.BufferedIOBase, size: int, source: str) -> dict[str, int]:
    """Return the sizes of the files in a zip file, by name.

    Args:
        file: the open zip file.
        size: its size in bytes.
        source: its path, for error messages.

    Raises:
        HandfulError: if it is no zip file, or lists what cannot be unpacked safely.
    """
    _check_end(file, size, source)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise _damaged(source, str(error)) from None
    sizes: dict[str, int] = {}
    for entry in entries:
        name, mode = entry.filename, entry.external_attr >> 16
        shown = repr(name[:60])
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or entry.is_dir():
            raise _damaged(source, f"{shown} is no plain file")
        if name in sizes:
            raise _damaged(source, f"{shown} is there twice")
        if entry.flag_bits & 1 or entry.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise _damaged(source, f"{shown} is encrypted or packed in another way than deflate")
        sizes[name] = entry.file_size
    total = sum(sizes.values())
    if total > MOST_GROWTH * size + FREE_GROWTH:
        raise _damaged(source, f"it would unpack {size:,} bytes to {total:,}")
    return sizes


def read_entry(file: io.BufferedIOBase, name: str, size: int, source: str) -> bytes:
    """Return the bytes of a file in a zip file that :func:`list_zip` has checked.

    Raises:
        HandfulError: if it cannot be unpacked to exactly the size that was listed.
    """
    try:
        with zipfile.ZipFile(file) as archive, archive.open(name) as entry:
            data = entry.read(size + 1)
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        KeyError,
        ValueError,
        zlib.error,
        struct.error,
    ) as error:
        raise _damaged(source, f"{name[:60]!r} cannot be unpacked: {error}") from None
    if len(data) != size:
        raise _damaged(source, f"{name[:60]!r} is not of the size that is listed")
    return data


def read_all(data: bytes, source: str) -> dict[str, bytes]:
    """Return the files of a zip file that is in memory, by name.

    Raises:
        HandfulError: if it is no zip file, or holds what cannot be unpacked safely.
    """
    file = io.BytesIO(data)
    sizes = list_zip(file, len(data), source)
    return {name: read_entry(file, name, size, source) for name, size in sizes.items()}


def _check_end(file: io.BufferedIOBase, size: int, source: str) -> None:
    """Check the list of files before the list is read: it may claim any length."""
    if size < _END.size:
        raise _damaged(source, "it is too short")
    file.seek(max(0, size - _END.size - 20))
    tail = file.read()
    mark, *disks, here, total, length, start, comment = _END.unpack(tail[-_END.size :])
    if mark != b"PK\x05\x06" or comment or any(disks) or here != total:
        raise _damaged(source, "it does not end as one")
    if tail.startswith(_FAR_END):
        raise _damaged(source, "it is in the form for more than 4 GB")
    if total > MOST_ENTRIES or length > MOST_LISTED:
        raise _damaged(source, "its list of files is too long")
    if start + length + _END.size != size:
        raise _damaged(source, "there are bytes before, between or after its parts")


def _damaged(source: str, what: str) -> HandfulError:
    return HandfulError(
        f"'{source}' is no sound zip file of a bundle ({what}): get another copy of it."
    )
