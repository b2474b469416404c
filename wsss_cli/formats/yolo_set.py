"""What data.yaml, obj.data or classes.txt says of a YOLO data set: its classes, and its images."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import WsssError
from .files import ImageFolder
from .lists import read_lines
from .names import is_image
from .place import Place
from .yaml_files import read_yaml, said

SPLITS = ("train", "val", "valid", "test", "minival")
NO_CLASS = re.compile(r"(classes|obj|names|readme.*|train|valid?|test)\.txt", re.IGNORECASE)


@dataclass(frozen=True)
class YoloSet:
    """A data set's own description.

    Attributes:
        file: that says it.
        names: class of each number.
        splits: of each split, the relative names of its images; none where it has none.
        remarks: what looks like a mistake.
        fields: how many a row of a pose has; 0 where the set is none.
        masks: folder of label images beside the images, where it is named.
    """

    file: Path
    names: Mapping[int, str]
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    fields: int = 0
    masks: str | None = None


def around(place: Place) -> Place:
    """The folder of a source, also where the source is a file in it."""
    return Place(place.root) if place.single else place


def described(place: Place) -> Path | None:
    """The file of a place that describes a set.

    Raises:
        WsssError: several.
    """
    if place.single:
        return place.path
    depth = min((name.count("/") for name in place.names if _describes(name)), default=None)
    found = [name for name in place.names if _describes(name) and name.count("/") == depth]
    for wanted in ("data.yaml", "data.yml", "dataset.yaml", "obj.data", "classes.txt"):
        exact = [name for name in found if name.rpartition("/")[2].lower() == wanted]
        found = exact or found
        if exact:
            break
    else:
        found = [name for name in found if _yaml_of_set(place, name)]
    if len(found) > 1:
        raise WsssError(
            f"{place.path}: both {found[0]} and {found[1]} could describe the set",
            "name the one to read as SOURCE",
        )
    return place.root / found[0] if found else None


def _describes(name: str) -> bool:
    last = name.rpartition("/")[2].lower()
    return last.endswith((".yaml", ".yml")) or last in ("obj.data", "classes.txt")


def _yaml_of_set(place: Place, name: str) -> bool:
    return re.search(r"^names\s*:", place.head(place.root / name), re.MULTILINE) is not None


def read_set(file: Path, place: Place, images: ImageFolder | None = None) -> YoloSet:
    """Read the description.

    Args:
        file: data.yaml, obj.data or classes.txt.
        place: the folder that it describes.
        images: where the images are, if they are elsewhere.

    Raises:
        WsssError: not such a file, or a split that names what is not there.
    """
    suffix = file.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return _of_yaml(file, place, images)
    if suffix == ".data":
        return _of_darknet(file, place, images)
    return YoloSet(file, dict(enumerate(_names_of_lines(file))))


def _of_yaml(file: Path, place: Place, images: ImageFolder | None) -> YoloSet:
    content = read_yaml(file)
    if not isinstance(content, dict) or "names" not in content:
        raise WsssError(f"{file}: names no classes (names:)", "a data.yaml of YOLO does")
    names = _names(file, content["names"])
    count = said(content.get("nc"))
    if count is not None and count != str(len(names)):
        raise WsssError(f"{file}: nc is {count[:20]}, and names lists {len(names)} classes")
    base = said(content.get("path")) or "."
    lists = {key: content[key] for key in SPLITS if key in content}
    splits, remarks = _splits(file, place, images, base, lists)
    masks = said(content.get("masks_dir"))
    return YoloSet(file, names, splits, remarks, _pose_fields(file, content), masks)


def _names(file: Path, value: Any) -> dict[int, str]:
    """Class names by number.

    Raises:
        WsssError: neither a list of texts nor numbers with texts.
    """
    if isinstance(value, list):
        pairs: Iterable[tuple[str, Any]] = ((str(k), name) for k, name in enumerate(value))
    else:
        pairs = value.items() if isinstance(value, dict) else ()
    found: dict[int, str] = {}
    for key, name in pairs:
        if not isinstance(key, str) or not re.fullmatch(r"\d{1,6}", key):
            raise WsssError(f"{file}: names: {ascii(key)[:80]} is no number of a class")
        if not isinstance(name, str) or not name.strip():
            raise WsssError(f"{file}: names: class {key} has no name")
        found[int(key)] = name.strip()
    if not found:
        raise WsssError(f"{file}: names no classes (names:)", "a data.yaml of YOLO lists them")
    return _distinct(file, dict(sorted(found.items())))


def _names_of_lines(file: Path) -> list[str]:
    names = read_lines(file)
    if not names:
        raise WsssError(f"{file}: holds no class names")
    return list(_distinct(file, dict(enumerate(names))).values())


def _distinct(file: Path, names: dict[int, str]) -> dict[int, str]:
    twice = [name for place, name in enumerate(names.values()) if name in [*names.values()][:place]]
    if twice:
        raise WsssError(f"{file}: names the class {twice[0]!r} twice")
    return names


def _pose_fields(file: Path, content: Mapping[str, Any]) -> int:
    """Fields of a row: class, box and key points; 0 where there are no key points."""
    if "kpt_shape" not in content:
        return 0
    shape = content["kpt_shape"]
    good = isinstance(shape, list) and len(shape) == 2
    if not good or not all(isinstance(n, str) and re.fullmatch(r"\d{1,4}", n) for n in shape):
        raise WsssError(f"{file}: kpt_shape is not [number of key points, 2 or 3]")
    return 5 + int(shape[0]) * int(shape[1])


def _of_darknet(file: Path, place: Place, images: ImageFolder | None) -> YoloSet:
    pairs = [line.partition("=") for line in read_lines(file) if not line.startswith("#")]
    values = {key.strip(): value.strip() for key, _, value in pairs}
    named = values.get("names")
    found = named and _there(place, posixpath.dirname(_relative(place, file)), named)
    if not found:
        raise WsssError(f"{file}: names no file of class names that is there (names = obj.names)")
    names = _names_of_lines(place.root / found)
    lists = {key: values[key] for key in SPLITS if values.get(key)}
    splits, remarks = _splits(file, place, images, ".", lists)
    return YoloSet(file, dict(enumerate(names)), splits, remarks)


def _splits(
    file: Path, place: Place, images: ImageFolder | None, base: str, lists: Mapping[str, Any]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Names of the images of each split.

    Raises:
        WsssError: one that names what is not there; `test` may.
    """
    above = posixpath.dirname(_relative(place, file))
    base = base if base.startswith("/") else posixpath.join(above, base)
    found: dict[str, tuple[str, ...]] = {}
    remarks, ends = [], dict[str, str]()
    for split, value in lists.items():
        names: list[str] = []
        for one in value if isinstance(value, list) else [value]:
            text = said(one)
            if text is None:
                continue
            end = _there(place, base, text) or _there(place, above, text)
            if end is None and images is not None and not text.lower().endswith(".txt"):
                end = _there(Place(images.root), "", text)
            if end is None:
                if split == "test":
                    remarks.append(f"{file.name}: {split}: {text} is not there")
                    continue
                raise WsssError(
                    f"{file}: {split}: {text[:200]} is not there",
                    "paths are relative to the folder of that file, or to its 'path'; --images "
                    "names a folder elsewhere",
                )
            if ends.setdefault(end, text) != text:
                raise WsssError(f"{file}: {ends[end]} and {text} both seem to be {end}")
            names += _images_of(place, images, end)
        if names:
            found[split] = tuple(dict.fromkeys(names))
    return found, tuple(remarks)


