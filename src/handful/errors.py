"""The one exception that a user is meant to read, and the one warning."""


class HandfulError(Exception):
    """Something the caller can mend: bad input, a missing file, an impossible request.

    The message is one sentence that says what is wrong and how to mend it. The command line prints
    it and exits with code 2; anything else that escapes is a defect of ours and shows a traceback.
    """


class HandfulWarning(UserWarning):
    """Something in a good request that its caller should know, in one sentence.

    The command line prints it on standard error, as it prints other news.
    """
