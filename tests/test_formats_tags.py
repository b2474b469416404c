"""Tags that were not meant as they were read."""

from __future__ import annotations

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.tags import alike, examine, inseparable, twin_of, words_of

COCO = (
    "person", "bicycle", "car", "traffic light", "fire hydrant", "stop sign", "parking meter",
    "bird", "cat", "dog", "bear", "sports ball", "baseball bat", "baseball glove",
    "tennis racket", "wine glass", "hot dog", "potted plant", "dining table", "cell phone",
    "teddy bear", "hair drier",
)  # fmt: skip


def said(*tags: str, lone: tuple[str, ...] = (), separator: str | None = "asked") -> list[str]:
    return examine(dict.fromkeys(tags, 1), lone, separator)


def refused(*tags: str, separator: str | None = "asked") -> WsssError:
    with pytest.raises(WsssError) as caught:
        said(*tags, separator=separator)
    return caught.value


@pytest.mark.parametrize(
    "tags",
    [
        ("cat", "dog", "cat dog"),
        ("cat", "dog", "bird", "dog bird", "cat dog bird"),
        ("0 2", "1"),  # numbers of classes
        ("0,2", "1"),
        ("haze primary", "primary haze"),
        ("clear primary", "haze primary", "clear primary water", "haze primary water"),
        ("cat", "dog", "cat and dog"),
        ("cat", "dog", "cat:dog"),
        ("cat", "dog", "cat\\dog"),
        ("cat", "dog", "cat|dog"),
        ("cat", "dog", "cat, dog"),
        ("cat", "dog", "cat/dog"),
        ("cat", "dog", "cat & dog"),
        ("cat", "dog", "cat_dog"),
    ],
)
def test_tags_of_tags_are_refused(tags: tuple[str, ...]) -> None:
    err = refused(*tags)
    assert " to be several, such as " in str(err)
    assert "--separator" in str(err.hint)


def test_the_way_out_is_what_the_reader_has() -> None:
    err = refused("cat", "dog", "cat dog", "dog;")
    assert (
        str(err) == "1 tag seems to be several, such as 'cat dog' (1 image), which ' ' would part"
    )
    assert err.hint == (
        "--separator ' ' splits tags there, and another, such as --separator '|', keeps them"
    )
    assert said("cat", "dog", "cat dog", separator="told") == []
    err = refused("cat", "dog", "cat dog", separator=None)
    assert err.hint == "if it is a class, list all classes with --classes FILE, one per line"


@pytest.mark.parametrize(
    ("tags", "example"),
    [
        (("hot dog", "dog", "hot", "potted plant"), "hot dog"),
        (("clear primary", "clear primary water", "haze"), "clear primary water"),
        (("cat;dog", "bird"), "cat;dog"),
        (("red car", "red bus", "blue car", "blue bus", "green car", "green bus"), "red car"),
    ],
)
def test_tags_that_may_be_several_are_said(tags: tuple[str, ...], example: str) -> None:
    (remark,) = said(*tags)
    assert f" to be several, such as {example!r} (1 image), which " in remark
    assert "--separator" in remark


@pytest.mark.parametrize(
    "tags",
    [
        (),
        COCO,
        tuple(name.replace(" ", "_") for name in COCO),
        ("traffic light", "light", "car"),
        ("American Crow", "Fish Crow", "American Goldfinch", "Blue Jay"),
        ("grade 1", "grade 2", "grade 10"),
        ("class-1", "t-shirt", "x-ray"),
        ("2007_000032", "1"),
    ],
)
def test_names_of_several_words_are_names(tags: tuple[str, ...]) -> None:
    assert examine(dict.fromkeys(tags, 2), [], "asked") == []


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("cat", "Cat"),
        ("caf\u00e9", "cafe\u0301"),
        ("traffic light", "traffic_light"),
        ("traffic light", "traffic  light"),
        ("traffic-light", "Traffic\u00a0Light"),
        ("cat", "cat\u200b"),
        ("1", "1.0"),
        ("01", "1"),
    ],
)
def test_two_spellings_of_a_name_are_refused(a: str, b: str) -> None:
    assert alike(a) == alike(b)
    err = refused("yak", a, b)
    assert str(err) == f"the tags {a!a} (1 image) and {b!a} (1 image) are two spellings of one name"
    assert "list all with --classes FILE" in str(err.hint)
    assert (twin_of(a, ["yak", b]), twin_of(a, ["yak", a])) == (b, None)


