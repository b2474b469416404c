"""Boxes of the devkit's XML: the frame they are in, what is cut, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from made import wsss
from PIL import Image

from wsss_cli.artifacts import open_dataset
from wsss_cli.formats.check import check_sample, digest
from wsss_cli.formats.fitting import Fitted, fit
from wsss_cli.formats.sample import Sample
from wsss_cli.formats.shapes import Drawing
from wsss_cli.formats.true_boxes import BadBox, drawn_boxes

SIDES = ("xmin", "ymin", "xmax", "ymax")


def thing(name: str, *corners: object, difficult: str = "") -> str:
    """An <object>; corners in the order of SIDES."""
    sides = "".join(f"<{s}>{c}</{s}>" for s, c in zip(SIDES, corners, strict=False))
    frame = f"<bndbox>{sides}</bndbox>" if corners else ""
    hard = f"<difficult>{difficult}</difficult>" if difficult else ""
    return f"<object><name>{name}</name>{hard}{frame}</object>"


def annotation(*things: str, size: tuple[int, int] | None = None) -> str:
    said = f"<size><width>{size[1]}</width><height>{size[0]}</height></size>" if size else ""
    return f"<annotation>{said}{''.join(things)}</annotation>"


CLASSES = {name: index for index, name in enumerate(("a", "b", "c", "cat", "cow", "dog"))}


def drawn(*things: str, size: tuple[int, int] | None = None) -> Drawing | None:
    return drawn_boxes(ElementTree.fromstring(annotation(*things, size=size)), "Annotations/x.xml")


def corners(found: Drawing | None) -> list[tuple[float, ...]]:
    assert found is not None
    return [tuple(one.rings[0].ravel().tolist()) for one in found.shapes]


def fitted(found: Drawing | None, size: tuple[int, int]) -> Fitted:
    assert found is not None
    return fit(found, size, CLASSES)


def test_voc_counts_from_one_and_names_the_last_pixel() -> None:
    part = thing("head", 1, 1, 2, 2).replace("object", "part")
    whole = thing("dog", 3, 2, 3, 4, difficult="1").replace("</object>", f"{part}</object>")
    found = drawn(thing("cat", 1, 1, 60, 40), whole, thing("cow", "4.5", "2.25", "9.0", "10"))
    assert corners(found) == [(0, 0, 60, 40), (2, 1, 3, 4), (3.5, 1.25, 9, 10)]
    assert found is not None
    assert [(one.name, one.difficult) for one in found.shapes] == [
        ("cat", False), ("dog", True), ("cow", False),
    ]  # fmt: skip


def test_no_object_is_no_box_and_an_object_without_one_makes_all_unknown() -> None:
    found = drawn()
    assert found is not None
    assert found.shapes == ()
    assert drawn(thing("cat", 1, 1, 2, 2), thing("dog")) is None


@pytest.mark.parametrize(
    ("things", "said"),
    [
        (thing("dog", 5, 1, 4, 9), r"box of object 1 \(dog\) ends before it begins \(x 5 to 4"),
        (thing("dog", 1, 9, 4, 8), r"ends before it begins \(x 1 to 4, y 9 to 8\)"),
        (thing("dog", 1, 1, 4), "has ymax '', which is no number"),
        (thing("dog", 1, "nan", 4, 5), "has ymin 'nan', which is no number"),
        (thing("dog", "1e999", 1, 4, 5), "has xmin '1e999', which is no number"),
        (thing("dog", "one", 1, 4, 5), "Annotations/x.xml: the box of .* has xmin 'one'"),
        (thing("dog", 1, 1, "1_0", 5), "has xmax '1_0', which is no number"),
        (
            thing("dog", 1, 1, 4, 5).replace("</bndbox>", "</bndbox><bndbox/>"),
            r"x\.xml: object 1 \(dog\) has 2 boxes",
        ),
    ],
)
def test_boxes_that_cannot_be(things: str, said: str) -> None:
    with pytest.raises(BadBox, match=said):
        drawn(things)


def test_a_pixel_outside_is_cut_and_counted() -> None:
    found = drawn(thing("a", 0, 0, 5, 5), thing("b", 1, 1, 61, 40.5), thing("c", 2, 2, 9, 9))
    placed = fitted(found, (40, 60))
    assert placed.boxes is not None
    assert placed.boxes.corners.tolist() == [[0, 0, 5, 5], [0, 0, 60, 40], [1, 1, 9, 9]]
    assert [one.xy.ravel().tolist() for one in placed.marks] == placed.boxes.corners.tolist()
    assert placed.cut == 2


@pytest.mark.parametrize(
    "box", [(-1, 1, 5, 5), (1, 1, 62, 5), (1, 1, 5, 42), (0, 0, 0, 5), (61, 3, 61, 9)]
)
def test_boxes_outside_their_image(box: tuple[int, ...]) -> None:
    found = drawn(thing("dog", *box))
    with pytest.raises(BadBox, match=r"object 1 \(dog\), x .* is not within the image of 60x40"):
        fitted(found, (40, 60))


def test_boxes_drawn_on_another_size_are_refused() -> None:
    found = drawn(thing("dog", 1, 1, 5, 5), size=(40, 60))
    assert fitted(found, (40, 60)).cut == 0
    with pytest.raises(BadBox, match=r"on 60x40 pixels, the image is 40x60 as displayed \(turned"):
        fitted(found, (60, 40))
    with pytest.raises(BadBox, match=r"on 60x40 pixels, the image is 120x80$"):
        fitted(found, (80, 120))
    unknown = drawn(thing("dog", 1, 1, 5, 5), size=(0, 0))
    assert unknown is not None
    assert unknown.size is None
    assert len(fitted(unknown, (80, 120)).marks) == 1


def test_exif_turns_the_image_and_not_its_boxes() -> None:
    """As of masks: boxes are of the image as displayed."""
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(stream, "JPEG", exif=exif)  # displayed, 40 wide and 60 high
    on_displayed = drawn(thing("dog", 1, 1, 40, 60), size=(60, 40))
    on_stored = drawn(thing("dog", 1, 1, 30, 30), size=(40, 60))
    sample = Sample("x", stream.getvalue(), ("dog",), drawing=on_displayed)
    found = check_sample(sample, 1, numbers={"dog": 0}).drawn
    assert found is not None
    assert (found.boxes, found.cut) == ((1, 0), 0)
    with pytest.raises(BadBox, match="turned by EXIF"):
        check_sample(Sample("x", stream.getvalue(), ("dog",), drawing=on_stored), 1)


def test_the_digest_tells_boxes_apart_and_is_as_it_was_without_them() -> None:
    drawings = (drawn(), drawn(thing("dog", 1, 1, 5, 5)), drawn(thing("dog", 1, 1, 5, 6)))
    found = {
        digest(Sample("x", b"", ("dog",)), b"i", None, fitted(one, (40, 60))) for one in drawings
    }
    without = digest(Sample("x", b"", ("dog",)), b"i", None)
    assert len(found | {without}) == 4


def kit(root: Path, *things: str, size: tuple[int, int] = (40, 60)) -> Path:
    for place in ("JPEGImages", "Annotations"):
        (root / place).mkdir(parents=True)
    for name in ("x", "y"):
        Image.new("RGB", (60, 40)).save(root / "JPEGImages" / f"{name}.jpg")
    (root / "Annotations/x.xml").write_text(annotation(*things, size=size))
    (root / "Annotations/y.xml").write_text(annotation(thing("cat", 1, 1, 9, 9)))
    return root


def test_pack_keeps_boxes_for_scoring(tmp_path: Path) -> None:
    things = thing("dog", 2, 3, 20, 30, difficult="1"), thing("cat", 0, 1, 61, 40)
    root, out = kit(tmp_path / "voc", *things), tmp_path / "data.h5"
    done = wsss("pack", "--voc", root, "-o", out)
    assert done.exit_code == 0, done.stderr
    assert "pack: 3 true boxes (1 difficult) of 2 images, for scoring only" in done.stderr
    assert "1 shapes begin or end outside" in done.stderr
    assert "first in Annotations/x.xml" in done.stderr
    with open_dataset(out) as data:
        found = data.true_boxes("x")
        names = data.classes
    assert found is not None
    assert found.corners.tolist() == [[1, 2, 20, 30], [0, 0, 60, 40]]
    assert [names[index] for index in found.classes] == ["dog", "cat"]
    assert found.difficult.tolist() == [True, False]
    shown = wsss("info", out).stdout
    assert "truth:\n  images_with_boxes: 2\n  boxes: 3\n" in shown


def test_a_bad_box_is_refused_with_a_way_out(tmp_path: Path) -> None:
    root, out = kit(tmp_path / "voc", thing("dog", 2, 3, 90, 30)), tmp_path / "data.h5"
    refused = wsss("pack", "--voc", root, "-o", out)
    assert refused.exit_code == 3
    assert "1 of 2 images cannot be packed: x: Annotations/x.xml: the box of" in refused.stderr
    assert "--no-boxes packs the tags without the boxes" in refused.stderr
    assert not out.exists()
    done = wsss("pack", "--voc", root, "-o", out, "--no-boxes")
    assert done.exit_code == 0, done.stderr
    assert "true boxes" not in done.stderr
    with open_dataset(out) as data:
        assert data.true_boxes("x") is None
        assert data.tags("x").tolist() == [data.classes.index("dog")]


def test_boxes_of_negatives_are_no_objects(tmp_path: Path) -> None:
    root, out = kit(tmp_path / "voc", thing("nothing", 2, 3, 9, 9)), tmp_path / "data.h5"
    done = wsss("pack", "--voc", root, "-o", out, "--negative", "nothing")
    assert done.exit_code == 0, done.stderr
    with open_dataset(out) as data:
        found = data.true_boxes("x")
        assert found is not None
        assert found.corners.shape == (0, 4)
        assert np.asarray(data.tags("x")).size == 0
