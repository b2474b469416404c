"""Finding image files by the names that lists and tables use, and reading those lists."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..artifacts import ledger
from ..errors import WsssError
from .sample import Problem

EXTENSIONS = frozenset({
    ".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
    ".pbm", ".jp2", ".avif",
})  # fmt: skip
_NOT_CLASSES = frozenset({"background", "_background_", "__ignore__"})


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
            for path in _walk(self.root):
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


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file (with or without BOM), stripped, blank ones left out.

    Raises:
        WsssError: missing, unreadable or not UTF-8.
    """
    ledger.read(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as err:
        raise WsssError(f"{path}: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise WsssError(f"{path}: not UTF-8 text") from err
    return [line.strip() for line in text.split("\n") if line.strip()]


def read_json(path: Path) -> Any:
    """What a JSON file holds, in UTF-8 with or without BOM.

    Raises:
        WsssError: missing, unreadable, or no JSON: NaN is none, nor is a key that stands twice.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"it holds {constant}")

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        if twice:
            raise ValueError(f"the key {ascii(twice[0])[:80]} stands twice in one object")
        return dict(pairs)

    try:
        ledger.read(path)
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text, parse_constant=refuse, object_pairs_hook=distinct)
    except OSError as err:
        raise WsssError(f"{path}: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise WsssError(f"{path}: not UTF-8 text") from err
    except RecursionError:
        raise WsssError(f"{path}: not JSON (nested too deeply)") from None
    except ValueError as err:
        raise WsssError(f"{path}: not JSON ({err})") from None


def read_classes(path: Path) -> tuple[str, ...]:
    """Class names, one a line, the class with label 1 first.

    Raises:
        WsssError: no names, a name twice, or background listed, which would shift all labels.
    """
    names = read_lines(path)
    if not names:
        raise WsssError(f"{path}: holds no class names")
    for name in names:
        if name.lower() in _NOT_CLASSES:
            raise WsssError(f"{path}: '{name}' is no class", "list the classes without background")
    refuse_twice(str(path), "class names", names)
    return tuple(names)


def read_lists(
    files: Mapping[str, Path], folder: ImageFolder
) -> tuple[dict[str, Path], dict[str, tuple[str, ...]], list[Problem]]:
    """Read lists of images, one file a split.

    A line is an id or a path. Where the whole line is neither, its first field is taken, since
    some lists (PSA's, VOC's Main) put a mask or a flag behind it.

    Args:
        files: list file of each split.
        folder: where the images are.

    Returns:
        Image path by id; split names by id; a problem for each line without an image.

    Raises:
        WsssError: a list is missing, empty, or names an image twice.
    """
    paths: dict[str, Path] = {}
    splits: dict[str, tuple[str, ...]] = {}
    problems = []
    for split, file in files.items():
        ids = []
        for line in read_lines(file):
            try:
                path = _find_line(line, folder)
                image_id = folder.id_of(path)
            except LookupError as err:
                problems.append(Problem(line, f"{err.args[0]} (listed in {file.name})"))
                continue
            ids.append(image_id)
            paths[image_id] = path
            splits[image_id] = (*splits.get(image_id, ()), split)
        refuse_twice(str(file), "images", ids)
    return paths, splits, problems


def refuse_twice(source: str, what: str, names: Iterable[str]) -> None:
    """
    Raises:
        WsssError: a name occurs more than once; says how many do, and the first.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise WsssError(f"{source}: {len(twice)} {what} listed twice, first {twice[0]}")


def _find_line(line: str, folder: ImageFolder) -> Path:
    first_field = line.split()[0]
    first_error: LookupError | None = None
    for text in dict.fromkeys((line, first_field)):
        plain = text.lstrip("/").removeprefix(folder.root.name + "/")
        for name in dict.fromkeys((text, plain)):
            try:
                return folder.find(name)
            except LookupError as err:
                first_error = first_error or err
    raise first_error or LookupError("no such image")


def _walk(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
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
            yield from _walk(Path(entry.path), above | {real})
        elif os.path.splitext(entry.name)[1].lower() in EXTENSIONS and entry.is_file():
            yield Path(entry.path)
