"""From what an annotation file says of its images to a collection: what readers have in common.

A reader makes an `Entry` of each image and hands them to `gather`, which finds the images, settles
ids, splits, masks and classes, and gathers what cannot be used.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import WsssError
from .files import ImageFolder, bad_id
from .lists import read_lists, refuse_twice
from .masks import Masks, way_out
from .reading import Asked
from .sample import Collection, Problem, Sample, collect
from .shapes import BACKGROUND, IGNORED, Drawing, Later, meant


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image as an annotation file has it.

    Attributes:
        name: what the file calls the image: a path, a name, an address.
        drawing: what was drawn on it; of `Later`, `tags` name all of its classes.
        tags: classes that it is said to show, beside those of an eager drawing.
        absent: classes said to be absent; None where all without a tag are.
        splits: that it is in, by the source.
        image: where the image lies, or its bytes, where the reader knows.
        mask: where its label image lies, or its bytes.
        problem: why it cannot be used.
        names: further names that the image may have, tried in turn.
    """

    name: str
    drawing: Drawing | Later | None = None
    tags: tuple[str, ...] = ()
    absent: tuple[str, ...] | None = None
    splits: tuple[str, ...] = ()
    image: Path | bytes | None = None
    mask: Path | bytes | None = None
    problem: str | None = None
    names: tuple[str, ...] = ()


def gather(
    source: str,
    entries: Iterable[Entry],
    folder: ImageFolder,
    asked: Asked,
    notes: dict[str, Any],
    *,
    classes: tuple[str, ...] | None = None,
    splits: Iterable[str] = (),
    remarks: Iterable[str] = (),
    problems: Iterable[Problem] = (),
    masks: Masks | None = None,
    tagged_by_masks: bool = False,
) -> Collection:
    """The images of entries with all that is said of them.

    Args:
        source: what messages call the source.
        entries: each image once.
        folder: where the images are found by name.
        asked: what the options of `pack` say.
        notes: what was decided in reading, with the format's name as "source".
        classes: in the source's own order; None where it has none: then sorted.
        splits: all that the source has, by name.
        remarks: what looks like a mistake.
        problems: images that cannot be used, beside those of entries.
        masks: the source's own label images, where they are files beside.
        tagged_by_masks: whether images also have the classes that their masks hold as tags.

    Raises:
        WsssError: an image twice, a split that is not there, or as `collect` and `Masks` say.
    """
    samples, bad = [], list(problems)
    for entry in entries:
        try:
            sample = _sample(entry, folder)
        except LookupError as err:
            bad.append(Problem(entry.name or "''", *err.args))
            continue
        if asked.negative and sample.drawing is not None:
            sample = replace(sample, drawing=partial(_without, sample, asked.negative))
        samples.append(sample)
    refuse_twice(source, "images", [sample.id for sample in samples])
    samples, names, more = _in_splits(source, samples, tuple(splits), asked.splits, folder)
    label_images = masks or Masks(asked.masks, asked.mask_options)
    samples, ambiguous = label_images.attach(samples, folder)
    if tagged_by_masks:
        names_of_all = asked.classes or classes or label_images.classes(())
        samples, unread = _tagged(samples, label_images, names_of_all)
        ambiguous, classes = [*ambiguous, *unread], classes or names_of_all
    found = classes
    if found is not None and any(sample.drawing is not None for sample in samples):
        left = tuple(name for name in found if meant(name) not in (BACKGROUND, IGNORED))
        if left != found[: len(left)] and asked.classes is None:
            label_images.order(source, samples)  # masks may number what is left in another way
        found = left
    if found is None:
        if asked.classes is None:
            label_images.order(source, samples)
        negative = set(asked.negative)
        found = label_images.classes(
            sorted({tag for sample in samples for tag in sample.tags if tag not in negative})
        )
    return label_images.settle(
        collect(
            samples, found, asked.classes, names, notes, [*bad, *more, *ambiguous],
            source=source, negative=asked.negative, remarks=[*remarks, *folder.remarks()],
        )
    )  # fmt: skip


def _tagged(
    samples: Iterable[Sample], masks: Masks, classes: tuple[str, ...]
) -> tuple[list[Sample], list[Problem]]:
    """The samples with the classes of their masks, one without a mask as background only."""
    kept, bad = [], []
    for sample in samples:
        if sample.mask is None:
            kept.append(sample)
            continue
        try:
            held = masks.names(sample, classes)
        except ValueError as err:
            bad.append(Problem(sample.id, str(err), way_out(err)))
            continue
        kept.append(replace(sample, tags=tuple(dict.fromkeys((*sample.tags, *held)))))
    return kept, bad


def _sample(entry: Entry, folder: ImageFolder) -> Sample:
    """
    Raises:
        LookupError: it has a problem, or its image is not found.
    """
    if entry.problem is not None:
        raise LookupError(entry.problem)
    tags = entry.tags
    if isinstance(entry.drawing, Drawing):
        tags = tuple(dict.fromkeys((*tags, *entry.drawing.names)))
    if entry.drawing is not None:  # strokes of background are drawn, and are no tag
        tags = tuple(tag for tag in tags if tag not in (BACKGROUND, IGNORED))
    image = entry.image
    if isinstance(image, bytes):
        image_id = _id_of_name(entry.name)
    else:
        image = image or _find(entry, folder)
        image_id = folder.id_of(image)
    return Sample(
        image_id, image, tags, entry.mask, entry.splits, absent=entry.absent, drawing=entry.drawing
    )


def _without(sample: Sample, names: Iterable[str]) -> Drawing:
    """What was drawn on it of other classes."""
    drawing = sample.drawn()
    assert drawing is not None
    return drawing.without(names)


def _find(entry: Entry, folder: ImageFolder) -> Path:
    """The image that one of an entry's names is of, as it is before what is only like it.

    Raises:
        LookupError: what was said of the first name.
    """
    names = (entry.name, *entry.names)
    for name in names:
        with suppress(LookupError):
            return folder.find(name)
    errors = []
    for name in names:
        try:
            return folder.search(name)
        except LookupError as err:
            errors.append(err)
    raise errors[0]


def _id_of_name(name: str) -> str:
    """The id of an image that lies in no folder: its relative name without extension.

    Raises:
        LookupError: it cannot be an id.
    """
    from .names import is_image

    plain = unicodedata.normalize("NFC", name.replace("\\", "/"))
    image_id = plain.rpartition(".")[0] if is_image(plain) else plain
    reason = bad_id(image_id)
    if reason:
        raise LookupError(reason)
    return image_id


def _in_splits(
    source: str,
    samples: list[Sample],
    own: tuple[str, ...],
    asked: Mapping[str, Path | None],
    folder: ImageFolder,
) -> tuple[list[Sample], list[str], list[Problem]]:
    """The samples in the splits asked for; all, in the source's own, where none is."""
    if not asked:
        return samples, list(own), []
    files = {name: file for name, file in asked.items() if file is not None}
    strange = [name for name in asked if name not in files and name not in own]
    if strange:
        has = f"it has: {', '.join(own)}; " if own else ""
        raise WsssError(
            f"{source}: has no split '{strange[0]}'", f"{has}--split NAME=FILE names a list"
        )
    _, listed, problems = read_lists(files, folder) if files else ({}, {}, [])
    known = {sample.id for sample in samples}
    problems += [Problem(i, f"not in {source}") for i in listed if i not in known]
    kept = []
    for one in samples:
        inside = [name for name in one.splits if name in asked and name not in files]
        inside += listed.get(one.id, ())
        if inside:
            kept.append(replace(one, splits=tuple(inside)))
    return kept, list(asked), problems
