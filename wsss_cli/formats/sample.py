"""What every reader gives back, whatever the layout it read."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection as Collection_
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..core.mask_values import PLAIN, ValueTable
from ..errors import WsssError

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
    """

    id: str
    image: Path | bytes
    tags: tuple[str, ...]
    mask: Path | bytes | None = None
    splits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """Why one image cannot be packed; the caller stops there or skips it."""

    id: str
    reason: str


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
        masks: what is known of the masks.
    """

    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    splits: tuple[str, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    masks: MaskFacts = MaskFacts()

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
) -> Collection:
    """Settle the classes and sort the samples.

    Args:
        samples: all images read.
        found: the class names to use, in order, where `classes` is None.
        classes: the names that the user lists; an image with another tag becomes a problem.

    Raises:
        WsssError: a name that cannot stand in a line, or background as a class.
    """
    names = tuple(found) if classes is None else classes
    for name in names:
        if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
            # Of a cell left open in a CSV, or of who means to write on other people's terminals.
            raise WsssError(f"{ascii(name)[:80]} cannot name a class: a control character")
        if name.lower() in NOT_CLASSES:
            raise WsssError(
                f"the tag '{name}' is no class",
                "leave it out: what has no other tag is background",
            )
    known = set(names)
    kept, bad = [], list(problems)
    for sample in samples:
        strange = [tag for tag in sample.tags if tag not in known]
        if strange:
            bad.append(Problem(sample.id, f"tag '{strange[0]}' is not among the classes"))
        else:
            kept.append(sample)
    kept.sort(key=lambda sample: sample.id.encode())
    return Collection(names, tuple(kept), tuple(splits), notes, tuple(bad))


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
