"""Run folders: the files that a run consists of, and how they are read and written.

Readers of run folders (reports, sweeps, the command line) need nothing else of the library. Every
file is replaced in one step, except the metrics, which grow line by line; a last line that a kill
cut short is dropped when they are read.

The results of a run are bound to each other. ``evaluation.json``, which is written last, names the
digests of the settings, of every other file of the results, and of itself. These are checked when
the evaluation is read. So a file that was edited, copied from another run or left out gives an
error of one sentence.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handful._support.controls import shell_line
from handful._support.files import lock_file, make_folder, parse_json, read_json, write_json
from handful._support.storage import digest_of_file, digest_of_json
from handful.errors import HandfulError

FORMAT = 2
"""The number of the folder's layout; it is raised when an older version could not read it."""

_READERS = {1: "handful 0.1"}
"""The version of handful that reads each older format."""


class RunFolder:
    """The paths of a run and the ways to read them.

    ``config.json`` (settings, problem, versions), ``metrics.jsonl`` (a line for each update),
    ``checkpoint.safetensors`` (the latest state of training), and once the run is done
    ``policies.safetensors`` (the final policies), ``users.safetensors`` (each user's returns and
    policy), ``assignment.csv``, ``returns.csv`` of smaller runs, ``traces.json``,
    ``evaluation.json``, ``plots/`` and ``report.html``.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.metrics = self.path / "metrics.jsonl"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.policies = self.path / "policies.safetensors"
        self.evaluation = self.path / "evaluation.json"
        self.assignment = self.path / "assignment.csv"
        self.returns = self.path / "returns.csv"
        self.users = self.path / "users.safetensors"
        self.traces = self.path / "traces.json"
        self.plots = self.path / "plots"
        self.report = self.path / "report.html"
        self.tensorboard = self.path / "tensorboard"
        self._was_there = False  # whether the folder existed before the run
        self._held: os.stat_result | None = None

    @property
    def results(self) -> tuple[Path, ...]:
        """The files that the evaluation is bound to; a run may lack some of them."""
        return (
            self.policies,
            self.users,
            self.assignment,
            self.returns,
            self.traces,
            self.metrics,
        )

    @property
    def _resume(self) -> str:
        """The command that continues the run."""
        return shell_line("handful", "resume", self.path)

    @property
    def universal(self) -> "RunFolder":
        """The folder of the universal policy that the run began with, if it began with any."""
        return RunFolder(self.path / "universal")

    @property
    def has_state(self) -> bool:
        """Whether anything of the training is kept that a later process can go on from."""
        within = self.universal
        return any(path.exists() for path in (self.checkpoint, within.checkpoint, within.survey))

    @property
    def survey(self) -> Path:
        """The counts of transitions of a universal stage that explores the problem."""
        return self.path / "survey.safetensors"

    @property
    def is_finished(self) -> bool:
        """Whether training ended and was evaluated."""
        return self.evaluation.is_file()

    def create(self, config: Mapping[str, Any]) -> None:
        """Create the folder with the settings in it, or leave nothing behind.

        An empty folder that exists already is used. It may be the working folder, a volume, or the
        target of a link.

        Raises:
            HandfulError: if there is something at this path already, or the folder cannot be
                written.
        """
        place = self.path.resolve()  # the target, if the path is a link
        if place.exists() and (not place.is_dir() or any(_entries(place))):
            raise HandfulError(
                f"'{self.path}' exists already: choose another folder with --out, or continue the "
                f"run in it with '{self._resume}'."
            )
        content = {"format": FORMAT, **config}
        try:
            if place.exists():
                self._was_there = True
                write_json(self.config, content)
            else:
                make_folder(place, self.config.name, content)
        except OSError as error:
            raise HandfulError(
                f"The run folder '{self.path}' cannot be made ({error.strerror})."
            ) from None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Lock the folder within the block, so that no other process trains into it.

        Every process that trains into the folder has to enter this block. The lock is on the file
        of the settings. This file exists from the first moment on and is never replaced, so that
        nothing is left behind which could block a later process.

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
            self._held = os.fstat(file.fileno())
            try:
                yield
            finally:
                self._held = None

    def check_in_place(self) -> None:
        """Check that the folder which this process has locked is still where it was.

        Raises:
            HandfulError: if it was moved, renamed or removed meanwhile; another folder may be in
                its place.
        """
        if self._held is None:
            return
        try:
            found = self.config.stat()
        except OSError:
            found = None
        if found is None or not os.path.samestat(found, self._held):
            raise HandfulError(
                f"The run folder '{self.path}' was moved or removed while the run was trained: the "
                f"run can be continued from its last checkpoint with 'handful resume' and the "
                f"folder's new place."
            )

    def _remove_litter(self) -> None:
        """Remove unfinished files that a killed process has left."""
        for path in (self.checkpoint, self.evaluation, *self.results):
            for left in self.path.glob(f".{path.name}.*"):
                left.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the folder and everything in it.

        If the folder existed before the run, only its content is deleted. Nothing is deleted if the
        folder was moved away meanwhile.
        """
        try:
            self.check_in_place()
        except HandfulError:
            return
        if not self._was_there:
            shutil.rmtree(self.path.resolve(), ignore_errors=True)  # a link's target
            return
        for entry in _entries(self.path):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def subfolder(self, path: Path) -> Path:
        """Return a folder for files that are made from the run; create it if it does not exist.

        Args:
            path: the path of a folder in this one, such as :attr:`plots`.

        Raises:
            HandfulError: if the path is a link, through which files elsewhere would be written.
        """
        if path.is_symlink():
            raise HandfulError(
                f"'{path}' is a link, and what is made from a run is written into the run's folder "
                f"only: remove the link."
            )
        path.mkdir(exist_ok=True)
        return path

    def read_config(self) -> dict[str, Any]:
        """Return the run's settings.

        Raises:
            HandfulError: if this is not a run folder, or if its format is newer or broken.
        """
        if not self.path.is_dir():
            raise HandfulError(f"There is no run folder at '{self.path}': check the path.")
        if not self.config.is_file():
            missing = f"'{self.path}' is not a run folder: it has no {self.config.name}."
            budgets = sorted(path.parent for path in self.path.glob(f"k-*/{self.config.name}"))
            if budgets:
                missing += f" It holds runs of several budgets: name one, as '{budgets[0]}'."
            raise HandfulError(missing)
        config = read_json(self.config)
        found = config.get("format") if isinstance(config, dict) else None
        if type(found) is not int:
            raise HandfulError(
                f"'{self.config}' is damaged: it does not say of which format the run is."
            )
        if found in _READERS:
            raise HandfulError(
                f"'{self.path}' is a run folder of format {found}, which {_READERS[found]} reads "
                f"and this version does not: open it with {_READERS[found]}, or train again."
            )
        if found != FORMAT:
            raise HandfulError(
                f"'{self.path}' is a run folder of format {found}, and this version of handful "
                f"reads format {FORMAT}: open it with the version of handful that wrote it."
            )
        return config

    def write_evaluation(self, record: Mapping[str, Any]) -> None:
        """Write the evaluation of the run, bound to the other files: this finishes the run.

        Args:
            record: the record as JSON; the files in :attr:`results` are written already.
        """
        record = {
            **record,
            "run": digest_of_json(self.read_config()),
            "files": {path.name: digest_of_file(path) for path in self.results if path.is_file()},
        }
        record = json.loads(json.dumps(record))  # as it will be read
        write_json(self.evaluation, {**record, "digest": digest_of_json(record)})

    def read_evaluation(self) -> dict[str, Any]:
        """Return the stored evaluation after checking all files that it is bound to.

        Raises:
            HandfulError: if the run is not finished, or a file was changed, is missing, or is of
                another run.
        """
        config = self.read_config()
        if not self.is_finished:
            raise HandfulError(
                f"The run in '{self.path}' is not finished: continue it with '{self._resume}'."
            )
        evaluation = read_json(self.evaluation)
        if not isinstance(evaluation, dict):
            raise HandfulError(
                f"'{self.evaluation}' is damaged: it does not hold what was measured of the run."
            )
        rest = {name: value for name, value in evaluation.items() if name != "digest"}
        if evaluation.get("digest") != digest_of_json(rest):
            raise HandfulError(
                f"'{self.evaluation}' was changed after the run was evaluated: put it back as it "
                f"was, or remove it, and '{self._resume}' evaluates the run again."
            )
        if evaluation["run"] != digest_of_json(config):
            raise self._foreign_settings("evaluated")
        self._check_files(evaluation["files"])
        return evaluation

    def _foreign_settings(self, done: str) -> HandfulError:
        return HandfulError(
            f"'{self.config}' is not as it was when the run was {done}: it was edited, or belongs "
            f"to another run. Put the file back as it was; other settings are another run, which "
            f"'handful train' starts."
        )

    def check_settings(self, digest: str | None) -> None:
        """Check that the settings are those that another file of the run was made with.

        Args:
            digest: the digest of the settings, as the checkpoint names it.

        Raises:
            HandfulError: if the settings are different.
        """
        if digest not in self._digests():
            raise self._foreign_settings("trained")

    def continuations_known(self, digest: str) -> int:
        """Return how many continuations of the run a file knows of, by the digest that it names.

        Args:
            digest: the digest of the settings, which :meth:`check_settings` has accepted.
        """
        return self._digests().index(digest)

    def _digests(self) -> list[str]:
        """Return the digests of the settings before each continuation, and as they are now."""
        config = self.read_config()
        settings = config.get("settings")
        if not isinstance(settings, dict) or not isinstance(settings.get("continued"), list):
            return [digest_of_json(config)]
        continued = settings["continued"]
        rest = {name: value for name, value in settings.items() if name != "continued"}
        known = [{**rest, "continued": continued[:i]} for i in range(1, len(continued) + 1)]
        return [digest_of_json({**config, "settings": some}) for some in (rest, *known)]

    def _check_files(self, digests: Mapping[str, str]) -> None:
        """Check that the files of the results are those that the evaluation belongs to."""
        for path in self.results:
            digest = digests.get(path.name)
            is_there = path.is_file()
            if digest is None or (path == self.metrics and not is_there):
                continue  # without its metrics a run has no curves
            if not is_there:
                what = "is missing, and the evaluation of the run is bound to it"
            elif digest_of_file(path) != digest:
                what = (
                    "is not the file that the evaluation of the run is bound to: it was changed, "
                    "or is of another run"
                )
            else:
                continue
            raise HandfulError(
                f"'{path}' {what}. Put the right file back, or remove {self.evaluation.name}, and "
                f"'{self._resume}' makes the results again from the checkpoint."
            )

    def short_name(self) -> str:
        """Return the run's name in the lines of the metrics: a part of its settings' digest."""
        return self._digests()[0][:16]  # it stays when the run goes on

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return one record for each update, in order.

        A last line that was cut short by a kill is left out.

        Raises:
            HandfulError: if another line is damaged, or if a line belongs to another run.
        """
        lines, run = list(self._metrics_lines()), self.short_name()
        foreign = next((number for number, record in lines if _is_foreign(record, run)), None)
        if foreign is not None:
            raise HandfulError(
                f"'{self.metrics}' is of another run in line {foreign}: put the run's own file "
                f"back, or remove this one, and the run has no learning curves."
            )
        damaged = next((number for number, record in lines[:-1] if record is None), None)
        if damaged is not None:
            raise HandfulError(
                f"'{self.metrics}' is damaged in line {damaged}, which is no record of an update: "
                f"remove that line, and nothing else is lost."
            )
        return [record for _, record in lines if record is not None]

    def salvage_metrics(self, last_update: int) -> list[dict[str, Any]]:
        """Return the readable records up to the update from which a run continues.

        The run itself is in its checkpoint, so it can continue although a line is damaged. Only the
        record in that line is lost.
        """
        run = self.short_name()
        records = (record for _, record in self._metrics_lines() if record is not None)
        return [
            record
            for record in records
            if record["update"] <= last_update and not _is_foreign(record, run)
        ]

    def _metrics_lines(self) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Return each line's number from 1, and its record; None if it is damaged.

        Blank lines are left out.
        """
        if not self.metrics.is_file():
            return
        for number, line in enumerate(self.metrics.read_bytes().splitlines(), 1):
            if line.strip():
                yield number, _metrics_record(line)


def _is_foreign(record: Mapping[str, Any] | None, run: str) -> bool:
    """Return whether a record of the metrics says that it belongs to another run."""
    return record is not None and record.get("run", run) != run


def _metrics_record(line: bytes) -> dict[str, Any] | None:
    """Return the record in a line of the metrics; None if it does not name its update."""
    try:
        record = parse_json(line)
    except ValueError:  # no JSON, or no text
        return None
    is_record = isinstance(record, dict) and isinstance(record.get("update"), int)
    return record if is_record else None


def _entries(folder: Path) -> Iterator[Path]:
    """Return the entries of a folder, except those that the file system of a volume keeps."""
    return (entry for entry in folder.iterdir() if entry.name != "lost+found")
