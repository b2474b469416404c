"""Masks held against tags: what is warned of, what is refused, what is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wsss_cli.core.mask_values import ValueTable
from wsss_cli.formats.agreement import Agreement, Held, compare
from wsss_cli.formats.sample import Collection, MaskFacts, Sample

CLASSES = ("forest", "water", "bare")
VOID = "hold no class, only 255, which means no label"


def judged(
    *pairs: tuple[str, Held | None],
    classes: tuple[str, ...] = CLASSES,
    facts: MaskFacts = MaskFacts(),  # noqa: B008
) -> Agreement:
    """What is said of images a, b, ... with tags by their first letters and labels of masks."""
    by_letter = {name[0]: name for name in classes}
    samples = tuple(
        Sample(chr(97 + place), b"", tuple(by_letter[letter] for letter in tags),
               None if held is None else b"m")
        for place, (tags, held) in enumerate(pairs)
    )  # fmt: skip
    found = Collection(classes, samples, masks=facts)
    held = {one.id: labels for one, (_, labels) in zip(samples, pairs, strict=True)}
    return compare(found, samples, held)


def test_masks_that_agree() -> None:
    said = judged(("f", (0, 1)), ("fw", (0, 1, 2, 255)), ("", (0,)), ("b", None))
    assert (said.warnings, said.refusal) == ([], None)
    assert said.remarks == ["masks: label 0 is background (in 3 of 3), 255 is no label (in 1)"]
    assert judged(("f", None), ("", None)) == Agreement()


def test_masks_of_0_and_255_are_refused() -> None:
    said = judged(("c", (0, 255)), ("", (0,)), ("c", (0, 255)), classes=("cat",))
    assert said.refusal == f"2 of 2 masks of tagged images {VOID}, first a"
    assert said.hint is not None
    assert said.hint.startswith("--mask-values 255=cat reads 255 as that class")
    several = judged(("f", (0, 255)), ("w", (255,)))
    assert str(several.hint).startswith("masks of several classes need a number for each")
    assert judged(("f", (255,))).refusal == f"1 of 1 masks of tagged images {VOID}, first a"


def test_who_says_what_255_is_gets_a_warning() -> None:
    facts = MaskFacts(ValueTable({255: 255}), settled=True)
    said = judged(("f", (0, 255)), facts=facts)
    assert said.refusal is None
    assert said.warnings[0] == f"1 of 1 masks of tagged images {VOID}, first a"


def test_tags_from_masks_that_hold_no_class_are_refused() -> None:
    said = judged(("", (0, 255)), ("", (0,)))
    assert said.refusal == f"1 of 2 masks {VOID}, first a"
    assert judged(("", (0,)), ("", (0,))).refusal is None  # images of background only


def test_a_mask_may_hold_classes_of_which_tags_say_nothing() -> None:
    forest, water = (next(name for name in CLASSES if name[0] == letter) for letter in "fw")
    samples = tuple(
        Sample(name, b"", tags, b"m", absent=absent)
        for name, tags, absent in (
            ("a", (forest,), ()),
            ("b", (), (water,)),
            ("c", (forest,), None),
        )
    )
    number = {name: place + 1 for place, name in enumerate(CLASSES)}
    held = {name: frozenset({0, number[forest], number[water]}) for name in "abc"}
    warnings = compare(Collection(CLASSES, samples), samples, held).warnings
    assert warnings == ["2 masks hold classes that their image's tags lack, first b"]


def test_kinds_of_misfits_are_told_apart() -> None:
    said = judged(
        ("f", (0, 1)), ("f", (0, 1)), ("f", (0, 1)), ("f", (0, 255)), ("w", (0,)), ("w", (0, 1)),
        ("fw", (0, 1)), ("f", (0, 1, 3)),
    )  # fmt: skip
    assert said.refusal is None
    assert said.warnings == [
        f"1 of 8 masks of tagged images {VOID}, first d",
        "1 of 8 masks of tagged images hold no class, only 0, which is background, first e",
        "1 of 8 masks of tagged images hold classes, but none of their image's tags, first f",
        "1 of 8 masks lack a class that their image is tagged with, first g (water)",
        "2 masks hold classes that their image's tags lack, first f",
    ]


def test_masks_none_of_which_holds_a_tag_are_refused() -> None:
    said = judged(("f", (0, 3)), ("w", (0,)), ("b", (0, 2)))
    assert said.refusal == (
        "no mask holds a class that its image is tagged with: 1 of 3 hold no class, only 0, which "
        "is background; 2 of 3 hold classes, but none of their image's tags; first a"
    )
    assert "--classes" in str(said.hint)
    one = judged(("f", (0, 3)))  # a single mask may be wrong by itself
    assert one.refusal is None
    assert one.warnings[0].startswith("1 of 1 masks of tagged images hold classes, but none")


def test_masks_most_of_which_contradict_the_tags_are_refused() -> None:
    pairs = (("fw", (0, 2, 3)), ("f", (0, 2)), ("b", (0, 1, 3)))
    said = judged(*pairs)
    assert said.refusal == (
        "2 of 3 masks of tagged images lack a tag of the image and hold another class, first a"
    )
    assert "--first-label 1 packs them as they are" in str(said.hint)
    assert judged(*pairs, facts=MaskFacts(as_they_are=True)).refusal is None
    assert judged(*pairs[1:], ("f", (0, 1)), ("b", (0, 3))).refusal is None


def test_masks_of_one_label_for_several_classes_are_refused() -> None:
    pairs = (("f", (0, 1)), ("w", (0, 1)), ("b", (0, 1)), ("fw", (0, 1)), ("f", (0, 1)))
    said = judged(*pairs)
    assert said.refusal == (
        "all masks hold label 1 alone, forest, yet their images are tagged with 3 classes, first b"
    )
    assert "--first-label 1 packs them as they are" in str(said.hint)
    settled = judged(*pairs, facts=MaskFacts(ValueTable({255: 1}, closed=True), settled=True))
    assert settled.refusal == said.refusal
    assert "leave out --masks to pack the tags alone" in str(settled.hint)
    assert judged(*pairs[:2], ("f", (0, 1)), ("f", (0, 1))).refusal is None  # one may be wrong


def test_masks_that_begin_at_0_are_refused() -> None:
    land = (("fw", (0, 1)), ("fb", (0, 2)), ("f", (0,)), ("wb", (1, 2, 255)))
    said = judged(*land)
    assert said.refusal == (
        "label 0 is background, and classes begin at 1: so 0 of 4 masks hold the classes that "
        "their image is tagged with; do the masks begin at 0? Then 4 do"
    )
    assert str(said.hint).startswith("--first-label 0 reads label 0 as the first class")
    for facts in (MaskFacts(ValueTable(first=1), settled=True),):
        assert judged(*land, facts=facts).refusal is None  # who says so is heard


def test_masks_of_which_most_begin_at_0_are_warned_of() -> None:
    said = judged(("fw", (0, 1)), ("fb", (0, 2)), ("w", (0, 1, 2)))
    assert said.refusal is None
    assert "so 0 of 3 masks" in said.warnings[0]
    assert said.warnings[0].endswith("Then 2 do (--first-label 0)")


@pytest.mark.parametrize(
    "pairs",
    [
        (("f", (0, 1)), ("w", (0, 2))),
        (("f", (0, 1)), ("fw", (0, 1))),  # a tag that the mask lacks, and shifted it would agree
        (("", (0,)), ("", (0, 255))),
        (("fw", (0, 1)), ("fw", (0, 1)), ("", (0, 3))),  # from 0, the last would be no class
    ],
)
def test_masks_that_begin_at_1(pairs: tuple[tuple[str, Held], ...]) -> None:
    assert not any("begin at 0" in text for text in judged(*pairs).warnings)


def test_images_without_masks_are_counted_where_masks_were_asked_for() -> None:
    pairs = (("f", (0, 1)), ("f", None), ("f", None))
    assert judged(*pairs).warnings == []
    said = judged(*pairs, facts=MaskFacts(given=True))
    assert said.warnings == ["2 of 3 images have no mask, first b"]


def test_files_of_no_image_are_counted() -> None:
    facts = replace(MaskFacts(), unused=(Path("m/x.png"), Path("m/y.png")))
    assert judged(("f", (0, 1)), facts=facts).remarks[1] == (
        "2 label images belong to no image that is packed, first m/x.png"
    )
