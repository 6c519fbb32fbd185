"""Locks on files, which the kernel takes back when their process dies, however it dies."""

import errno
import fcntl

WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
"""What a file system says that has no locks."""


def lock_file(descriptor: int) -> bool:
    """Lock an open file for this process alone; False where another one has it.

    Nobody is waited for. On a file system without locks everybody gets one: work goes on there, and
    two at once are not found out. The lock lasts until the file is closed.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
    return True
