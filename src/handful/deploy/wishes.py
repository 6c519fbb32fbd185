"""What the users of a bundle want, if it was made with them: ``users.csv``."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.errors import HandfulError

USERS = "users.csv"
"""The name of the file, which is there only if it was asked for."""


def read_wishes(data: bytes, names: Sequence[str], place: str) -> NDArray[Any]:
    """Return the users' weights, [N, D].

    Args:
        data: the content of the file.
        names: the names of the features [D]; a column whose name an attribute of the users has too
            is called ``weight of NAME``.
        place: the path of the file, for error messages.

    Raises:
        HandfulError: if the file is damaged.
    """
    try:
        header, *rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
        labelled = [f"weight of {name}" for name in names]
        columns = [
            header.index(long if long in header else short)
            for long, short in zip(labelled, names, strict=True)
        ]
        weights = np.array([[float(row[column]) for column in columns] for row in rows])
        if not np.isfinite(weights).all():
            raise ValueError("a weight is not finite")
    except (UnicodeDecodeError, csv.Error, ValueError, IndexError) as error:
        raise HandfulError(
            f"'{place}' is damaged: it must have a number for each user and each feature ({error})."
        ) from None
    return weights.reshape(-1, len(names))
