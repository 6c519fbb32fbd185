"""Tables between markers of a Markdown page, so that its numbers are those of the data.

A line ``<!-- begin claims -->`` and a line ``<!-- end claims -->`` hold the table between them; the
names are those of `BLOCKS`.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from handful._support.checks import did_you_mean
from handful.errors import HandfulError
from handful.report.study.collection import Collection
from handful.report.study.tables import (
    Table,
    ahead_table,
    improvement_table,
    summary_table,
    variants_table,
    welfare_table,
)
from studies.paper.claims import claims_table
from studies.paper.endings import endings_table
from studies.paper.experiments import BUDGET


def headline_table(collection: Collection) -> Table | None:
    """The rows of the summary with the paper's usual budget, :data:`BUDGET` policies."""
    return summary_table(collection, BUDGET)


BLOCKS: Mapping[str, Callable[[Collection], Table | None]] = {
    "headline": headline_table,
    "summary": summary_table,
    "claims": claims_table,
    "welfare": welfare_table,
    "ahead": ahead_table,
    "improvement": improvement_table,
    "variants": variants_table,
    "endings": endings_table,
}

_WORDS = ("begin", "end")

_BLOCK = re.compile(r"<!-- begin (\S+) -->.*?<!-- end \1 -->", re.DOTALL)


def has_blocks(page: Path) -> bool:
    """Whether a page asks for any of our tables, as the pages of other projects do not.

    Raises:
        HandfulError: if it cannot be read.
    """
    content = _read(page)
    return any(f"<!-- {word} {name} -->".encode() in content for name in BLOCKS for word in _WORDS)


def filled_page(page: Path, collection: Collection) -> str:
    """The text of a page with every block made anew; all else stays, its ends of lines too.

    Raises:
        HandfulError: if it cannot be read, or as `filled` says.
    """
    try:
        text = _read(page).decode("utf-8")
    except UnicodeDecodeError as error:
        raise HandfulError(
            f"The page '{page}' is not text in UTF-8 (byte {error.start}): save it as UTF-8."
        ) from None
    return filled(text, collection, f"The page '{page}'")


def filled(text: str, collection: Collection, name: str = "A page") -> str:
    """The page with every block made anew.

    Args:
        text: of the page.
        collection: what the tables are of.
        name: begins what is said of the page.

    Raises:
        HandfulError: if a block has a name that is none of `BLOCKS`, or no end.
    """
    opened, closed = (re.findall(rf"<!-- {word} (\S+) -->", text) for word in _WORDS)
    unknown = [block for block in opened if block not in BLOCKS and block in closed]
    if unknown:
        raise HandfulError(
            f"{name} asks for the table '{unknown[0]}'{did_you_mean(unknown[0], BLOCKS)}; there "
            f"are {', '.join(BLOCKS)}."
        )
    ours, ends = ([block for block in blocks if block in BLOCKS] for blocks in (opened, closed))
    if ours != ends:
        raise HandfulError(
            f"{name} has blocks that begin with {', '.join(ours) or 'none'} and end with "
            f"{', '.join(ends) or 'none'}: each needs both its lines, <!-- begin NAME --> and "
            f"<!-- end NAME -->."
        )
    return _BLOCK.sub(lambda found: _block(found, collection), text)


def _read(page: Path) -> bytes:
    try:
        return page.read_bytes()
    except OSError as error:
        raise HandfulError(f"The page '{page}' cannot be read ({error.strerror}).") from None


def _block(found: re.Match[str], collection: Collection) -> str:
    name, end_of_line = found.group(1), "\r\n" if "\r\n" in found.group() else "\n"
    table = BLOCKS[name](collection)
    content = "Nothing to show yet." if table is None else table.markdown()
    block = f"<!-- begin {name} -->\n\n{content}\n\n<!-- end {name} -->"
    return block.replace("\n", end_of_line)
