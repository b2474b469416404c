"""Whether masks and tags say the same: what tells masks that are read wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.labels import BACKGROUND, IGNORE
from .sample import Collection, Sample

MASKS_ENOUGH = 2  # masks of tagged images that agreement is judged by
Held = tuple[int, ...]  # all labels of a mask, rising


@dataclass
class Agreement:
    """What is said of masks beside tags.

    Attributes:
        warnings: what looks like a mistake.
        remarks: plain facts.
        refusal: why the masks cannot be what they seem, or None; then `hint` says what to do.
    """

    warnings: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    refusal: str | None = None
    hint: str | None = None

    def refuse(self, text: str, hint: str) -> None:
        if self.refusal is None:
            self.refusal, self.hint = text, hint


@dataclass(frozen=True)
class _Mask:
    """A mask's image and class labels, beside the labels of the image's tags."""

    id: str
    held: frozenset[int]
    tags: frozenset[int]

    @property
    def classes(self) -> frozenset[int]:
        return self.held - {BACKGROUND, IGNORE}


def compare(
    found: Collection, samples: Sequence[Sample], held: Mapping[str, Held | None]
) -> Agreement:
    """Hold each mask against its image's tags.

    Args:
        found: what a reader gave.
        samples: those of it that are packed.
        held: all labels that a mask holds, by id; None where there is none.
    """
    said = Agreement()
    label = {name: place + 1 for place, name in enumerate(found.classes)}
    masks = []
    for sample in samples:
        labels = held[sample.id]
        if labels is not None:
            tags = frozenset(label[tag] for tag in sample.tags)
            if sample.absent is not None:  # a class of which nothing is said may be there
                absent = {label[name] for name in sample.absent if name in label}
                tags |= frozenset(labels) - absent - {BACKGROUND, IGNORE}
            masks.append(_Mask(sample.id, frozenset(labels), tags))
    if not masks:
        return said
    _judge_numbering(said, found, masks)
    _judge_classes(said, found, masks)
    beyond = [one.id for one in masks if one.classes - one.tags]
    if beyond:
        said.warnings.append(
            f"{len(beyond)} masks hold classes that their image's tags lack, first {beyond[0]}"
        )
    _judge_files(said, found, samples, masks)
    return said


def _judge_classes(said: Agreement, found: Collection, masks: Sequence[_Mask]) -> None:
    """Masks of tagged images that hold no class, none of the tags, or not all of them."""
    tagged = [one for one in masks if one.tags]
    empty = [one for one in tagged if not one.classes]
    void = [one for one in empty if IGNORE in one.held]
    other = [one for one in tagged if one.classes and not one.classes & one.tags]
    some = [one for one in tagged if one.classes & one.tags and one.tags - one.classes]
    if not tagged and not any(one.classes for one in masks):  # tags come from masks, maybe
        untold = [one for one in masks if IGNORE in one.held]
        if untold and not found.masks.settled and not any(one.tags for one in found.samples):
            _refuse_void(said, found, untold, len(masks), "masks")
    kinds = []
    if void:
        kinds.append((void, "hold no class, only 255, which means no label"))
    if len(empty) > len(void):
        rest = [one for one in empty if IGNORE not in one.held]
        kinds.append((rest, "hold no class, only 0, which is background"))
    if other:
        kinds.append((other, "hold classes, but none of their image's tags"))
    for which, text in kinds:
        said.warnings.append(
            f"{len(which)} of {len(tagged)} masks of tagged images {text}, first {which[0].id}"
        )
    if tagged and len(empty) + len(other) == len(tagged):
        if len(void) == len(tagged):
            if not found.masks.settled:
                _refuse_void(said, found, void, len(tagged), "masks of tagged images")
        elif len(tagged) >= MASKS_ENOUGH:
            said.refuse(
                "no mask holds a class that its image is tagged with: "
                + "; ".join(f"{len(which)} of {len(tagged)} {text}" for which, text in kinds)
                + f"; first {tagged[0].id}",
                "look whether --classes lists the names in the masks' order, label 1 first, and "
                "whether these are masks of labels; --mask-values says what numbers stand for",
            )
    _judge_contradictions(said, found, tagged)
    if some:
        lacking = min(some[0].tags - some[0].classes)
        said.warnings.append(
            f"{len(some)} of {len(tagged)} masks lack a class that their image is tagged with, "
            f"first {some[0].id} ({found.classes[lacking - 1]})"
        )


def _judge_contradictions(said: Agreement, found: Collection, tagged: Sequence[_Mask]) -> None:
    """Most masks, or masks of one label alone, that hold other classes than the tags."""
    wrong = [one for one in tagged if one.classes - one.tags and one.tags - one.classes]
    named = frozenset[int]().union(*(one.tags for one in tagged))
    drawn = frozenset[int]().union(*(one.classes for one in tagged))
    if found.masks.as_they_are or len(wrong) < MASKS_ENOUGH:
        return
    keep = "--first-label 1 packs them as they are"
    if found.masks.settled:  # by options, which say what the numbers are
        keep = "leave out --masks to pack the tags alone"
    if len(drawn) == 1 < len(named):
        said.refuse(
            f"all masks hold label {min(drawn)} alone, {found.classes[min(drawn) - 1]}, yet their "
            f"images are tagged with {len(named)} classes, first {wrong[0].id}",
            f"masks need a number for each class, in the order of the classes; {keep}",
        )
    elif len(wrong) > len(tagged) / 2:
        said.refuse(
            f"{len(wrong)} of {len(tagged)} masks of tagged images lack a tag of the image and "
            f"hold another class, first {wrong[0].id}",
            "look whether --classes lists the names in the masks' order, label 1 first; "
            f"--mask-values says what numbers stand for; {keep}",
        )


def _refuse_void(
    said: Agreement, found: Collection, void: Sequence[_Mask], total: int, what: str
) -> None:
    way = "masks of several classes need a number for each of them"
    if len(found.classes) == 1:
        way = f"--mask-values 255={found.classes[0]} reads 255 as that class"
    said.refuse(
        f"{len(void)} of {total} {what} hold no class, only 255, which means no label, "
        f"first {void[0].id}",
        f"{way}; --mask-values 255=ignore keeps it",
    )


def _judge_numbering(said: Agreement, found: Collection, masks: Sequence[_Mask]) -> None:
    """Masks whose classes agree with the tags if they are numbered from 0, and do not from 1."""
    highest = max((label for one in masks for label in one.held - {IGNORE}), default=0)
    if found.masks.settled or highest >= len(found.classes):  # then one would be beyond the last
        return
    tagged = [one for one in masks if one.tags and (one.classes or IGNORE not in one.held)]
    shifted = [_from_zero(one) == one.tags for one in tagged]
    plain = [one.classes == one.tags for one in tagged]
    if sum(shifted) <= sum(plain) or not any(one.classes for one in tagged):
        return
    text = (
        f"label 0 is background, and classes begin at 1: so {sum(plain)} of {len(tagged)} masks "
        f"hold the classes that their image is tagged with; do the masks begin at 0? "
        f"Then {sum(shifted)} do"
    )
    if all(shifted) and len(tagged) >= MASKS_ENOUGH:
        said.refuse(
            text, "--first-label 0 reads label 0 as the first class; --first-label 1 keeps it"
        )
    else:
        said.warnings.append(f"{text} (--first-label 0)")


def _from_zero(mask: _Mask) -> frozenset[int]:
    return frozenset(label + 1 for label in mask.held - {IGNORE})


def _judge_files(
    said: Agreement, found: Collection, samples: Sequence[Sample], masks: Sequence[_Mask]
) -> None:
    """Images without a mask, files that are no image's, and what 0 and 255 are."""
    lacking = [sample.id for sample in samples if sample.mask is None]
    if lacking and found.masks.given:
        said.warnings.append(
            f"{len(lacking)} of {len(samples)} images have no mask, first {lacking[0]}"
        )
    zero = _count(masks, BACKGROUND)
    said.remarks.append(
        f"masks: label 0 is background (in {zero} of {len(masks)}), "
        f"255 is no label (in {_count(masks, IGNORE)})"
    )
    unused = found.masks.unused
    if unused:
        said.remarks.append(
            f"{len(unused)} label images belong to no image that is packed, first {unused[0]}"
        )


def _count(masks: Iterable[_Mask], label: int) -> int:
    return sum(label in one.held for one in masks)
