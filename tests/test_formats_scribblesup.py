"""pack of scribbles on VOC's images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import wsss
from PIL import Image
from samples import compare, packed

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.marks import LINE, POINT, REGION
from wsss_cli.formats.sample import VOC_CLASSES
from wsss_cli.formats.scribblesup import drawn_png

CAT, DOG = VOC_CLASSES.index("cat"), VOC_CLASSES.index("dog")


def stroke(tag: str, *points: tuple[Any, Any]) -> str:
    inside = "".join(f"<point><X>{x}</X><Y>{y}</Y></point>" for x, y in points)
    return f"<polygon><tag>{tag}</tag>{inside}</polygon>"


def xml(*strokes: str, size: tuple[int, int] = (8, 6)) -> str:
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"<annotation>{sides}{''.join(strokes)}</annotation>"


def images(root: Path, *names: str) -> Path:
    (root / "JPEGImages").mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 6)).save(root / "JPEGImages" / f"{name}.jpg")
    return root


def read(root: Path, *options: Any) -> DatasetReader:
    result = wsss("pack", root, "-o", root.parent / "out.h5", "--force", *options)
    assert result.exit_code == 0, result.output
    return open_dataset(root.parent / "out.h5")


def test_xml_of_the_data_set(tmp_path: Path) -> None:
    compare(
        "scribblesup",
        packed("scribblesup", tmp_path / "d.h5"),
        skip=("splits", "mask"),
        near=0.51,  # the truth names pixels by their index
    )


def test_strokes_go_through_the_centres_of_pixels(tmp_path: Path) -> None:
    root = images(tmp_path / "set", "a", "b")
    (root / "pascal").mkdir()
    (root / "pascal" / "a.xml").write_text(
        xml(stroke("dog", (0, 1), (7, 5)), stroke("background", (2, 2)), stroke("cat", (1, 9)))
    )
    (root / "pascal" / "b.xml").write_text(xml(stroke("background", (0, 0), (1, 1))))
    data = read(root)
    marks = list(data.marks("JPEGImages/a") or ())
    assert [(one.kind, one.label) for one in marks] == [(LINE, 2), (POINT, 0)]
    assert marks[0].xy.tolist() == [[0.5, 1.5], [7.5, 5.5]]
    assert [list(data.tags(name)) for name in data.ids] == [[0, 1], []]
    assert data.mask("JPEGImages/a") is None


def test_text_of_the_data_set_with_images_elsewhere(tmp_path: Path) -> None:
    root = images(tmp_path / "voc", "a") / "JPEGImages"
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a_scribble.txt").write_text(f"{CAT + 1},1,2,3,2,3,4\n0,5,5\n")
    data = read(texts, "--images", root)
    assert data.ids == ["a"]
    assert data.classes == list(VOC_CLASSES)
    marks = list(data.marks("a") or ())
    assert [(one.kind, one.label) for one in marks] == [(LINE, CAT + 1), (POINT, 0)]
    assert marks[0].xy.tolist() == [[1.5, 2.5], [3.5, 2.5], [3.5, 4.5]]


def test_numbers_are_of_the_classes_that_are_listed(tmp_path: Path) -> None:
    root = images(tmp_path / "set", "a")
    (root / "a_scribble.txt").write_text("2,1,2\n")
    (tmp_path / "classes.txt").write_text("roof\nroad\n")
    data = read(root, "--classes", tmp_path / "classes.txt")
    assert (data.classes, list(data.tags("JPEGImages/a"))) == (["roof", "road"], [1])


def test_strokes_drawn_into_a_png_are_marks(tmp_path: Path) -> None:
    root, folder = images(tmp_path / "set", "a"), tmp_path / "png"
    folder.mkdir()
    pixels = np.full((6, 8), 255, np.uint8)
    pixels[1, 2:5], pixels[4, 4], pixels[0, :2] = CAT + 1, CAT + 1, 0
    Image.fromarray(pixels).save(folder / "a.png")
    data = read(folder, "--format", "scribblesup", "--images", root / "JPEGImages")
    marks = list(data.marks("a") or ())
    assert [(one.kind, one.label) for one in marks] == [(REGION, 0), (REGION, CAT + 1)]
    for one in marks:
        assert (one.pixels((6, 8)) == (pixels == one.label)).all()
    assert (data.mask("a"), data.true_objects("a"), list(data.tags("a"))) == (None, None, [CAT])
    drawing = drawn_png(VOC_CLASSES, folder / "a.png", "a.png")
    assert drawing.names == ("cat",)
    assert not any(one.outline or one.boxed for one in drawing.shapes)


def test_true_masks_may_lie_beside(tmp_path: Path) -> None:
    root, masks = images(tmp_path / "set", "a"), tmp_path / "masks"
    (root / "a_scribble.txt").write_text(f"{DOG + 1},1,2\n")
    masks.mkdir()
    Image.fromarray(np.full((6, 8), DOG + 1, np.uint8)).save(masks / "a.png")
    data = read(root, "--images", root / "JPEGImages", "--masks", masks)
    mask = data.mask("a")
    assert mask is not None
    assert (mask == DOG + 1).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "broken XML"),
        ("<annotation>", "broken XML"),
        ("<other/>", "holds <other>, not <annotation>"),
        (xml(stroke("", (1, 1))), "stroke 1 has no <tag>"),
        (xml(stroke("cat")), "stroke 1 (cat) has 0 numbers"),
        (xml(stroke("cat", ("x", 1))), "'x' where a number should be"),
        (xml(stroke("cat", ("nan", 1))), "no place"),
        (xml(stroke("cat", ("1e999", 1))), "no place"),
        (xml("<polygon><tag>cat</tag><point><X>1</X></point></polygon>"), "where a number should"),
        (xml(stroke("cat", (1, 1)), size=(80, 60)), "drawn on 80x60 pixels"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "DOCTYPE"),
    ],
)
def test_what_cannot_be_in_xml_is_told(content: str, said: str, tmp_path: Path) -> None:
    root = images(tmp_path / "set", "a", "b")
    (root / "a.xml").write_text(content)
    (root / "b.xml").write_text(xml(stroke("cat", (1, 1))))
    result = wsss("pack", root, "--format", "scribblesup", "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "1 of 2 images cannot be packed: JPEGImages/a: " in result.output
    assert said in result.output
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("21,1,1", "names the class '21': there are 0 to 20"),
        ("-1,1,1", "names the class '-1'"),
        ("cat,1,1", "names the class 'cat'"),
        ("1,1", "line 1 has 1 numbers"),
        ("1", "line 1 has 0 numbers"),
        ("1,a,b", "'a' where a number should be"),
        ("1,1_0,2", "'1_0' where a number should be"),
        ("1,inf,2", "no place"),
        ("\0", "not plain text"),
    ],
)
def test_what_cannot_be_in_text_is_told(content: str, said: str, tmp_path: Path) -> None:
    root = images(tmp_path / "set", "a", "b")
    (root / "a_scribble.txt").write_text(content)
    (root / "b_scribble.txt").write_text("1,1,1")
    result = wsss("pack", root, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "1 of 2 images cannot be packed: JPEGImages/a: " in result.output
    assert said in result.output


def test_pngs_that_cannot_be(tmp_path: Path) -> None:
    root, folder = images(tmp_path / "set", "a", "b"), tmp_path / "png"
    folder.mkdir()
    Image.fromarray(np.full((6, 8), 77, np.uint8)).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"\x89PNG")
    command = ("pack", folder, "--format", "scribblesup", "-o", tmp_path / "out.h5")
    result = wsss(*command, "--images", root / "JPEGImages")
    assert result.exit_code == 3
    assert "2 of 2 images cannot be packed: a: a.png names the class '77'" in result.output
    result = wsss(*command)
    assert "holds no images (JPEGImages/)" in result.output


def test_several_kinds_and_none(tmp_path: Path) -> None:
    root = images(tmp_path / "set", "a")
    command = ("pack", root, "--format", "scribblesup", "-o", tmp_path / "out.h5")
    assert "holds no XML, text file or PNG of scribbles" in wsss(*command).output
    (root / "a_scribble.txt").write_text("1,1,1")
    (root / "a.xml").write_text(xml(stroke("cat", (1, 1))))
    result = wsss(*command)
    assert result.exit_code == 3
    assert "holds XML files and text files of scribbles" in result.output
