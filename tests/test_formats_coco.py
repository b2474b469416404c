"""pack of COCO's files as many tools write them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import wsss
from PIL import Image
from samples import FORMATS, compare, packed, truth_of
from scipy.ndimage import grey_dilation, grey_erosion

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.errors import WsssError
from wsss_cli.formats.coco import chosen, detect, looks
from wsss_cli.formats.place import Place

BOXED = ("coco_instances", "coco_gaps", "cvat_coco", "roboflow_coco")
LATER = ("--on-top", "later")  # the true masks were painted in the files' order


def zipped(name: str, tmp_path: Path) -> Path:
    pytest.importorskip("wsss_cli.artifacts.zips")
    truth_of(name)
    return Path(shutil.make_archive(str(tmp_path / name), "zip", FORMATS / name))


@pytest.mark.parametrize("name", BOXED)
def test_objects(name: str, tmp_path: Path) -> None:
    data = packed(name, tmp_path / "d.h5", "--fill-boxes", *LATER)
    compare(name, data, skip=("splits", "points", "scribbles"))
    truth = truth_of(name)
    for key, one in truth["images"].items():
        found = data.true_boxes(os.path.splitext(key)[0])
        assert found is not None
        wanted = sorted(box["xyxy"] for box in one["boxes"])
        assert np.allclose(sorted(found.corners.tolist()), wanted, atol=0.01)


@pytest.mark.parametrize("name", BOXED)
def test_objects_of_a_zip(name: str, tmp_path: Path) -> None:
    out = tmp_path / "d.h5"
    result = wsss("pack", zipped(name, tmp_path), "-o", out, "--fill-boxes", *LATER)
    assert result.exit_code == 0, result.output
    compare(name, open_dataset(out), skip=("splits", "points", "scribbles"))


@pytest.mark.parametrize(
    ("name", "splits"),
    [
        ("coco_instances", ["train", "val"]),
        ("coco_gaps", ["train2017"]),
        ("cvat_coco", ["train", "val"]),
        ("roboflow_coco", ["train", "valid"]),
    ],
)
def test_splits(name: str, splits: list[str], tmp_path: Path) -> None:
    data = packed(name, tmp_path / "d.h5")
    assert sorted(data.splits) == splits


def test_boxes_without_an_outline_say_nothing_of_their_pixels(tmp_path: Path) -> None:
    data = packed("cvat_coco", tmp_path / "d.h5")
    mask = data.mask("images/train/img_0001")
    assert mask is not None
    assert (mask[16:39, 33:51] == 255).all()
    assert mask[20, 20] == 1


def test_stuff_is_no_object(tmp_path: Path) -> None:
    data = packed("coco_stuff", tmp_path / "d.h5")
    compare("coco_stuff", data)
    assert all(not data.true_objects(key) and not data.marks(key) for key in data.ids)


def test_segments(tmp_path: Path) -> None:
    data = packed("coco_panoptic", tmp_path / "d.h5")
    unsaid = {}
    for key in data.ids:
        mask = data.mask(key)
        assert mask is not None
        unsaid[key] = mask == 255
    assert unsaid["images/train/img_0001"].sum() == 2144
    assert not unsaid["images/val/empty"].any()
    compare("coco_panoptic", data, unsaid=unsaid)


def test_outlines_of_border_pixels_are_recognised(tmp_path: Path) -> None:
    data = packed("sv_coco", tmp_path / "d.h5", "--crowd", "class", *LATER)
    compare("sv_coco", data, skip=("splits",))
    mask = data.mask("images/img_0001")
    assert mask is not None
    assert (mask == 2).sum() == 650  # 26 x 25, of an outline from 26 to 51 and 15 to 39
    edges = packed("sv_coco", tmp_path / "e.h5", "--crowd", "class", "--no-inclusive", *LATER)
    mask = edges.mask("images/img_0001")
    assert mask is not None
    assert (mask == 2).sum() == 600
    assert (data.params["inclusive"], edges.params.get("inclusive")) == (True, None)


def test_crowds_that_nobody_explains(tmp_path: Path) -> None:
    truth_of("sv_coco")
    command = ("pack", FORMATS / "sv_coco", "-o", tmp_path / "d.h5")
    result = wsss(*command)
    assert result.exit_code == 3
    assert "2 annotations have iscrowd 1" in result.stderr
    assert "--crowd class" in result.stderr
    data = packed("sv_coco", tmp_path / "d.h5", "--crowd", "ignore")
    mask = data.mask("images/sub_img_0003")
    assert mask is not None
    assert set(np.unique(mask)) == {0, 255}
    boxes = data.true_boxes("images/sub_img_0003")
    assert boxes is not None
    assert boxes.difficult.all()
    assert not data.marks("images/sub_img_0003")  # of a crowd


def test_files_of_cvat_and_datumaro_are_painted_from_the_bottom_up(tmp_path: Path) -> None:
    data = packed("coco_instances", tmp_path / "a.h5")
    assert data.params["on_top"] == "later"
    compare("coco_instances", data)
    assert packed("coco_gaps", tmp_path / "b.h5").params["on_top"] == "smaller"


def converted(file: str, out: Path) -> DatasetReader:
    truth_of("label_studio")
    images = FORMATS / "label_studio" / "images"
    return packed("label_studio", out, "--images", images, source=f"converted/{file}")


def test_outlines_that_label_studio_converts(tmp_path: Path) -> None:
    data = converted("coco/result.json", tmp_path / "d.h5")
    assert data.ids == ["2f1b3c9f-img_0001", "82f3cd7f-empty", "e1d1e9f1-img_2", "sub/img_0003"]
    mask = data.mask("sub/img_0003")
    assert mask is not None
    assert [(mask == label).sum() for label in (1, 2, 3)] == [0, 640, 0]  # brushes are not in it
    boxes = [one.xy.ravel() for one in data.marks("2f1b3c9f-img_0001") or ()]
    assert np.allclose(boxes, [[26, 15, 52, 40]])


def test_brushes_that_label_studio_converts(tmp_path: Path) -> None:
    data = converted("brush_to_coco/result_coco.json", tmp_path / "d.h5")
    truth = truth_of("label_studio")["images"]
    by_box = {"2f1b3c9f-img_0001": 2, "e1d1e9f1-img_2": 1}  # labels of boxes without an outline
    assert data.ids == [*by_box, "sub/img_0003"]  # the last has a hole, which is not in the file
    for key, label in by_box.items():
        one = next(one for name, one in truth.items() if Path(name).with_suffix("").match(key))
        wanted, mask = np.array(Image.open(FORMATS / "label_studio" / one["mask"])), data.mask(key)
        assert mask is not None
        least, most = (of(wanted, size=(3, 3)) for of in (grey_erosion, grey_dilation))
        known = (least == most) & (mask != 255) & (wanted != label)
        assert known.mean() > 0.6
        assert (mask == wanted)[known].all()


# Made-up files: nothing of these needs samples.

SQUARE = [[1, 1, 4, 1, 4, 4, 1, 4]]


def made(folder: Path, annotations: list[Any], **more: Any) -> Path:
    """A folder with one image of 8x6 pixels, and what is said of it."""
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (8, 6)).save(folder / "a.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}],
        "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": annotations,
    }
    (folder / "a.json").write_text(json.dumps({**content, **more}))
    return folder


def said(category: Any = 2, **more: Any) -> dict[str, Any]:
    return {"id": 5, "image_id": 1, "category_id": category, **more}


def data_of(folder: Path, *options: str) -> DatasetReader:
    out = folder.parent / "out.h5"
    result = wsss("pack", folder, "-o", out, "--force", *options)
    assert result.exit_code == 0, result.output
    return open_dataset(out)


def test_classes_stand_in_the_order_of_ids(tmp_path: Path) -> None:
    data = data_of(made(tmp_path / "d", [said(segmentation=SQUARE)]))
    assert list(data.classes) == ["cat", "dog"]
    mask = data.mask("a")
    assert mask is not None
    wanted = np.zeros((6, 8), np.uint8)
    wanted[1:4, 1:4] = 1
    assert (mask == wanted).all()


def test_the_smaller_lies_on_top_whatever_the_order(tmp_path: Path) -> None:
    small, large = said(2, segmentation=SQUARE), said(9, segmentation=[[0, 0, 8, 0, 8, 6, 0, 6]])
    for found in ([small, large], [large, small]):
        mask = data_of(made(tmp_path / "d", found)).mask("a")
        assert mask is not None
        assert ((mask == 1).sum(), (mask == 2).sum()) == (9, 39)


def test_a_union_of_parts_is_one_object(tmp_path: Path) -> None:
    parts = [*SQUARE, [3, 3, 7, 3, 7, 6, 3, 6], [1, 1, 2, 2]]
    folder = made(tmp_path / "d", [said(segmentation=parts)])
    data = data_of(folder)
    (found,) = data.true_objects("a") or ()
    assert found.region.mask.sum() == 9 + 12 - 1
    assert found.region.corners == (1, 1, 7, 6)
    result = wsss("pack", folder, "-o", tmp_path / "out.h5", "--force")
    assert "1 polygons have fewer than 3 points: left out" in result.stderr


def test_background_is_no_class(tmp_path: Path) -> None:
    found = [said(2, segmentation=SQUARE), said(0, segmentation=[[2, 2, 3, 2, 3, 3, 2, 3]])]
    names = [{"id": 0, "name": "background"}, {"id": 2, "name": "cat"}]
    data = data_of(made(tmp_path / "d", found, categories=names))
    assert list(data.classes) == ["cat"]
    mask = data.mask("a")
    assert mask is not None
    assert (mask == 1).sum() == 8


def test_what_lvis_says_of_absence(tmp_path: Path) -> None:
    images = [{"id": 1, "coco_url": "http://x.org/val/a.png", "neg_category_ids": [9]}]
    data = data_of(made(tmp_path / "d", [said(segmentation=SQUARE)], images=images))
    assert data.absent("a") is not None
    assert [data.classes[one] for one in data.absent("a")] == ["dog"]
    assert data.true_boxes("a") is None  # some classes were not looked for


@pytest.mark.parametrize(
    ("annotations", "more", "words"),
    [
        ([said(7)], {}, "category 7, which the file does not list"),
        ([said(bbox=[1, 2, None, 4])], {}, "a bbox that is not four numbers"),
        ([said(bbox=["1", 2, 3, 4])], {}, "a bbox that is not four numbers"),
        ([said(bbox={"x": 1})], {}, "a bbox that is not four numbers"),
        ([said(segmentation=[[1, 2, "3", 4, 5, 6]])], {}, "no list of x and y in turn"),
        ([said(segmentation=[[1, 2, 3, 4, 5]])], {}, "no list of x and y in turn"),
        ([said(segmentation="x")], {}, "neither a list nor run lengths"),
        ([said(segmentation={"size": [6, 8], "counts": [1, 2]})], {}, "not of 8x6 pixels"),
        ([said(segmentation={"size": [6, 8], "counts": [49]})], {}, "not of 8x6 pixels"),
        ([said(segmentation={"size": [6, 8], "counts": [-1, 49]})], {}, "run lengths below 0"),
        ([said(segmentation={"size": [6, 8], "counts": "`P"})], {}, "ends within a number"),
        ([said(segmentation={"size": [6, 8], "counts": "\x01"})], {}, "letters"),
        ([said(segmentation={"size": [6, 9], "counts": [54]})], {}, "9x6 pixels, and is said"),
        ([said(segmentation=[[1e300, 1, 2, 2, 3, 1]])], {}, "no place"),
        ([said(iscrowd="yes")], {}, "an iscrowd that is 'yes'"),
        ([said([1])], {}, "an id that is [1]"),
        ([{"image_id": 1}], {}, "no category_id"),
        ([said()], {"images": [{"id": 1}]}, "image 1 of 1 has no id or no file_name"),
        ([said()], {"images": None}, "has no list of images"),
        ([said()], {"categories": {}}, "has no list of categories"),
        ([said()], {"categories": [{"id": 1}]}, "category 1 of 1 has no id or no name"),
        ([None], {}, "annotation 1 of 1 is none"),
        ([said(image_id=3)], {}, "1 of 1 annotations are of images that it does not list"),
        ([said(image_id=None)], {}, "annotation 1: the image has an id that is None"),
        (
            [said()],
            {"categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}]},
            "two categories are called 'cat'",
        ),
        (
            [said()],
            {"categories": [{"id": 2, "name": "a"}, {"id": "2", "name": "b"}]},
            "two categories have the id 2",
        ),
        (
            [said()],
            {"images": [{"id": 1, "file_name": "../a.png"}]},
            "leads out of the image folder",
        ),
        ([said()], {"images": [{"id": 1, "file_name": "b.png"}]}, "no such image"),
        (
            [said()],
            {"images": [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]},
            "two images have the id 1",
        ),
        (
            [said(segmentation=SQUARE)],
            {"images": [{"id": 1, "file_name": "a.png", "width": 80, "height": 60}]},
            "the image is 8x6",
        ),
    ],
)
def test_what_makes_no_sense(
    annotations: list[Any], more: dict[str, Any], words: str, tmp_path: Path
) -> None:
    folder, out = made(tmp_path / "d", annotations, **more), tmp_path / "out.h5"
    result = wsss("pack", "--format", "coco", folder / "a.json", "-o", out)
    assert result.exit_code == 3, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert not out.exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"images": [NaN]}', "null", "[" * 5000])
def test_other_json(content: str, tmp_path: Path) -> None:
    file, out = tmp_path / "a.json", tmp_path / "out.h5"
    file.write_text(content)
    result = wsss("pack", "--format", "coco", file, "-o", out)
    assert result.exit_code == 3
    assert str(file) in result.stderr
    assert not out.exists()


def test_run_lengths_do_not_turn_with_the_image(tmp_path: Path) -> None:
    turned = {"size": [8, 6], "counts": [0, 48]}
    images = [{"id": 1, "file_name": "a.png", "width": 6, "height": 8}]
    folder = made(tmp_path / "d", [said(segmentation=turned)], images=images)
    result = wsss("pack", folder, "-o", tmp_path / "out.h5")
    assert result.exit_code == 3
    assert "drawn on 6x8 pixels, the image is 8x6 as displayed (turned by EXIF?)" in result.stderr
    folder = made(tmp_path / "d", [said(segmentation=SQUARE)], images=images)
    assert list(data_of(folder).classes) == ["cat", "dog"]  # a polygon is of what is displayed


def test_what_is_passed_over_is_said(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.png"}, {"id": "7", "file_name": "a.png"}]
    found = [
        said(bbox=[1, 1, 3, 3]),
        {**said("9", bbox=[2, 2, 1, 1]), "image_id": 7},
        said(bbox=[1, 1, 0, 3]),
        said(image_id=4),
    ]
    folder = made(tmp_path / "d", found, images=images)
    result = wsss("pack", folder, "-o", tmp_path / "out.h5")
    assert result.exit_code == 0, result.output
    assert "1 annotations are of images that the file does not list, first of image 4" in (
        result.stderr
    )
    assert "1 annotations have neither an outline nor a box" in result.stderr
    assert "1 images are listed twice" in result.stderr
    data = open_dataset(tmp_path / "out.h5")
    marks = sorted((one.label, *one.xy.ravel().tolist()) for one in data.marks("a") or ())
    assert marks == [(1, 1, 1, 4, 4), (2, 2, 2, 3, 3)]
    assert data.true_boxes("a") is None  # one has none


def test_cocos_own_folder_is_read_by_its_instances(tmp_path: Path) -> None:
    source = made(tmp_path / "d", [said(segmentation=SQUARE)]) / "a.json"
    home, other = tmp_path / "coco" / "annotations", tmp_path / "coco" / "val2017"
    home.mkdir(parents=True)
    other.mkdir()
    shutil.copy(source.parent / "a.png", other)
    for kind in ("instances", "stuff", "captions", "image_info"):
        shutil.copy(source, home / f"{kind}_val2017.json")
    files, remarks = chosen(Place(home.parent))
    assert files == {home / "instances_val2017.json": "val2017"}
    assert "stuff_val2017.json" in remarks[0]
    out = tmp_path / "out.h5"
    for place in (home.parent, home / "instances_val2017.json"):
        result = wsss("pack", place, "-o", out, "--force")
        assert result.exit_code == 0, result.output
        assert open_dataset(out).split("val2017") == ["val2017/a"]
    (home / "instances_val2017.json").unlink()
    assert chosen(Place(home.parent))[0] == {home / "stuff_val2017.json": "val2017"}
    shutil.copy(source, home / "mine.json")
    with pytest.raises(WsssError, match=r"mine\.json and stuff_val2017\.json, which may be of"):
        chosen(Place(home.parent))


def test_what_is_cocos(tmp_path: Path) -> None:
    folder = made(tmp_path / "d", [said()])
    assert detect(Place(folder)) == "a.json holds COCO's images and categories"
    assert detect(Place(folder / "a.json")) is not None
    (folder / "a.json").write_text('{"categories": {"label": {}}, "items": []}')
    assert detect(Place(folder)) is None
    assert looks('{\n "annotations": [{"segmentation": [], "image_id": 4')
    assert not looks('[{"image_id": 4, "category_id": 1, "bbox": []}]')
    assert not looks('{"categories": [{"id": 0, "name": "a"}], "info": {}}')
