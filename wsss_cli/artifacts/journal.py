"""The append-only file that holds a running stage's finished items.

HDF5 is not crash-safe: a killed writer can leave a file that does not open. So items go to a
journal first, each as one record with a checksum. Whatever instant the process dies at, the
records before the last are whole, a torn last one is recognised and dropped, and the same
command continues from there. `writer.finish` turns the journal into the artifact.

    b"wsss journal 1\n"
    record*   <u4 payload length> <u4 crc32 of payload> payload
    payload   JSON line, then zlib-compressed arrays one after another

The first record is the header (what run this is); every further one is an item.
"""

from __future__ import annotations

import errno
import json
import os
import struct
import zlib
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import WsssError
from .files import open_private
from .shapes import ShapeTable

try:
    import fcntl
except ImportError:  # no advisory locks on this system: two writers are the user's affair
    fcntl = None  # type: ignore[assignment]

MAGIC = b"wsss journal 1\n"
FRAME = struct.Struct("<II")
HEADER = 1 << 16  # bytes, more than any header has
ZLIB_LEVEL = 1  # a tenth of level 6's time; label maps already shrink 50-fold


class Journal:
    """Items finished so far, by id. Opened for one writer at a time."""

    def __init__(self, path: Path, header: Mapping[str, Any], restart: bool) -> None:
        """Open or begin the journal at `path`.

        Args:
            path: the journal's file.
            header: what identifies the run; a journal of another run is not continued.
            restart: begin anew where the journal on disk is of another run.

        Raises:
            WsssError: another process writes it, or it belongs to another run.
        """
        self.path = path
        self._rows: dict[str, int] = {}  # by id, in order of finishing
        self._positions = array("q")  # of the records, by row
        self._shapes: dict[str, ShapeTable] = {}
        self.dtypes: dict[str, str] = {}
        self._stream = _locked(path)
        try:
            self._load(dict(header), restart)
        except BaseException:
            self._stream.close()
            raise

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, image_id: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Add one finished item; it survives a kill as soon as this returns."""
        blobs = [zlib.compress(np.ascontiguousarray(a).data, ZLIB_LEVEL) for a in arrays.values()]
        fields = [
            [name, array.dtype.name, list(array.shape), len(blob)]
            for (name, array), blob in zip(arrays.items(), blobs, strict=True)
        ]
        head = json.dumps({"id": image_id, "fields": fields}).encode() + b"\n"
        position = self._write(head + b"".join(blobs))
        self._note(image_id, fields, position)

    def read(self, image_id: str) -> dict[str, np.ndarray]:
        """The arrays of one finished item."""
        self._stream.seek(self._positions[self._rows[image_id]])
        payload = self._next_payload()
        assert payload is not None  # it was whole when its position was noted
        head, _, body = payload.partition(b"\n")
        arrays, start = {}, 0
        for name, dtype, shape, length in json.loads(head)["fields"]:
            raw = zlib.decompress(body[start : start + length])
            arrays[name] = np.frombuffer(raw, dtype).reshape(shape)
            start += length
        return arrays

    def shapes(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """(len(ids), ndim) int32 shapes per field; -1 where an item lacks it."""
        rows = np.fromiter((self._rows[image_id] for image_id in ids), np.int64, len(ids))
        return {name: table.matrix(rows) for name, table in self._shapes.items()}

    def close(self) -> None:
        self._stream.close()

    def remove(self) -> None:
        """Delete the journal, once the artifact made from it is in place."""
        self.path.unlink(missing_ok=True)
        self._stream.close()

    def _load(self, header: dict[str, Any], restart: bool) -> None:
        """Read what is whole, drop a torn tail, and begin anew where there is no header."""
        found = self._read_header()
        if found is not None and found != header and not restart:
            raise WsssError(
                f"{self.path}: holds the unfinished work of another run (other inputs or options)",
                "repeat that command to finish it, or add --force to discard it",
            )
        if found is None and not restart and not self._is_torn():
            raise WsssError(
                f"{self.path}: is not what a stage of this kind leaves unfinished",
                "a training may have; give another --out, or add --force to discard it",
            )
        if found != header:
            self._stream.truncate(0)
            self._write_all(MAGIC)
            self._write(json.dumps(header).encode() + b"\n")
            return
        end = self._stream.tell()
        while (payload := self._next_payload()) is not None:
            item = json.loads(payload.partition(b"\n")[0])
            self._note(item["id"], item["fields"], end)
            end = self._stream.tell()
        self._stream.truncate(end)

    def _read_header(self) -> dict[str, Any] | None:
        self._stream.seek(0)
        if self._stream.read(len(MAGIC)) != MAGIC:
            return None
        payload = self._next_payload()
        return json.loads(payload) if payload is not None else None

    def _is_torn(self) -> bool:
        """Whether this is a journal whose first record was never written whole."""
        self._stream.seek(0)
        start = self._stream.read(len(MAGIC) + FRAME.size)
        if len(start) < len(MAGIC) + FRAME.size:
            return MAGIC.startswith(start[: len(MAGIC)])
        length, _ = FRAME.unpack(start[len(MAGIC) :])
        end = self._stream.seek(0, os.SEEK_END)
        return start.startswith(MAGIC) and length < HEADER and end <= len(start) + length

    def _note(self, image_id: str, fields: list[list[Any]], position: int) -> None:
        row = self._rows.setdefault(image_id, len(self._rows))
        self._positions.append(position)
        for name, dtype, shape, _ in fields:
            self.dtypes.setdefault(name, dtype)
            self._shapes.setdefault(name, ShapeTable()).add(row, shape)

    def _write(self, payload: bytes) -> int:
        self._stream.seek(0, os.SEEK_END)
        position = self._stream.tell()
        self._write_all(FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
        return position

    def _write_all(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._stream.write(rest) :]

    def _next_payload(self) -> bytes | None:
        frame = self._stream.read(FRAME.size)
        if len(frame) < FRAME.size:
            return None
        length, checksum = FRAME.unpack(frame)
        payload = self._stream.read(length)
        return payload if len(payload) == length and zlib.crc32(payload) == checksum else None


class Backlog:
    """What is done and what is left of an output whose journal this is."""

    _expected: list[str]
    _journal: Journal

    @property
    def todo(self) -> list[str]:
        """This shard's ids that are not done yet, rising."""
        return [image_id for image_id in self._expected if image_id not in self._journal]

    @property
    def total(self) -> int:
        """All of this shard's ids."""
        return len(self._expected)

    def __len__(self) -> int:
        return len(self._journal)


