"""The one way to look at and open what a command is given to read: regular files, and folders.

Opening a pipe that nobody writes to waits for ever, and a device may never end. The functions here
raise OSError, whose `strerror` says what is wrong; who calls them names the file and says what to
do. Files are noted as inputs beside, in `ledger`.

A path may lead into a zip file (`export.zip/images/a.png`), which is a folder here; see `zips`,
whose WsssError about a zip that is refused comes through. The file system is asked first.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import WsssError
from . import zips

NOT_REGULAR = "not a regular file"
# what systems put into folders and zips, beside hidden files
CLUTTER = ("__MACOSX", "Thumbs.db", "desktop.ini")
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


def contents(path: str | Path, piped: bool = False, most: int | None = None) -> bytes:
    """All bytes of an input, which may be a member of a zip.

    Args:
        path, piped: as for `check_regular`.
        most: read no more than so many from its beginning; a member of a zip, whose checksum is of
            all of it, is read whole.

    Raises:
        OSError: also a member that is not what its zip declares. And as `check_regular`.
    """
    try:
        check_regular(path, piped)
    except (FileNotFoundError, NotADirectoryError):
        inside = zips.find(path)
        if inside is None:
            raise
        return inside.contents()[:most]
    with open(path, "rb") as stream:
        return stream.read(-1 if most is None else most)


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


def is_file(path: str | Path) -> bool:
    """Whether a path is a regular file or a member of a zip; links are followed."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        inside = zips.find(path)
        return inside is not None and inside.is_file
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        return False


def is_dir(path: str | Path) -> bool:
    """Whether a path is a folder, a zip, which `is_file`, too, or a folder in one."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode) or not stat.S_ISREG(mode):
            return stat.S_ISDIR(mode)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError):
        return False
    inside = zips.find(path)
    return inside is not None and inside.is_dir


def need_folder(path: Path, hint: str | None = None) -> None:
    """
    Raises:
        WsssError: the path is no folder, nor a zip, nor a folder in one.
    """
    if is_dir(path):
        return
    inside = zips.find(path)
    if inside is not None and inside.within_another:
        raise WsssError(f"{path}: is a zip within a zip", f"unpack {inside.zip.path}")
    raise WsssError(f"{path}: no such folder", hint)


def children(folder: Path, pattern: str = "*") -> list[Path]:
    """What lies in a folder and is called so, sorted; nothing where there is no folder."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        inside = zips.find(folder)
        names = list(inside.children()) if inside is not None and inside.is_dir else []
    return sorted(folder / name for name in names if fnmatchcase(name, pattern))


def top(
    path: Path, holding: Collection[str] = (), stays: Callable[[Path], bool] | None = None
) -> Path:
    """The folder that a folder or zip stands for.

    It is the one in it, where it holds nothing else, and so on; hidden files and `CLUTTER` do not
    count. It ends at a folder that holds a child of a name in `holding`, or one that `stays` in it.
    """
    seen: set[str] = set()
    while os.path.realpath(path) not in seen:  # links may go in circles
        seen.add(os.path.realpath(path))
        inside = [one for one in children(path) if not one.name.startswith(".")]
        inside = [one for one in inside if one.name not in CLUTTER]
        if len(inside) != 1 or inside[0].name in holding:
            break
        if is_file(inside[0]) or not is_dir(inside[0]):  # a zip in the folder is both
            break
        if stays is not None and stays(inside[0]):
            break
        path = inside[0]
    return path


def walk(
    folder: Path, wanted: Callable[[str], bool], above: frozenset[str] = frozenset()
) -> Iterator[Path]:
    """Files below a folder whose names are wanted, sorted, links followed but not in circles.

    Hidden names are left out. So are zips, unless the folder itself is in one.

    Raises:
        OSError: no such folder.
    """
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        inside = zips.find(folder)
        if inside is None or not inside.is_dir:
            raise
        yield from (folder / below for below, name in inside.walk() if wanted(name))
        return
    for entry in listed:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from walk(Path(entry.path), wanted, above | {real})
        elif wanted(entry.name) and entry.is_file():
            yield Path(entry.path)
