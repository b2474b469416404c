"""Folders of plain files, one an image: each whole, none outside, gone on with after a kill."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import UsageError, WsssError
from . import ledger
from .journal import Backlog, Journal
from .ledger import PARTIAL
from .placing import make_folder, sweep_folder, sync_folder, write_whole, writing
from .shards import Shard

NAME_LIMIT = 255  # bytes a file system takes for one name, nearly everywhere
JOURNAL = ".wsss"  # the beginning of the journal's name, in the folder


class OutputFolder(Backlog):
    """Writes one file an image id into a folder, an id's slashes making subfolders.

    Ids come from files of any origin. One that does not name a file inside the folder is refused
    before anything is written; links inside the folder are not followed.

    A journal in the folder notes each file's length and checksum before it takes its place. The
    same run, started again, leaves out the files that are as noted. Any other file is somebody's.

    A context manager: leaving the `with` block deletes the journal, once all files are there.
    """

    _done: set[str]

    def __init__(
        self,
        root: Path,
        suffix: str,
        ids: Sequence[str],
        run: str,
        *,
        shard: Shard | None = None,
        force: bool = False,
        inputs: Iterable[Path] = (),
    ) -> None:
        """Check everything that can be checked before the first write.

        Args:
            root: made where it is missing (its parent must exist).
            suffix: of every file, such as `.png`.
            ids: all of the run, before sharding.
            run: digest of the run.
            shard: the part of `ids` to do.
            force: replace existing files, and forget unfinished work of another run.
            inputs: files that are never replaced, beside those that the command's ledger knows.

        Raises:
            UsageError: `root` is a file, files exist that this run has not written and `force` is
                not given, or a file to be written is an input.
            WsssError: an id that names no file inside, two that need one place, a link on the way;
                another run's unfinished work is there, or another process at work.
        """
        shard = shard or Shard()
        self.path, self.force = root, force
        self._expected = shard.take(ids)
        self._written: set[tuple[int, int]] = set()
        book = ledger.current()
        book.promise_folder(root)
        self._names = names = {one: _relative(one, suffix) for one in self._expected}
        _refuse_clashes([names[image_id] for image_id in self._expected])
        for name in names.values():
            self._check_way(name)
        book.read_many(lambda: inputs)
        there = [image_id for image_id, name in names.items() if os.path.lexists(root / name)]
        for image_id in there:
            book.promise(root / names[image_id], "name another folder")
        part = "" if shard.count == 1 else f".{shard.index}-of-{shard.count}"
        place = root / f"{JOURNAL}{suffix}{part}{PARTIAL}"
        header = {"schema": f"files{suffix}", "run": run, "shard": str(shard)}
        journal = self._open(place, header) if os.path.lexists(place) else None
        self._done = self._noted(journal, names)
        existing = [names[image_id] for image_id in there if image_id not in self._done]
        if existing and not force:
            if journal is not None:
                journal.give_up()
            raise UsageError(
                f"{root}: {len(existing)} of {len(names)} files exist already, "
                f"first {str(existing[0])!r}",
                "add --force to replace them",
            )
        make_folder(root)
        sweep_folder(root)
        self._journal = self._open(place, header) if journal is None else journal

    def write(self, image_id: str, content: bytes) -> Path:
        """Write the file of one id; returns its path.

        Raises:
            WsssError: the disk is full or not writable, a link has appeared on the way, or the
                file system takes two ids' names for one.
        """
        name = self._names[image_id]
        self._check_way(name)
        target = self.path / name
        for parent in list(name.parents)[-2::-1]:
            make_folder(self.path / parent)
        # Where the file system ignores case or joins accents, an earlier id's file stands here.
        if os.path.lexists(target) and (not self.force or _identity(target) in self._written):
            raise WsssError(f"{target}: another file of this name was written just now")
        with writing(target):
            self._journal.append(image_id, {"file": _fingerprint(content)})
        write_whole(target, content, self.path)
        self._written.add(_identity(target))
        self._done.add(image_id)
        return target

    def finish(self) -> None:
        """Delete the journal, once all files are there.

        Raises:
            WsssError: some are gone.
        """
        self._check_all()
        for folder in {(self.path / name).parent for name in self._names.values()}:
            sync_folder(folder)
        self._journal.remove()

    def _open(self, place: Path, header: dict[str, str]) -> Journal:
        with writing(place):
            return Journal(place, header, restart=self.force)

    def _noted(self, journal: Journal | None, names: Mapping[str, PurePosixPath]) -> set[str]:
        """The ids whose files are as an earlier attempt of this run has noted."""
        done = set()
        for image_id, name in names.items():
            if journal is None or image_id not in journal:
                continue
            if _is_as_noted(self.path / name, journal.read(image_id)["file"]):
                done.add(image_id)
        return done

    def _check_all(self) -> None:
        """Raise WsssError where files are not there any more."""
        lost = [name for name in self._names.values() if not os.path.lexists(self.path / name)]
        if lost:
            self._journal.close()
            raise WsssError(
                f"{self.path}: {len(lost)} of {len(self._expected)} files are gone, "
                f"first {str(lost[0])!r}",
                "somebody removed them meanwhile; run the same command again",
            )

    def _check_way(self, name: PurePosixPath) -> None:
        """Refuse a folder on the way to `name` that is a link or not a folder."""
        for parent in list(name.parents)[-2::-1]:
            folder = self.path / parent
            if folder.is_symlink():
                raise WsssError(
                    f"{folder}: is a link, which is not followed",
                    "remove it, or name another folder with --out",
                )
            if folder.exists() and not folder.is_dir():
                raise WsssError(f"{folder}: is a file where a folder is needed")
        # Whatever a file system makes of a name, it must not lead out.
        if not (self.path / name).parent.resolve().is_relative_to(self.path.resolve()):
            raise WsssError(f"{str(name)!r}: leads out of {self.path}")


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


def _is_as_noted(path: Path, noted: np.ndarray) -> bool:
    """Whether a file is there, and has the fingerprint."""
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size != noted[0]:
            return False
        return np.array_equal(_fingerprint(path.read_bytes()), noted)
    except OSError:
        return False


def _fingerprint(content: bytes) -> np.ndarray:
    """(2,) int64: length and CRC-32, which tell a file of ours from a stranger's."""
    return np.array([len(content), zlib.crc32(content)], np.int64)


def _identity(path: Path) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino
