"""Plain files that stages write: each whole or not at all, and never outside its folder."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import UsageError, WsssError
from . import ledger

NAME_LIMIT = 255  # bytes a file system takes for one name, nearly everywhere
STALE = 3600  # seconds without change after which a temporary file is nobody's


def write_whole(path: Path, content: bytes, temporary: Path | None = None) -> None:
    """Write to a temporary name, then rename into place.

    Args:
        path: where it will stand; replaced if it exists.
        temporary: a name in the same file system; by default one beside `path`.

    Raises:
        WsssError: the disk is full or not writable.
    """
    ledger.check_written(path)
    temporary = temporary or path.with_name(f".{path.name[:64]}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as err:
        raise WsssError(f"{path}: cannot be written ({err.strerror or err})") from err
    finally:
        temporary.unlink(missing_ok=True)


class OutputFolder:
    """Writes one file an image id into a folder, an id's slashes making subfolders.

    Ids come from files of any origin. One that does not name a file inside the folder is refused
    before anything is written; links inside the folder are not followed.
    """

    def __init__(
        self,
        root: Path,
        suffix: str,
        ids: Sequence[str],
        force: bool = False,
        inputs: Iterable[Path] = (),
    ) -> None:
        """Check everything that can be checked before the first write.

        Args:
            root: made where it is missing (its parent must exist).
            suffix: of every file, such as `.png`.
            ids: all that may be written.
            force: replace existing files.
            inputs: files that are never replaced, beside those that the command's ledger knows.

        Raises:
            UsageError: `root` is a file, files exist and `force` is not given, or a file to be
                written is an input.
            WsssError: an id that names no file inside, two that need one place, a link on the way.
        """
        self.root, self.suffix, self.force = root, suffix, force
        self._written: set[tuple[int, int]] = set()
        book = ledger.current()
        book.promise_folder(root)
        names = [_relative(image_id, suffix) for image_id in ids]
        _refuse_clashes(names)
        existing = []
        for name in names:
            self._check_way(name)
            if os.path.lexists(root / name):
                existing.append(name)
        book.read_many(lambda: inputs)
        for name in existing:
            book.promise(root / name, "name another folder")
        if existing and not force:
            raise UsageError(
                f"{root}: {len(existing)} of {len(names)} files exist already, "
                f"first {str(existing[0])!r}",
                "add --force to replace them",
            )
        try:
            root.mkdir(exist_ok=True)
            for stale in root.glob(".wsss-*.tmp"):  # left by a killed run
                if time.time() - stale.lstat().st_mtime > STALE:
                    stale.unlink(missing_ok=True)
        except OSError as err:
            raise WsssError(f"{root}: cannot be made or cleaned ({err.strerror})") from None

    def write(self, image_id: str, content: bytes) -> Path:
        """Write the file of one id; returns its path.

        Raises:
            WsssError: the disk is full or not writable, a link has appeared on the way, or the
                file system takes two ids' names for one.
        """
        name = _relative(image_id, self.suffix)
        self._check_way(name)
        target = self.root / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise WsssError(f"{target.parent}: cannot be made ({err.strerror})") from None
        # Where the file system ignores case or joins accents, an earlier id's file stands here.
        if os.path.lexists(target) and (not self.force or _identity(target) in self._written):
            raise WsssError(f"{target}: another file of this name was written just now")
        write_whole(target, content, self.root / f".wsss-{os.getpid()}.tmp")
        self._written.add(_identity(target))
        return target

    def _check_way(self, name: PurePosixPath) -> None:
        """Refuse a folder on the way to `name` that is a link or not a folder."""
        for parent in list(name.parents)[-2::-1]:
            folder = self.root / parent
            if folder.is_symlink():
                raise WsssError(
                    f"{folder}: is a link, which is not followed",
                    "remove it, or name another folder with --out",
                )
            if folder.exists() and not folder.is_dir():
                raise WsssError(f"{folder}: is a file where a folder is needed")
        # Whatever a file system makes of a name, it must not lead out.
        if not (self.root / name).parent.resolve().is_relative_to(self.root.resolve()):
            raise WsssError(f"{str(name)!r}: leads out of {self.root}")


def _relative(image_id: str, suffix: str) -> PurePosixPath:
    """The file of an id, relative to the folder.

    Raises:
        WsssError: the id does not name a file inside the folder.
    """
    name = image_id + suffix
    parts = name.split("/")
    try:
        lengths = [len(os.fsencode(part)) for part in parts]
    except UnicodeEncodeError:
        raise WsssError(f"id {image_id!r}: this system cannot write such a file name") from None
    if any(part in ("", ".", "..") for part in [*parts[:-1], image_id.split("/")[-1]]):
        raise WsssError(
            f"id {image_id!r}: does not name a file inside the folder",
            "nothing was written; --ids takes a list without it",
        )
    if "\0" in name or max(lengths) > NAME_LIMIT:
        fault = "a name with a zero byte" if "\0" in name else "a name too long"
        raise WsssError(
            f"id {image_id[:40]!r}...: {fault} for a file",
            "nothing was written; --ids takes a list without it",
        )
    return PurePosixPath(name)


def _refuse_clashes(names: Sequence[PurePosixPath]) -> None:
    """Raise WsssError where two ids need one file, or one's file is another's folder."""
    files: set[PurePosixPath] = set()
    for name in names:
        if name in files:
            raise WsssError(f"two ids need one file, {str(name)!r}")
        files.add(name)
    for name in names:
        for parent in name.parents:
            if parent in files:
                raise WsssError(f"{str(parent)!r} would be a file and the folder of {str(name)!r}")


def _identity(path: Path) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


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
