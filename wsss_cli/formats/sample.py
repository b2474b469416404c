"""What every reader gives back, whatever the layout it read."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection as Collection_
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.mask_values import PLAIN, ValueTable
from ..errors import WsssError
from .shapes import USUAL, Drawing, Later, Use
from .tags import alike, examine, marks_of, twin_of, words_of

if TYPE_CHECKING:
    from .tile_tags import Tiles

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip

NOT_CLASSES = frozenset({"background", "_background_", "__ignore__"})  # names of label 0, and 255


@dataclass(frozen=True)
class Sample:
    """One image with its tags.

    Attributes:
        id: path of the file under its folder without extension, '/' between parts, NFC.
        image: where the encoded image lies, or its bytes.
        tags: class names, each once; none for an image of background only.
        mask: where the label image lies, or its bytes; None where there is none.
        splits: names of the splits that hold this image.
        absent: classes that are known not to be in the image; None where those without a tag are.
        drawing: what people drew on it, or what gives that; None where nothing is known of such.
    """

    id: str
    image: Path | bytes
    tags: tuple[str, ...]
    mask: Path | bytes | None = None
    splits: tuple[str, ...] = ()
    absent: tuple[str, ...] | None = None
    drawing: Drawing | Later | None = None

    def drawn(self) -> Drawing | None:
        """What people drew on it.

        Raises:
            ValueError: what is there makes no sense.
        """
        return self.drawing() if callable(self.drawing) else self.drawing


@dataclass(frozen=True)
class Problem:
    """Why one image cannot be packed, and what may help; the caller stops there or skips it."""

    id: str
    reason: str
    hint: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class MaskFacts:
    """What a collection knows of its masks.

    Attributes:
        table: what their numbers and colours stand for.
        given: whether a folder of masks was asked for.
        settled: whether options or a file say what the numbers stand for.
        as_they_are: whether an option says that numbers are what they are, whatever the tags say.
        unused: files in the folder that are no image's mask.
    """

    table: ValueTable = PLAIN
    given: bool = False
    settled: bool = False
    as_they_are: bool = False
    unused: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Collection:
    """A data set as read, before any pixel is looked at.

    Attributes:
        classes: names; a name's place is its class index, its place + 1 its label in masks.
        samples: sorted by id, ids unique.
        splits: names of all splits asked for or found, also where nothing is in them.
        notes: what was decided in reading (plain JSON values), for the artifact to record.
        problems: images that are named but cannot be used.
        remarks: what looks like a mistake in the source, to be said.
        masks: what is known of the masks.
        use: what becomes of what people drew.
        tiles: how large images are cut; None for not at all.
    """

    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    splits: tuple[str, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    remarks: tuple[str, ...] = ()
    masks: MaskFacts = MaskFacts()
    use: Use = USUAL
    tiles: Tiles | None = None

    @property
    def ids(self) -> list[str]:
        """Of all images that are named, usable or not."""
        samples = [sample.id for sample in self.samples]
        return samples + [problem.id for problem in self.problems]

    def only(self, wanted: Collection_[str]) -> Collection:
        """The part of it that is of these ids."""
        return replace(
            self,
            samples=tuple(sample for sample in self.samples if sample.id in wanted),
            problems=tuple(problem for problem in self.problems if problem.id in wanted),
        )


def collect(
    samples: Iterable[Sample],
    found: Iterable[str],
    classes: tuple[str, ...] | None,
    splits: Iterable[str],
    notes: dict[str, Any],
    problems: Iterable[Problem],
    *,
    source: str = "",
    negative: tuple[str, ...] = (),
    remarks: Iterable[str] = (),
    separator: str | None = None,
) -> Collection:
    """Settle the classes and sort the samples.

    Args:
        samples: all images read.
        found: the class names to use, in order, where `classes` is None.
        classes: the names that the user lists; an image with another tag becomes a problem.
        source: what messages call the source.
        negative: tags that say that an image shows no class; with another tag, a problem.
        remarks: what the reader found that looks like a mistake.
        separator: as `tags.examine` takes it.

    Raises:
        WsssError: a name that cannot stand in a line, background as a class, or tags that were
            all but certainly not meant as they were read.
    """
    place = f"{source}: " if source else ""
    names = tuple(found) if classes is None else classes
    samples, bad = list(samples), list(problems)
    remarks = [*remarks, *_unused(place, samples, negative)]
    if negative:
        samples, bad = _without_negative(samples, negative, bad)
        names = _without(place, names, negative, any(one.mask is not None for one in samples))
        notes = {**notes, "negative": list(negative)}
    for name in names:
        if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
            # Of a cell left open in a CSV, or of who means to write on other people's terminals.
            raise WsssError(f"{place}{ascii(name)[:80]} cannot name a class: a control character")
        if name.lower() in NOT_CLASSES:
            raise WsssError(
                f"{place}the tag '{name}' is no class",
                "leave it out: what has no other tag is background; or say "
                f"--negative {name}, which does so",
            )
    if classes is None:
        counts = Counter(tag for sample in samples for tag in sample.tags)
        shared = {tag for sample in samples if len(sample.tags) > 1 for tag in sample.tags}
        lone = [tag for tag in counts if tag not in shared]
        try:
            remarks += examine({name: counts[name] for name in names}, lone, separator)
        except WsssError as err:
            raise WsssError(f"{place}{err}", err.hint) from None
    kept, strange = _known(samples, names, separator)
    kept.sort(key=lambda sample: sample.id.encode())
    return Collection(names, tuple(kept), tuple(splits), notes, (*bad, *strange), tuple(remarks))


def _unused(place: str, samples: Iterable[Sample], negative: tuple[str, ...]) -> list[str]:
    """What is said of negatives that no image has.

    Raises:
        WsssError: a tag is another spelling of one.
    """
    said = []
    tags = dict.fromkeys(tag for sample in samples for tag in sample.tags)
    for name in negative:
        if name not in tags:
            twin = twin_of(name, tags)
            if twin is not None:
                raise WsssError(
                    f"{place}no image has the tag {name!r} that --negative names",
                    f"there is {twin!r}",
                )
            said.append(f"no image has the tag {name!r} that --negative names")
    return said


def _without_negative(
    samples: Iterable[Sample], negative: tuple[str, ...], problems: list[Problem]
) -> tuple[list[Sample], list[Problem]]:
    """The samples, their negatives taken away; a problem for each that has another tag too."""
    kept, bad = [], list(problems)
    for sample in samples:
        tags = tuple(tag for tag in sample.tags if tag not in negative)
        if tags and len(tags) < len(sample.tags):
            none = next(tag for tag in sample.tags if tag in negative)
            reason = f"has the tag '{none}', which is negative, and '{tags[0]}'"
            bad.append(Problem(sample.id, reason))
        else:
            kept.append(replace(sample, tags=tags))
    return kept, bad


def _without(
    place: str, names: tuple[str, ...], negative: tuple[str, ...], masks: bool
) -> tuple[str, ...]:
    """The classes that are left.

    Raises:
        WsssError: there are masks, and a negative stood before a class: how do they number it?
    """
    left = tuple(name for name in names if name not in negative)
    if masks and left != names[: len(left)]:
        raise WsssError(
            f"{place}masks number the classes, and a negative tag stands among them",
            "list the names with --classes FILE, one a line, label 1 first",
        )
    return left


def _known(
    samples: Iterable[Sample], classes: tuple[str, ...], separator: str | None
) -> tuple[list[Sample], list[Problem]]:
    """Samples whose tags are all classes, and a problem for each other."""
    kept, bad = [], []
    known = set(classes)
    alone: dict[str, bool] = {}  # strange tags, and whether no image has another beside them
    for sample in samples:
        strange = [tag for tag in sample.tags if tag not in known]
        for tag in strange:
            alone[tag] = alone.get(tag, True) and len(sample.tags) == 1
        if strange:
            bad.append((sample.id, strange[0]))
        else:
            kept.append(sample)
    spelled = {alike(name): name for name in classes}
    # Where several tags are strange and none is a class, none of them is a word for nothing.
    few = len(alone) == 1 or any(sample.tags for sample in kept)
    hints = {tag: _way_out(tag, spelled, lone and few, separator) for tag, lone in alone.items()}
    return kept, [
        Problem(image_id, f"tag '{tag}' is not among the classes", hints[tag])
        for image_id, tag in bad
    ]


def _way_out(tag: str, spelled: Mapping[str, str], lone: bool, separator: str | None) -> str | None:
    """What may help where a tag is not among the classes that the user lists, by `alike`."""
    if alike(tag) in spelled:
        return f"the list has {spelled[alike(tag)]!r}: write them alike"
    if tag.isdigit() and not any(map(str.isdigit, spelled)):
        return "the tags are numbers, and --classes lists names: write names in their place"
    for mark in marks_of([tag]):
        words = words_of(tag, mark)
        if len(words) > 1 and all(alike(word) in spelled for word in words):
            split = f"--separator {mark!r} splits what is several tags"
            return split if separator == "asked" else "some seem to be several tags"
    return f"--negative {tag!r} if it says that there is none of the classes" if lone else None


def need_class_order(source: str, samples: Iterable[Sample]) -> None:
    """Refuse masks where nothing says which label belongs to which class.

    Raises:
        WsssError: a sample has a mask. Sorted names could give every label a wrong class.
    """
    if any(sample.mask is not None for sample in samples):
        raise WsssError(
            f"{source}: there are masks, but nothing says in which order they number the classes",
            "list the names with --classes FILE, one a line, label 1 first",
        )
