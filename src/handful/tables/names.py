"""Names of columns: when two are the same, and which ones say what their column holds."""

import re

ID_COLUMNS = ("user", "id")
"""Names of the column that names the users; a table may have one of them."""

LABEL_NAMES = ("group", "label")
"""A column of this name, or whose name begins with it and ``_``, is a label, numbers or not."""

_IN_RESULTS = re.compile(r"policy|return|share_\d+")
"""Columns of a run's ``assignment.csv`` besides the users' names and what is known of them."""


def plain_name(name: str) -> str:
    """The name in lower case, with an underscore for all blanks, hyphens and underscores."""
    return "_".join(name.strip().casefold().replace("-", " ").replace("_", " ").split())


def is_label_name(name: str) -> bool:
    """Whether a column of this name is a label, whatever its entries look like."""
    plain = plain_name(name)
    return plain in LABEL_NAMES or plain.startswith(tuple(f"{label}_" for label in LABEL_NAMES))


def is_id_name(name: str) -> bool:
    """Whether a column of this name names the users."""
    return plain_name(name) in ID_COLUMNS


def is_result_name(name: str) -> bool:
    """Whether the ``assignment.csv`` of a run has a column of this name itself."""
    return _IN_RESULTS.fullmatch(plain_name(name)) is not None
