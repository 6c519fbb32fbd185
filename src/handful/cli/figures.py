"""The command ``handful figures``."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from handful.cli.output import say


@dataclass
class Figures:
    """Draw every figure of the studies anew from their tables, and fill in the pages' tables.

    No run folders are needed. A figure, or a part of one, that there are no data for is left out
    and said so.
    """

    results: tyro.conf.Positional[Path] = Path("results")
    """The folder of results, with a folder a study."""

    out: Path | None = None
    """Where to write; by default 'figures' in the folder of results."""

    pages: tuple[Path, ...] = (Path("docs/study.md"), Path("README.md"))
    """Pages whose generated tables are filled in, if they are there."""

    pdf: bool = False
    """Write PDF files too."""

    def run(self) -> None:
        """Read, draw, write."""
        from handful.reports.study.blocks import fill_page
        from handful.reports.study.collection import read_collection
        from handful.reports.study.figures import paper_figures, write_figures

        collection = read_collection(self.results)
        figures, left_out = paper_figures(collection)
        kinds = ("svg", "png", "pdf") if self.pdf else ("svg", "png")
        written = write_figures(figures, left_out, self.out or self.results / "figures", kinds)
        written += [page for page in self.pages if page.is_file() and fill_page(page, collection)]
        print(*written, sep="\n")
        for sentence in [*left_out, *(s for figure in figures for s in figure.missing)]:
            say(f"handful: left out: {sentence}")
