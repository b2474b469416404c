"""Finding image files by the names that lists and tables use."""

from __future__ import annotations

import itertools
import os
import unicodedata
from pathlib import Path
from urllib.parse import unquote

from ..artifacts import ledger
from ..artifacts.inputs import is_dir, is_file, need_folder, walk
from .kinds import kind_of_name
from .names import EXTENSIONS, is_image, loose, origin, stem_of
from .sample import Problem

NO_IMAGE = "no such image"  # what is said of a name that nothing more is known of


class SeveralImages(LookupError):
    """A name that more than one image has."""


class ImageFolder:
    """The images under a folder, found by relative path with or without extension."""

    def __init__(self, root: Path, hint: str | None = None) -> None:
        """
        Raises:
            WsssError: `root` is no folder.
        """
        need_folder(root, hint)
        self.root = root
        self._index: dict[str, list[Path]] | None = None
        # By the last part of the name, as `stem_of` has it: images, and the folders they are in.
        self._names: dict[str, list[tuple[Path, list[str]]]] = {}
        self._others: list[Path] = []  # files that hold images in formats that are not read
        self._unread: dict[str, list[Path]] = {}  # the same by the last part of their name
        self._folders: set[str] = set()
        self._renamed: dict[str, Path] = {}  # what `search` found beyond `find`
        self._left_out: dict[Path, tuple[str, ...]] = {}
        self._whole = False

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
            if path.suffix.lower() in EXTENSIONS and is_file(path):
                return path
            found = self._files().get(os.path.normpath(text), [])
            if len(found) > 1:
                names = " and ".join(sorted(file.name for file in found)[:2])
                raise SeveralImages(
                    f"{names} differ only in extension", "write the extension behind such a name"
                )
            if found:
                return found[0]
        raise LookupError(NO_IMAGE)

    def search(self, name: str) -> Path:
        """As `find`; failing that, the only image that `name` can mean; `remarks` says so.

        The extension may be another one, or in another case. The name may leave out the folders
        that the image lies in, or have more of them in front. Of a web address or a path of
        another machine only the end counts. What a name leaves out in front must not be a folder
        in here, where the image would be missing, and two names that differ there are not one
        image.

        Raises:
            LookupError: no such image, or several of them; or what the file is instead. A second
                argument is what may help.
        """
        first: LookupError | None = None
        plain, source = origin(name)
        for text in dict.fromkeys((name, unquote(name), plain)):
            try:
                return self.find(text)
            except SeveralImages:
                raise
            except LookupError as err:
                first = first or err
        assert first is not None
        for text in dict.fromkeys((plain, unquote(plain))):
            parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".")]
            there = os.path.isabs(name) and (is_file(name) or is_dir(name))
            if there or not parts or ".." in parts:
                raise first
            path = self._by_end(parts, foreign=source is not None or plain.startswith("/"))
            if path is not None:
                self._renamed[name] = path
                ledger.read(path)
                return path
        raise self._missing(parts[-1], source, first)

    def _by_end(self, parts: list[str], foreign: bool) -> Path | None:
        """The one image that ends most like these parts of a path, if any does."""
        *above, last = [loose(part) for part in parts]
        best: dict[Path, tuple[int, bool]] = {}  # to how many folders agree, and whether all do
        depth: dict[Path, int] = {}
        for path, inside in self._named().get(stem_of(last), []):
            pairs = zip(reversed(above), reversed(inside), strict=False)
            alike = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
            best[path] = alike, above == inside[1:]
            depth[path] = len(inside) - 1
        found = [path for path, alike in best.items() if alike == max(best.values())]
        for same in (lambda path: path.name == parts[-1], lambda path: loose(path.name) == last):
            found = [path for path in found if same(path)] or found
        if len(found) > 1:
            names = " and ".join(os.path.relpath(path, self.root) for path in sorted(found)[:2])
            raise SeveralImages(
                f"{len(found)} images are called {parts[-1]}, among them {names}",
                "write the folder in front of a name that several images have",
            )
        if not found:
            return None
        alike = best[found[0]][0]
        left_out = tuple(above[: len(above) - alike])
        if not (foreign or alike == len(above) or alike >= depth[found[0]]):
            return None  # of a name that is relative, one end or the other holds
        if left_out and left_out[-1] in self._folders:
            return None
        if self._left_out.setdefault(found[0], left_out) != left_out:
            other = next(name for name, path in self._renamed.items() if path == found[0])
            raise LookupError(f"would be {found[0].name}, as '{other}' is")
        return found[0]

    def _missing(self, last: str, source: str | None, first: LookupError) -> LookupError:
        """Why there is no image of this name, and as a second argument what may help."""
        name, stem = loose(last), stem_of(loose(last))
        if not self._unread:
            for path in self._others:
                self._unread.setdefault(stem_of(loose(path.name)), []).append(path)
        for path in sorted(self._unread.get(stem, []), key=lambda path: loose(path.name) != name):
            kind = kind_of_name(path.name)
            assert kind is not None
            relative = os.path.relpath(path, self.root)
            return LookupError(f"{relative} is {kind[0]}: {kind[1]}")
        kind = kind_of_name(last)
        if kind is not None:
            return LookupError(f"no such file, and its name is that of {kind[0]}: {kind[1]}")
        if source is not None:
            return LookupError(
                f"{source}, and no image under {self.root} ends like it",
                "names are needed that are relative to the folder of the images",
            )
        return first

    def remarks(self) -> list[str]:
        """What was not as the names have it, or was passed over."""
        said = []
        if self._renamed:
            name, path = next(iter(self._renamed.items()))
            relative = os.path.relpath(path, self.root)
            count = len(self._renamed)
            names = (
                "1 name is not that of a file"
                if count == 1
                else f"{count} names are not those of files"
            )
            said.append(f"{names}: '{name}' is taken for {relative}")
        if self._whole and self._others:
            kind = kind_of_name(self._others[0].name)
            assert kind is not None
            said.append(
                f"{len(self._others)} files are no images that are read, first "
                f"{self._others[0].name}, {kind[0]}: {kind[1]}"
            )
        return said

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
        self._whole = True
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
            for path in walk(self.root, lambda name: is_image(name) or bool(kind_of_name(name))):
                if not is_image(path.name):
                    self._others.append(path)
                    continue
                relative = unicodedata.normalize("NFC", os.path.relpath(path, self.root))
                relative = relative.replace(os.sep, "/")
                for key in (relative, os.path.splitext(relative)[0]):
                    self._index.setdefault(key, []).append(path)
        return self._index

    def _named(self) -> dict[str, list[tuple[Path, list[str]]]]:
        if not self._names:
            root = unzipped(self.root.resolve().name)
            for path in sorted({path for found in self._files().values() for path in found}):
                inside = path.relative_to(self.root).parts[:-1]
                folders = [loose(part) for part in (root, *inside)]
                self._names.setdefault(stem_of(loose(path.name)), []).append((path, folders))
                self._folders.update(folders[1:])
        return self._names


def unzipped(name: str) -> str:
    """A folder's name, a zip's as that of the folder that was zipped.

    >>> unzipped("photos.zip"), unzipped("photos")
    ('photos', 'photos')
    """
    stem, extension = os.path.splitext(name)
    return stem if extension.lower() == ".zip" else name


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
