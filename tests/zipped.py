"""Zip files for tests: of a folder, and byte by byte, with any lie in their headers."""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path


def zip_folder(folder: Path, file: Path, prefix: str = "", method: int = 8) -> Path:
    """All that is in a folder, its names below `prefix`."""
    with zipfile.ZipFile(file, "w", method) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, prefix + path.relative_to(folder).as_posix())
    return file


@dataclass
class Raw:
    """A member as its headers declare it; None for what is true."""

    name: str | bytes
    content: bytes = b"abc"
    method: int = 8
    flags: int = 0x800
    mode: int = 0o100644
    size: int | None = None
    checksum: int | None = None
    packed: int | None = None
    offset: int | None = None
    own_name: bytes | None = None  # that of its own header


def zip_raw(file: Path, *members: Raw) -> Path:
    """A zip of these members. Sizes that need it are written with 64 bits."""
    body, listed = b"", b""
    for one in members:
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        data = deflate.compress(one.content) + deflate.flush() if one.method == 8 else one.content
        size = len(one.content) if one.size is None else one.size
        packed = len(data) if one.packed is None else one.packed
        checksum = zlib.crc32(one.content) if one.checksum is None else one.checksum
        name = one.name if isinstance(one.name, bytes) else one.name.encode()
        own = name if one.own_name is None else one.own_name
        offset = len(body) if one.offset is None else one.offset
        wide = struct.pack("<HHQQ", 1, 16, size, packed) if max(size, packed) >= 1 << 32 else b""
        sizes = (0xFFFFFFFF, 0xFFFFFFFF) if wide else (packed, size)
        head = struct.pack("<HHHHHL", 45, one.flags, one.method, 0, 33, checksum)
        body += b"PK\3\4" + head + struct.pack("<LLHH", *sizes, len(own), 0) + own + data
        listed += b"PK\1\2" + struct.pack("<H", 3 << 8 | 45) + head
        listed += struct.pack(
            "<LLHHHHHLL", *sizes, len(name), len(wide), 0, 0, 0, one.mode << 16, offset
        )
        listed += name + wide
    count = len(members)
    end = struct.pack("<HHHHLLH", 0, 0, count, count, len(listed), len(body), 0)
    file.write_bytes(body + listed + b"PK\5\6" + end)
    return file
