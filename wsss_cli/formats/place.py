"""Where a source lies: one file, or a folder or zip of files, seen in one way by all readers."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from ..artifacts.inputs import (
    CLUTTER,
    check_regular,
    children,
    contents,
    decoded,
    is_dir,
    is_file,
    walk,
    why_not,
)  # fmt: skip
from ..errors import WsssError
from .files import ImageFolder
from .lists import read_json
from .names import is_image

HEAD = 1 << 16  # bytes looked at to find out what a file is
JSON_HEAD = 1 << 12


class Place:
    """A source, before anything of it is read.

    Attributes:
        path: as it was given.
        root: the folder (or zip) that names in it are relative to; of a file, the one it is in. Of
            a zip that holds one folder of folders or annotations, and nothing else, that folder.
    """

    def __init__(self, path: Path) -> None:
        """
        Raises:
            WsssError: there is no such file or folder.
        """
        self.path = path
        self.single = not is_dir(path)
        if self.single and not is_file(path):
            raise WsssError(f"{path}: {_why_not(path)}")
        self.root = path.parent if self.single else _inner(path) if is_file(path) else path
        self._heads: dict[Path, str] = {}

    @cached_property
    def names(self) -> list[str]:
        """Relative names of all files, '/' between parts, rising; of a file, its own name."""
        if self.single:
            return [self.path.name]
        found = (os.path.relpath(one, self.root) for one in walk(self.root, lambda _: True))
        return sorted(name.replace(os.sep, "/") for name in found)

    def matching(self, *patterns: str) -> list[Path]:
        """Files whose relative name, or last part, matches one of the shell patterns.

        Letters small and large are alike.
        """
        wanted = [pattern.lower() for pattern in patterns]
        return [self.root / name for name in self.names if _matches(name.lower(), wanted)]

    def one(self, *patterns: str) -> Path | None:
        """The only file that matches; None where there is none.

        Raises:
            WsssError: several.
        """
        found = self.matching(*patterns)
        if len(found) > 1:
            both = " and ".join(os.path.relpath(one, self.root) for one in found[:2])
            raise WsssError(
                f"{self.path}: holds {len(found)} files {patterns[0]}: {both}",
                "name the one to read",
            )
        return found[0] if found else None

    def head(self, path: Path) -> str:
        """The first `HEAD` bytes of a file as text, '' where they are none; for finding out."""
        if path not in self._heads:
            try:
                self._heads[path] = decoded(beginning(path, HEAD))
            except (OSError, UnicodeDecodeError, WsssError):
                self._heads[path] = ""
        return self._heads[path]

    def folder(self, images: Path | None) -> ImageFolder:
        """Where its images are: the folder asked for, or its own."""
        return ImageFolder(images or self.root, "--images names the folder of the images")

    def json(self, path: Path, compact: Callable[[dict[str, Any]], Any] | None = None) -> Any:
        """What a JSON file of it holds, as `lists.read_json`."""
        return read_json(path, compact)


def _why_not(path: Path) -> str:
    """Why a path is no place."""
    try:
        check_regular(path)
    except FileNotFoundError:
        return "no such file or folder"
    except (OSError, ValueError) as err:
        return why_not(err)
    return "no such file or folder"


def _inner(folder: Path) -> Path:
    """The folder that a zip stands for; one of images alone may be a class, and stays."""
    for _ in range(8):
        inside = [one for one in children(folder) if not one.name.startswith(".")]
        inside = [one for one in inside if one.name not in CLUTTER]
        if len(inside) != 1 or not is_dir(inside[0]) or is_file(inside[0]):
            break
        within = children(inside[0])
        if all(is_image(one.name) or one.name.startswith(".") for one in within):
            break
        folder = inside[0]
    return folder


def beginning(path: Path, count: int) -> bytes:
    """The first bytes of a file, without the end of a letter of UTF-8 that they hold in part."""
    found = contents(path, most=count)
    for end in range(len(found), max(len(found) - 4, 0), -1):
        with suppress(UnicodeDecodeError):
            found[:end].decode()
            return found[:end]
    return found


def _matches(name: str, patterns: list[str]) -> bool:
    last = name.rpartition("/")[2]
    return any(fnmatch.fnmatchcase(name if "/" in one else last, one) for one in patterns)
