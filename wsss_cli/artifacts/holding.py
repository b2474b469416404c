"""Files that one process holds: opened for it alone, and told from those that dead ones left.

A lock ends with its process. So a file that can be locked is held by nobody, whatever runs under
that process's number now and on whichever machine of a cluster. Where the file system has no
locks, a file that nobody has changed for an hour is taken for such.
"""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import IO

from ..errors import WsssError
from . import ledger

try:
    import fcntl
except ImportError:  # no locks on this system: two writers of one file are the user's affair
    fcntl = None  # type: ignore[assignment]

HAS_LOCKS = fcntl is not None
STALE = 3600  # seconds without change after which a file is nobody's, without locks


def open_private(path: Path) -> IO[bytes]:
    """Open a file of our own for reading and appending, made where it is missing.

    A link of that name is not followed: what it leads to is somebody's, and would be written over.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    ledger.check_written(path)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    try:
        number = os.open(path, flags, 0o666)
    except OSError as err:
        if err.errno == errno.ELOOP:
            raise OSError(err.errno, "is a link, which is not followed", str(path)) from None
        raise
    return open(number, "a+b", buffering=0)


def open_alone(path: Path, busy: WsssError, forks: bool = False) -> IO[bytes]:
    """Open a file as `open_private` does, and keep others out for as long as it is open.

    Args:
        path: of the file.
        busy: to be raised where another process holds it.
        forks: this process forks others, which may outlive it for seconds and must not hold the
            lock meanwhile (lockf). Without, the lock belongs to this opening of the file (flock):
            it keeps a second writer in the same process out too, and no other opening that closes
            can undo it.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    while True:
        stream = open_private(path)
        try:
            if lock(stream.fileno(), forks) is False:
                raise busy
            if is_at(path, stream.fileno()):
                return stream
        except BaseException:
            stream.close()
            raise
        stream.close()  # its holder ended, and deleted it, between our opening and our locking


def lock(number: int, forks: bool) -> bool | None:
    """Lock an open file until it is closed; False where another holds it, None without locks."""
    if fcntl is None:
        return None
    how = fcntl.lockf if forks else fcntl.flock
    try:
        how(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        return False if err.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN) else None
    return True


def is_at(path: Path, number: int) -> bool:
    """Whether `path` still names an open file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(number))
    except FileNotFoundError:
        return False


def is_free(number: int) -> bool:
    """Whether no process writes an open file; where none does, it is locked from now on."""
    free = lock(number, forks=True)
    return time.time() - os.fstat(number).st_mtime > STALE if free is None else free
