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
