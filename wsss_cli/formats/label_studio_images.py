"""The names that Label Studio gives images: of uploads, of its local files, of addresses."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from ..artifacts.inputs import walk
from .names import is_image

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")


class ImageNames:
    """What images may be called that tasks name."""

    def __init__(self, root: Path) -> None:
        """`root` is the folder of the images."""
        self.root = root
        self._stored: dict[str, list[str]] | None = None

    def of(self, said: tuple[str, ...]) -> tuple[str, ...]:
        """The names to look for in turn: as stored, without what an upload puts in front, and the
        only file that an upload would have called so."""
        found = [_plain(name) for name in said]
        for name in list(found):
            last = name.rpartition("/")[2]
            if _UPLOADED.match(last):
                found.append(_UPLOADED.sub("", last, count=1))
                found += self._before_upload(found[-1])
        return tuple(dict.fromkeys(found)) or ("",)

    def _before_upload(self, name: str) -> list[str]:
        """The file that an upload called `name`; none where there are several, or it is `name`."""
        if self._stored is None:
            self._stored = {}
            for path in walk(self.root, is_image):
                stored = stored_name(path.name)
                if stored != path.name:
                    inside = os.path.relpath(path, self.root).replace(os.sep, "/")
                    self._stored.setdefault(stored, []).append(inside)
        found = self._stored.get(name, [])
        return found if len(found) == 1 else []


def stored_name(name: str) -> str:
    """What an upload makes of a file's name: '_' for spaces, and few other characters.

    Source: get_valid_filename of django.utils.text, which the server's storage calls.

    >>> stored_name("my photo (1).jpg")
    'my_photo_1.jpg'
    """
    return re.sub(r"(?u)[^-\w.]", "", name.strip().replace(" ", "_"))


def _plain(name: str) -> str:
    """The path of an image, without the server's part in front.

    >>> _plain("/data/local-files/?d=a%20b/c.png"), _plain("/data/upload/1/0123abcd-c.png")
    ('a b/c.png', '0123abcd-c.png')
    """
    parted = urlsplit(name) if "://" in name or name.startswith("/data/") else None
    if parted is None:
        return name
    asked = parse_qs(parted.query).get("d")
    if parted.path.rstrip("/").endswith("/data/local-files") and asked:
        return asked[0].lstrip("/")
    if "/data/upload/" in f"/{parted.path}":
        return unquote(parted.path).rpartition("/")[2]
    if parted.scheme in ("s3", "gs", "azure-blob"):  # a key, as it is: nothing is encoded in it
        return name.partition("://")[2].partition("/")[2]
    return name
