"""Tables between markers of a Markdown page, so that its numbers are those of the data.

A line ``<!-- begin claims -->`` and a line ``<!-- end claims -->`` hold the table between them; the
names are those of `BLOCKS`.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from handful.errors import HandfulError
from handful.reports.study.claims import claims_table
from handful.reports.study.collection import Collection
from handful.reports.study.tables import (
    Table,
    ahead_table,
    improvement_table,
    summary_table,
    welfare_table,
)
from handful.reports.study.variants import variants_table
from handful.runs import write_text

BLOCKS: Mapping[str, Callable[[Collection], Table | None]] = {
    "summary": summary_table,
    "claims": claims_table,
    "welfare": welfare_table,
    "ahead": ahead_table,
    "improvement": improvement_table,
    "variants": variants_table,
}

_BLOCK = re.compile(r"<!-- begin (\S+) -->\n.*?<!-- end \1 -->", re.DOTALL)


def filled(text: str, collection: Collection) -> str:
    """The page with every block made anew.

    Raises:
        HandfulError: if a block has a name that is none of `BLOCKS`, or no end.
    """
    opened, closed = (re.findall(rf"<!-- {word} (\S+) -->", text) for word in ("begin", "end"))
    if opened != closed:
        raise HandfulError(
            f"A page's blocks begin with {', '.join(opened) or 'none'} and end with "
            f"{', '.join(closed) or 'none'}: each needs both its lines."
        )
    unknown = [name for name in opened if name not in BLOCKS]
    if unknown:
        raise HandfulError(
            f"A page asks for the table '{unknown[0]}'; there are {', '.join(BLOCKS)}."
        )
    return _BLOCK.sub(lambda found: _block(found.group(1), collection), text)


def fill_page(page: Path, collection: Collection) -> bool:
    """Make a page's blocks anew; returns whether it has any."""
    text = page.read_text(encoding="utf-8")
    write_text(page, filled(text, collection))
    return _BLOCK.search(text) is not None


def _block(name: str, collection: Collection) -> str:
    table = BLOCKS[name](collection)
    content = "Nothing to show yet." if table is None else table.markdown()
    return f"<!-- begin {name} -->\n\n{content}\n\n<!-- end {name} -->"
