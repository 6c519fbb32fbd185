"""The command ``handful figures``."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from handful.cli.output import say, show
from handful.errors import HandfulError

PAGES = (Path("docs/study.md"), Path("README.md"))
"""Where tables are filled in unless pages are named, if these pages ask for any."""


@dataclass
class Figures:
    """Draw every figure of the studies anew from their tables, and fill in the pages' tables.

    No run folders are needed. A figure, or a part of one, that there are no data for is left out
    and said so.
    """

    results: tyro.conf.Positional[Path] = Path("results")
    """The folder of results, with tables in it or in its folders."""

    out: Path | None = None
    """Where to write; by default 'figures' in the folder of results."""

    pages: tuple[Path, ...] | None = None
    """Pages whose generated tables are filled in; by default docs/study.md and README.md, if they
    have any."""

    pdf: bool = False
    """Write PDF files too."""

    def run(self) -> None:
        """Read and check everything, then draw and write."""
        from handful.reports.study.blocks import filled_page, has_blocks
        from handful.reports.study.figures import collected_figures, write_figures
        from handful.reports.study.reading import read_collection
        from handful.runs import write_text

        out = self.out or self.results / "figures"
        if out.exists() and not out.is_dir():
            raise HandfulError(f"'{out}' is no folder: name another one with --out.")
        collection = read_collection(self.results)
        pages = self.pages
        if pages is None:
            pages = [page for page in PAGES if page.is_file() and has_blocks(page)]
        texts = {page: filled_page(page, collection) for page in pages}
        figures, left_out = collected_figures(collection)
        kinds = ("svg", "png", "pdf") if self.pdf else ("svg", "png")
        written = write_figures(figures, left_out, out, kinds)
        for page, text in texts.items():
            if has_blocks(page):
                write_text(page, text)
                written.append(page)
            else:
                say(f"handful: '{page}' asks for no table, so it stays as it is")
        show(*written)
        for sentence in [*left_out, *(s for figure in figures for s in figure.missing)]:
            say(f"handful: left out: {sentence}")
