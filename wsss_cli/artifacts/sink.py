"""The file that HDF5 writes into: one that never says no, and remembers what went wrong."""

from __future__ import annotations

import io
import os
from typing import Any


class Sink:
    """A new file for h5py to write into.

    An HDF5 file whose last bytes cannot be written cannot be closed, and what stays open in the
    library takes the process down when it exits (a segmentation fault in place of an exit code).
    So a write that fails, on a full disk, is kept in memory with those that follow, HDF5 closes as
    ever, and `check` says what happened. Call it often: until then the memory grows.
    """

    def __init__(self, file: io.RawIOBase) -> None:
        """
        Args:
            file: a new one, open for reading and writing.
        """
        self._file: Any = file
        self._error: OSError | None = None
        self._kept: list[tuple[int, bytes]] = []  # (position, bytes) in order of writing

    def check(self) -> None:
        """Raise the OSError of the first write that failed."""
        if self._error is not None:
            raise self._error

    # What h5py asks of a file

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: bytes | memoryview) -> int:
        rest = memoryview(data).cast("B")
        length = len(rest)
        try:
            while rest and self._error is None:
                rest = rest[self._file.write(rest) :]
        except OSError as err:
            self._error = err
        if rest:
            self._kept.append((self._file.tell(), bytes(rest)))
            self._file.seek(len(rest), os.SEEK_CUR)
        return length

    def readinto(self, buffer: bytearray | memoryview) -> int:
        wanted, start = memoryview(buffer).cast("B"), self._file.tell()
        end = start + len(wanted)
        got = 0
        while got < len(wanted) and (count := self._file.readinto(wanted[got:])):
            got += count
        wanted[got:] = bytes(len(wanted) - got)
        for position, data in self._kept:
            low, high = max(position, start), min(position + len(data), end)
            if low < high:
                wanted[low - start : high - start] = data[low - position : high - position]
        self._file.seek(end)
        return len(wanted)

    def read(self, size: int) -> bytes:
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(buffer)])

    def truncate(self, size: int) -> int:
        try:
            return self._file.truncate(size)
        except OSError as err:
            self._error = self._error or err
            return size

    def flush(self) -> None:
        """Nothing waits: the file has no buffer."""
