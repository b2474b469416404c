"""The VOC devkit reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from zipped import zip_folder

from wsss_cli.core.images import encode_mask
from wsss_cli.errors import WsssError
from wsss_cli.formats.sample import VOC_CLASSES, Collection, Problem
from wsss_cli.formats.voc import read_annotation, read_voc

CAT, DOG, PERSON = (VOC_CLASSES.index(name) + 1 for name in ("cat", "dog", "person"))


def annotation(*names: str, inside: str = "") -> str:
    boxes = "".join(
        f"<object><name>{name}</name><difficult>1</difficult>{inside}</object>" for name in names
    )
    return f"<annotation><filename>x.jpg</filename>{boxes}</annotation>"


def add(root: Path, image_id: str, xml: str | None, mask: list[int] | None = None) -> None:
    """One image of 3 x 2 with its label file and mask."""
    image = root / "JPEGImages" / f"{image_id}.jpg"
    image.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (3, 2)).save(image)
    if xml is not None:
        file = root / "Annotations" / f"{image_id}.xml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(xml, encoding="utf-8")
    if mask is not None:
        file = root / "SegmentationClass" / f"{image_id}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_mask(np.array([mask, mask], np.uint8)))


def write_list(root: Path, name: str, *lines: str, kind: str = "Segmentation") -> Path:
    file = root / "ImageSets" / kind / f"{name}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    add(tmp_path, "2007_000001", annotation("cat", "dog", "cat"), [0, CAT, 255])
    add(tmp_path, "2007_000002", annotation("person"), [PERSON, DOG, 0])
    add(tmp_path, "2007_000003", annotation())
    write_list(tmp_path, "train", "2007_000001", "2007_000003")
    write_list(tmp_path, "val", "2007_000002")
    return tmp_path


def tags(found: Collection) -> dict[str, tuple[str, ...]]:
    return {sample.id: sample.tags for sample in found.samples}


def test_boxes_masks_and_lists(kit: Path) -> None:
    found = read_voc(kit)
    assert found.classes == VOC_CLASSES
    assert tags(found) == {
        "2007_000001": ("cat", "dog"),
        "2007_000002": ("person",),
        "2007_000003": (),
    }
    assert [sample.splits for sample in found.samples] == [("train",), ("val",), ("train",)]
    assert found.splits == ("train", "val")
    assert [sample.mask is not None for sample in found.samples] == [True, True, False]
    assert found.samples[0].image == kit / "JPEGImages" / "2007_000001.jpg"
    assert found.notes == {"source": "voc", "labels_from": "xml"}
    assert found.problems == ()


def test_parts_are_not_objects(tmp_path: Path) -> None:
    part = "<part><name>head</name></part><part><object><name>hand</name></object></part>"
    file = tmp_path / "a.xml"
    file.write_text(annotation("person", inside=part))
    assert read_annotation(file) == (("person",), None)


def test_labels_from_masks_differ(kit: Path) -> None:
    found = read_voc(kit, {"train": None, "val": None}, labels_from="mask")
    assert tags(found) == {"2007_000001": ("cat",), "2007_000002": ("dog", "person")}
    assert found.problems == (Problem("2007_000003", "no mask SegmentationClass/2007_000003.png"),)
    assert found.notes["labels_from"] == "mask"


def test_labels_from_masks_need_no_annotations(kit: Path) -> None:
    for file in (kit / "Annotations").iterdir():
        file.unlink()
    (kit / "Annotations").rmdir()
    assert len(read_voc(kit, {"val": None}, labels_from="mask").samples) == 1
    with pytest.raises(WsssError, match="no Annotations/") as caught:
        read_voc(kit)
    assert "--labels-from mask" in str(caught.value.hint)


def test_a_mask_with_too_high_labels_names_no_class(kit: Path) -> None:
    found = read_voc(kit, {"val": None}, labels_from="mask", classes=("one", "two"))
    assert found.problems == (
        Problem("2007_000002", "its mask holds label 15, there are 2 classes"),
    )


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (None, "no label file Annotations/b.xml"),
        ("<annotation><object>", "Annotations/b.xml is broken XML"),
        ("", "Annotations/b.xml is broken XML"),
        ("<html/>", "holds <html>, not <annotation>"),
        (annotation(" "), "has an object without a name"),
        ("<annotation><object/></annotation>", "has an object without a name"),
    ],
)
def test_bad_label_files_are_problems_of_their_image(
    tmp_path: Path, xml: str | None, reason: str
) -> None:
    add(tmp_path, "a", annotation("cat"))
    add(tmp_path, "b", xml)
    found = read_voc(tmp_path)
    assert [sample.id for sample in found.samples] == ["a"]
    assert [problem.id for problem in found.problems] == ["b"]
    assert reason in found.problems[0].reason


def test_entities_do_not_expand_or_read_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("cat")
    file = tmp_path / "a.xml"
    file.write_text(
        f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]>'
        "<annotation><object><name>&x;</name></object></annotation>"
    )
    with pytest.raises(ValueError, match=r"DOCTYPE|without a name"):
        read_annotation(file)


def test_other_names_are_sorted_where_they_are_not_vocs(tmp_path: Path) -> None:
    add(tmp_path, "a", annotation("zebra", "cat"))
    add(tmp_path, "b", annotation("âne"))
    assert read_voc(tmp_path).classes == ("cat", "zebra", "âne")


def test_other_names_with_masks_need_their_order(tmp_path: Path) -> None:
    add(tmp_path, "a", annotation("zebra"), [0, 1, 1])
    with pytest.raises(WsssError, match="in which order") as caught:
        read_voc(tmp_path)
    assert "--classes" in str(caught.value.hint)
    assert read_voc(tmp_path, classes=("yak", "zebra")).classes == ("yak", "zebra")


def test_a_tag_that_is_not_listed_is_a_problem(kit: Path) -> None:
    found = read_voc(kit, classes=("cat", "dog"))
    assert [sample.id for sample in found.samples] == ["2007_000001", "2007_000003"]
    assert found.problems == (Problem("2007_000002", "tag 'person' is not among the classes"),)


def test_listed_images_that_are_missing_are_all_found(kit: Path) -> None:
    write_list(kit, "train", "2007_000001", "gone", "gone too", "../escape")
    found = read_voc(kit, {"train": None})
    assert [problem.id for problem in found.problems] == ["gone", "gone too", "../escape"]
    assert found.problems[0].reason == "no such image (listed in train.txt)"
    assert "leads out of the image folder" in found.problems[2].reason


def test_lists_of_other_shapes(kit: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "own.txt"
    elsewhere.write_text(
        "\ufeff/JPEGImages/2007_000001.jpg /SegmentationClass/2007_000001.png\n\n"
        "2007_000003 -1\r\n",
        encoding="utf-8",
    )
    found = read_voc(kit, {"own": elsewhere})
    assert [(sample.id, sample.splits) for sample in found.samples] == [
        ("2007_000001", ("own",)),
        ("2007_000003", ("own",)),
    ]


def test_main_lists_serve_where_segmentation_has_none(kit: Path) -> None:
    write_list(kit, "cat_val", "2007_000002  1", kind="Main")
    assert [sample.id for sample in read_voc(kit, {"cat_val": None}).samples] == ["2007_000002"]
    with pytest.raises(WsssError, match="no list 'nosuch'") as caught:
        read_voc(kit, {"nosuch": None})
    assert "it has: cat_val, train, val" in str(caught.value.hint)


def test_an_image_in_two_splits_is_one_sample(kit: Path) -> None:
    write_list(kit, "all", "2007_000001", "2007_000002")
    found = read_voc(kit, {"train": None, "all": None})
    assert found.samples[0].splits == ("train", "all")
    assert len(found.samples) == 3


def test_an_image_twice_in_a_list_is_refused(kit: Path) -> None:
    write_list(kit, "train", "2007_000001", "2007_000003", "2007_000001.jpg")
    with pytest.raises(WsssError, match=r"1 images listed twice, first 2007_000001"):
        read_voc(kit)


def test_without_lists_every_image_is_taken(tmp_path: Path) -> None:
    ids = ["sub/dir/a b.c", "ünï", "日本", "x.y.z"]
    for image_id in ids:
        add(tmp_path, image_id, annotation("cat"), [CAT, 0, 0])
    found = read_voc(tmp_path)
    assert [sample.id for sample in found.samples] == sorted(ids, key=str.encode)
    assert found.splits == ()
    assert all(sample.mask is not None for sample in found.samples)


def test_files_that_differ_only_in_extension_are_problems(tmp_path: Path) -> None:
    add(tmp_path, "a", annotation("cat"))
    Image.new("RGB", (1, 1)).save(tmp_path / "JPEGImages" / "a.png")
    found = read_voc(tmp_path)
    assert found.problems == (Problem("a.png", "differs from a.jpg only in extension"),)
    write_list(tmp_path, "train", "a")
    assert "differ only in extension" in read_voc(tmp_path).problems[0].reason


def test_a_folder_too_high_gets_a_hint(tmp_path: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        add(tmp_path / "VOCdevkit" / year, "a", annotation("cat"))
    for root in (tmp_path, tmp_path / "VOCdevkit"):
        with pytest.raises(WsssError, match="no such folder") as caught:
            read_voc(root)
        assert caught.value.hint == f"did you mean {tmp_path / 'VOCdevkit' / 'VOC2007'}?"
    with pytest.raises(WsssError, match="no such folder"):
        read_voc(tmp_path / "nowhere")


def test_the_only_folder_of_a_folder_or_zip_is_the_devkit(tmp_path: Path) -> None:
    kit = tmp_path / "root" / "VOCdevkit" / "VOC2012"
    add(kit, "a", annotation("cat"), [0, CAT, 255])
    add(kit, "b", annotation("dog"))
    write_list(kit, "train", "a", "b")
    (tmp_path / "root" / ".DS_Store").touch()
    found = read_voc(tmp_path / "root")
    assert [sample.image for sample in found.samples] == [
        kit / "JPEGImages" / f"{name}.jpg" for name in "ab"
    ]
    file = zip_folder(tmp_path / "root", tmp_path / "root.zip")
    in_zip = read_voc(file)
    assert in_zip.samples[0].mask == file / "VOCdevkit/VOC2012/SegmentationClass/a.png"
    assert tags(in_zip) == tags(found) == {"a": ("cat",), "b": ("dog",)}
    assert in_zip.splits == found.splits == ("train",)
    only = tmp_path / "only"
    add(only, "a", None)
    with pytest.raises(WsssError, match=r"only: has no Annotations/"):
        read_voc(only)


def test_masks_of_another_folder(kit: Path, tmp_path: Path) -> None:
    other = tmp_path / "SegmentationClassAug"
    other.mkdir()
    (other / "2007_000003.png").write_bytes(encode_mask(np.zeros((2, 3), np.uint8)))
    found = read_voc(kit, masks=other)
    assert [sample.mask for sample in found.samples] == [None, None, other / "2007_000003.png"]


def test_a_negative_name_is_no_class(kit: Path) -> None:
    add(kit, "2007_000003", annotation("nothing"))
    found = read_voc(kit, negative=("nothing",))
    assert (found.classes, tags(found)["2007_000003"]) == (VOC_CLASSES, ())
    assert found.problems == ()


def test_images_in_formats_that_are_not_read_are_said(tmp_path: Path) -> None:
    add(tmp_path, "a", annotation("cat"))
    (tmp_path / "JPEGImages" / "b.HEIC").touch()
    found = read_voc(tmp_path)
    assert list(tags(found)) == ["a"]
    (remark,) = found.remarks
    assert remark.startswith("1 files are no images that are read, first b.HEIC, a HEIF photograph")
    write_list(tmp_path, "train", "b")
    (problem,) = read_voc(tmp_path).problems
    assert problem.reason.startswith("b.HEIC is a HEIF photograph: convert it to JPEG or PNG")
