"""Finding image files by the names that lists and tables use."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from ..artifacts import ledger
from ..errors import WsssError
from .sample import Problem

EXTENSIONS = frozenset({
    ".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
    ".pbm", ".jp2", ".avif",
})  # fmt: skip


class ImageFolder:
    """The images under a folder, found by relative path with or without extension."""

    def __init__(self, root: Path, hint: str | None = None) -> None:
        """
        Raises:
            WsssError: `root` is no folder.
        """
        if not root.is_dir():
            raise WsssError(f"{root}: no such folder", hint)
        self.root = root
        self._index: dict[str, list[Path]] | None = None
        self._names: dict[str, list[Path]] = {}  # by the index's keys without their folders

    def find(self, name: str) -> Path:
        """The file that a list or table calls `name`, which makes it an input.

        Args:
            name: path under the folder, or an absolute one that leads into it; the extension
                may be missing; '\\' may stand for '/'.

        Raises:
            LookupError: no such image, several of them, or outside the folder; says which.
        """
        path = self._found(unicodedata.normalize("NFC", name))
        ledger.read(path)
        return path

    def _found(self, name: str) -> Path:
        if os.path.isabs(name):
            name = self._inside(name)
        tried = [name, name.replace("\\", "/")] if "\\" in name else [name]
        for text in tried:
            if ".." in text.split("/"):
                raise LookupError(f"'{name}' leads out of the image folder")
            path = self.root / text
            if path.suffix.lower() in EXTENSIONS and os.path.isfile(path):
                return path
            found = self._files().get(os.path.normpath(text), [])
            if len(found) > 1:
                names = " and ".join(sorted(file.name for file in found)[:2])
                raise LookupError(f"{names} differ only in extension")
            if found:
                return found[0]
        raise LookupError("no such image")

    def search(self, name: str) -> Path:
        """As `find`; failing that, the only image below the folder that has the name's last part.

        For tools that record web addresses, percent signs, or paths on another machine.

        Raises:
            LookupError: no such image, or several of them.
        """
        plain = unquote(name)
        first: LookupError | None = None
        for text in dict.fromkeys((name, plain)):
            try:
                return self.find(text)
            except LookupError as err:
                first = first or err
        if not self._names:
            for key, paths in self._files().items():
                self._names.setdefault(key.rpartition("/")[2], []).extend(paths)
        last = unicodedata.normalize("NFC", plain).replace("\\", "/").rpartition("/")[2]
        found = self._names.get(last, [])
        if len(found) > 1:
            raise LookupError(f"{len(found)} images are called {last}")
        if not found:
            raise first or LookupError("no such image")
        return found[0]

    def id_of(self, path: Path) -> str:
        """The id of a file under the folder: its relative path without extension, NFC.

        Raises:
            LookupError: the name cannot be an id (see `bad_id`).
        """
        relative = os.path.relpath(path, self.root).replace(os.sep, "/")
        stem, extension = os.path.splitext(relative)
        image_id = stem if extension.lower() in EXTENSIONS else relative
        image_id = unicodedata.normalize("NFC", image_id)
        reason = bad_id(image_id)
        if reason:
            raise LookupError(reason)
        return image_id

    def all_by_id(self) -> tuple[dict[str, Path], list[Problem]]:
        """Every image under the folder by id, and a problem for each that can have none."""
        paths: dict[str, Path] = {}
        problems = []
        for path in sorted({path for found in self._files().values() for path in found}):
            relative = os.path.relpath(path, self.root)
            try:
                image_id = self.id_of(path)
                if image_id in paths:
                    raise LookupError(f"differs from {paths[image_id].name} only in extension")
            except LookupError as err:
                problems.append(Problem(relative, err.args[0]))
            else:
                paths[image_id] = path
        return paths, problems

    def stem(self, path: Path) -> str:
        """The relative path without extension as the file system has it."""
        return os.path.splitext(os.path.relpath(path, self.root))[0]

    def _inside(self, name: str) -> str:
        try:
            return Path(name).resolve().relative_to(self.root.resolve()).as_posix()
        except (ValueError, OSError, RuntimeError):
            raise LookupError(f"'{name}' is not in the image folder") from None

    def _files(self) -> dict[str, list[Path]]:
        if self._index is None:
            self._index = {}
            for path in walk(self.root):
                relative = unicodedata.normalize("NFC", os.path.relpath(path, self.root))
                relative = relative.replace(os.sep, "/")
                for key in (relative, os.path.splitext(relative)[0]):
                    self._index.setdefault(key, []).append(path)
        return self._index


def bad_id(image_id: str) -> str | None:
    """Why a text cannot be an id, or None.

    Ids name files when they are exported and stand one a line in lists, so no part may be
    empty, '.' or '..', and no character a control character or half of one.
    """
    shown = ascii(image_id)
    if not image_id or any(part in ("", ".", "..") for part in image_id.split("/")):
        return f"{shown} cannot be an id: an empty part, '.' or '..'"
    try:
        image_id.encode()
    except UnicodeEncodeError:
        return f"{shown} cannot be an id: not UTF-8"
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in image_id):
        return f"{shown} cannot be an id: a control character"
    return None


def walk(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Image files below a folder, links followed but not in circles, hidden names left out."""
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from walk(Path(entry.path), above | {real})
        elif os.path.splitext(entry.name)[1].lower() in EXTENSIONS and entry.is_file():
            yield Path(entry.path)
