"""CSV files in the forms in which people save them.

These are accepted: commas, semicolons or tabs between columns, a byte order mark, UTF-16 as
spreadsheets save it, any kind of line break, blanks around names, entries and quotation marks,
blank lines, empty columns without a name, and the line ``sep=;`` of spreadsheets.
"""

import codecs
import re
from collections.abc import Iterator

from handful._support.controls import unprotect
from handful.errors import HandfulError
from handful.users import table as limits
from handful.users.table import UserTable, checked_table, named_twice, too_many

_DELIMITERS = ",;\t"
_CHUNK = 10_000  # the rows at a time, so that only columns stay in memory
_SAMPLE = 1 << 16  # the characters from which the delimiter is guessed
_SAMPLED_LINES = 20

_BREAK = re.compile(r"\r\n|\r|\n|\Z")
_QUOTED = re.compile(r'(?<![^,;\t\r\n ])"[^"]*(?:""[^"]*)*"')
_SEPARATOR = re.compile(r"\s*sep=([,;\t])[ \t]*(?:\r\n|\r|\n)", re.IGNORECASE)


def decode(data: bytes, source: str) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with its mark.

    Raises:
        HandfulError: if the bytes are not such text; the sentence names the line and the column.
    """
    is_utf_16 = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if b"\0" in data and not is_utf_16:
        raise _unreadable(source, "it is no text")
    try:
        text = data.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        why = "it is damaged UTF-16" if is_utf_16 else _first_bad_byte(data, error.start)
        raise _unreadable(source, why) from None
    if "\0" in text:
        raise _unreadable(source, "it is no text")
    return text


def _unreadable(source: str, why: str) -> HandfulError:
    return HandfulError(f"{source} cannot be read ({why}): save it as CSV in UTF-8.")


def _first_bad_byte(data: bytes, start: int) -> str:
    """Return the place at which a text stops being UTF-8, as a person would look for it."""
    before = data[:start]
    header = data.split(b"\n", 1)[0].decode("latin-1").lstrip("\xef\xbb\xbf").strip()
    delimiter = max(_DELIMITERS, key=header.count)
    names = header.split(delimiter)
    column = before.rsplit(b"\n", 1)[-1].count(delimiter.encode())
    is_name = (
        column < len(names) and names[column].isprintable()
    )  # and not a piece of a binary file
    name = f"column '{names[column].strip()}' of " if is_name else ""
    line = before.count(b"\n") + 1
    return f"{name}line {line} is not in UTF-8"


def guess_delimiter(text: str) -> str:
    """Return the delimiter of the columns: a comma, a semicolon or a tab.

    It is the one that the following lines have as often as the line of names. If several are, it is
    the one that this line has most of. If there are still several, a tab is preferred to a
    semicolon, and a semicolon to a comma, since numbers and names may contain commas. Text in
    quotation marks does not count.
    """
    sample = _QUOTED.sub('""', text[:_SAMPLE])
    lines = [line for line in re.split(r"\r\n|\r|\n", sample) if line.strip()]
    header, others = "".join(lines[:1]), lines[1 : 1 + _SAMPLED_LINES]

    def fitness(delimiter: str) -> tuple[bool, int, int]:
        times, rank = header.count(delimiter), _DELIMITERS.index(delimiter)
        fits = times > 0 and all(line.count(delimiter) == times for line in others)
        return fits, times, rank if times else -rank  # a comma if there is a single column

    return max(_DELIMITERS, key=fitness)


def read_csv(text: str, source: str) -> UserTable:
    """Read the table in a text; every entry stays text.

    Raises:
        HandfulError: if the text is not a table; the sentence names the line.
    """
    separator = _SEPARATOR.match(text)
    start = separator.end() if separator else 0
    delimiter = separator.group(1) if separator else guess_delimiter(text)
    names: list[str] = []
    columns: list[list[str]] = []
    lines: list[int] = []
    waiting: list[list[str]] = []
    for line, row in _rows(text, start, delimiter, source):
        if not any(cell and not cell.isspace() for cell in row):
            continue  # the line is blank
        if not names:
            names = [unprotect(name.strip()) for name in row]
            columns = [[] for _ in names]
            continue
        if len(row) > len(names):
            if any(cell.strip() for cell in row[len(names) :]):
                raise HandfulError(
                    f"{source} has {len(row)} entries in line {line}, and its first line "
                    f"names {len(names)} columns: an entry that holds a '{delimiter}' must stand "
                    f"in quotation marks."
                )
            row = row[: len(names)]
        waiting.append(row + [""] * (len(names) - len(row)))
        lines.append(line)
        if len(lines) > limits.MAX_USERS:
            raise too_many(source, f"line {line}")
        if len(waiting) == _CHUNK:
            _append(columns, waiting)
    _append(columns, waiting)
    named = _named(names, columns, source)
    return checked_table(named, source, lines, decimal_comma=delimiter == ";")


def _rows(text: str, start: int, delimiter: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row and the number of the line that it ends in, counted from 1."""
    blanks = rf"(?:(?!{delimiter})[^\S\r\n])*"
    quoted = re.compile(rf'{blanks}"([^"]*(?:""[^"]*)*)"{blanks}(?={delimiter}|\r|\n|\Z)')
    opening = re.compile(rf'{blanks}"')
    plain = re.compile(rf"[^{delimiter}\r\n]*")
    line = 1 + len(re.findall(r"\r\n|\r|\n", text[:start]))
    while start < len(text):
        end = _BREAK.search(text, start)
        assert end is not None  # every text has an end
        if text.find('"', start, end.start()) < 0:
            yield line, text[start : end.start()].split(delimiter)
            start, line = end.end(), line + 1
            continue
        row, first = [], line
        while True:
            cell = quoted.match(text, start)
            if cell is not None:
                row.append(cell.group(1).replace('""', '"'))
                line += len(re.findall(r"\r\n|\r|\n", cell.group(1)))
            elif opening.match(text, start):
                raise _no_partner(text, start, first, source)
            else:
                cell = plain.match(text, start)
                assert cell is not None  # it may be empty
                row.append(cell.group())
            start = cell.end()
            if not text.startswith(delimiter, start):
                break
            start += 1
        yield line, row
        end = _BREAK.match(text, start)
        assert end is not None  # a cell ends before a delimiter or a line break
        start, line = end.end(), line + 1