def _locked(path: Path) -> IO[bytes]:
    """The journal's file, made where it is missing, with the lock that keeps others out.

    Unbuffered: what append() was given is the operating system's when it returns, and a full disk
    fails there, not once more in close().

    Raises:
        OSError: it cannot be opened, or is a link.
        WsssError: another process writes it.
    """
    while True:
        stream = open_private(path)
        try:
            _lock(path, stream)
            if _is_at(path, stream):
                return stream
        except BaseException:
            stream.close()
            raise
        stream.close()  # its writer finished, and deleted it, between our opening and our locking


def _lock(path: Path, stream: IO[bytes]) -> None:
    """Lock for as long as the stream is open.

    flock, not lockf: its lock belongs to this opening of the file, so it keeps a second writer in
    the same process out too, and no other opening that closes can undo it. What speaks for lockf,
    that forked children do not hold the lock on, matters to training, whose loading processes
    outlive a killed parent for a while; the stages that write journals start theirs by a server
    or afresh, and such children inherit no file (PEP 446).
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        if err.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise WsssError(
                f"{path}: another wsss process is writing it",
                "wait for it, or give this one another --out",
            ) from None
        # a file system without locks: go on unguarded


def _is_at(path: Path, stream: IO[bytes]) -> bool:
    """Whether `path` still names the stream's file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
