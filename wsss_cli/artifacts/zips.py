"""Zip files as folders: ordinary paths lead into them, such as `export.zip/images/a.png`.

A zip is a regular file whose name ends in .zip. It is listed once and checked as a whole then; its
members are read one by one, from the file, and nothing is unpacked over the disk. A zip within a
zip is not followed. Readers do not call this module: `inputs` does.

A file is opened anew for each member, and what is kept is never changed: threads and forked
processes share nothing but the list.

Source: PKWARE's APPNOTE.TXT 6.3.10; overlapping members: Fifield, A better zip bomb (WOOT 2019).
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import WsssError

if TYPE_CHECKING:
    from zipfile import ZipInfo

# Bytes of one member: it is held in memory, and 32 bits number no more.
MEMBER = 1 << 32
# What is unfolded is a bomb if it is larger than BULK bytes and RATIO times what it is stored in.
# Deflate reaches 1032. Texts of numbers and label maps that are not compressed, the most foldable
# things that data sets hold, stay below 100; below BULK no harm is done.
BULK, RATIO = 1 << 30, 200
DEPTH = 100  # folders above one another; all of them are held, each by its whole name
STORED, DEFLATED = 0, 8
ENCRYPTED = 0x2041  # bits of the flags: encrypted, strongly, with its names
UTF8 = 0x800  # bit of the flags: so the name is encoded
UNIX = 3  # the system whose members have a file mode

_ENDING = re.compile(rf"\.zip(?=[/{re.escape(os.sep)}]|\Z)", re.IGNORECASE)
_HEADER = struct.Struct("<4s22xHH")  # a member's own: signature, length of the name and extras
_UNPACK = "unpack it, and name the folder"
_AGAIN = "was it cut short by a full disk, or a download that failed?"
_BOMB = "a zip bomb is made so; if you trust it, unpack it, and name the folder"


class Member(NamedTuple):
    """Where a member's bytes are, and what they should become."""

    place: int
    packed: int
    size: int
    checksum: int
    method: int
    title: bytes  # its name as its own header has it


@dataclass(frozen=True)
class Place:
    """A path that leads into a zip, be there anything at its end or not."""

    zip: Zip
    name: str  # within it; "" is the zip itself

    @property
    def is_file(self) -> bool:
        """Whether it is a member that holds bytes."""
        return self.name in self.zip.members

    @property
    def is_dir(self) -> bool:
        """Whether it is a folder, as the zip itself is."""
        return self.name in self.zip.folders

    @property
    def within_another(self) -> bool:
        """Whether it leads into, or is, a zip within the zip."""
        ends = (self.name[: found.end()] for found in _ENDING.finditer(self.name))
        return any(end in self.zip.members for end in ends)

    def children(self) -> Sequence[str]:
        """Names of what lies in the folder, sorted."""
        return self.zip.folders[self.name]

    def walk(self) -> Iterator[tuple[str, str]]:
        """Path below this folder and last part of the name of each file; hidden ones left out."""
        for child in self.children():
            if child.startswith("."):
                continue
            inside = Place(self.zip, f"{self.name}/{child}" if self.name else child)
            if inside.is_dir:
                yield from ((f"{child}/{below}", last) for below, last in inside.walk())
            else:
                yield child, child

    def contents(self) -> bytes:
        """All bytes of a member.

        Raises:
            OSError: it is none, or they are not what the zip declares.
        """
        member = self.zip.members.get(self.name)
        shown = f"{self.zip.path}/{self.name}"
        if member is None:
            if self.within_another:
                raise OSError(errno.EINVAL, "lies in a zip within a zip: unpack the outer", shown)
            number = errno.EISDIR if self.is_dir else errno.ENOENT
            raise OSError(number, os.strerror(number), shown)
        content, fault = _read(self.zip.path, member)
        if fault:
            zip_name = os.path.basename(self.zip.path)
            raise OSError(errno.EIO, f"is damaged in {zip_name}: {fault}", shown)
        return content


@dataclass(frozen=True)
class Zip:
    """What a zip holds.

    Attributes:
        members: by name; '/' parts folders.
        folders: to the sorted names of what lies in each; "" is the zip itself.
    """

    path: str
    members: dict[str, Member]
    folders: dict[str, list[str]]


def outer(path: str | Path) -> tuple[str, str] | None:
    """The zip file that a path leads into, or is, and the name within it; None without one."""
    text = os.fspath(path)
    for found in _ENDING.finditer(text):
        if os.path.isfile(text[: found.end()]):
            inside = text[found.end() :].replace(os.sep, "/").split("/")
            return text[: found.end()], "/".join(part for part in inside if part not in ("", "."))
    return None


def find(path: str | Path) -> Place | None:
    """Where a path leads to in a zip; None where there is no zip on it.

    Raises:
        WsssError: the zip is broken, or holds what is refused; see `opened`.
        OSError: it cannot be opened.
    """
    found = outer(path)
    if found is None:
        return None
    now = os.stat(found[0])
    stamp = now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns
    return Place(opened(found[0], stamp), found[1])


