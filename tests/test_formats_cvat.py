"""pack of CVAT for images 1.1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import wsss
from PIL import Image
from samples import compare, packed, truth_of

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.filling import filled
from wsss_cli.core.marks import BOX, LINE, POINT
from wsss_cli.core.runs import to_runs
from wsss_cli.formats.cvat import _mask


def test_a_label_called_background_is_of_marks_and_no_class(tmp_path: Path) -> None:
    Image.new("RGB", (8, 4)).save(tmp_path / "a.png")
    labels = "".join(f"<label><name>{name}</name></label>" for name in ("Background", "cat"))
    lines = "".join(
        f'<polyline label="{name}" points="1.0,{y}.0;5.0,{y}.0"/>'
        for y, name in ((1, "Background"), (3, "cat"))
    )
    (tmp_path / "annotations.xml").write_text(
        f"<annotations><version>1.1</version><meta><task><labels>{labels}</labels></task></meta>"
        f'<image name="a.png">{lines}<tag label="Background"/></image></annotations>'
    )
    result = wsss("pack", tmp_path, "-o", tmp_path / "d.h5")
    assert result.exit_code == 0, result.output
    with open_dataset(tmp_path / "d.h5") as data:
        assert data.classes == ["cat"]
        assert data.tags("a").tolist() == [0]
        assert [one.label for one in data.marks("a") or ()] == [0, 1]


@pytest.mark.parametrize("source", [".", "annotations.xml", "export.zip"])
def test_what_the_server_writes(source: str, tmp_path: Path) -> None:
    if source.endswith(".zip"):
        pytest.importorskip("wsss_cli.artifacts.zips")
    data = packed("cvat_server", tmp_path / "d.h5", "--fill-boxes", source=source)
    turned = truth_of("cvat_server")["images"]["images/img_0001.png"]["rotated_boxes"][0]["corners"]
    extra = filled([np.array(turned)], (48, 64))
    compare("cvat_server", data, skip=("splits",), unsaid={"images/img_0001": extra})
    found = next(one for one in data.marks("images/img_0001") or () if one.kind == 3)
    assert np.allclose(found.xy, turned, atol=0.01)


@pytest.mark.parametrize("source", [".", "annotations.xml", "export.zip"])
def test_what_datumaro_writes(source: str, tmp_path: Path) -> None:
    if source.endswith(".zip"):
        pytest.importorskip("wsss_cli.artifacts.zips")
    data = packed("cvat_images", tmp_path / "d.h5", source=source)
    compare("cvat_images", data, skip=("splits",))


def write(folder: Path, *inside: str, name: str = "a.png", more: str = "", meta: str = "") -> Path:
    """An export of one image of 8 x 6."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(folder / "a.png")
    image = f'<image id="0" name="{name}" width="8" height="6" {more}>{"".join(inside)}</image>'
    content = f"<annotations><version>1.1</version><meta>{meta}</meta>{image}</annotations>"
    (folder / "annotations.xml").write_text(content)
    return folder


def shape(kind: str, **attributes: object) -> str:
    fields = {"label": "cat", **attributes}
    return f"<{kind} " + " ".join(f'{key}="{value}"' for key, value in fields.items()) + "/>"


def read(folder: Path, *options: object) -> DatasetReader:
    result = wsss("pack", folder, "-o", folder.parent / "out.h5", "--force", *options)
    assert result.exit_code == 0, result.output
    return open_dataset(folder.parent / "out.h5")


def test_several_clicks_of_one_element_and_other_shapes(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "set",
        shape("points", points="1.00,2.00;3.50,4.00"),
        shape("polyline", points="0,0;1,1;2,1"),
        shape("box", xtl=1, ytl=2, xbr=3, ybr=4),
        shape("tag", label="dog"),
        meta="<task><labels><label><name>dog</name></label><label><name>cat</name></label>"
        "</labels></task>",
    )
    data = read(folder)
    marks = list(data.marks("a") or ())
    assert [one.kind for one in marks] == [POINT, POINT, LINE, BOX]
    assert [one.xy.tolist() for one in marks[:2]] == [[[1, 2]], [[3.5, 4]]]
    assert (data.classes, list(data.tags("a"))) == (["dog", "cat"], [0, 1])


