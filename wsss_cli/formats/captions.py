"""Captions, or any text, of images: tags are the classes that the text names.

X.txt beside X.jpg; a CSV with columns of the image and the caption; COCO's captions; JSON of texts
by image; or a JSON object a line, with file_name and text.
"""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import WsssError
from .caption_words import Vocabulary, counted, read_synonyms
from .columns import FILE_COLUMNS
from .csv_rows import read_cells
from .entries import Entry, gather
from .files import ImageFolder
from .lists import read_json, read_lines, read_text
from .place import Place
from .reading import TAGGED, Asked, Reader
from .sample import Collection

CAPTION = ("caption", "captions", "text", "description", "sentence", "comment", "prompt")
FILES = ("captions*.json", "metadata.jsonl")  # in a folder
SOME = 20  # files of a folder that are looked into
SHOWN = 12  # classes of which it is said what was found


class Unmentioned(str, enum.Enum):
    """What a class is that no text of an image names."""

    absent = "absent"
    unknown = "unknown"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of captions alone."""

    synonyms: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Further words for classes, lines of `class: word, word`; those of `: word, word` "
            "name no class.",
        ),
    ] = None
    unmentioned: Annotated[
        Unmentioned,
        typer.Option(
            help="What a class is that a caption does not name: absent, or unknown, which losses "
            "leave out."
        ),
    ] = Unmentioned.absent


def read(path: Path, asked: Asked, options: Options) -> Collection:
    """Read a folder or a file of captions.

    Raises:
        WsssError: no captions, synonyms that cannot be, or whatever `gather` raises.
    """
    assert asked.classes is not None  # the card needs them
    synonyms = read_synonyms(options.synonyms) if options.synonyms is not None else []
    try:
        vocabulary = Vocabulary(asked.classes, synonyms)
    except ValueError as err:
        raise WsssError(f"{options.synonyms or 'the classes'}: {err}") from None
    place = Place(path)
    file = None if place.single else _told(place)
    place = place if file is None else Place(file)
    folder = place.folder(asked.images)
    texts: dict[str, list[str]] = {}
    alone: list[str] = []
    for name, text in _texts(place, folder, alone):
        found = texts.setdefault(name, [])
        if text.strip():
            found.append(text)
    captioned = {name: found for name, found in texts.items() if found}
    if not captioned:
        raise WsssError(f"{path}: holds no captions")
    hits: dict[str, dict[str, int]] = {}
    entries, none = [], 0
    for name, found in captioned.items():
        tags: dict[str, None] = {}
        for text in found:
            for tag, words in vocabulary.found(text):
                tags[tag] = None
                of = hits.setdefault(tag, {})
                of[words] = of.get(words, 0) + 1
        none += not tags
        absent = () if options.unmentioned is Unmentioned.unknown else None
        entries.append(Entry(name=name, tags=tuple(tags), absent=absent))
    remarks = _remarks(hits, none, len(entries), len(texts) - len(captioned), alone)
    notes: dict[str, Any] = {"source": "captions", "unmentioned": options.unmentioned.value}
    return gather(str(path), entries, folder, asked, notes, classes=asked.classes, remarks=remarks)


def _remarks(
    hits: dict[str, dict[str, int]], none: int, total: int, empty: int, alone: list[str]
) -> list[str]:
    first = dict(sorted(hits.items(), key=lambda pair: -sum(pair[1].values()))[:SHOWN])
    more = f"; and {len(hits) - SHOWN} more classes" if len(hits) > SHOWN else ""
    said = [f"found as words, negations not understood: {counted(first) or 'nothing'}{more}"]
    if none:
        said.append(f"the captions of {none} of {total} images name no class")
    if empty:
        said.append(f"{empty} images without a caption are left out")
    if alone:
        said.append(f"{len(alone)} texts are beside no image, first {alone[0]}")
    return said


def _texts(place: Place, folder: ImageFolder, alone: list[str]) -> Iterator[tuple[str, str]]:
    """Names of images with a text each, '' where there is none; texts of no image to `alone`.

    Raises:
        WsssError: files that are none of captions.
    """
    if not place.single:
        yield from _beside(place, folder, alone)
        return
    suffix = place.path.suffix.lower()
    if suffix == ".json":
        yield from _of_json(place.path, read_json(place.path))
    elif suffix in (".jsonl", ".ndjson"):
        yield from _of_lines(place.path)
    else:
        yield from _of_table(place.path)


def _beside(place: Place, folder: ImageFolder, alone: list[str]) -> Iterator[tuple[str, str]]:
    images = folder.all_by_id()[0]
    seen = set()
    for file in place.matching("*.txt"):
        name = os.path.splitext(os.path.relpath(file, place.root))[0].replace(os.sep, "/")
        if name in images:
            seen.add(name)
            yield name, read_text(file)
        else:
            alone.append(file.name)
    if not seen:
        raise WsssError(
            f"{place.path}: no X.txt has the name of an image under {folder.root}",
            "--images names the folder of the images",
        )
    for name in images:
        if name not in seen:
            yield name, ""


def _of_table(path: Path) -> Iterator[tuple[str, str]]:
    cells, lines = read_cells(path, frozenset({*FILE_COLUMNS, *CAPTION}))
    header = [name.lower() for name in cells[0]]
    image = next((header.index(name) for name in FILE_COLUMNS if name in header), None)
    columns = [place for place, name in enumerate(header) if name.rstrip("0123456789_") in CAPTION]
    if image is None or not columns:
        raise WsssError(
            f"{path}: has the columns {', '.join(cells[0][:8])}: one must be of the image, and one "
            "called caption",
        )
    for row, line in zip(cells[1:], lines[1:], strict=True):
        if len(row) > len(header):
            raise WsssError(
                f"{path}: line {line} has {len(row)} cells, line 1 {len(header)}",
                "quote a caption that holds commas",
            )
        row = row + [""] * (len(header) - len(row))
        for column in columns:
            yield row[image], row[column]


def _of_json(path: Path, found: Any) -> Iterator[tuple[str, str]]:
    """COCO's captions, or texts by image."""
    bad = WsssError(f"{path}: is neither COCO's captions nor texts by image")
    if isinstance(found, dict) and isinstance(found.get("annotations"), list):
        images = found.get("images")
        if not isinstance(images, list) or not all(isinstance(one, dict) for one in images):
            raise bad
        names = {str(one.get("id")): one.get("file_name") for one in images}
        if len(names) < len(images) or not all(isinstance(n, str) for n in names.values()):
            raise WsssError(f"{path}: its images need an id of their own and a file_name each")
        for name in names.values():
            yield str(name), ""
        for one in found["annotations"]:
            if not isinstance(one, dict) or not isinstance(one.get("caption"), str):
                raise WsssError(f"{path}: holds an annotation without a caption")
            key = str(one.get("image_id"))
            if key not in names:
                raise WsssError(f"{path}: a caption is of the image {key}, which is not listed")
            yield str(names[key]), one["caption"]
        return
    if not isinstance(found, dict) or not found:
        raise bad
    for name, said in found.items():
        texts = [said] if isinstance(said, str) else said
        if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
            raise bad
        for text in texts or [""]:
            yield name, text