@lru_cache(maxsize=8)
def opened(path: str, stamp: tuple[int, ...]) -> Zip:
    """A zip, listed and checked; kept for as long as its file is the same.

    Args:
        path: of a regular file.
        stamp: what changes with the file.

    Raises:
        WsssError: it is no zip, broken, or its names or sizes are refused: names that lead out
            of it or stand twice, links, encryption, an unknown compression, members that overlap,
            a member of more than `MEMBER` bytes, and more than `BULK` bytes, in one or in all,
            that are folded more than `RATIO` times.
        OSError: it cannot be read.
    """
    import zipfile  # loads much

    if not zipfile.is_zipfile(path):
        raise WsssError(f"{path}: is no zip file, or its end is missing", _AGAIN)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    # ValueError: names that are no UTF-8; NotImplementedError: of a newer version
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error) as err:
        raise WsssError(f"{path}: is a broken zip file ({err})", _AGAIN) from None
    _check_sizes(path, infos)
    members: dict[str, Member] = {}
    folders: dict[str, set[str]] = {"": set()}
    for info in infos:
        name, is_folder = _name(path, info)
        _enter(folders, name if is_folder else os.path.dirname(name))
        if is_folder:
            continue
        if name in members:
            raise WsssError(f"{path}: holds {name!r} twice", "zip it again, each file once")
        members[name] = _member(info)
        folders[os.path.dirname(name)].add(os.path.basename(name))
    both = sorted(members.keys() & folders.keys())
    if both:
        raise WsssError(f"{path}: holds {both[0]!r} twice, as a file and as a folder", _AGAIN)
    return Zip(path, members, {name: sorted(inside) for name, inside in folders.items()})


def _member(info: ZipInfo) -> Member:
    title = info.orig_filename.encode("utf-8" if info.flag_bits & UTF8 else "cp437")
    sizes = info.compress_size, info.file_size
    return Member(info.header_offset, *sizes, info.CRC, info.compress_type, title)


def _enter(folders: dict[str, set[str]], name: str) -> None:
    """Note a folder and those above it."""
    if name not in folders:
        folders[name] = set()
        above, _, last = name.rpartition("/")
        _enter(folders, above)
        folders[above].add(last)


def _name(path: str, info: ZipInfo) -> tuple[str, bool]:
    """A member's name, checked, as it is looked up, and whether it is a folder.

    Raises:
        WsssError: it leads out, or the member is of a kind that is not read.
    """
    name = info.filename.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == UNIX else 0
    fault = None
    if ".." in parts or name.startswith("/") or re.match("[A-Za-z]:", name):
        fault = "leads out of it"
    elif not (parts or name.endswith("/")):
        fault = "has no name"
    elif "\0" in info.orig_filename:
        fault = "has a zero byte in its name"
    elif len(parts) > DEPTH:
        fault = f"lies more than {DEPTH} folders deep"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        fault = "is a link" if kind == stat.S_IFLNK else "is a device or a pipe"
    elif info.flag_bits & ENCRYPTED:
        fault = "is encrypted"
    elif info.compress_type not in (STORED, DEFLATED):
        fault = f"is compressed by a method that is not read (number {info.compress_type})"
    elif info.compress_type == STORED and info.compress_size != info.file_size:
        fault = "is not compressed, and has two sizes"
    if fault is not None:
        raise WsssError(f"{path}: the member {info.filename!r} {fault}", _UNPACK)
    return "/".join(parts), name.endswith("/")


def _check_sizes(path: str, infos: Sequence[ZipInfo]) -> None:
    """
    Raises:
        WsssError: the members are a bomb, overlap or end behind the file's end.
    """
    end, before, size = 0, "", os.path.getsize(path)
    for info in sorted(infos, key=lambda one: one.header_offset):
        named = f"{path}: the member {info.filename!r}"
        if info.file_size > MEMBER:
            raise WsssError(f"{named} has {info.file_size} bytes, and {MEMBER} are read", _UNPACK)
        if info.file_size > BULK and info.file_size > RATIO * info.compress_size:
            raise WsssError(f"{named} unfolds {_times(info.file_size, info.compress_size)}", _BOMB)
        if info.header_offset < end:
            raise WsssError(f"{named} overlaps the member {before!r}", _BOMB)
        # no less than its header: the name has a byte or more a letter, extras have some
        end = info.header_offset + _HEADER.size + len(info.orig_filename) + info.compress_size
        before = info.filename
        if end > size:
            raise WsssError(f"{named} ends behind the file's end", _AGAIN)
    whole, packed = sum(one.file_size for one in infos), sum(one.compress_size for one in infos)
    if whole > BULK and whole > RATIO * packed:
        raise WsssError(f"{path}: unfolds {_times(whole, packed)}", _BOMB)


def _times(whole: int, packed: int) -> str:
    return f"from {packed} bytes to {whole}, more than {RATIO} times as many"


def _read(path: str, member: Member) -> tuple[bytes, str | None]:
    """A member's bytes and None, or what is wrong with them; never more than declared and one."""
    with open(path, "rb") as stream:
        stream.seek(member.place)
        head = stream.read(_HEADER.size)
        if len(head) < _HEADER.size or not head.startswith(b"PK\3\4"):
            return b"", "it is not where the list says"
        _, length, extra = _HEADER.unpack(head)
        if stream.read(length) != member.title:
            return b"", "its own header has another name"
        stream.seek(extra, os.SEEK_CUR)
        content = stream.read(member.packed)
    if len(content) < member.packed:
        return b"", "it is cut short"
    if member.method == DEFLATED:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(content, member.size + 1)
        except zlib.error as err:
            return b"", f"it does not unfold ({err})"
        if len(content) > member.size:
            return b"", f"it holds more than the {member.size} bytes that it declares"
        if not inflater.eof or len(content) < member.size:
            return b"", f"it ends before the {member.size} bytes that it declares"
    return content, "its checksum is another" if zlib.crc32(content) != member.checksum else None
