"""Tables of points by their first line, and the numbers in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.point_rows import Row, drawn_of, kind_of_head


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("index,axis-0,axis-1\n", "napari points"),
        ("index,shape-type,vertex-index,axis-0,axis-1\n", "napari shapes"),
        (" ,Label,Area,Mean,X,Y\n", "ImageJ results"),
        (" \tArea\tX\tY\n", "ImageJ results"),
        (",image,x,y\n", "table"),
        ('"Y";"X";"Filename"\n', "table"),
        ("\n\nimage,x,y\n", "table"),
        ("image,x,y,width,height\n", None),
        ("image,x\n", None),
        ("x,y,label\n", None),
        ("filename,labels\n", None),
        ("", None),
    ],
)
def test_kinds(head: str, kind: str | None) -> None:
    assert kind_of_head(head) == kind


@pytest.mark.parametrize(
    ("cell", "number"), [("1.5", 1.5), ("1,5", 1.5), ("-2", -2), ("1e2", 100), (" 3 ", 3)]
)
def test_numbers(cell: str, number: float) -> None:
    assert Row({"x": cell}, 1).number(("x",)) == number


@pytest.mark.parametrize("cell", ["", "a", "1,000,5", "1_0", "nan", "inf", "1e999", "0x1"])
def test_what_is_no_number(cell: str) -> None:
    with pytest.raises(ValueError, match="is no number \\(line 4\\)"):
        Row({"x": cell}, 4).number(("x",))


def test_results_without_a_label_are_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.png_Results.csv"
    file.write_text(" ,Area,X,Y\n1,0,3,4\n2,0,5.5,6\n")
    found = [(one.image, one.label, one.xy) for one in drawn_of(file, "ImageJ results")]
    assert found == [("a.png", None, ((3, 4),)), ("a.png", None, ((5.5, 6),))]


def test_napari_counts_from_the_centre_of_the_first_pixel_down_then_right(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("index,axis-0,axis-1,label\n0,1,2,cat\n1,3,4.5,\n")
    found = [(one.label, one.xy, one.frame) for one in drawn_of(file, "napari points")]
    assert found == [("cat", ((2, 1),), "centre"), (None, ((4.5, 3),), "centre")]


def test_a_napari_table_that_is_broken(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("index,axis-0,axis-1\n0,1,x\n")
    with pytest.raises(WsssError, match="'x' is no number"):
        list(drawn_of(file, "napari points"))
