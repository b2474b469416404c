"""The one way to open what a command is given to read: a regular file, or an error at once.

Opening a pipe that nobody writes to waits for ever, and a device may never end. The functions here
raise OSError, whose `strerror` says what is wrong; who calls them names the file and says what to
do. Files are noted as inputs beside, in `ledger`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

NOT_REGULAR = "not a regular file"
# what a shell has opened for us: standard input, and its <(command)
OPEN_ALREADY = re.compile(r"/dev/stdin|/dev/fd/\d+|/proc/(self|\d+)/fd/\d+")


def check_regular(path: str | Path, piped: bool = False) -> None:
    """Refuse what is not a regular file, without opening it.

    Args:
        path: an input; links are followed.
        piped: it is read once, from front to end: what is open already may be a pipe.

    Raises:
        OSError: missing, out of reach, a folder, a pipe, a socket or a device.
        ValueError: a name with a zero byte.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISREG(mode) or (piped and OPEN_ALREADY.fullmatch(os.path.abspath(path))):
        return
    raise OSError(errno.EINVAL, NOT_REGULAR, str(path))


def why_not(error: OSError | ValueError) -> str:
    """What `check_regular` found, in words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "is a folder"
    if isinstance(error, PermissionError):
        return "permission denied"
    return getattr(error, "strerror", None) or "no name of a file"


def contents(path: str | Path, piped: bool = False) -> bytes:
    """All bytes of an input; arguments and errors as of `check_regular`."""
    check_regular(path, piped)
    with open(path, "rb") as stream:
        return stream.read()


def text(path: str | Path) -> str:
    """An input as text; it may be a pipe that is open already, such as a shell's <(command).

    Raises:
        UnicodeDecodeError: as `decoded`. And as `check_regular`.
    """
    return decoded(contents(path, piped=True))


def decoded(content: bytes) -> str:
    """UTF-8, with or without a mark in front, as text whose lines end in a line feed each.

    Raises:
        UnicodeDecodeError: other bytes.

    >>> decoded("one\\r\\ntwo\\r".encode("utf-8-sig"))
    'one\\ntwo\\n'
    """
    return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
