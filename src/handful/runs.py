"""Run folders: which files a run is made of, and how they are read and written.

Readers of run folders (reports, sweeps, the command line) need nothing else of the library. Every
file is replaced in one step, except the metrics, which grow line by line; a last line that a kill
cut short is dropped when they are read.
"""

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handful.controls import shell_line
from handful.errors import HandfulError
from handful.locks import lock_file

FORMAT = 2
"""The number of the folder's layout; it is raised when an older version could not read it."""

_READERS = {1: "handful 0.1"}
"""The version of handful that reads each older format."""


class RunFolder:
    """The paths of a run and the ways to read them.

    ``config.json`` (settings, problem, versions), ``metrics.jsonl`` (a line an update),
    ``checkpoint.safetensors`` (the latest state), and once the run is done ``evaluation.json``,
    ``users.safetensors`` (what every user gets), ``assignment.csv``, ``returns.csv`` of smaller
    runs, ``traces.json``, ``plots/`` and ``report.html``.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.metrics = self.path / "metrics.jsonl"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.evaluation = self.path / "evaluation.json"
        self.assignment = self.path / "assignment.csv"
        self.returns = self.path / "returns.csv"
        self.users = self.path / "users.safetensors"
        self.traces = self.path / "traces.json"
        self.plots = self.path / "plots"
        self.report = self.path / "report.html"
        self.tensorboard = self.path / "tensorboard"

    @property
    def is_finished(self) -> bool:
        """Whether training ended and was evaluated."""
        return self.evaluation.is_file()

    def create(self, config: Mapping[str, Any]) -> None:
        """Make the folder with its settings in it, all or nothing.

        Raises:
            HandfulError: if something is there already or the place cannot be written to.
        """
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise HandfulError(
                f"'{self.path}' exists already: choose another folder with --out, or continue the "
                f"run in it with '{shell_line('handful', 'resume', self.path)}'."
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=f".{self.path.name}-", dir=self.path.parent))
            try:
                write_json(staging / self.config.name, {"format": FORMAT, **config})
                staging.chmod(0o755)
                os.replace(staging, self.path)
            except BaseException:
                shutil.rmtree(staging, ignore_errors=True)
                raise
        except OSError as error:
            raise HandfulError(
                f"The run folder '{self.path}' cannot be made ({error.strerror})."
            ) from None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """While entered, nobody else trains into the folder; who does has to enter this.

        The lock is on the file of the settings: that is there from the first moment on and never
        replaced, so that nothing is left behind which could block a later process.

        Raises:
            HandfulError: if this is no run folder, another process trains into it, or it cannot be
                written to.
        """
        self.read_config()
        try:
            # Some file systems lock only what is open for writing.
            file = self.config.open("r+b")
        except OSError as error:
            raise HandfulError(
                f"The run folder '{self.path}' cannot be written to ({error.strerror})."
            ) from None
        with file:
            if not lock_file(file.fileno()):
                raise HandfulError(
                    f"Another process is training the run in '{self.path}': wait until it is done, "
                    f"or stop it first."
                )
            self._remove_litter()
            yield

    def _remove_litter(self) -> None:
        """What a kill left of files that were not in their place yet."""
        written = (self.users, self.assignment, self.returns, self.traces, self.evaluation)
        for path in (self.checkpoint, self.metrics, *written):
            for left in self.path.glob(f".{path.name}.*"):
                left.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the folder and everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def read_config(self) -> dict[str, Any]:
        """The run's settings.

        Raises:
            HandfulError: if this is no run folder, or one of a newer or broken format.
        """
        if not self.path.is_dir():
            raise HandfulError(f"There is no run folder at '{self.path}': check the path.")
        if not self.config.is_file():
            raise HandfulError(f"'{self.path}' is not a run folder: it has no {self.config.name}.")
        config = read_json(self.config)
        found = config.get("format") if isinstance(config, dict) else None
        if type(found) is not int:
            raise HandfulError(
                f"'{self.config}' is damaged: it does not say of which format the run is."
            )
        if found in _READERS:
            raise HandfulError(
                f"'{self.path}' is a run folder of format {found}, which {_READERS[found]} reads "
                f"and this version does not: open it with {_READERS[found]}, or train anew."
            )
        if found != FORMAT:
            raise HandfulError(
                f"'{self.path}' is a run folder of format {found}, and this version of handful "
                f"reads format {FORMAT}: open it with the version of handful that wrote it."
            )
        return config

    def read_evaluation(self) -> dict[str, Any]:
        """The stored evaluation.

        Raises:
            HandfulError: if the run is not finished, or the file is damaged.
        """
        if not self.is_finished:
            self.read_config()
            raise HandfulError(
                f"The run in '{self.path}' is not finished: continue it with "
                f"'{shell_line('handful', 'resume', self.path)}'."
            )
        evaluation = read_json(self.evaluation)
        if not isinstance(evaluation, dict):
            raise HandfulError(
                f"'{self.evaluation}' is damaged: it does not hold what was measured of the run."
            )
        return evaluation

    def read_metrics(self) -> list[dict[str, Any]]:
        """One record an update, in order; a last line cut short by a kill is left out.

        Raises:
            HandfulError: if another line is damaged: what follows it would seem never to have been.
        """
        lines = list(self._metrics_lines())
        damaged = next((number for number, record in lines[:-1] if record is None), None)
        if damaged is not None:
            raise HandfulError(
                f"'{self.metrics}' is damaged in line {damaged}, which is no record of an update: "
                f"remove that line, and nothing else is lost."
            )
        return [record for _, record in lines if record is not None]

    def salvage_metrics(self, last_update: int) -> list[dict[str, Any]]:
        """The records up to an update that a run goes on from, as far as they can be read.

        The run itself is in its checkpoint, so a damaged line must not keep it from going on: what
        that line said is lost, and no more.
        """
        records = (record for _, record in self._metrics_lines() if record is not None)
        return [record for record in records if record["update"] <= last_update]

    def _metrics_lines(self) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Each line's number from 1, and its record; None where it is damaged. Blanks are none."""
        if not self.metrics.is_file():
            return
        for number, line in enumerate(self.metrics.read_bytes().splitlines(), 1):
            if line.strip():
                yield number, _metrics_record(line)


def _metrics_record(line: bytes) -> dict[str, Any] | None:
    """What a line of the metrics says; None if it does not say of which update."""
    try:
        record = json.loads(line)
    except ValueError:  # no JSON, or no text
        return None
    is_record = isinstance(record, dict) and isinstance(record.get("update"), int)
    return record if is_record else None


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Make a folder where there is none, and try whether files can be written into it.

    Raises:
        HandfulError: if they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror
        raise HandfulError(
            f"The folder '{folder}' cannot be written to ({reason}): choose another one, or see "
            f"who may write there."
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, all or nothing."""
    write_atomically(path, lambda temporary: _write_utf8(temporary, text))


def write_json(path: Path, values: Any) -> None:
    """Write JSON that any tool reads: no NaN, no infinity."""
    write_text(path, json.dumps(values, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        HandfulError: if it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HandfulError(f"'{path}' cannot be read ({error.strerror}).") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise HandfulError(f"'{path}' is damaged: it is not valid JSON ({error}).") from None


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with a header line."""

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    write_atomically(path, write)


def _write_utf8(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
