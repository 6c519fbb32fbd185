"""Check rows, add them, and bring our own rows up to date.

python -m studies.leaderboard --check mine.csv
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from handful.errors import HandfulError
from handful.report.wording import count
from handful.results.tables import read_studies
from studies.command import run
from studies.leaderboard.rows import our_rows, passed_over
from studies.leaderboard.schema import OURS, merged, read_rows, write_rows

FILE = "leaderboard.csv"
"""The leaderboard, in the folder of results."""


@dataclass
class Leaderboard:
    """Bring the leaderboard up to date: our rows come from the results, others stay as they are."""

    results: tyro.conf.Positional[Path] = Path("results")
    """The folder of results; the leaderboard is the file leaderboard.csv in it."""

    add: Path | None = None
    """A CSV file of rows to add; a row that is there already is replaced."""

    check: Path | None = None
    """A CSV file to check only; nothing is written."""

    def run(self) -> None:
        """Read and check everything, then write."""
        if self.check is not None:
            print(f"{self.check}: {count(len(read_rows(self.check)), 'row')}, all well")
            return
        file, studies = self.results / FILE, read_studies(self.results)
        if not studies and not file.is_file():
            raise HandfulError(
                f"There is neither a table of runs under '{self.results}' nor a leaderboard in it: "
                f"check the path; 'handful sweep' writes tables."
            )
        others = read_rows(file) if file.is_file() else []
        rows = merged(our_rows(studies), [row for row in others if row.author != OURS])
        if self.add is not None:
            added = read_rows(self.add)
            for number, row in enumerate(added, 1):
                if row.author == OURS:
                    raise HandfulError(
                        f"'{self.add}', row {number}, column 'author': rows by '{OURS}' are made "
                        f"from the studies' own tables, and this one would be gone with the next "
                        f"call: name who measured it."
                    )
            rows = merged(rows, added)
        write_rows(file, rows)
        print(file)
        for sentence in passed_over(studies):
            print(f"left out: {sentence}", file=sys.stderr)
        print(f"{count(len(rows), 'row')}", file=sys.stderr)


if __name__ == "__main__":
    run(Leaderboard)
