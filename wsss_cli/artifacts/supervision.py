"""What taught a file: a record of labels over all that it was made from, kept in the file itself.

`record_of` is the one place that makes it: what the inputs' own records say, and what the command
reads of the data set beside that, as a method's card declares it (`learns`). So a lone file can
answer, and a command says one line. An output whose maker declares nothing says so, as UNRECORDED.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import ledger
from .image_lists import common, packed, packed_ids, united, unpacked
from .provenance import Source

if TYPE_CHECKING:
    from .store import Artifact

TAGS, MASKS = "tags", "true masks"
TRUE_BOXES, OBJECTS = "true boxes", "true objects"
POINTS, LINES, BOXES, POLYGONS, REGIONS = MARKS = (
    "marks: points",
    "marks: lines",
    "marks: boxes",
    "marks: polygons",
    "marks: regions",
)
SALIENCY, CUES = "saliency maps", "cues"
WEIGHTS = "weights"  # of other people's, by whatever labels
UNRECORDED = "not recorded"
KINDS = (TAGS, *MARKS, MASKS, TRUE_BOXES, OBJECTS, SALIENCY, CUES, WEIGHTS, UNRECORDED)

LEARNED, PRETRAINING, CHOSEN = USES = ("learned", "pretraining", "chosen")
IMAGENET_IMAGES = 1_281_167  # of ILSVRC 2012's training list, one tag each


@dataclass(frozen=True)
class Taught:
    """One entry of a record: labels of one kind, of images of one data set.

    Attributes:
        what: one of KINDS.
        use: LEARNED, PRETRAINING of a backbone, or CHOSEN: seen only to choose or to watch by.
        by: the commands that read them, in order; none for a program of the user's.
        images: how many different ones; None where that is not known.
        at_least: there may be more: lists of images that could not be compared went into it.
        file, run: of the data set; of UNRECORDED, the file that does not say.
        rows: which images, as bits over the data set's rows (`image_lists`); "" where not known.
        own: an image's labels made that image's own item and no other.
        of: what else is known, in words.
    """

    what: str
    use: str = LEARNED
    by: tuple[str, ...] = ()
    images: int | None = None
    at_least: bool = False
    file: str = ""
    run: str = ""
    rows: str = ""
    own: bool = False
    of: str = ""

    def record(self) -> dict[str, Any]:
        """As it is stored: plain values, the usual ones left out."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        found["by"] = list(self.by)
        return {name: value for name, value in found.items() if value not in (None, "", False, [])}


def read_entries(records: Iterable[Mapping[str, Any]]) -> list[Taught]:
    """Entries as `Taught.record` stores them.

    Raises:
        ValueError: they are not. Names that are not known are passed over.
    """
    known = {one.name: type(one.default) for one in fields(Taught)}
    found = []
    for record in records:
        if not isinstance(record, Mapping) or not isinstance(record.get("what"), str):
            raise ValueError("supervision is no record")
        values = {name: value for name, value in record.items() if name in known}
        by = values.get("by", [])
        if not isinstance(by, list) or not all(isinstance(name, str) for name in by):
            raise ValueError("supervision: by names no commands")
        for name, value in values.items():
            number = name == "images" and type(value) is int and value >= 0
            if name not in ("what", "by") and not number and type(value) is not known[name]:
                raise ValueError(f"supervision: {name} makes no sense")
        unpacked(values.get("rows", ""))
        found.append(Taught(**{**values, "by": tuple(by)}))
    return found


def check(records: Any) -> None:
    """Raise ValueError where what a file says of its supervision is no list of entries."""
    if records is not None:
        if not isinstance(records, list):
            raise ValueError("supervision is no record")
        read_entries(records)


def joined(entries: Iterable[Taught]) -> list[Taught]:
    """The same with one entry for each kind, use and data set: an image counts once.

    Where lists of images cannot be compared, the longer one counts, as "at least".

    Raises:
        ValueError: rows that are no list.
    """
    found: dict[tuple[Any, ...], Taught] = {}
    for one in entries:
        key = (one.what, one.use, one.run or one.file, one.of, one.own)
        found[key] = _both(found[key], one) if key in found else one
    order = {name: place for place, name in enumerate((*USES, *KINDS))}
    return sorted(found.values(), key=lambda one: (order.get(one.use, 99), order.get(one.what, 99)))


def _both(one: Taught, other: Taught) -> Taught:
    by = tuple(dict.fromkeys((*one.by, *other.by)))
    if one.images is None or other.images is None or one.rows == other.rows != "":
        return replace(one, by=by)
    if one.rows and other.rows:
        rows, images = united(one.rows, other.rows)
        return replace(one, by=by, rows=rows, images=images)
    return replace(one, by=by, rows="", images=max(one.images, other.images), at_least=True)


# Making one