def _images_of(place: Place, images: ImageFolder | None, end: str) -> list[str]:
    """What a split's folder, list or image names."""
    if end.lower().endswith(".txt"):
        above = posixpath.dirname(end)
        lines = [line.replace("\\", "/") for line in read_lines(place.root / end)]
        return [
            posixpath.normpath(posixpath.join(above, line)) if line.startswith("./") else line
            for line in lines
        ]
    every = (Place(images.root) if images is not None else place).names
    front = "" if end == "." else end + "/"
    return [name for name in every if is_image(name) and (name == end or name.startswith(front))]


def _there(place: Place, base: str, text: str) -> str | None:
    """The file or folder of a place that a path means, which may name folders above it."""
    text = text.replace("\\", "/")
    whole = posixpath.normpath(posixpath.join(base, text))
    tried = [whole, posixpath.normpath(text)]
    parts = [part for part in posixpath.normpath(text).split("/") if part not in ("", "..")]
    foreign = text.startswith(("/", "..")) or re.match(r"[A-Za-z]:/", text)
    most = len(parts) if foreign else min(2, len(parts))
    tried += ["/".join(parts[first:]) for first in range(most)]
    for one in tried:
        if one == ".":
            return one
        if not one.startswith(("/", "..")) and _holds(place, one):
            return one
    return None


def _holds(place: Place, name: str) -> bool:
    return any(one == name or one.startswith(f"{name}/") for one in place.names)


def _relative(place: Place, path: Path) -> str:
    return os.path.relpath(path, place.root).replace(os.sep, "/")
