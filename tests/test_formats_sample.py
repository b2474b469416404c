"""What every reader gives back: classes settled, samples sorted, problems kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.sample import (
    VOC_CLASSES,
    Collection,
    Problem,
    Sample,
    collect,
    need_class_order,
)


def sample(name: str, *tags: str, mask: Path | None = None) -> Sample:
    return Sample(name, Path(f"{name}.jpg"), tags, mask)


def test_samples_are_sorted_by_the_bytes_of_their_ids() -> None:
    names = ["é", "b", "a/b", "Z", "a"]
    found = collect(map(sample, names), [], None, ["s"], {"source": "test"}, [])
    assert [one.id for one in found.samples] == ["Z", "a", "a/b", "b", "é"]
    assert (found.splits, found.notes, found.problems) == (("s",), {"source": "test"}, ())


def test_classes_are_those_found_unless_the_user_lists_them() -> None:
    samples = [sample("a", "cat"), sample("b", "dog", "cow"), sample("c")]
    assert collect(samples, ["dog", "cow", "cat"], None, [], {}, []).classes == (
        "dog",
        "cow",
        "cat",
    )
    earlier = Problem("x", "gone")
    found = collect(samples, ["dog", "cow", "cat"], ("cow", "cat"), [], {}, [earlier])
    assert found.classes == ("cow", "cat")
    assert [one.id for one in found.samples] == ["a", "c"]
    assert found.problems == (earlier, Problem("b", "tag 'dog' is not among the classes"))


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "a\u2028b", "\udc80"])
def test_class_names_that_cannot_stand_in_a_line_are_refused(name: str) -> None:
    with pytest.raises(WsssError, match="cannot name a class: a control character") as caught:
        collect([], ["cat", name], None, [], {}, [])
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


def test_a_part_keeps_samples_and_problems_of_its_ids() -> None:
    whole = Collection(
        ("x",),
        (sample("a"), sample("b")),
        ("s",),
        {"source": "test"},
        (Problem("c", "gone"), Problem("d", "gone")),
    )
    assert whole.ids == ["a", "b", "c", "d"]
    part = whole.only(["b", "d", "nowhere"])
    assert part.ids == ["b", "d"]
    assert (part.classes, part.splits, part.notes) == (whole.classes, whole.splits, whole.notes)
    assert whole.ids == ["a", "b", "c", "d"]


def test_masks_need_an_order_of_the_classes() -> None:
    need_class_order("t.csv", [sample("a", "cat"), sample("b")])
    with pytest.raises(WsssError, match=r"^t\.csv: there are masks, but nothing says") as caught:
        need_class_order("t.csv", [sample("a", "cat"), sample("b", mask=Path("b.png"))])
    assert "--classes FILE" in str(caught.value.hint)


def test_vocs_classes_are_numbered_as_in_its_masks() -> None:
    assert len(VOC_CLASSES) == len(set(VOC_CLASSES)) == 20
    assert tuple(sorted(VOC_CLASSES)) == VOC_CLASSES
    assert [VOC_CLASSES[place] for place in (0, 14, 19)] == ["aeroplane", "person", "tvmonitor"]


@pytest.mark.parametrize("name", ["background", "Background", "__ignore__"])
def test_background_is_no_class(name: str) -> None:
    with pytest.raises(WsssError, match="is no class") as refused:
        collect([], ["cat", name], None, [], {}, [])
    assert "what has no other tag is background" in (refused.value.hint or "")


def test_a_negative_leaves_an_image_as_background_only() -> None:
    samples = [sample("a", "cat"), sample("b", "none at all"), sample("c", "none at all", "cat")]
    found = collect(samples, ["cat", "none at all"], None, [], {}, [], negative=("none at all",))
    assert found.classes == ("cat",)
    assert [(one.id, one.tags) for one in found.samples] == [("a", ("cat",)), ("b", ())]
    reason = "has the tag 'none at all', which is negative, and 'cat'"
    assert found.problems == (Problem("c", reason),)
    assert found.notes == {"negative": ["none at all"]}
    listed = collect(samples[:2], [], ("cat",), [], {}, [], negative=("none at all",))
    assert [one.tags for one in listed.samples] == [("cat",), ()]
    assert listed.problems == ()


def test_background_may_be_negative() -> None:
    samples = [sample("a", "cat"), sample("b", "background")]
    found = collect(samples, ["background", "cat"], None, [], {}, [], negative=("background",))
    assert (found.classes, [one.tags for one in found.samples]) == (("cat",), [("cat",), ()])


def test_a_negative_that_no_image_has_is_said_or_refused() -> None:
    samples = [sample("a", "cat"), sample("b", "No Finding")]
    found = collect(samples[:1], ["cat"], None, [], {}, [], negative=("No Finding",))
    assert found.remarks == ("no image has the tag 'No Finding' that --negative names",)
    with pytest.raises(WsssError, match=r"^t\.csv: no image has the tag 'no finding'") as caught:
        collect(samples, [], None, [], {}, [], source="t.csv", negative=("no finding",))
    assert caught.value.hint == "there is 'No Finding'"


def test_a_negative_among_classes_that_masks_number_is_refused() -> None:
    samples = [sample("a", "cat", mask=Path("a.png")), sample("b", "clean")]
    with pytest.raises(WsssError, match="masks number the classes") as caught:
        collect(samples, ["clean", "cat"], None, [], {}, [], negative=("clean",))
    assert "--classes FILE" in str(caught.value.hint)
    found = collect(samples, ["cat", "clean"], None, [], {}, [], negative=("clean",))
    assert found.classes == ("cat",)


def hints(*samples: Sample, classes: tuple[str, ...], separator: str | None) -> list[str | None]:
    found = collect(samples, [], classes, [], {}, [], separator=separator)
    return [problem.hint for problem in found.problems]


def test_a_strange_tag_comes_with_a_way_out() -> None:
    listed = ("cat", "dog")
    alone, both = sample("a", "No Finding"), sample("b", "No Finding", "cat")
    negative = "--negative 'No Finding' if it says that there is none of the classes"
    assert hints(alone, classes=listed, separator="asked") == [negative]
    assert hints(alone, both, classes=listed, separator="asked") == [None, None]
    unknown = sample("e", "cow")
    assert hints(alone, unknown, classes=listed, separator="asked") == [None, None]
    good = sample("f", "cat")
    assert negative in hints(alone, unknown, good, classes=listed, separator="asked")
    numbers = hints(sample("a", "0"), sample("b", "1"), classes=listed, separator="asked")
    assert set(numbers) == {
        "the tags are numbers, and --classes lists names: write names in their place"
    }
    twin, several = sample("c", "Cat"), sample("d", "dog cat")
    assert hints(twin, classes=listed, separator=None) == ["the list has 'cat': write them alike"]
    assert hints(several, classes=listed, separator="asked") == [
        "--separator ' ' splits what is several tags"
    ]
    assert hints(several, classes=listed, separator=None) == ["some seem to be several tags"]


def test_what_looks_wrong_with_tags_is_refused_by_the_name_of_the_source() -> None:
    samples = [sample("a", "cat"), sample("b", "dog"), sample("c", "cat dog")]
    with pytest.raises(WsssError, match=r"^t\.csv: 1 tag seems to be several") as caught:
        collect(samples, ["cat", "cat dog", "dog"], None, [], {}, [], source="t.csv")
    assert "--classes FILE" in str(caught.value.hint)
    found = collect(samples, [], ("cat", "cat dog", "dog"), [], {}, [])  # as the user lists them
    assert (len(found.samples), found.remarks) == (3, ())
    found = collect(samples[:1], ["cat"], None, [], {}, [], remarks=["odd"])
    assert found.remarks == ("odd",)
