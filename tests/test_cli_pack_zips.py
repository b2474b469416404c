"""`wsss pack` of zips: as of the folders that were zipped, and of hostile ones, nothing."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import wsss
from PIL import Image
from test_formats_voc import CAT, DOG, add, annotation, write_list
from zipped import Raw, zip_folder, zip_raw

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.core.images import encode_mask


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def packed(file: str, *words: str) -> tuple[Mapping[str, Any], dict[str, dict[str, Any]]]:
    """What `pack` wrote: the params, and all fields by id."""
    result = wsss("pack", *words, "-o", file)
    assert result.exit_code == 0, result.stderr
    fields = ("image", "path", "tags", "size", "mask", "true_box", "true_box_class")
    with open_artifact(Path(file)) as found:
        items = {
            image_id: {
                name: None if value is None else value.tolist()
                for name in fields
                for value in [found.field(image_id, name)]
            }
            for image_id in found.ids
        }
        return found.params, items


BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"


@pytest.mark.parametrize("prefix", ["", "VOCdevkit/VOC2012/"])
def test_a_devkit_in_a_zip_is_packed_as_unpacked(tmp_path: Path, prefix: str) -> None:
    kit = tmp_path / "kit"
    add(kit, "2007_000001", annotation("cat", "dog", inside=BOX), [0, CAT, DOG])
    add(kit, "2007_000002", annotation("dog", inside=BOX), [DOG, 255, 0])
    write_list(kit, "train", "2007_000001")
    write_list(kit, "val", "2007_000002")
    zip_folder(kit, tmp_path / "export.zip", prefix)
    for options in ((), ("--labels-from", "mask"), ("--split", "val")):
        params, items = packed("zip.h5", "--voc", "export.zip", "--force", *options)
        expected, unpacked = packed("folder.h5", "--voc", "kit", "--force", *options)
        assert params == expected
        assert params["contents"]
        assert items == unpacked
        assert items["2007_000002"]["mask"] is not None


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """photos/, masks/SegmentationClass/ with a labelmap.txt beside, and tags.csv."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "sub/b.jpg", "c.png"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (4, 6, 3)).astype(np.uint8)).save(file)
        mask = tmp_path / "masks/SegmentationClass" / f"{name[:-4]}.png"
        mask.parent.mkdir(parents=True, exist_ok=True)
        mask.write_bytes(encode_mask(np.full((4, 6), 1 + (name != "a.png"), np.uint8)))
    (tmp_path / "masks/labelmap.txt").write_text(
        "# names\nbackground:0,0,0::\ncat:128,0,0::\ndog:0,128,0::\n"
    )
    (tmp_path / "tags.csv").write_text("file,tags\na.png,cat\nb.jpg,dog\nc,dog\n")
    return tmp_path


def test_a_table_with_images_and_masks_in_zips(photos: Path) -> None:
    for name in ("photos", "masks"):
        zip_folder(photos / name, photos / f"{name}.zip")
    with zipfile.ZipFile("table.zip", "w") as archive:
        archive.write("tags.csv", "in/tags.csv")
    own = ("--images", "photos", "--masks", "masks/SegmentationClass")
    expected, unpacked = packed("folder.h5", "--csv", "tags.csv", *own)
    zipped = ("--images", "photos.zip", "--masks", "masks.zip/SegmentationClass")
    for table in ("tags.csv", "table.zip/in/tags.csv"):
        params, items = packed("zip.h5", "--csv", table, *zipped, "--force")
        assert params.pop("mask_values") == "masks.zip/labelmap.txt"
        assert params == {k: v for k, v in expected.items() if k != "mask_values"}
        assert items == unpacked
    assert sorted(items) == ["a", "c", "sub/b"]


def test_images_beside_a_table_in_a_zip(photos: Path) -> None:
    for name in ("c.png", "a.png"):
        (photos / "photos" / name).rename(photos / "photos/sub" / name)
    (photos / "tags.csv").rename(photos / "photos/tags.csv")
    zip_folder(photos / "photos", photos / "all.zip")
    params, items = packed("zip.h5", "--csv", "all.zip/tags.csv")
    assert (params, items) == packed("folder.h5", "--csv", "photos/tags.csv")
    assert sorted(items) == ["sub/a", "sub/b", "sub/c"]


def test_a_list_and_classes_in_a_zip(photos: Path) -> None:
    with zipfile.ZipFile("lists.zip", "w") as archive:
        archive.writestr("val.txt", "a\nc.png\n")
        archive.writestr("classes.txt", "dog\ncat\n")
    packed(
        "a.h5", "--csv", "tags.csv", "--images", "photos", "--classes", "lists.zip/classes.txt",
        "--split", "val=lists.zip/val.txt",
    )  # fmt: skip
    with open_dataset(Path("a.h5")) as found:
        assert (found.classes, found.ids) == (["dog", "cat"], ["a", "c"])