def _no_partner(text: str, start: int, line: int, source: str) -> HandfulError:
    opening = text.index('"', start)
    is_open = re.compile(r'"[^"]*(?:""[^"]*)*\Z').match(text, opening) is not None
    why = "unexpected end of an entry" if is_open else "an entry goes on behind its quotation marks"
    return HandfulError(
        f"{source} cannot be read from line {line} on ({why}): look for a quotation mark without "
        f"its partner, and write two for one that belongs to the text."
    )


def _append(columns: list[list[str]], rows: list[list[str]]) -> None:
    for column, cells in zip(columns, zip(*rows, strict=True), strict=False):
        entries = [cell.strip() for cell in cells]
        column.extend([unprotect(text) if text[:1] == "'" else text for text in entries])
    rows.clear()


def _named(names: list[str], columns: list[list[str]], source: str) -> dict[str, list[str]]:
    whole_lines = next((mark for mark in _DELIMITERS if mark in "".join(names[:1])), None)
    if len(names) == 1 and whole_lines and any(whole_lines in entry for entry in columns[0]):
        raise HandfulError(
            f"{source} has a single column, '{names[0]}': remove the quotation marks around whole "
            f"lines, so that the lines have several entries."
        )
    named: dict[str, list[str]] = {}
    for number, (name, column) in enumerate(zip(names, columns, strict=True), start=1):
        if not name and not any(column):
            continue  # the first line ended in a delimiter
        if not name:
            raise HandfulError(f"{source} has no name for column {number} in its first line.")
        if name in named:
            raise named_twice(source, name)
        named[name] = column
    return named
