"""What pack writes of a collection, and what it says of what it cannot."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import encode_png

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.images import encode_mask
from wsss_cli.errors import WsssError
from wsss_cli.formats.packing import OnError, pack
from wsss_cli.formats.sample import Collection, Problem, Sample

IMAGE = encode_png(np.full((4, 6, 3), 7, np.uint8)).tobytes()
MASK = encode_mask(np.eye(4, 6, dtype=np.uint8) * 2)
SAMPLES = (
    Sample("a", IMAGE, ("dog", "cat"), MASK, ("train",)),
    Sample("b", IMAGE, (), None, ("train", "val")),
)
FOUND = Collection(("cat", "dog"), SAMPLES, ("train", "val"), {"source": "test"})


def packed(found: Collection, out: Path, on_error: str = "stop", link: bool = False) -> None:
    error = OnError(on_error)
    pack(found, "t", out, link, error, seed=None, workers=1, force=False, quiet=False)


def test_what_is_found_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "d.h5"
    packed(FOUND, out)
    with open_dataset(out) as data:
        assert data.classes == ["cat", "dog"]
        assert data.splits == ["train", "val"]
        assert (data.split("train"), data.split("val")) == (["a", "b"], ["b"])
        assert data.encoded_image("a") == IMAGE  # byte by byte
        assert data.tags("a").tolist() == [0, 1]  # rising
        assert data.tags("b").tolist() == []
        assert data.size("b") == (4, 6)
        assert np.array_equal(data.mask("a"), np.eye(4, 6) * 2)
        assert not data.has_mask("b")
        assert data.params["source"] == "test"
        assert data.params["link"] is False
    assert capsys.readouterr().err.splitlines() == [
        "wsss: warning: t: 1 of 1 masks lack a class that their image is tagged with, "
        "first a (cat)",
        "pack: source test; 2 classes; splits train 2, val 1",
        "pack: images of each class: 'cat' 1, 'dog' 1",
        "pack: 1 masks; 1 images without a tag, background only",
        "pack: masks: label 0 is background (in 1 of 1), 255 is no label (in 0)",
        f"pack: 2 images -> {out}",
    ]


def test_all_images_train_where_there_are_no_splits(tmp_path: Path) -> None:
    packed(Collection(("cat", "dog"), SAMPLES), tmp_path / "d.h5")
    with open_dataset(tmp_path / "d.h5") as data:
        assert (data.splits, data.split("train")) == (["train"], ["a", "b"])


def test_a_link_is_relative_to_the_file_and_knows_the_image(tmp_path: Path) -> None:
    for name in ("photos", "out"):
        (tmp_path / name).mkdir()
    photo = tmp_path / "photos" / "a.png"
    photo.write_bytes(IMAGE)
    out = tmp_path / "out" / "d.h5"
    packed(Collection(("cat",), (Sample("a", photo, ("cat",)),)), out, link=True)
    with open_dataset(out) as data:
        assert os.fsdecode(data.field("a", "path").tobytes()) == "../photos/a.png"
        assert data.field("a", "digest").tobytes() == hashlib.sha256(IMAGE).digest()
        assert data.field("a", "image") is None
        assert data.encoded_image("a") == IMAGE


@pytest.mark.parametrize(
    ("count", "rest"), [(1, ""), (3, ""), (5, "; and 2 more")], ids=["one", "three", "five"]
)
def test_three_problems_are_named_and_nothing_is_written(
    tmp_path: Path, count: int, rest: str
) -> None:
    problems = tuple(Problem(f"p{number}", "gone") for number in range(count))
    found = Collection(("cat", "dog"), SAMPLES, problems=problems)
    with pytest.raises(WsssError) as caught:
        packed(found, tmp_path / "d.h5")
    named = "; ".join(f"p{number}: gone" for number in range(min(count, 3)))
    total = count + 2
    assert str(caught.value) == f"t: {count} of {total} images cannot be packed: {named}{rest}"
    assert "--on-error skip" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tagged", [True, False])
def test_skipping_is_no_way_out_where_nothing_is_left(tmp_path: Path, tagged: bool) -> None:
    strange = encode_mask(np.full((4, 6), 9, np.uint8))
    tags = ("cat",) if tagged else ()
    bad = (Sample("c", IMAGE, tags, strange), Sample("d", IMAGE, tags, strange))
    fine = (Sample("e", IMAGE, ()),) if tagged else ()  # of background only
    with pytest.raises(WsssError, match=r"2 of . images cannot be packed") as caught:
        packed(Collection(("cat", "dog"), (*bad, *fine)), tmp_path / "d.h5")
    hint = str(caught.value.hint)
    assert "--on-error skip" not in hint
    assert hint.startswith("--mask-values says what numbers and colours of masks stand for; ")


def test_what_is_skipped_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = Sample("c", b"no image", ("cat",), None, ("val",))
    found = Collection(
        ("cat", "dog"), (*SAMPLES, broken), ("train", "val"), {}, (Problem("p", "gone"),)
    )
    packed(found, tmp_path / "d.h5", "skip")
    with open_dataset(tmp_path / "d.h5") as data:
        assert data.ids == ["a", "b"]
        assert data.split("val") == ["b"]
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "wsss: warning: t: skipped p: gone"
    assert said[1].startswith("wsss: warning: t: skipped c: not an image of a known format")
    assert said[-1] == f"pack: 2 images, 2 skipped -> {tmp_path / 'd.h5'}"
    with pytest.raises(WsssError, match=r"^t: no image to pack$"):
        packed(Collection(("cat",), (broken,)), tmp_path / "e.h5", "skip")


def test_what_looks_like_a_mistake_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = (Sample("a", IMAGE, ("cat",), MASK),)
    packed(Collection(("cat", "dog", "cow"), samples), tmp_path / "d.h5")
    said = capsys.readouterr().err
    assert "wsss: warning: t: 2 classes are on no image, first dog\n" in said
    assert "wsss: warning: t: 1 masks hold classes that their image's tags lack, first a\n" in said
    assert "pack: no splits given: all images are in 'train'\n" in said


@pytest.mark.parametrize("name", ["a/b", "..", "", "a\n"])
def test_names_that_cannot_be_splits(tmp_path: Path, name: str) -> None:
    with pytest.raises(WsssError, match="cannot name a split") as caught:
        packed(Collection(("cat", "dog"), SAMPLES, (name,)), tmp_path / "d.h5")
    assert str(caught.value).startswith(f"t: {name!r} ")
    assert list(tmp_path.iterdir()) == []


def test_masks_number_254_classes_at_most(tmp_path: Path) -> None:
    names = tuple(f"c{number}" for number in range(255))
    tagged = Sample("a", IMAGE, ("c254",))
    packed(Collection(names, (tagged,)), tmp_path / "d.h5")
    masked = Collection(names, (tagged, Sample("b", IMAGE, (), MASK)))
    with pytest.raises(WsssError, match="t: 255 classes, and masks can number 254"):
        packed(masked, tmp_path / "e.h5")


def test_what_helps_comes_before_leaving_images_out(tmp_path: Path) -> None:
    problems = [
        Problem(str(n), "gone", hint) for n, hint in enumerate(["look", None, "look", "ask"])
    ]
    with pytest.raises(WsssError) as caught:
        packed(Collection(("cat", "dog"), SAMPLES, problems=tuple(problems)), tmp_path / "d.h5")
    assert str(caught.value.hint).startswith("look; ask; nothing is written; --on-error skip")


def test_remarks_are_said_even_where_nothing_is_packed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Collection(("cat", "dog"), SAMPLES, remarks=("odd", "odder"))
    packed(found, tmp_path / "d.h5")
    assert capsys.readouterr().err.startswith("wsss: warning: t: odd\nwsss: warning: t: odder\n")
    with pytest.raises(WsssError):
        packed(Collection((), (), problems=(Problem("p", "gone"),), remarks=("odd",)), tmp_path)
    assert "t: odd\n" in capsys.readouterr().err
