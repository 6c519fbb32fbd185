"""The command ``handful report``."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from handful._support.controls import shell_line
from handful.cli.output import show
from handful.errors import HandfulError
from handful.frontier.folder import FrontierFolder

STUDY_SUFFIXES = (".yaml", ".yml")


@dataclass
class Report:
    """Write the self-contained page of a run (report.html) or of a whole study (STUDY.html).

    Of a folder with several budgets, it is the page that says how many policies are needed, and
    the page of every budget's run. A study is named by its YAML file, which also tells which of its
    runs are missing, or by the folder of its results.
    """

    path: tyro.conf.Positional[Path]
    """A run's folder, that of several budgets, a study's YAML file, or a folder of results."""

    trust: bool = False
    """Allow a study to choose code that is run, as its environments may need; use it only for
    studies that you trust."""

    def run(self) -> None:
        """Write, and say where."""
        if self.path.suffix.lower() in STUDY_SUFFIXES:
            show(_write_for_study(self.path, self.trust))
        elif FrontierFolder(self.path).is_frontier:
            from handful.report.frontier import write_frontier_report

            show(write_frontier_report(self.path))
        elif (self.path / "config.json").is_file() or not self.path.exists():
            from handful.report.page import write_report

            show(write_report(self.path))
        elif any(self.path.glob("*.parquet")):
            show(_write_for_results(self.path))
        else:
            raise HandfulError(
                f"'{self.path}' is not a run folder (it has no config.json), nor a folder of "
                f"results (it has no table of runs), nor a study's YAML file: check the path."
            )


def _write_for_results(folder: Path) -> Path:
    from handful.report.study.page import write_study_report
    from handful.results.tables import run_tables

    tables = run_tables(folder)
    if len(tables) != 1:
        names = ", ".join(path.name for path in tables) or "none"
        raise HandfulError(
            f"'{folder}' must hold the table of one study, and these are there: {names}. A study's "
            f"YAML file names its table."
        )
    return write_study_report(tables[0])


def _write_for_study(path: Path, trust: bool) -> Path:
    from handful.report.study.page import write_study_report
    from handful.results.tables import read_manifest
    from handful.sweep.details import manifest
    from handful.sweep.study_file import read_study

    study = read_study(path)
    parquet = study.results / f"{study.name}.parquet"
    command = shell_line("handful", "sweep", path)
    if not parquet.is_file():
        raise HandfulError(
            f"The study '{path}' has no table at '{parquet}': run '{command}' first."
        )
    before = read_manifest(parquet) or {}
    asked = manifest(parquet, study, study.runs(trust), command, before, errors={})
    return write_study_report(parquet, asked)
