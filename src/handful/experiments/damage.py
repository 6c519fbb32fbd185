"""What is said of a run folder whose files do not hold what a run leaves there."""

from collections.abc import Iterator
from contextlib import contextmanager

from handful.errors import HandfulError
from handful.runs import RunFolder


@contextmanager
def telling_damage(folder: RunFolder) -> Iterator[None]:
    """While entered, entries that are missing or of another kind are told in one sentence.

    Raises:
        HandfulError: instead of what they cause.
    """
    try:
        yield
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise HandfulError(
            f"The results in '{folder.path}' are damaged ({type(error).__name__}: {error}): remove "
            f"its {folder.evaluation.name}, and the run is evaluated again."
        ) from None