def test_a_group_is_one_object_and_z_order_is_the_order_of_painting(tmp_path: Path) -> None:
    square = "0,0;2,0;2,2;0,2"
    folder = write(
        tmp_path / "set",
        shape("polygon", points=square, z_order=1, label="dog"),
        shape("polygon", points=square, group_id=10**12),
        shape("polygon", points="4,0;6,0;6,2;4,2", group_id=10**12),
    )
    data = read(folder)
    mask, objects = data.mask("a"), data.true_objects("a") or ()
    assert mask is not None
    assert mask[0].tolist() == [2, 2, 0, 0, 1, 1, 0, 0]
    assert sorted(one.region.corners for one in objects) == [(0, 0, 2, 2), (0, 0, 6, 2)]


def test_a_project_has_splits(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", shape("tag"), more='subset="Train"')
    (folder / "images" / "Train").mkdir(parents=True)
    (folder / "a.png").rename(folder / "images" / "Train" / "a.png")
    result = wsss("pack", folder, "-o", tmp_path / "out.h5")
    assert result.exit_code == 0, result.output
    assert "warning: " not in result.output.replace("warning: no", "")
    assert open_dataset(tmp_path / "out.h5").split("Train") == ["images/Train/a"]


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_go_row_by_row_from_zeros(seed: int) -> None:
    mask = np.random.default_rng(seed).random((5, 7)) < 0.4
    runs, last = [0], False
    for value in mask.ravel().tolist():  # a plain loop
        if value != last:
            runs.append(0)
            last = value
        runs[-1] += 1
    assert runs == to_runs(mask).tolist()
    assert (_mask(", ".join(map(str, runs)), 7, 5, "it") == mask).all()


BAD = {
    "no label": shape("box", label="", xtl=1, ytl=1, xbr=2, ybr=2),
    "no number": shape("box", xtl="x", ytl=1, xbr=2, ybr=2),
    "no side": shape("box", xtl=1, ytl=1, xbr=2),
    "nan": shape("box", xtl="nan", ytl=1, xbr=2, ybr=2),
    "no place": shape("points", points="1e999,2"),
    "points of three": shape("polyline", points="1,2,3"),
    "no points": shape("polyline", points=""),
    "two corners": shape("polygon", points="1,2;3,4"),
    "a group that is none": shape("box", group_id="x", xtl=1, ytl=1, xbr=2, ybr=2),
    "an order that is none": shape("box", z_order="x", xtl=1, ytl=1, xbr=2, ybr=2),
    "runs over": shape("mask", rle="1, 900", left=0, top=0, width=2, height=2),
    "runs short": shape("mask", rle="1, 1", left=0, top=0, width=2, height=2),
    "runs below": shape("mask", rle="-1, 5", left=0, top=0, width=2, height=2),
    "runs of letters": shape("mask", rle="a", left=0, top=0, width=2, height=2),
    "no runs": shape("mask", left=0, top=0, width=2, height=2),
    "huge": shape("mask", rle="1", left=0, top=0, width=10**9, height=10**9),
    "outside": shape("mask", rle="0, 4", left=-5000000, top=0, width=2, height=2),
}


@pytest.mark.parametrize("inside", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_is_told(inside: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "set", inside)
    result = wsss("pack", folder, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "1 of 1 images cannot be packed: a" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "broken XML"),
        ("<annotations>", "broken XML"),
        ("<other/>", "holds <other>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "DOCTYPE"),
        ("<annotations><track/></annotations>", "annotates a video"),
        ("<annotations><version>1.1</version></annotations>", "no image"),
        ('<annotations><image name="../a.png"/></annotations>', "leads out"),
        ('<annotations><image name="a.png"/><image name="a.png"/></annotations>', "twice"),
    ],
)
def test_files_that_cannot_be(content: str, said: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "set")
    (folder / "annotations.xml").write_text(content)
    result = wsss("pack", folder, "--format", "cvat", "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert said in result.output
