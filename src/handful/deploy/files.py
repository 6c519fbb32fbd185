"""The files of a bundle, in a folder or a zip file that may come from a stranger.

A file's name must be a plain path of letters, digits and the signs ``_``, ``-`` and ``.``, so that
no name leads outside the bundle. Links, devices and pipes are refused, and nothing is read before
its size is known to be within the limits here. Nothing is ever written.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handful._support.files import parse_json
from handful.deploy.zipped import open_zip
from handful.errors import HandfulError

SUMS = "SHA256SUMS"
"""The name of the file with the digests of all others, as ``sha256sum --check`` reads it."""

MOST_FILES = 10_000
"""The most files of a bundle."""

MOST_BYTES = 2**30
"""The most bytes of all files of a bundle together."""

LIMITS = {".json": 2**24, ".csv": 2**28, ".npz": 2**28, "": 2**21}
"""The most bytes of a file, by the ending of its name; others are limited by :data:`MOST_BYTES`."""

RUN = frozenset(("config.json", "metrics.jsonl"))
"""The names of files that a run folder has, and a bundle has not."""

_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}/){0,3}[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_SUM = re.compile(r"([0-9a-f]{64})  (.+)")
_SHOWN = 60


@dataclass(frozen=True)
class Files:
    """The files of a bundle, none of which has been read yet.

    Attributes:
        source: the path of the bundle, for error messages.
        sizes: the size of each file in bytes, by name.
        reader: a function that reads the file of a name, at most as many bytes as its size.
    """

    source: str
    sizes: Mapping[str, int]
    reader: Callable[[str], bytes]

    def place(self, name: str) -> str:
        """Return the path of a file, for error messages."""
        return f"{self.source}/{name}"

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            HandfulError: if it is missing or cannot be read.
        """
        if name not in self.sizes:
            if name == SUMS and self.sizes.keys() >= RUN:
                raise HandfulError(
                    f"'{self.source}' is the folder of a run, and no bundle: write one with "
                    f"'handful export {self.source} --out BUNDLE'."
                )
            raise HandfulError(
                f"'{self.source}' is no whole bundle: it has no {name}. Get another copy of it."
            )
        try:
            data = self.reader(name)
        except OSError as error:
            raise HandfulError(
                f"'{self.place(name)}' cannot be read ({error.strerror or error})."
            ) from None
        if len(data) != self.sizes[name]:
            raise HandfulError(f"'{self.place(name)}' changed while it was read: read it again.")
        return data


def open_files(path: str | Path) -> Files:
    """List the files of a bundle.

    Args:
        path: the path of a bundle's folder, or of its zip file.

    Raises:
        HandfulError: if there is no bundle, or it holds what no bundle holds: links, devices, names
            that lead elsewhere, too many files or too large ones.
    """
    place = Path(path)
    try:
        if place.is_dir():
            sizes, reader = _list_folder(place)
        elif place.is_file():
            sizes, reader = open_zip(place)
        else:
            raise HandfulError(f"There is no bundle at '{path}': check the path.")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise HandfulError(f"The bundle '{path}' cannot be read ({reason}).") from None
    files = Files(str(path), sizes, reader)
    _check_sizes(files)
    return files


def _check_sizes(files: Files) -> None:
    if len(files.sizes) > MOST_FILES:
        raise HandfulError(f"'{files.source}' is no bundle: it has more than {MOST_FILES} files.")
    for name, size in files.sizes.items():
        if not _NAME.fullmatch(name):
            raise HandfulError(
                f"'{files.source}' is no bundle: it has a file called {name[:_SHOWN]!r}, and names "
                f"in a bundle are plain paths inside it."
            )
        limit = LIMITS.get(Path(name).suffix, MOST_BYTES)
        if size > limit:
            raise HandfulError(
                f"'{files.place(name)}' holds {size:,} bytes, and at most {limit:,} are read."
            )
    total = sum(files.sizes.values())
    if total > MOST_BYTES:
        raise HandfulError(
            f"'{files.source}' holds {total:,} bytes, and a bundle has at most {MOST_BYTES:,}."
        )


def _list_folder(root: Path) -> tuple[dict[str, int], Callable[[str], bytes]]:
    """Return the sizes of the files below a folder, and a function that reads them."""
    sizes: dict[str, int] = {}
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        with os.scandir(root / inside) as entries:
            for entry in entries:
                name = f"{inside}{entry.name}"
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode) and name.count("/") < 3:
                    waiting.append(f"{name}/")
                elif stat.S_ISREG(status.st_mode):
                    sizes[name] = status.st_size
                else:
                    raise HandfulError(
                        f"'{root}' is no bundle: {name[:_SHOWN]!r} is a link, a device or a folder "
                        f"too deep, and a bundle holds plain files only."
                    )
                if len(sizes) + len(waiting) > MOST_FILES:
                    raise HandfulError(
                        f"'{root}' is no bundle: it has more than {MOST_FILES} files."
                    )

    def read(name: str) -> bytes:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(os.open(root / name, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("it is no plain file any more")
            return file.read(sizes[name] + 1)

    return sizes, read


class CheckedFiles:
    """The files of a bundle, each of which is checked against its digest when it is read.

    Args:
        files: the files.

    Attributes:
        digest: the SHA-256 of the file of digests, which stands for the whole bundle.

    Raises:
        HandfulError: if the digests are missing or damaged, or are not those of these files.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        text = files.read(SUMS)
        self.digest = hashlib.sha256(text).hexdigest()
        self._sums = self._parsed(text)
        here, there = set(files.sizes) - {SUMS}, set(self._sums)
        if here != there:
            name = min(here ^ there)
            what = "is not listed in" if name in here else "is missing, and is listed in"
            raise HandfulError(
                f"'{files.place(name)}' {what} {SUMS}: get another copy of the bundle."
            )

    @property
    def source(self) -> str:
        """The path of the bundle, for error messages."""
        return self._files.source

    @property
    def names(self) -> list[str]:
        """The names of all files but the one with the digests, in order."""
        return sorted(self._sums)

    @property
    def sums(self) -> Mapping[str, str]:
        """The SHA-256 of each file, by name."""
        return self._sums

    def place(self, name: str) -> str:
        """Return the path of a file, for error messages."""
        return self._files.place(name)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            HandfulError: if it is missing, cannot be read or was changed.
        """
        data = self._files.read(name)
        if hashlib.sha256(data).hexdigest() != self._sums.get(name):
            raise HandfulError(
                f"'{self.place(name)}' was changed after the bundle was made (its SHA-256 is not "
                f"the one in {SUMS}): get another copy of the bundle."
            )
        return data

    def read_json(self, name: str) -> Any:
        """Return the content of a JSON file.

        Raises:
            HandfulError: if it cannot be read, was changed, or is no JSON.
        """
        try:
            return parse_json(self.read(name))
        except ValueError as error:
            raise HandfulError(
                f"'{self.place(name)}' is damaged: it is not valid JSON ({error})."
            ) from None

    def _parsed(self, text: bytes) -> dict[str, str]:
        sums: dict[str, str] = {}
        try:
            lines = text.decode("ascii").splitlines()
        except UnicodeDecodeError:
            lines = [""]
        for number, line in enumerate(lines, 1):
            found = _SUM.fullmatch(line)
            if found is None or found[2] in sums or found[2] == SUMS:
                raise HandfulError(
                    f"'{self._files.place(SUMS)}' is damaged in line {number}: each line is a "
                    f"SHA-256, two blanks and the name of another file."
                )
            sums[found[2]] = found[1]
        return sums