def refused(*words: str, code: int = 3) -> list[str]:
    """The lines of an error that wrote nothing."""
    before = {name: Path(name).read_bytes() for name in os.listdir() if Path(name).is_file()}
    result = wsss("pack", *words)
    assert result.exit_code == code, result.stderr
    assert {n: Path(n).read_bytes() for n in os.listdir() if Path(n).is_file()} == before
    return result.stderr.strip().split("\n")


def test_no_links_into_a_zip(photos: Path) -> None:
    zip_folder(photos / "photos", photos / "photos.zip")
    assert refused("--csv", "tags.csv", "--images", "photos.zip", "--link") == [
        "wsss: error: photos.zip/a.png: --link links to files, and this image is in a zip",
        "wsss: hint: unpack photos.zip, or leave --link out",
    ]
    packed("a.h5", "--csv", "tags.csv", "--images", "photos", "--link")


def test_an_output_is_neither_the_zip_nor_in_it(photos: Path) -> None:
    zip_folder(photos / "photos", photos / "photos.zip")
    words = ("--csv", "tags.csv", "--images", "photos.zip/sub")
    for force in ((), ("--force",)):
        first = refused(*words, "-o", "photos.zip", *force, code=2)[0]
        assert first == "wsss: error: photos.zip: is an input (photos.zip/sub)"
        first = refused(*words, "-o", "photos.zip/x.h5", *force, code=2)[0]
        assert first == "wsss: error: photos.zip/x.h5: would be in a zip file, photos.zip"


def test_a_table_that_is_a_zip_is_told_how_to_name_the_file_in_it(photos: Path) -> None:
    zip_folder(photos / "photos", photos / "photos.zip")
    assert refused("--csv", "photos.zip", "--images", "photos") == [
        "wsss: error: photos.zip: is a zip archive, not plain text",
        "wsss: hint: name the file in it, such as export.zip/tags.csv",
    ]


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (Raw("../a.png"), "photos.zip: the member '../a.png' leads out of it"),
        (Raw("a.png", b"/etc/passwd", mode=0o120777), "the member 'a.png' is a link"),
        (Raw("a.png", flags=1), "the member 'a.png' is encrypted"),
        (Raw("a.png", method=14), "is compressed by a method that is not read (number 14)"),
        (Raw("b.png", size=1 << 40), "the member 'b.png' has 1099511627776 bytes"),
        (Raw("b.png", offset=0), "the member 'b.png' overlaps the member 'x.png'"),
        (Raw("x.png"), "photos.zip: holds 'x.png' twice"),
    ],
)
def test_hostile_zips(photos: Path, member: Raw, said: str) -> None:
    image = (photos / "photos/a.png").read_bytes()
    zip_raw(photos / "photos.zip", Raw("x.png", image), member)
    Path("tags.csv").write_text("file,tags\nx.png,cat\n")
    for words in (("--images", "photos.zip"), ("--images", "photos", "--masks", "photos.zip")):
        error, *hints = refused("--csv", "tags.csv", *words, "--on-error", "skip")
        assert error.startswith("wsss: error: photos.zip: ")
        assert said in error
        assert [hint[:12] for hint in hints] == ["wsss: hint: "]


def test_a_damaged_member_is_an_image_that_cannot_be_packed(photos: Path) -> None:
    files = {f"{n}.png": (photos / f"photos/{n}.png").read_bytes() for n in "ac"}
    broken = Raw("sub/b.jpg", (photos / "photos/sub/b.jpg").read_bytes(), checksum=7)
    zip_raw(photos / "photos.zip", *(Raw(name, data) for name, data in files.items()), broken)
    words = ("--csv", "tags.csv", "--images", "photos.zip")
    (line,) = [line for line in refused(*words) if "error:" in line]
    assert line == (
        "wsss: error: tags.csv: 1 of 3 images cannot be packed: sub/b: is damaged in photos.zip: "
        "its checksum is another"
    )
    _, items = packed("a.h5", *words, "--on-error", "skip")
    assert sorted(items) == ["a", "c"]


def test_a_damaged_list_is_named(photos: Path) -> None:
    zip_raw(photos / "lists.zip", Raw("tags.csv", b"file,tags\na.png,cat\n", size=9))
    assert refused("--csv", "lists.zip/tags.csv", "--images", "photos") == [
        "wsss: error: lists.zip/tags.csv: is damaged in lists.zip: it holds more than the 9 bytes "
        "that it declares"
    ]


def test_a_zip_cut_short(photos: Path) -> None:
    zip_folder(photos / "photos", photos / "photos.zip")
    Path("photos.zip").write_bytes(Path("photos.zip").read_bytes()[:-100])
    assert refused("--csv", "tags.csv", "--images", "photos.zip") == [
        "wsss: error: photos.zip: is no zip file, or its end is missing",
        "wsss: hint: was it cut short by a full disk, or a download that failed?",
    ]