def record_of(
    inputs: Sequence[Source],
    ids: Sequence[str],
    learns: Sequence[str | Taught] | None,
    *,
    trains: bool = False,
    more: Sequence[Taught] = (),
    run: str = "",
) -> list[dict[str, Any]]:
    """The record of a file that the running command makes, as it is stored.

    What taught an input taught the output. Of what an input's items were made of each for itself,
    such as maps of the tags that their images have, only the images of the output count.

    Args:
        inputs: what it is made from.
        ids: the images of its run; of weights, those that they were trained on.
        learns: the kinds of labels (KINDS) of these images that are read beside what the inputs
            learned from; None where nobody says.
        trains: all images teach the whole output; else each its own item.
        more: further entries: pretraining, images to choose by.
        run: of the output, by which it is known where nobody says what taught it.
    """
    data: Any = next((one for one in inputs if one.kind == "wsss/dataset"), None)
    found = []
    for one in itertools.chain.from_iterable(map(of_source, inputs)):
        found.append(_narrowed(one, ids, data, trains) if one.own else one)
    beside = ledger.current().taught  # what is written beside weights learned what they do
    if beside is not None:
        found += read_entries(beside)
    elif learns is None:
        found.append(Taught(UNRECORDED, by=_by(), run=run))
    for what in learns or ():
        entry = Taught(what) if isinstance(what, str) else what
        found.append(replace(of_images(entry, ids, data), own=not trains))
    return [one.record() for one in joined([*found, *more]) if one.images != 0]


def of_images(entry: Taught, ids: Sequence[str], data: Artifact | None) -> Taught:
    """An entry of the running command's: those of these images of a data set that have labels."""
    if entry.what not in KINDS:
        raise ValueError(f"{entry.what!r} is no kind of label: see artifacts/supervision.py")
    entry = replace(entry, by=entry.by or _by(), images=len(ids))
    if data is None:
        return entry
    from .holdings import holders

    rows, having = packed_ids(ids, data.encoded_ids()), holders(data, entry.what)
    entry = replace(entry, file=data.path.name, run=data.run, rows=rows)
    if not rows or having is None:
        return entry
    rows, images = common(rows, packed(having.nonzero()[0], len(having)))
    return replace(entry, rows=rows, images=images)


def _narrowed(one: Taught, ids: Sequence[str], data: Artifact | None, trains: bool) -> Taught:
    """An input's entry of each item for itself, of the images of the output alone."""
    here = data is not None and data.run == one.run
    rows = packed_ids(ids, data.encoded_ids()) if data is not None and here else ""
    if rows and one.rows:
        rows, images = common(rows, one.rows)
        return replace(one, images=images, rows=rows, own=not trains)
    return replace(one, images=min(len(ids), one.images or 0), rows="", own=not trains)


def _by() -> tuple[str, ...]:
    name = ledger.current().command
    return (name,) if name else ()


def of_source(source: Source) -> list[Taught]:
    """What taught an input. A data set is taught by nothing: it is what others learn from."""
    if source.kind in ("wsss/dataset", "images"):
        return []
    return of_file(source.kind, source.path.name, source.run, getattr(source, "supervision", None))


def of_file(
    kind: str, name: str, run: str, records: Sequence[Mapping[str, Any]] | None
) -> list[Taught]:
    """What taught a file: its own record, or the word that it has none.

    Args:
        kind: of the file; others' weights are what is known of them.
        name, run: of the file.
        records: its own; None of a file from before there were any.
    """
    if records is not None:
        entries = read_entries(records)
        return [replace(one, file=name) if one.run == run else one for one in entries]
    if not kind.startswith("wsss/"):
        return [foreign(name)]
    return [Taught(UNRECORDED, file=name, run=run)]


def foreign(name: str) -> Taught:
    """Weights of other people's making, of which only the file is known."""
    return Taught(WEIGHTS, PRETRAINING, by=_by(), of=f"file {name}, not ours")


def of_contents(found: Any, path: Path) -> list[Taught]:
    """What taught weights, of what `torch_files.read_torch` finds in their file."""
    if not (isinstance(found, Mapping) and str(found.get("kind")).startswith("wsss/")):
        return [foreign(path.name)]
    records = found.get("supervision")
    return of_file(str(found["kind"]), path.name, str(found.get("run")), records)


def taught_by(backbone: str, published: str) -> tuple[Taught, ...]:
    """What is known of weights of a backbone that torchvision or timm published.

    Args:
        backbone: as in nets/names.py.
        published: whose weights they are and what they are called, in words.
    """
    of = f"{backbone}, {published}"
    if ":" in backbone:  # timm's are of many origins
        return (Taught(WEIGHTS, PRETRAINING, by=_by(), of=of),)
    return (Taught(TAGS, PRETRAINING, by=_by(), images=IMAGENET_IMAGES, file="ImageNet-1k", of=of),)
