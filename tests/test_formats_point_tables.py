"""pack of points: plain tables, napari, ImageJ, QuPath."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import encode_png
from made import wsss
from samples import FORMATS, compare, packed

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.marks import BOX, LINE, POINT, POLYGON


def world(folder: Path, *names: str) -> None:
    """Images of 40x20 pixels."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.full((20, 40, 3), 90, np.uint8)))


def pack(folder: Path, files: dict[str, Any], *options: Any, code: int = 0, of: str = ".") -> Any:
    """The data set, or what was said where `code` is not 0."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            with zipfile.ZipFile(folder / name, "w") as archive:
                for member, data in content.items():
                    archive.writestr(member, data)
        elif isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            (folder / name).write_text(content, encoding="utf-8")
    out = folder / "d.h5"
    result = wsss("pack", folder / of, "-o", out, "--force", *options)
    assert result.exit_code == code, result.output
    if code:
        assert "Traceback" not in result.output
        assert not out.exists()
        return result.stderr
    return open_dataset(out)


def marks(data: DatasetReader, key: str) -> list[tuple[int, str, list[list[float]]]]:
    names = ["background", *data.classes]
    return [(one.kind, names[one.label], one.xy.tolist()) for one in data.marks(key) or ()]


@pytest.mark.parametrize("source", [".", "points.csv", "napari", "imagej", "qupath"])
def test_samples(source: str, tmp_path: Path) -> None:
    if source == "imagej":
        pytest.importorskip("roifile")
    folder = FORMATS / "point_tables"
    data = packed("point_tables", tmp_path / "d.h5", "--images", folder, source=source)
    compare("point_tables", data, skip=("splits", "boxes", "mask"))
    assert data.absent("images/empty").tolist() == []


def test_results_of_imagej_name_the_image_and_the_region(tmp_path: Path) -> None:
    text = " ,Label,Area,Mean,X,Y\n1,a.png:0003-red car,0,190,10,5\n2,a.png:12:b,0,1,20,6.5\n"
    world(tmp_path, "a.png")
    data = pack(tmp_path, {"r.csv": text})
    assert marks(data, "a") == [(POINT, "red car", [[10, 5]]), (POINT, "b", [[20, 6.5]])]
    said = pack(tmp_path / "u", {"r.csv": text.replace(",X,Y", ",X (µm),Y (µm)")}, code=3)
    assert "of no format" in said
    text = text.replace(",X,Y", ",X,Y,Unit").replace("5\n2", "5,mm\n2")
    assert "coordinates are in mm" in pack(tmp_path / "v", {"r.csv": text}, code=3)


@pytest.mark.parametrize(
    "text",
    [
        "image,x,y,label\na.png,1.5,2,cat\nb.png,3,4,dog\n",
        "label;Y;X;filename\ncat;2,0;1,5;a.png\ndog;4;3;b\n",
        "\ufefffile\tcategory\tx_px\ty_px\na.png\tcat\t1.5\t2\nb.png\tdog\t3\t4\n",
        ",image,class,col,row\n0,a.png,cat,1.5,2\n1,b.png,dog,3,4\n",
    ],
)
def test_columns_in_any_order_and_marks_between_them(text: str, tmp_path: Path) -> None:
    world(tmp_path, "a.png", "b.png")
    data = pack(tmp_path, {"points.csv": text})
    assert marks(data, "a") == [(POINT, "cat", [[1.5, 2]])]
    assert marks(data, "b") == [(POINT, "dog", [[3, 4]])]


def test_rank_source_background_and_images_without_points(tmp_path: Path) -> None:
    world(tmp_path, "a.png", "b.png", "c.png", "masks/a.png")
    text = (
        "image,x,y,label,rank,annotator\na.png,1,2,cat,2,ann\na.png,3,4,Background,,\nb.png,,,,,\n"
    )
    data = pack(tmp_path, {"points.csv": text})
    assert data.ids == ["a", "b", "c"]
    first, second = data.marks("a") or ()
    assert (first.rank, data.params["mark_sources"]) == (2, ["ann"])
    assert (second.label, second.rank, second.source) == (0, -1, -1)
    assert data.absent("b") is None  # of all that is not tagged
    assert data.absent("c").tolist() == []
    assert pack(tmp_path, {}, "--unlisted", "absent").absent("c") is None
    assert pack(tmp_path, {}, "--unlisted", "skip").ids == ["a", "b"]


def test_where_whole_numbers_lie(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    table = {"points.csv": "image,x,y\na.png,3,4\n"}
    for origin, place in (("corner", [3, 4]), ("centre", [3.5, 4.5]), ("one", [2.5, 3.5])):
        data = pack(tmp_path, table, "--label", "cat", "--origin", origin)
        assert marks(data, "a") == [(POINT, "cat", [place])]


NAPARI = "index,shape-type,vertex-index,axis-0,axis-1\n"


def test_shapes_of_napari(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    corners = ["0,polygon,0,1,1", "0,polygon,1,1,9", "0,polygon,2,8,9"]
    corners += ["1,path,0,2,3", "1,path,1,4,5"]
    corners += [
        f"2,rectangle,{n},{y},{x}" for n, (y, x) in enumerate([(0, 0), (0, 4), (6, 4), (6, 0)])
    ]
    corners += [
        f"3,ellipse,{n},{y},{x}" for n, (y, x) in enumerate([(0, 0), (0, 4), (6, 4), (6, 0)])
    ]
    table = {"a.csv": NAPARI + "\n".join(corners) + "\n"}
    assert "4 shapes have no class" in pack(tmp_path, table, code=3)
    data = pack(tmp_path, table, "--label", "cat", "--outlines", "marks")
    found = marks(data, "a")
    assert found[:3] == [
        (POLYGON, "cat", [[1.5, 1.5], [9.5, 1.5], [9.5, 8.5]]),
        (LINE, "cat", [[3.5, 2.5], [5.5, 4.5]]),
        (BOX, "cat", [[0.5, 0.5], [4.5, 6.5]]),
    ]
    round_ = np.array(found[3][2])
    assert np.allclose(((round_ - (2.5, 3.5)) / (2, 3)) ** 2 @ [1, 1], 1, atol=1e-5)


def regions(**more: Any) -> dict[str, bytes]:
    """Regions of ImageJ by file name."""
    roifile = pytest.importorskip("roifile")
    found = {}
    for name, (kind, points) in more.items():
        roi = roifile.ImagejRoi.frompoints(np.array(points, float), name=name)
        roi.roitype = roifile.ROI_TYPE[kind]
        found[f"{name}.roi"] = roi.tobytes()
    return found


def test_regions_of_imagej(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    square = [[1, 1], [5, 1], [5, 5], [1, 5]]
    files = regions(
        cat=("POINT", [[3, 4], [5, 6]]), dog=("POLYLINE", [[1, 2], [3, 4]]),
        cow=("POLYGON", square),
    )  # fmt: skip
    files["cat-1.roi"] = regions(**{"cat-1": ("POINT", [[7, 8]])})["cat-1.roi"]
    data = pack(tmp_path, {"RoiSet_a.zip": files}, "--outlines", "both")
    assert marks(data, "a") == [
        (POINT, "cat", [[3, 4]]), (POINT, "cat", [[5, 6]]), (LINE, "dog", [[1, 2], [3, 4]]),
        (POLYGON, "cow", square), (POINT, "cat", [[7, 8]]),
    ]  # fmt: skip
    mask = data.mask("a")
    assert mask is not None
    assert (mask[1:5, 1:5] == 1 + data.classes.index("cow")).all()
    single = pack(tmp_path / "one", {"a.roi": files["cat.roi"]}, "--images", tmp_path)
    assert len(single.marks("a") or ()) == 2
    data = pack(tmp_path / "two", {"a/1.roi": files["cat.roi"]}, "--images", tmp_path)
    assert len(data.marks("a") or ()) == 2


def test_regions_named_by_numbers_need_a_label(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    files = {"a.zip": regions(**{"0012-0345": ("POINT", [[3, 4]])})}
    assert "1 shapes have no class, first in a.zip" in pack(tmp_path, files, code=3)
    assert marks(pack(tmp_path, files, "--label", "cell"), "a") == [(POINT, "cell", [[3, 4]])]


def test_without_roifile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world(tmp_path, "a.png")
    monkeypatch.setitem(__import__("sys").modules, "roifile", None)
    said = pack(tmp_path, {"a.roi": b"Iout" + bytes(80)}, code=3)
    assert "wsss-cli[imagej]" in said


QUPATH = "Name\tcat\nColor\t-1\nCoordinates\t{}\n{}"
BROKEN: dict[str, dict[str, Any]] = {
    "a text for x": {"p.csv": "image,x,y,label\na.png,abc,2,cat\n"},
    "NaN": {"p.csv": "image,x,y,label\na.png,nan,2,cat\n"},
    "infinite": {"p.csv": "image,x,y,label\na.png,1e999,2,cat\n"},
    "no label": {"p.csv": "image,x,y,label\na.png,1,2,\n"},
    "no y": {"p.csv": "image,x,label\na.png,1,cat\n"},
    "shares": {"p.csv": "image,x,y,label\na.png,0.4,0.5,cat\n"},
    "no image": {"p.csv": "image,x,y,label\nb.png,1,2,cat\n"},
    "outside": {"p.csv": "image,x,y,label\n../a.png,1,2,cat\n"},
    "far": {"p.csv": "image,x,y,label\na.png,900,2,cat\n"},
    "decimal commas between commas": {"p.csv": "image,x,y,label\na.png,1,5,2,5,cat\n"},
    "a quote left open": {"p.csv": 'image,x,y,label\n"a.png,1,2,cat\n'},
    "a column twice": {"p.csv": "image,x,y,x,label\na.png,1,2,3,cat\n"},
    "empty": {"p.csv": ""},
    "boxes": {"p.csv": "image,x,y,width,height,label\na.png,1,2,3,4,cat\n"},
    "a stack": {"a__cat.csv": "index,axis-0,axis-1,axis-2\n0,1,2,3\n"},
    "a shape of two corners": {"a__cat.csv": NAPARI + "0,polygon,0,1,1\n0,polygon,1,2,2\n"},
    "a strange shape": {"a__cat.csv": NAPARI + "0,star,0,1,1\n"},
    "a broken region": {"a.roi": b"Iout" + bytes(20)},
    "no region": {"a.zip": {"x.roi": b"no"}},
    "no zip": {"a.zip": b"PK\x03\x04..."},
    "too few points": {"a.zip": {"Points 1.txt": QUPATH.format(2, "1\t2\n")}},
    "no points": {"a.zip": {"Points 1.txt": QUPATH.format(1, "1\tx\n")}},
    "a NaN in QuPath": {"a.zip": {"Points 1.txt": QUPATH.format(1, "1\tnan\n")}},
    "other texts": {"a.zip": {"Points 1.txt": "x"}},
    "two kinds": {
        "one/a.zip": {"Points 1.txt": QUPATH.format(1, "1\t2\n")},
        "two/p.csv": "image,x,y,label\na.png,1,2,cat\n",
    },
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    if ".roi" in json.dumps(BROKEN[case], default=str):
        pytest.importorskip("roifile")
    world(tmp_path, "a.png")
    said = pack(tmp_path, BROKEN[case], "--format", "points", code=3)
    assert said.count("wsss: error:") == 1


def test_a_zip_that_would_grow_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsss_cli.formats.point_files.MOST", 1000)
    world(tmp_path, "a.png")
    files = {"a.zip": {"Points 1.txt": QUPATH.format(1, "1\t2\n") + "\n" * 2000}}
    assert "no points" in pack(tmp_path, files, "--format", "points", code=3)


def test_many_points(tmp_path: Path) -> None:
    world(tmp_path, "a.png")
    rows = "".join(f"a.png,{n % 40},{n % 19},cat\n" for n in range(10_000))
    data = pack(tmp_path, {"p.csv": "image,x,y,label\n" + rows})
    assert len(data.marks("a") or ()) == 10_000