def _of_lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_lines(path), 1):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise WsssError(f"{path}: entry {number} is not JSON") from None
        keys = found if isinstance(found, dict) else {}
        name = next((keys[key] for key in FILE_COLUMNS if key in keys), None)
        text = next((keys[key] for key in CAPTION if key in keys), None)
        if not isinstance(name, str) or not isinstance(text, str):
            raise WsssError(f"{path}: entry {number} has no file_name and text")
        yield name, text


def _told(place: Place) -> Path | None:
    """The file of a source that shows that it holds captions."""
    for file in place.matching(*FILES, "*.csv", "*.tsv")[:SOME]:
        head = place.head(file)
        first = head.split("\n", 1)[0].lower()
        if file.suffix == ".json":
            if '"images"' in head or '"caption"' in head:
                return file
        elif file.suffix == ".jsonl":
            if '"file_name"' in first and any(f'"{name}"' in first for name in CAPTION):
                return file
        else:
            names = {cell.strip().strip('"') for cell in first.replace("\t", ",").split(",")}
            if names & {"caption", "captions"} and names & set(FILE_COLUMNS):
                return file
    return None


def detect(place: Place) -> str | None:
    """As `Reader.detect`; a folder of texts shows nothing of what they are."""
    if place.matching("instances*.json"):  # COCO's own folder, which says more
        return None
    file = _told(place)
    return None if file is None else f"{file.name} holds captions"


READER = Reader(
    name="captions",
    said="captions",
    source=Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            help="Captions of images: a folder of X.txt beside X.jpg, a CSV, or COCO's JSON.",
        ),
    ],
    read=read,
    options=Options,
    takes=("images", *TAGGED),
    needs={"classes": "the names to look for in the captions"},
    detect=detect,
    before=("csv", "coco"),
)
