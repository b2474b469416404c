"""Text files that name things: lists of images, of classes, and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..artifacts import ledger
from ..artifacts.inputs import contents, decoded
from ..errors import WsssError
from .files import NO_IMAGE, ImageFolder, unzipped
from .kinds import kind_of_bytes
from .names import is_image
from .sample import NOT_CLASSES, Problem


def read_text(path: Path, hint: str | None = None) -> str:
    """What a text file in UTF-8 holds; see `inputs.decoded`.

    Args:
        hint: what to do about a file in another encoding.

    Raises:
        WsssError: missing, unreadable or not UTF-8; or another kind of file, which is named.
    """
    ledger.read(path)
    try:
        content = contents(path, piped=True)
    except OSError as err:
        raise WsssError(f"{path}: {err.strerror or err}") from err
    kind = kind_of_bytes(content)
    if kind is not None:
        raise WsssError(f"{path}: is {kind[0]}, not plain text", kind[1] or None)
    try:
        return decoded(content)
    except UnicodeDecodeError as err:
        raise WsssError(f"{path}: not UTF-8 text", hint) from err


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file (with or without BOM), stripped, blank ones left out.

    Raises:
        WsssError: see `read_text`.
    """
    return [line.strip() for line in read_text(path).split("\n") if line.strip()]


def read_json(path: Path, compact: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """What a JSON file holds, in UTF-8 with or without BOM.

    Args:
        compact: what takes the place of an object as soon as it is read, so that a large file takes
            less memory.

    Raises:
        WsssError: missing, unreadable, or no JSON: NaN is none, nor is a key that stands twice.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"it holds {constant}")

    def distinct(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        if len(found) < len(pairs):
            (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
            raise ValueError(f"the key {ascii(twice)[:80]} stands twice in one object")
        return found if compact is None else compact(found)

    text = read_text(path)
    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=distinct)
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
        if name.lower() in NOT_CLASSES:
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
        WsssError: a list cannot be read, or names an image twice.
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
                reason, *hint = err.args
                problems.append(Problem(line, f"{reason} (listed in {file.name})", *hint))
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
    """The image of a line: the names as they are, all of them, are tried before what is like one.

    Raises:
        LookupError: see `ImageFolder.search`.
    """
    readings = _readings(line)
    for name in _names(readings, folder):
        with suppress(LookupError):
            return folder.find(name)
    errors = []
    for name in _names(readings[-1:] if is_image(readings[-1]) else readings, folder):
        try:
            return folder.search(name)
        except LookupError as err:
            errors.append(err)
    raise next((err for err in errors if err.args[0] != NO_IMAGE), errors[0])


def _readings(line: str) -> list[str]:
    """The line as one name, and as a name with a mask or a flag behind it."""
    name, *rest = line.split(maxsplit=1)
    if not rest:
        return [line]
    # "my photo.jpg" is not "my" with something behind it.
    whole = not is_image(name) and is_image(line) and "/" not in rest[0]
    return [line] if whole else [line, name]


def _names(readings: Iterable[str], folder: ImageFolder) -> list[str]:
    """Each reading, and the same without the folder's own name in front."""
    root = unzipped(folder.root.name) + "/"
    pairs = [(text, text.lstrip("/").removeprefix(root)) for text in readings]
    return list(dict.fromkeys(name for pair in pairs for name in pair))
