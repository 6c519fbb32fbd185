"""The commands ``handful export`` and ``handful verify``."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from handful._support.text import count
from handful.cli.output import print_json, say, show
from handful.errors import HandfulError
from handful.run_folder import RunFolder


@dataclass
class Export:
    """Write the policies of a finished run as a bundle, which is used without the run."""

    run_folder: tyro.conf.Positional[Path]
    """The folder of a finished run."""

    out: Path
    """The bundle to write: a new folder, or a new file that ends with .zip."""

    with_users: bool = False
    """Write the users' attributes and weights too. Without it the bundle holds only their names,
    policies and returns."""

    zip: bool = False
    """Write a zip file beside the folder."""

    formats: tuple[str, ...] = ()
    """Write the policies also as onnx, c or stablehlo, or several of these. Networks of your own
    are always written as onnx."""

    trust: bool = False
    """Allow the folder to choose code that is run, as its environment or its welfare function may
    need; use it only for folders that you trust."""

    def run(self) -> None:
        """Read the run, record a few episodes, and write."""
        from handful.devices import keep_compiled_programs
        from handful.export.bundle import check_target
        from handful.export.further import check_formats
        from handful.training.loop import resume

        check_target(self.out, self.zip)  # before anything slow starts
        check_formats(self.formats)
        folder = RunFolder(self.run_folder)
        folder.read_config()
        if not folder.is_finished:
            raise HandfulError(
                f"The run in '{self.run_folder}' is not finished, so that its policies were not "
                f"evaluated: finish it with 'handful resume' first."
            )
        keep_compiled_programs()
        result = resume(self.run_folder, progress=False, trust=self.trust)
        say("handful: recording a few episodes of each policy.")
        result.save(self.out, with_users=self.with_users, zipped=self.zip, formats=self.formats)
        show(self.out)


@dataclass
class Verify:
    """Check a bundle: every file's digest, and that its policies act as they did when it was made.

    Nothing of a bundle is run, so that a stranger's can be checked. The exit code is 2 if anything
    is wrong with it.
    """

    bundle: tyro.conf.Positional[Path]
    """The bundle's folder, or its zip file."""

    json: bool = False
    """Print what was checked as JSON."""

    def run(self) -> None:
        """Check, and say what was checked."""
        from handful.deploy import verify

        found = verify(self.bundle)
        if self.json:
            print_json(
                {
                    "digest": found.digest,
                    "files": found.num_files,
                    "formats": [vars(one) for one in found.formats],
                }
            )
            return
        show(f"sound: {count(found.num_files, 'file')}, digest {found.digest}")
        for one in found.formats:
            if one.skipped is not None:
                show(f"{one.name}: not run here, it needs {one.skipped}")
            else:
                show(
                    f"{one.name}: {count(one.num_vectors, 'observation')} replayed, largest "
                    f"difference of an action {one.largest_difference:.1e}"
                )
