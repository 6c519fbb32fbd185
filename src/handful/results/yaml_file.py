"""YAML without surprises: each key occurs once, all keys are text, and nothing contains itself."""

import re
from pathlib import Path
from typing import Any

from handful._support.checks import check_plain
from handful._support.installing import install_command
from handful.errors import HandfulError

TEXT = "tag:yaml.org,2002:str"
MERGE = "tag:yaml.org,2002:merge"
"""The tag of the key ``<<``, which copies the entries of another mapping."""

POWER_OF_TEN = re.compile(r"([+-]?\d+)(\.\d*)?[eE]([+-]?)(\d+)")
"""Numbers like 1e6 and 3e-4, which YAML knows only with a point and a sign: 1.0e+6, 3.0e-4."""

LONGEST = 1e15
"""The number from which on a whole number is better written as a power of ten."""


MOST_NODES = 100_000
"""A file with few lines can stand for more values than there is memory, by aliases of aliases."""


def read_yaml(path: Path, what: str) -> Any:
    """Return the content of a YAML file.

    Args:
        what: the words for the file in error messages, such as "The study 'a.yaml'".

    Raises:
        HandfulError: if the file cannot be read, is not YAML, or is YAML of which a part would be
            lost.
    """
    try:
        import yaml
    except ImportError:
        raise HandfulError(f"Studies need PyYAML and polars: {install_command('sweep')}.") from None
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise HandfulError(f"{what} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise HandfulError(f"{what} is not valid YAML: it is not UTF-8 text ({error}).") from None
    try:
        _check(yaml.compose(text, Loader=yaml.SafeLoader), what, [], {})
        values = yaml.safe_load(text)
    except HandfulError:
        raise
    except RecursionError:
        raise HandfulError(f"{what} has lists or mappings nested too deeply.") from None
    except Exception as error:  # a tag may declare a date or a number that its text is not
        where = " ".join(str(error).split()) or "a value is not what its tag says"
        raise HandfulError(f"{what} is not valid YAML: {where}.") from None
    check_plain(values, what)
    return values


def meant(value: Any) -> str:
    """Return how to write a number that YAML takes for text or for a fraction.

    Returns:
        the end of a sentence, such as ": write 3.0e-4"; empty if no number is meant.
    """
    parts = POWER_OF_TEN.fullmatch(value) if isinstance(value, str) else None
    if parts is None and not isinstance(value, float):
        return ""
    number = float(value)
    if number.is_integer() and abs(number) < LONGEST:
        return f": write {int(number)}"
    if parts is None:
        return ""
    whole, fraction, sign, exponent = parts.groups()
    digits = fraction if fraction and fraction != "." else ".0"
    return f": write {whole}{digits}e{sign or '+'}{exponent}"


def _check(node: Any, what: str, within: list[Any], sizes: dict[int, int]) -> int:
    """Check a node and all nodes in it, which may occur twice but not within themselves.

    Args:
        node: the top node of the file, or None for an empty one.
        what: the words for the file in error messages.
        within: the nodes around it, from the outermost.
        sizes: the sizes of the nodes that were looked at, by their ids.

    Returns:
        the number of nodes after every alias has been written out.
    """
    if any(node is outer for outer in within):
        line = node.start_mark.line + 1
        raise HandfulError(f"{what} has a mapping or list in line {line} that contains itself.")
    if node is None:
        return 0
    if id(node) not in sizes:
        if node.id == "mapping":
            _check_keys(node, what)
            inner = [value for _, value in node.value]
        else:
            inner = node.value if node.id == "sequence" else []
        size = 1 + sum(_check(part, what, [*within, node], sizes) for part in inner)
        if size > MOST_NODES:
            raise HandfulError(
                f"{what} has more than {MOST_NODES:,} values, its aliases (like *name) written out."
            )
        sizes[id(node)] = size
    return sizes[id(node)]


def _check_keys(node: Any, what: str) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.tag not in (TEXT, MERGE):
            raise HandfulError(
                f"{what} has a key in line {line} that is no text, "
                f"{key.value if key.id == 'scalar' else f'a {key.id}'}: quote it if it is a name."
            )
        if key.value in lines:
            raise HandfulError(
                f"{what} has '{key.value}' twice, in line {lines[key.value]} and in line {line}: "
                f"keep one of them."
            )
        lines[key.value] = line
