"""Putting files in place: each whole or not at all, and nothing of a dead process left beside it.

All that is written goes through here. A file is written under a temporary name beside its own,
`.NAME.PID-TOKEN.tmp`, synced and renamed. While it is written its process holds a lock on it: a
temporary file that can be locked is a dead process's, whatever runs under that number now and on
whichever machine of a cluster, and the next run of the same output removes it. Where the file
system has no locks, one that nobody has changed for an hour is taken for such.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import WsssError
from . import ledger
from .holding import HAS_LOCKS, is_at, is_free, lock, open_alone

LONGEST = 200  # bytes of a name that a temporary one repeats
FOLDERS = "wsss"  # stands for the name in temporary files of a folder of outputs
LOCK_FILE = "lock"  # in a folder of scratch

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)

_own: set[str] = set()  # what this process is writing just now: it could lock that itself


class Stream(io.FileIO):
    """A temporary file being written, without a buffer.

    Attributes:
        error: of the first write that failed. Libraries that write into a file of ours (torch,
            HDF5) report it in words of their own, or late.
    """

    error: OSError | None = None

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]
        """Write all of it; returns its length."""
        rest = memoryview(data).cast("B")
        length = len(rest)
        try:
            while rest:
                rest = rest[super().write(rest) :]
        except OSError as err:
            self.error = self.error or err
            raise
        return length


@contextmanager
def placed(path: Path, folder: Path | None = None) -> Iterator[Stream]:
    """A stream to write a file into, which takes its place, or another's, when the block ends.

    Args:
        path: where it will stand. A link of that name is replaced and not followed.
        folder: of many outputs that it is one of, in the same file system: it holds the temporary
            file, was swept before (`sweep_folder`), and is to be synced once at the end
            (`sync_folder`). By default that file lies beside `path`, and what dead processes left
            there is removed.

    Raises:
        WsssError: the disk is full or not writable; nothing is changed then.
    """
    ledger.check_written(path)
    if folder is None:
        sweep(path)
    with writing(path):
        stream, temporary = _begin(folder or path.parent, FOLDERS if folder else _stem(path))
    try:
        try:
            yield stream
            os.fsync(stream.fileno())
            if not HAS_LOCKS:
                stream.close()  # such a system renames no open file
            os.replace(temporary, path)
        except (OSError, RuntimeError) as err:
            found = stream.error or err
            if not isinstance(found, OSError):
                raise
            raise refusal(path, found) from err
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        stream.close()
        _own.discard(str(temporary))
    if folder is None:
        sync_folder(path.parent)


def write_whole(path: Path, content: bytes, folder: Path | None = None) -> None:
    """Put a file of this content in place; arguments and errors as of `placed`."""
    with placed(path, folder) as stream:
        stream.write(content)


def sweep(path: Path) -> None:
    """Remove temporary files of an output that dead processes left beside it."""
    _sweep(path.parent, _stem(path))


def sweep_folder(folder: Path) -> None:
    """Remove temporary files that dead processes left in a folder of outputs."""
    _sweep(folder, FOLDERS)


def sync_folder(folder: Path) -> None:
    """Have renames in a folder outlast a power cut, where the file system can."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(number)
        finally:
            os.close(number)


def remove(path: Path) -> None:
    """Delete a file of ours, if it is there.

    Raises:
        WsssError: it cannot be deleted.
    """
    ledger.check_written(path)
    with writing(path, "removed"):
        path.unlink(missing_ok=True)


def make_folder(path: Path, parents: bool = False) -> None:
    """Make a folder, unless it is there.

    Raises:
        WsssError: it cannot be made.
    """
    with writing(path, "made"):
        path.mkdir(exist_ok=True, parents=parents)


def refusal(path: Path, error: Exception, done: str = "written") -> WsssError:
    """The error of a file that could not be written, with a hint of what to do.

    Args:
        path: what could not be.
        error: why; of Python, or of a library.
        done: what was to be done with it.
    """
    number = error.errno if isinstance(error, OSError) else None
    reason = getattr(error, "strerror", None) or (str(error).splitlines() or ["?"])[0]
    if number in FULL:
        hint = "what is finished is kept; free some space and run the same command again"
    elif number in CLOSED:
        hint = f"make {path.parent} writable and run the same command again, or name another place"
    elif number in GONE:
        hint = f"make {path.parent} (again) and run the same command again"
    elif number == errno.ENAMETOOLONG:
        hint = "give it a shorter name"
    elif number in (errno.EISDIR, errno.EEXIST, errno.ELOOP):
        hint = "move what is in the way, or name another place"
    else:
        hint = "what is finished is kept; run the same command again"
    return WsssError(f"{path}: cannot be {done} ({reason})", hint)


@contextmanager
def writing(path: Path, done: str = "written") -> Iterator[None]:
    """Turn what the system says no to into one clear line; see `refusal`.

    Raises:
        WsssError: an OSError was raised inside.
    """
    try:
        yield
    except OSError as err:
        raise refusal(path, err, done) from err


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A folder for files that nobody keeps; of those before, what dead processes left is removed.

    Raises:
        WsssError: there is no place for it.
    """
    base = Path(tempfile.gettempdir())
    with writing(base), tempfile.TemporaryDirectory(prefix=prefix) as name:
        folder = Path(name)
        ledger.current().promise_folder(folder)
        busy = WsssError(f"{folder}: another wsss process works there")
        with open_alone(folder / LOCK_FILE, busy, forks=True):
            _own.add(name)
            for other in base.glob(f"{prefix}*"):
                if str(other) not in _own:
                    _bury_folder(other, folder.stat().st_uid)
            yield folder


def _stem(path: Path) -> str:
    """A name's part in its temporary files' names: itself, or of a long one its digest."""
    encoded = os.fsencode(path.name)
    return path.name if len(encoded) <= LONGEST else hashlib.sha256(encoded).hexdigest()[:32]


def _begin(folder: Path, stem: str) -> tuple[Stream, Path]:
    """A new temporary file, locked."""
    while True:
        path = folder / f".{stem}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        stream = Stream(os.open(path, flags, 0o666), "w+")
        _own.add(str(path))
        if lock(stream.fileno(), forks=True) is not False and is_at(path, stream.fileno()):
            return stream, path
        stream.close()  # another run took it for a dead process's before it was locked
        _own.discard(str(path))


def _sweep(folder: Path, stem: str) -> None:
    # Earlier versions wrote .NAME.PID.tmp and .wsss-PID.tmp.
    name = re.compile(rf"\.{re.escape(stem)}[.-][0-9]+(-[0-9a-f]+)?\.tmp")
    try:
        with os.scandir(folder) as entries:
            found = [folder / entry.name for entry in entries if name.fullmatch(entry.name)]
    except OSError:  # whatever is wrong with the folder, writing into it will say
        return
    for one in found:
        if str(one) not in _own:
            _bury(one)


def _bury(path: Path) -> None:
    """Remove a temporary file, if its process is dead."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with suppress(OSError):  # a link, or another user's
        number = os.open(path, flags)
        try:
            if stat.S_ISREG(os.fstat(number).st_mode) and is_free(number):
                os.unlink(path)  # while it is locked: who has just begun to write it will see
        finally:
            os.close(number)


def _bury_folder(folder: Path, user: int) -> None:
    """Remove a folder of scratch, if it is the user's and its process is dead."""
    with suppress(OSError):
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != user:
            return
        number = os.open(folder / LOCK_FILE, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            if is_free(number):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(number)
