"""Opening HDF5 files to read, and what h5py's errors mean."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from ..errors import WsssError, shortage
from .inputs import check_regular, why_not

RERUN = "rerun the stage that writes it"
# what h5py, numpy and json raise on a file whose bytes have been changed
DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, OverflowError)
# what HDF5 says where another program opened the file for writing and has not closed it
MARKED = ("already open for write", "consistency flags", "SWMR")


def open_hdf5(path: Path) -> h5py.File:
    """Open a file for reading, without a lock: what stages write is whole once it exists.

    Raises:
        WsssError: missing, no regular file, not HDF5, cut short, being written by another program.
    """
    try:
        check_regular(path)
    except (OSError, ValueError) as err:
        raise WsssError(f"{path}: {why_not(err)}") from None
    try:
        return h5py.File(path, "r", locking=False)
    except (OSError, MemoryError) as err:
        raise _refusal(path, err) from None


@contextmanager
def reading(path: Path, hint: str = RERUN) -> Iterator[None]:
    """Turn what goes wrong while an open file is read into one line.

    Args:
        path: of the file.
        hint: what to do if it is damaged.

    Raises:
        WsssError: damaged, out of reach, or no memory.
    """
    try:
        yield
    except (MemoryError, *DAMAGE) as err:
        if (short := _shortage(path, err)) is not None:
            raise short from None
        if isinstance(err, OSError) and err.errno:  # of the disk; HDF5's own errors have no number
            raise WsssError(f"{path}: cannot be read ({os.strerror(err.errno)})") from None
        raise WsssError(f"{path}: damaged ({_first_line(err)})", hint) from None


def _shortage(path: Path, err: BaseException) -> WsssError | None:
    """What the machine was short of when a file was to be read, if it was that."""
    short = shortage(err)
    return None if short is None else WsssError(f"{path}: {short}", short.hint)


def _refusal(path: Path, err: OSError | MemoryError) -> WsssError:
    text = str(err)
    number = getattr(err, "errno", None)
    if "unable to lock" in text:  # HDF5_USE_FILE_LOCKING has the last word
        if number in (errno.EAGAIN, errno.EACCES):
            return WsssError(f"{path}: another program has it open", "close it there, or wait")
        reason = os.strerror(number) if number else "no locks"
        return WsssError(
            f"{path}: cannot be locked ({reason})",
            "reading needs no lock: export HDF5_USE_FILE_LOCKING=FALSE",
        )
    if any(mark in text for mark in MARKED):
        return WsssError(
            f"{path}: another program has it open for writing, or ended without closing it",
            f"close it there; if none has it open, `h5clear --status {path}` takes the mark away",
        )
    if (short := _shortage(path, err)) is not None:
        return short
    if number:
        return WsssError(f"{path}: {os.strerror(number)}")
    if "truncated" in text:
        return WsssError(f"{path}: cut short", RERUN)
    if "signature not found" in text:
        return WsssError(f"{path}: not an HDF5 file", RERUN)
    return WsssError(f"{path}: cannot be opened as HDF5 ({_first_line(err)})", RERUN)


def _first_line(err: Exception) -> str:
    """What an error says; a KeyError's text without the quotes that Python puts around it."""
    text = str(err.args[0]) if isinstance(err, KeyError) and err.args else str(err)
    return (text.splitlines() or ["unreadable"])[0]
