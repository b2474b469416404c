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

import json
import os
import struct
import zlib
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..errors import WsssError
from .holding import open_alone
from .placing import remove
from .shapes import ShapeTable

if TYPE_CHECKING:
    from typing_extensions import Self

MAGIC = b"wsss journal 1\n"
FRAME = struct.Struct("<II")
HEADER = 1 << 16  # bytes, more than any header has
ZLIB_LEVEL = 1  # a tenth of level 6's time; label maps already shrink 50-fold


class OtherRun(WsssError):
    """Unfinished work that is not of this run."""


class Journal:
    """Items finished so far, by id. Opened for one writer at a time."""

    def __init__(self, path: Path, header: Mapping[str, Any], restart: bool) -> None:
        """Open or begin the journal at `path`.

        Args:
            path: the journal's file.
            header: what identifies the run; a journal of another run is not continued.
            restart: begin anew where the journal on disk is of another run.

        Raises:
            OtherRun: it belongs to another run, or is no journal.
            WsssError: another process writes it.
            OSError: it cannot be written.
        """
        self.path = path
        self._rows: dict[str, int] = {}  # by id, in order of finishing
        self._positions = array("q")  # of the records, by row
        self._shapes: dict[str, ShapeTable] = {}
        self.dtypes: dict[str, str] = {}
        self._stream = self._open()
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
        """Add one finished item, or another state of it; it survives a kill once this returns.

        Raises:
            OSError: the disk is full.
        """
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

    def give_up(self) -> None:
        """Close it, and keep it unless there is nothing to go on from."""
        if not self._rows:
            with suppress(WsssError):  # the reason to give up may be this one's, too
                remove(self.path)
        self.close()

    def remove(self) -> None:
        """Delete the journal, once the artifact made from it is in place.

        Raises:
            WsssError: it cannot be deleted.
        """
        remove(self.path)
        self._stream.close()

    def _open(self) -> IO[bytes]:
        # Unbuffered: what append() was given is the operating system's when it returns, and a
        # full disk fails there, not once more in close().
        busy = WsssError(
            f"{self.path}: another wsss process is writing it",
            "wait for it, or give this one another --out",
        )
        return open_alone(self.path, busy)

    def _load(self, header: dict[str, Any], restart: bool) -> None:
        """Read what is whole, drop a torn tail, and begin anew where there is no header."""
        found = self._read_header()
        if found is not None and found != header and not restart:
            raise OtherRun(
                f"{self.path}: holds the unfinished work of another run (other inputs or options)",
                "repeat that command to finish it, or add --force to discard it",
            )
        if found is None and not restart and not self._is_torn():
            raise OtherRun(
                f"{self.path}: is not what a stage of this kind leaves unfinished",
                "a training may have; give another --out, or add --force to discard it",
            )
        if found != header:
            if self._stream.seek(0, os.SEEK_END):
                # Not emptied in place: the file may have another name (a hard link), somebody's.
                self.remove()
                self._stream = self._open()
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
        if row == len(self._positions):
            self._positions.append(position)
        else:  # noted again
            self._positions[row] = position
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
        if length > os.fstat(self._stream.fileno()).st_size - self._stream.tell():
            return None  # torn; what it declares would be allocated
        payload = self._stream.read(length)
        return payload if len(payload) == length and zlib.crc32(payload) == checksum else None


class Backlog:
    """What is done and what is left of an output that a journal belongs to.

    A context manager: leaving the `with` block finishes it, an error leaves what is done to the
    next attempt.
    """

    _expected: list[str]
    _done: Journal | set[str]
    _journal: Journal

    def finish(self) -> None:
        """Put in place what is left to put, and delete the journal."""
        raise AssertionError("each kind of output says how")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self.finish()
        else:
            self._journal.give_up()

    @property
    def todo(self) -> list[str]:
        """This shard's ids that are not done yet, rising."""
        return [image_id for image_id in self._expected if image_id not in self._done]

    @property
    def total(self) -> int:
        """All of this shard's ids."""
        return len(self._expected)

    def __len__(self) -> int:
        return len(self._done)
