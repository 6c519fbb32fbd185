"""The one exception that a user is meant to read."""

import difflib
from collections.abc import Iterable


class HandfulError(Exception):
    """Something the caller can mend: bad input, a missing file, an impossible request.

    The message is one sentence that says what is wrong and how to mend it. The command line prints
    it and exits with code 2; anything else that escapes is a defect of ours and shows a traceback.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` where something known is close to a name that is not, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
