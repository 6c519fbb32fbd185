"""The audit log: one JSON object a line, each written by one call before the answer is sent.

What the system has taken over survives the death of the process, also by ``kill -9``. A machine
that loses power may lose the last seconds, and a line that was cut is ended when the log is opened.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from handful._support.files import parse_json


class AuditLog:
    """A log that grows at its end.

    Args:
        path: the file, which is made if there is none.

    Raises:
        OSError: if it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self._path, self._lock = path, threading.Lock()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        self._file = os.open(path, flags, 0o600)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record.

        Raises:
            OSError: if it cannot be written whole.
        """
        line = (json.dumps(record) + "\n").encode()
        with self._lock:
            if os.write(self._file, line) != len(line):
                raise OSError(f"The audit log '{self._path}' is full.")

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records so far; lines that were cut are left out."""
        with open(self._path, "rb") as file:
            for line in file:
                try:
                    record = parse_json(line)
                except ValueError:
                    continue
                if isinstance(record, dict):
                    yield record

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
