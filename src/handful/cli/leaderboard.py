"""The command ``handful leaderboard``."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from handful.cli.output import say, show
from handful.errors import HandfulError
from handful.words import count

FILE = "leaderboard.parquet"


@dataclass
class LeaderboardCommand:
    """Bring the leaderboard up to date: our rows from the results tables, and everybody else's.

    Rows by other authors stay as they are.
    """

    results: tyro.conf.Positional[Path] = Path("results")
    """The folder of results; the leaderboard is the file leaderboard.parquet in it."""

    add: Path | None = None
    """A Parquet file with rows to add; one that is there already is replaced."""

    check: Path | None = None
    """Only check this file, and say what is wrong with it."""

    page: Path = Path("docs/leaderboard.md")
    """The page to write."""

    def run(self) -> None:
        """Read, check, put together, write."""
        from handful.reports.study.board import leaderboard_page, our_rows, passed_over
        from handful.results.folder import read_studies
        from handful.results.frames import import_polars, write_parquet
        from handful.results.leaderboard import OURS, merged, read_added, read_leaderboard
        from handful.runs import write_text

        if self.check is not None:
            rows = len(read_leaderboard(self.check))
            show(f"{self.check}: {count(rows, 'row')}, all well")
            return
        file, studies = self.results / FILE, read_studies(self.results)
        if not studies and not file.is_file():
            raise HandfulError(
                f"There is neither a table of runs under '{self.results}' nor a leaderboard in it: "
                f"check the path; 'handful sweep' writes tables."
            )
        if self.page.is_dir():
            raise HandfulError(f"'{self.page}' is a folder: name a file for the page with --page.")
        table = our_rows(studies)
        if file.is_file():
            others = import_polars().col("author") != OURS
            table = merged(table, read_leaderboard(file).filter(others))
        else:
            table = merged(table, table)
        if self.add is not None:
            table = merged(table, read_added(self.add))
        write_parquet(file, table)
        write_text(self.page, leaderboard_page(table))
        show(file, self.page)
        for sentence in passed_over(studies):
            say(f"handful: left out: {sentence}")
        say(f"handful: {count(len(table), 'row')}")
