"""Regions of ImageJ and points of QuPath."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.point_files import (
    class_of_region,
    is_qupath,
    members,
    names_in,
    points_of,
    regions_of,
)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("0003-red car", "red car"), ("cat", "cat"), ("0012-0345", None), ("0001-0012-0345", None),
        ("", None), ("7", None), ("type-2", "type-2"), ("12-cat", "12-cat"),
    ],
)  # fmt: skip
def test_classes_in_names(name: str, label: str | None) -> None:
    assert class_of_region(name) == label


def roi(kind: str, points: Any, name: str) -> bytes:
    roifile = pytest.importorskip("roifile")
    found = roifile.ImagejRoi.frompoints(np.array(points, float), name=name)
    found.roitype = roifile.ROI_TYPE[kind]
    data: bytes = found.tobytes()
    return data


def test_kinds_of_regions() -> None:
    square = [[1, 2], [5, 2], [5, 6], [1, 6]]
    files = {
        f"{kind}.roi": roi(kind, square, kind.lower())
        for kind in ("POINT", "POLYLINE", "FREELINE", "POLYGON", "FREEHAND", "TRACED", "NOROI")
    }
    found = [(one.label, one.kind, len(one.xy)) for one in regions_of(files, "x.zip")]
    assert found == [
        *[("point", "point", 1)] * 4, ("polyline", "line", 4), ("freeline", "line", 4),
        ("polygon", "polygon", 4), ("freehand", "polygon", 4), ("traced", "polygon", 4),
    ]  # fmt: skip


def test_boxes_and_ellipses_by_their_bounds() -> None:
    roifile = pytest.importorskip("roifile")
    files = {}
    for kind in ("RECT", "OVAL"):
        region = roifile.ImagejRoi()
        region.roitype, region.name = roifile.ROI_TYPE[kind], kind
        region.left, region.top, region.right, region.bottom = 2, 3, 10, 7
        files[f"{kind}.roi"] = region.tobytes()
    first, second = regions_of(files, "x.zip")
    assert (first.kind, first.xy) == ("box", ((2, 3), (10, 7)))
    assert second.kind == "ellipse"
    assert np.allclose([np.min(second.xy, axis=0), np.max(second.xy, axis=0)], [[2, 3], [10, 7]])


def test_a_name_that_imagej_numbers_since_it_is_there_already() -> None:
    names = ("cat", "cat-1", "type-1", "type-2")
    files = {f"{name}.roi": roi("POINT", [[1, 2]], name) for name in names}
    assert [one.label for one in regions_of(files, "x")] == ["cat", "cat", "type-1", "type-2"]


def test_points_of_qupath() -> None:
    text = "Name\tred car\nColor\t-3670016\nCoordinates\t2\n20.5\t18\n1,5\t2\n"
    assert is_qupath(text)
    found = [(one.label, one.xy) for one in points_of({"Points 1.txt": text.encode()}, "x.zip")]
    assert found == [("red car", ((20.5, 18),)), ("red car", ((1.5, 2),))]
    (one,) = points_of({"Points 1.txt": b"Name\t\nCoordinates\t1\n1\t2\n"}, "x.zip")
    assert one.label is None


def test_zips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../x.ROI", b"one")
        archive.writestr("y.txt", b"two")
    assert members(path, ".roi") == {"../x.ROI": b"one"}  # read in memory, never written
    assert names_in(path) == ["../x.ROI", "y.txt"]
    monkeypatch.setattr("wsss_cli.formats.point_files.MOST", path.stat().st_size - 1)
    assert names_in(path) == []  # not even read
    monkeypatch.undo()
    data = bytearray(path.read_bytes())
    data[30:34] = b"xxxx"
    path.write_bytes(bytes(data[:-10]))
    assert names_in(path) == []
    with pytest.raises(WsssError, match="is a broken zip"):
        members(path, ".roi")
