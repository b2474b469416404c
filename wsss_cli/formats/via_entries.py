"""What the JSON files of VGG Image Annotator (VIA) say of each image, in all their versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import WsssError

_TEXT, _CHECKBOX = 1, 2  # types of a version 3 attribute; of the others, a value is one option
_IMAGE = 2  # type of a version 3 file
_HINT = "VIA writes one with Project > Save, or Annotation > Export (as json)"
Names = tuple[str, ...]


@dataclass
class Entry:
    """One image as the file describes it.

    Attributes:
        name: as the file has it.
        own: the image's attributes, and the names that each holds.
        regions: the same of each region.
        free: of the image's attributes, those that hold free text, such as a caption.
        problem: why it cannot be used.
        shapes: of each region its shape_attributes, None where the file has other ones.
    """

    name: str
    own: dict[str, Names] = field(default_factory=dict)
    regions: list[dict[str, Names]] = field(default_factory=list)
    free: set[str] = field(default_factory=set)
    problem: str | None = None
    shapes: list[Any] = field(default_factory=list, compare=False)


def entries_of(path: Path, content: Any) -> list[Entry]:
    """All images that a file names, of whichever version it is.

    Raises:
        WsssError: it is not of VIA, lacks parts, or names no image.
    """
    content = content if isinstance(content, dict) else {"": None}
    declared: Any = {}
    try:
        if {"file", "view", "metadata", "attribute"} <= content.keys():
            entries = _of_version_3(content)
        else:
            listed = content
            if "_via_img_metadata" in content:
                listed = content["_via_img_metadata"]
                declared = content.get("_via_attributes", {}).get("file", {})
            elif any("filename" not in one or "regions" not in one for one in content.values()):
                raise WsssError(f"{path}: not a project or annotations of VIA", _HINT)
            entries = [_of_version_2(one, declared) for one in listed.values()]
    except KeyError as err:
        raise WsssError(f"{path}: lacks {err.args[0]!r}, so is not whole", _HINT) from None
    except (AttributeError, TypeError, ValueError):
        raise WsssError(f"{path}: not a project or annotations of VIA", _HINT) from None
    if not entries:
        raise WsssError(f"{path}: names no image")
    return entries


def _of_version_2(item: Mapping[str, Any], declared: Mapping[str, Any]) -> Entry:
    """An image of version 1 or 2; version 1 numbers the regions in a dict."""
    entry = Entry(str(item["filename"]))
    regions = item["regions"]
    try:
        for region in regions.values() if isinstance(regions, dict) else regions:
            values = region["region_attributes"].items()
            entry.regions.append({name: _names(name, value) for name, value in values})
            entry.shapes.append(region.get("shape_attributes"))
        for name, value in item.get("file_attributes", {}).items():
            entry.own[name] = _names(name, value)
            kind = declared[name]["type"] if name in declared else None
            if kind == "text" or (kind is None and not isinstance(value, dict)):
                entry.free.add(name)
    except ValueError as err:
        entry.problem = str(err)
    return entry


def _names(attribute: str, value: Any) -> Names:
    """The names that a value of version 2 holds: a text, or a choice of several as {name: true}.

    Raises:
        ValueError: it is neither.
    """
    chosen = {value: True} if isinstance(value, str) else {} if value is None else value
    if not isinstance(chosen, dict) or not all(isinstance(on, bool) for on in chosen.values()):
        kind = type(value).__name__
        raise ValueError(f"its {attribute!a} is of type {kind}, no name or choice")
    return tuple(name.strip() for name, on in chosen.items() if on and name.strip())


def _of_version_3(content: Mapping[str, Any]) -> list[Entry]:
    """All images of a project of version 3, whose annotations stand apart from the files."""
    entries = {fid: Entry(str(file["fname"])) for fid, file in content["file"].items()}
    for fid, file in content["file"].items():
        if file["type"] != _IMAGE:
            entries[fid].problem = "is no image"
    views = {vid: [str(fid) for fid in view["fid_list"]] for vid, view in content["view"].items()}
    for item in content["metadata"].values():
        seen = [entries[fid] for fid in views[str(item["vid"])]]
        if len(seen) != 1:
            for entry in seen:
                entry.problem = "is annotated together with another image"
            continue
        values: dict[str, Names] = {}
        try:
            for aid, value in item["av"].items():
                attribute = content["attribute"][aid]
                values[attribute["aname"]] = _options(attribute, value)
                if attribute["type"] == _TEXT and not item["xy"]:
                    seen[0].free.add(attribute["aname"])
        except ValueError as err:
            seen[0].problem = str(err)
        if item["xy"]:
            seen[0].regions.append(values)
            seen[0].shapes.append(None)
        else:
            own = seen[0].own
            own |= {name: (*own.get(name, ()), *held) for name, held in values.items()}
    return list(entries.values())


def _options(attribute: Mapping[str, Any], value: Any) -> Names:
    """The names that a value of version 3 holds: a text, or numbers of options.

    Raises:
        ValueError: there is no such option.
    """
    if not isinstance(value, str):
        kind = type(value).__name__
        raise ValueError(f"its {attribute['aname']!a} is of type {kind}, no text")
    if attribute["type"] == _TEXT:
        return (value.strip(),) if value.strip() else ()
    numbers = value.split(",") if attribute["type"] == _CHECKBOX else [value]
    names = []
    for number in filter(None, numbers):
        if number not in attribute["options"]:
            raise ValueError(f"its {attribute['aname']!a} has no option {ascii(number)[:40]}")
        names.append(str(attribute["options"][number]).strip() or number)
    return tuple(names)
