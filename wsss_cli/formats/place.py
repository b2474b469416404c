"""Where a source lies: one file, or a folder or zip of files, seen in one way by all readers."""

from __future__ import annotations

import fnmatch
import os
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from ..artifacts.inputs import (
    check_regular,
    children,
    contents,
    decoded,
    is_dir,
    is_file,
    top,
    walk,
    why_not,
)  # fmt: skip
from ..errors import WsssError
from .files import ImageFolder
from .names import is_image

HEAD = 1 << 16  # bytes looked at to find out what a file is


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
        if self.single:
            self.root = path.parent
        else:
            self.root = top(path, stays=_of_images) if is_file(path) else path
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


def _why_not(path: Path) -> str:
    """Why a path is no place."""
    try:
        check_regular(path)
    except FileNotFoundError:
        return "no such file or folder"
    except (OSError, ValueError) as err:
        return why_not(err)
    return "no such file or folder"


def _of_images(folder: Path) -> bool:
    """Whether a folder holds images and nothing else: it may be a class."""
    inside = children(folder)
    return all(is_image(one.name) or one.name.startswith(".") for one in inside)


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