@pytest.mark.parametrize(
    ("tags", "remark"),
    [
        (("0.7", "0", "1"), "the tags are fractions, such as '0.7': are these classes?"),
        (("cat:0.9", "dog: 1"), "all tags end in numbers, as 'cat:0.9' does: are these parts"),
        (("cat (2)", "dog (1)"), "all tags end in numbers, as 'cat (2)' does: are these parts"),
    ],
)
def test_numbers_in_tags_are_said(tags: tuple[str, ...], remark: str) -> None:
    assert examine(dict.fromkeys(tags, 2), [], "told")[0].startswith(remark)
    assert examine(dict.fromkeys((*tags, "cow"), 2), [], "told") == []


def test_0_beside_names_is_said() -> None:
    counts = {"0": 3, "cat": 2, "dog": 1}
    assert examine(counts, ["0"], "told")[0].startswith("the tag '0' (3 images) is never there")
    assert examine(dict.fromkeys(("0", "1", "2"), 2), ["0"], "told") == []


def test_names_that_differ_are_no_twins() -> None:
    assert said("cat", "cats", "10", "100", "1.5", "15", "c", "c2", "c 1") == []


@pytest.mark.parametrize("name", ["nan", "NaN", "None", "null", "NULL", "<NA>", "N/A", "-", "?"])
def test_what_stands_for_nothing_is_no_class(name: str) -> None:
    err = refused("cat", name)
    assert str(err).startswith(f"the tag {name!r} (1 image) is no class")
    assert f"--negative {name!r}" in str(err.hint)


@pytest.mark.parametrize(
    "name", ["['cat'", "'dog']", "{cat", "dog]", '"cat"', "'cat'", "(cat", "dog)", "''"]
)
def test_parts_of_lists_are_no_classes(name: str) -> None:
    assert "looks like a part of a list" in str(refused("yak", name, separator="told"))
    assert said("cat [old]", "yak (small)") == []


@pytest.mark.parametrize("name", ["No Finding", "normal", "clear", "No_finding"])
def test_a_word_for_nothing_is_said_where_it_is_always_alone(name: str) -> None:
    (remark,) = said("cat", name, lone=("cat", name))
    assert f"the tag {name!r} (1 image) is never there with another" in remark
    assert f"--negative {name!r}" in remark
    assert said("cat", name) == []


def test_words() -> None:
    assert words_of(" a ;; b", ";") == ["a", "b"]


def test_zero_of_zero_and_one_may_say_that_there_is_nothing() -> None:
    (remark,) = said("0", "1", lone=("0", "1"))
    assert "--negative '0'" in remark
    assert said("0", "1", "2", lone=("0", "1", "2")) == []
    assert "--negative 'False'" in said("False", "True", lone=("False", "True"))[0]


def test_tags_that_hardly_repeat_are_said() -> None:
    counts = {f"caption {number}": 1 for number in range(9)} | {"x": 2}
    assert examine(counts, [], "told") == []  # 9 of 10
    counts |= {f"more {number}": 1 for number in range(10)}
    (remark,) = examine(counts, [], "told")
    assert remark == (
        "19 of 20 tags are on one image only, such as 'caption 0': are these classes?"
    )


def test_tags_that_are_always_together() -> None:
    assert inseparable([("a", "b"), ("a", "b")]) == ("a", "b")
    for tagged in ([("a", "b")], [("a", "b"), ("a", "b"), ("a",)], [("a", "b"), ("b", "a")], []):
        assert inseparable(tagged) is None
