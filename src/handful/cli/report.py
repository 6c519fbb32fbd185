"""The command ``handful report``."""

from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass
class Report:
    """Write a run's plots and its self-contained report.html."""

    run_folder: tyro.conf.Positional[Path]
    """The run's folder."""

    def run(self) -> None:
        """Write, and say where."""
        from handful.reports.dossier import write_report

        print(write_report(self.run_folder))
