"""From entries to a collection: images found, splits, classes, and what cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import encode_png

from wsss_cli.errors import WsssError
from wsss_cli.formats.entries import Entry, gather
from wsss_cli.formats.files import ImageFolder
from wsss_cli.formats.reading import Asked
from wsss_cli.formats.sample import Collection
from wsss_cli.formats.shapes import BACKGROUND, Drawing, point


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "sub/b.png", "images/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encode_png(np.zeros((4, 6, 3), np.uint8)).tobytes())
    return tmp_path


def gathered(folder: Path, *entries: Entry, asked: Asked | None = None, **more: Any) -> Collection:
    return gather("x.json", entries, ImageFolder(folder), asked or Asked(), {"source": "x"}, **more)


def drawing(*names: str) -> Drawing:
    return Drawing(tuple(point(name, 1, 1) for name in names))


def test_tags_are_those_said_and_those_drawn(folder: Path) -> None:
    found = gathered(
        folder,
        Entry(name="sub/b.png", drawing=drawing("dog", BACKGROUND, "cat"), tags=("owl", "dog")),
        Entry(name="a.png", absent=("dog",)),
    )
    assert found.classes == ("cat", "dog", "owl")
    assert [(one.id, set(one.tags), one.absent) for one in found.samples] == [
        ("a", set(), ("dog",)), ("sub/b", {"owl", "dog", "cat"}, None),
    ]  # fmt: skip


def test_a_lazy_drawing_is_not_read_yet(folder: Path) -> None:
    def later() -> Drawing:
        raise ValueError("read")

    found = gathered(folder, Entry(name="a.png", drawing=later, tags=("cat",)))
    assert found.samples[0].tags == ("cat",)
    with pytest.raises(ValueError, match="read"):
        found.samples[0].drawn()


def test_a_further_name_that_is_exact_comes_before_what_is_like_the_first(folder: Path) -> None:
    found = gathered(folder, Entry(name="c.png", names=("images/c.png",)))
    assert [one.id for one in found.samples] == ["images/c"]
    assert found.remarks == ()
    assert gathered(folder, Entry(name="c.png")).remarks != ()  # found, and said


def test_what_cannot_be_used_is_gathered(folder: Path) -> None:
    found = gathered(
        folder, Entry(name="a.png"), Entry(name="none.png"), Entry(name="sub/b.png", problem="torn")
    )
    assert [one.id for one in found.samples] == ["a"]
    assert [(one.id, one.reason) for one in found.problems] == [
        ("none.png", "no such image"), ("sub/b.png", "torn"),
    ]  # fmt: skip


def test_an_image_twice_is_refused(folder: Path) -> None:
    with pytest.raises(WsssError, match="1 images listed twice, first a"):
        gathered(folder, Entry(name="a.png"), Entry(name="a.png"))


def test_bytes_are_an_image_of_their_name(folder: Path) -> None:
    found = gathered(folder, Entry(name="x\\d.png", image=b"png"))
    assert [(one.id, one.image) for one in found.samples] == [("x/d", b"png")]


def test_the_source_s_own_splits_and_those_asked_for(folder: Path, tmp_path: Path) -> None:
    entries = Entry(name="a.png", splits=("train",)), Entry(name="sub/b.png", splits=("val",))
    own = gathered(folder, *entries, splits=("train", "val"))
    assert own.splits == ("train", "val")
    only = gathered(folder, *entries, splits=("train", "val"), asked=Asked(splits={"val": None}))
    assert [(one.id, one.splits) for one in only.samples] == [("sub/b", ("val",))]
    file = tmp_path / "list.txt"
    file.write_text("a.png\n")
    listed = gathered(folder, *entries, asked=Asked(splits={"mine": file}))
    assert [(one.id, one.splits) for one in listed.samples] == [("a", ("mine",))]
    with pytest.raises(WsssError, match="has no split 'test'") as refused:
        gathered(folder, *entries, splits=("train", "val"), asked=Asked(splits={"test": None}))
    assert "it has: train, val" in str(refused.value.hint)


def test_the_source_s_own_order_of_classes_stays(folder: Path) -> None:
    found = gathered(folder, Entry(name="a.png", tags=("cat",)), classes=("zebra", "cat"))
    assert found.classes == ("zebra", "cat")
