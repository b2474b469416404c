"""What YOLO's data sets say of their classes and images: data.yaml, obj.data, classes.txt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import WsssError
from .lists import read_lines, read_text, refuse_twice
from .place import Place

SPLITS = ("train", "val", "valid", "test")
NOTHING = ("", "~", "null")


@dataclass(frozen=True)
class Layout:
    """What such a file says.

    Attributes:
        file: it.
        names: of the classes by number.
        splits: folders, lists of images or images of each split, as they are written.
        base: folder that these are relative to, below the file's own, as it is written.
        masks: folder of label images, as it is written.
        points: numbers behind a box that are of key points.
        alone: whether labels alone say which images there are.
    """

    file: Path
    names: Mapping[int, str]
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    base: str = ""
    masks: str | None = None
    points: int | None = None
    alone: bool = False


def find_layout(place: Place) -> Path | None:
    """The file that says what a place holds; None where it has none.

    Raises:
        WsssError: several.
    """
    if place.single:
        known = place.path.suffix.lower() in (".yaml", ".yml", ".data")
        return place.path if known and _looks(place, place.path) else None
    top = [place.root / name for name in place.names if "/" not in name]
    for endings in ((".yaml", ".yml"), (".data",)):
        found = [p for p in top if p.suffix.lower() in endings and _looks(place, p)]
        found = [p for p in found if p.stem == "data"] or found
        if len(found) > 1:
            raise WsssError(
                f"{place.path}: {found[0].name} and {found[1].name} could both say what it holds",
                "name the one to read",
            )
        if found:
            return found[0]
    classes = place.root / "classes.txt"
    if classes in top and any(_is_label(name) for name in place.names):
        return classes
    return None


def _looks(place: Place, path: Path) -> bool:
    """Whether a file begins as one of YOLO's does."""
    mark = "=" if path.suffix.lower() == ".data" else ":"
    lines = place.head(path).splitlines()
    keys = {line.partition(mark)[0].strip(" '\"\ufeff") for line in lines if mark in line}
    return "names" in keys and bool(keys & {*SPLITS, "nc", "masks_dir", "classes"})


def _is_label(name: str) -> bool:
    return name.startswith("labels/") and name.endswith(".txt")


def read_layout(place: Place, file: Path) -> Layout:
    """What the file says.

    Raises:
        WsssError: it is not whole, or not of its kind.
    """
    if file.suffix.lower() in (".yaml", ".yml"):
        return _of_yaml(file, read_yaml(file))
    if file.suffix.lower() == ".data":
        return _of_darknet(place, file)
    return Layout(file, _names_of(file), alone=True)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds, all of whose values are texts, lists and mappings.

    No text is taken for a number or for "yes", so that names stay as they are written.

    Raises:
        WsssError: no YAML, no mapping, a key twice, or aliases, which can make a small file large.
    """
    import yaml

    class Loader(yaml.BaseLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            counts = Counter(key.value for key, _ in node.value if isinstance(key.value, str))
            twice = [key for key, count in counts.items() if count > 1]
            if twice:
                raise ValueError(f"the key {twice[0][:80]!a} stands twice")
            return super().construct_mapping(node, deep)

    text = read_text(path)
    try:
        if any(isinstance(one, yaml.AliasEvent) for one in yaml.parse(text, yaml.BaseLoader)):
            raise ValueError("it holds aliases, *name, which are not read")
        found = yaml.load(text, Loader)
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise WsssError(f"{path}: not YAML ({getattr(err, 'problem', 'error')}{where})") from None
    except RecursionError:
        raise WsssError(f"{path}: not YAML (nested too deeply)") from None
    except (ValueError, TypeError) as err:
        raise WsssError(f"{path}: {err}") from None
    if not isinstance(found, dict):
        raise WsssError(f"{path}: holds no keys such as names", "it is no data.yaml of YOLO")
    return found


def _of_yaml(file: Path, content: Mapping[str, Any]) -> Layout:
    names = _names(file, content.get("names"))
    count = content.get("nc")
    if count is not None and count not in NOTHING and str(count) != str(len(names)):
        raise WsssError(f"{file}: nc is {str(count)[:20]}, and there are {len(names)} names")
    splits = {
        key: _texts(file, key, content[key])
        for key in SPLITS
        if content.get(key) is not None and content[key] not in NOTHING
    }
    base, masks = (_text(file, key, content.get(key)) for key in ("path", "masks_dir"))
    return Layout(file, names, splits, base, masks or None, _points(file, content.get("kpt_shape")))


def _names(file: Path, found: Any) -> dict[int, str]:
    """
    Raises:
        WsssError: no names, or one that is none.
    """
    if isinstance(found, list):
        found = {str(number): name for number, name in enumerate(found)}
    if not isinstance(found, dict) or not found:
        raise WsssError(f"{file}: names no classes", "names is a list, or number: name each")
    names = {}
    for key, name in found.items():
        if not str(key).strip().isdecimal():
            raise WsssError(f"{file}: {str(key)[:40]!r} in names is no number of a class")
        if not isinstance(name, str) or not name.strip():
            raise WsssError(f"{file}: class {key} has no name")
        names[int(key)] = name.strip()
    refuse_twice(str(file), "class names", names.values())
    return dict(sorted(names.items()))


def _texts(file: Path, key: str, value: Any) -> tuple[str, ...]:
    return tuple(_text(file, key, one) for one in (value if isinstance(value, list) else [value]))


def _text(file: Path, key: str, value: Any) -> str:
    if value is None or value in NOTHING:
        return ""
    if not isinstance(value, str):
        raise WsssError(f"{file}: {key} is no path")
    return value.strip()


def _points(file: Path, shape: Any) -> int | None:
    if shape is None:
        return None
    try:
        count, each = map(int, shape)
    except (TypeError, ValueError):
        raise WsssError(f"{file}: kpt_shape is not two numbers") from None
    return count * each


def _of_darknet(place: Place, file: Path) -> Layout:
    pairs = [line.partition("=") for line in read_lines(file) if not line.startswith("#")]
    keys = {key.strip(): value.strip() for key, _, value in pairs}
    if not keys.get("names"):
        raise WsssError(f"{file}: names no file of class names")
    listed = ending(keys["names"], set(place.names))
    if listed is None and place.single:
        listed = keys["names"].rpartition("/")[2]
    if listed is None:
        raise WsssError(f"{file}: names {keys['names']}, which is not there")
    splits = {key: (keys[key],) for key in SPLITS if keys.get(key)}
    return Layout(file, _names_of(place.root / listed), splits)


def _names_of(path: Path) -> dict[int, str]:
    """The names of a file, one a line from 0; blank lines are at its end alone."""
    lines = [line.strip() for line in read_text(path).rstrip().split("\n")]
    return _names(path, lines)


def ending(name: str, there: set[str]) -> str | None:
    """Of names that are there, the longest that a path written elsewhere ends in.

    >>> ending("data/images/a.png", {"images/a.png", "a.png"})
    'images/a.png'
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    ways = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((way for way in ways if way in there), None)
