"""Names of image files: which they may have, and where one is from."""

from __future__ import annotations

import os
import re
import unicodedata
from urllib.parse import unquote, urlsplit

from .kinds import kind_of_name

EXTENSIONS = frozenset({
    ".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
    ".pbm", ".jp2", ".avif",
})  # fmt: skip


def is_image(name: str) -> bool:
    """Whether a name has the extension of an image that is read."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def loose(name: str) -> str:
    """A name in which small and large letters, and ways of composing them, are alike."""
    return unicodedata.normalize("NFC", name).casefold()


def stem_of(name: str) -> str:
    """A name in small letters without its extension, if that is one of images, for comparing.

    A number has no zeros in front, and no ".0" behind: tables lose and gain them where they take
    names for numbers.

    >>> stem_of("a.b.heic"), stem_of("a.b"), stem_of("00139.jpg"), stem_of("139.0")
    ('a.b', 'a.b', '139', '139')
    """
    stem, extension = os.path.splitext(name)
    stem = stem if extension in EXTENSIONS or kind_of_name(name) is not None else name
    return re.sub(r"^0+(?=\d+$)", "", re.sub(r"^(\d+)\.0+$", r"\1", stem))


def origin(name: str) -> tuple[str, str | None]:
    """A name's path without what tells where it is from, and what that is.

    >>> origin("https://example.org/data/d%20e.webp?size=1")
    ('/data/d e.webp', 'a web address')
    >>> origin("file:///C:/data/a.jpg")
    ('C:/data/a.jpg', 'a Windows path')
    """
    address = re.match(r"([a-z][a-z0-9+.-]+)://", name, re.I)
    said = None
    if address is not None:
        parted = urlsplit(name)
        said = "a file: address" if address[1].lower() == "file" else "a web address"
        name = unquote(parted.path)
        if re.match("/[a-z]:", name, re.I):
            name = name[1:]
    if re.match(r"[a-z]:[\\/]", name, re.I) or name.startswith("\\\\"):
        said = "a Windows path"
    return name, said
