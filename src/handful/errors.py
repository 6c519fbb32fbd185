"""The one exception whose message is meant for the user, and the one warning."""


class HandfulError(Exception):
    """An error that the caller can mend: bad input, a missing file, an impossible request.

    The message is one sentence that says what is wrong and how to mend it. The command line prints
    it and exits with code 2. Any other exception is a defect of the library and shows a traceback.
    """


class HandfulWarning(UserWarning):
    """A warning about a valid request, in one sentence that the caller should know.

    The command line prints it on standard error.
    """
