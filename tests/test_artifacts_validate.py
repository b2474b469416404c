"""The look at a whole artifact as it is opened: files of strangers, damaged in every part."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from boxed import write_boxed
from made import random_cams, write_cam, write_labels, wsss

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.errors import WsssError

Change = Callable[[h5py.File], object]
HUGE = 1 << 33


def replaced(name: str, values: object, **made: object) -> Change:
    """A change that puts another data set in the place of one."""

    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, data=values, **made)

    return change


def declared(name: str, shape: tuple[int, ...], dtype: str, **made: object) -> Change:
    """A change that declares a data set without storing anything."""

    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, shape, dtype, **made)

    return change


def edited(name: str, place: object, value: object) -> Change:
    def change(file: h5py.File) -> None:
        file[name][place] = value

    return change


def attribute(name: str, value: object) -> Change:
    def change(file: h5py.File) -> None:
        file.attrs[name] = json.dumps(value)

    return change


def without(name: str) -> Change:
    def change(file: h5py.File) -> None:
        del file[name]

    return change


def linked(name: str, link: object) -> Change:
    def change(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = link

    return change


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((6,), "u2")
    layout[:] = h5py.VirtualSource("other.h5", "x", (6,))
    del file["tags/values"]
    file.create_virtual_dataset("tags/values", layout)


def external(file: h5py.File) -> None:
    count = file["image/values"].shape
    del file["image/values"]
    file.create_dataset("image/values", count, "u1", external=[("/etc/passwd", 0, 1 << 40)])


def bomb(file: h5py.File) -> None:
    """A class map of 2**31 - 1 entries an image, over storage that nothing was written to."""
    count = len(file["ids"])
    total = count * (2**31 - 1)
    declared("tags/values", (total,), "u2", chunks=(1 << 20,), compression="gzip")(file)
    file["tags/shape"][:] = 2**31 - 1
    file["tags/offset"][:] = np.arange(count + 1) * (2**31 - 1)


def turned_over(file: h5py.File) -> None:
    """Offsets whose differences turn over into the right sizes."""
    file["tags/offset"][1:-1] = np.array([2**62, -(2**63), -(2**62), 0, 2**61])


def packed_twice(file: h5py.File) -> None:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((file["image/values"].size,))
    made.set_deflate(9)
    made.set_deflate(9)
    values = file["image/values"][:]
    del file["image/values"]
    space = h5py.h5s.create_simple(values.shape)
    made_id = h5py.h5d.create(file["image"].id, b"values", h5py.h5t.NATIVE_UINT8, space, made)
    made_id.write(h5py.h5s.ALL, h5py.h5s.ALL, values)


DAMAGES: dict[str, tuple[Change, str]] = {
    "external storage": (external, "image/values lies outside the file"),
    "virtual data set": (virtual, "tags/values lies outside the file"),
    "external link": (
        linked("mask/values", h5py.ExternalLink("o.h5", "/x")),
        "mask/values is a link, which is not followed",
    ),
    "external link to a group": (linked("mask", h5py.ExternalLink("o.h5", "/")), "mask is a link"),
    "soft link": (linked("tags/values", h5py.SoftLink("/size/values")), "tags/values is a link"),
    "soft link that nobody reads": (linked("more", h5py.SoftLink("/ids")), "more is a link"),
    "link as split": (linked("splits/x", h5py.ExternalLink("o.h5", "/x")), "splits/x is a link"),
    "bomb": (bomb, "tags/values declares .* bytes, of which not all are in the file"),
    "packed twice": (packed_twice, "image/values is packed as wsss packs nothing"),
    "ids of 2**33 rows": (declared("ids", (HUGE,), "S3"), "ids declares"),
    "values of 2**33": (declared("image/values", (HUGE,), "u1"), "image/values declares"),
    "offset of 2**33": (declared("tags/offset", (HUGE,), "i8"), "tags/offset declares"),
    "shape of 2**33": (declared("size/shape", (HUGE, 1), "i4"), "size/shape declares"),
    "split of 2**33": (declared("splits/train", (HUGE,), "i4"), "splits/train declares"),
    "chunks never written": (
        declared("size/values", (12,), "i4", chunks=(4,), compression="gzip"),
        "size/values declares 48 bytes, of which not all are in the file",
    ),
    "split beyond": (replaced("splits/train", [999]), "split train names no rows of ids, rising"),
    "split below": (replaced("splits/train", [-1, 2]), "split train names no rows"),
    "split twice": (replaced("splits/train", [2, 2]), "split train names no rows"),
    "split of floats": (replaced("splits/train", [0.5]), "splits/train holds no whole numbers"),
    "split as a group": (lambda file: file.create_group("splits/x"), "no data set splits/x"),
    "split of two axes": (replaced("splits/val", [[1, 2]]), "splits/val has no 1 axes"),
    "ids not UTF-8": (edited("ids", 5, b"\xff\xfe"), "ids are not UTF-8"),
    "ids with a zero byte": (edited("ids", 5, b"z\0z"), "ids hold zero bytes"),
    "a letter over two ids": (
        replaced("ids", np.array([b"a/0", b"a/1", b"a/2", b"a/3", b"a/\xc3", b"\xbca5"])),
        "ids are not UTF-8",
    ),
    "ids that fall": (edited("ids", 0, b"b"), "ids do not rise"),
    "ids as numbers": (replaced("ids", np.arange(6)), "ids are no text of fixed length"),
    "ids cut": (replaced("ids", np.array([b"a", b"b"])), "ids and n_items disagree"),
    "null data space": (replaced("size/values", h5py.Empty("i4")), "size/values has no 1 axes"),
    "no ids": (without("ids"), "no data set ids"),
    "no field": (without("size"), "no data set size/values"),
    "no offsets": (without("mask/offset"), "no data set mask/offset"),
    "shape of two rows": (
        replaced("tags/shape", np.ones((2, 1), np.int32)),
        "the index of tags is not of 6 items",
    ),
    "shape of floats": (
        replaced("tags/shape", np.full((6, 1), np.nan)),
        "tags/shape holds no whole numbers",
    ),
    "shape of other axes": (
        replaced("size/shape", np.ones((6, 2), np.int32)),
        "the index of size is not of 6 items",
    ),
    "shape of other size": (edited("tags/shape", 3, 1), "'a/3': tags has another shape than"),
    "shape below": (edited("tags/shape", 3, -2), "'a/3': tags has another shape than values"),
    "lacking a needed field": (edited("tags/shape", 5, -1), "'a/5': tags has another shape than"),
    "offsets that fall": (edited("tags/offset", 2, 0), "the offsets of tags do not rise from 0"),
    "offsets that turn over": (turned_over, "the offsets of tags do not rise from 0"),
    "offsets that do not start": (edited("tags/offset", 0, 1), "the offsets of tags do not rise"),
    "offsets that do not end": (edited("tags/offset", 6, 9), "the offsets of tags do not rise"),
    "values of another type": (
        replaced("tags/values", np.zeros(7, np.float32)),
        "field tags is float32",
    ),
    "values as text": (replaced("tags/values", np.array([b"a"] * 7)), "field tags is bytes"),
    "tags of no class": (edited("tags/values", 3, 3), "'a/3': tags do not rise, or are of no"),
    "tags that fall": (edited("tags/values", 4, 0), "'a/3': tags do not rise, or are of no class"),
    "no size": (edited("size/values", 2, 0), "'a/1': no size of an image"),
    "a size beyond memory": (edited("size/values", 2, 2**31 - 1), "'a/1': no size of an image"),
    "no classes": (attribute("classes", []), "0 classes, there must be 1 to 65536"),
    "classes as text": (attribute("classes", "red"), "classes is no list"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_at_opening(tiny_data: Path, name: str) -> None:
    change, said = DAMAGES[name]
    with h5py.File(tiny_data, "r+") as file:
        change(file)
    with pytest.raises(WsssError, match=rf"data\.h5: damaged \({said}") as caught:
        open_dataset(tiny_data)
    assert "\n" not in str(caught.value)
    assert caught.value.hint in ("rerun `wsss pack`", "rerun the stage that writes it")


def test_an_item_needs_an_image_or_a_path(tiny_data: Path) -> None:
    with h5py.File(tiny_data, "r+") as file:
        for field, dtype in (("image", "u1"), ("digest", "u1")):
            replaced(f"{field}/values", np.zeros(0, dtype))(file)
            file[f"{field}/offset"][:] = 0
            file[f"{field}/shape"][:] = -1
    with pytest.raises(WsssError, match=r"damaged .'a/0': neither image nor path"):
        open_dataset(tiny_data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edited("classes/values", 0, 3), "'a/0': classes do not rise, or are of no class"),
        (edited("cam/shape", 0, [1, 12, 8]), "'a/0': cam is not on the image's grid of stride 4"),
        (edited("cam/shape", 3, [1, 16, 12]), "'a/3': the shapes of cam and classes do not fit"),
        (edited("cam/shape", 5, [0, 2**31 - 1, 1]), "'a/5': cam is not on the image's grid"),
        (edited("size/values", 0, 99), "'a/0': cam is not on the image's grid of stride 4"),
        (edited("size/shape", 0, 1), "'a/0': size has another shape than values"),
    ],
)
def test_maps_are_compared_with_sizes_and_classes(
    tiny_data: Path, change: Change, said: str
) -> None:
    cam = write_cam(tiny_data.with_name("cam.h5"), tiny_data, random_cams(tiny_data))
    with h5py.File(cam, "r+") as file:
        change(file)
    with pytest.raises(WsssError, match=rf"cam\.h5: damaged \({said}"):
        open_artifact(cam)


def test_more_classes_than_there_are_and_labels_of_other_kinds(tiny_data: Path) -> None:
    labels = write_labels(
        tiny_data.with_name("l.h5"), tiny_data, {"a/0": np.zeros((32, 48), np.uint8)}
    )
    with h5py.File(labels, "r+") as file:
        replaced("present/values", np.arange(4, dtype=np.uint16))(file)
        file["present/shape"][0], file["present/offset"][1] = 4, 4
    with pytest.raises(WsssError, match="'a/0': more present than the 3 classes there are"):
        open_artifact(labels)


def test_what_a_later_version_adds_is_not_looked_at(tiny_data: Path) -> None:
    with h5py.File(tiny_data, "r+") as file:
        file["depth/values"] = np.zeros(3)
        file["tags/names"] = np.zeros(3)
        file.attrs["depth"] = np.zeros(3)
    with open_dataset(tiny_data) as data:
        assert len(data) == 6


def test_a_file_repacked_by_another_program_is_read(tiny_data: Path, tmp_path: Path) -> None:
    """In chunks, packed, of 64-bit numbers, as h5repack and others may leave it."""
    other = tmp_path / "repacked.h5"
    with h5py.File(tiny_data) as file, h5py.File(other, "w") as copy:
        for name, value in file.attrs.items():
            copy.attrs[name] = value
        for group in ("", "image", "path", "digest", "tags", "size", "mask", "splits"):
            for name, found in (file[group] if group else file).items():
                if isinstance(found, h5py.Dataset) and found.size:
                    wide = found.dtype.kind == "i" and name != "values"
                    values = found[:].astype("i8") if wide else found[:]
                    packing = {"compression": "lzf", "shuffle": True, "fletcher32": True}
                    copy.create_dataset(f"{group}/{name}", data=values, chunks=True, **packing)
                elif isinstance(found, h5py.Dataset):
                    copy.create_dataset(f"{group}/{name}", data=found[:])
    with open_dataset(tiny_data) as data, open_dataset(other) as found:
        assert found.ids == data.ids
        assert found.split("val") == data.split("val")
        for image_id in data.ids:
            np.testing.assert_array_equal(found.image(image_id), data.image(image_id))
            np.testing.assert_array_equal(found.tags(image_id), data.tags(image_id))


def test_no_command_copies_a_local_file_into_its_output(tiny_data: Path, tmp_path: Path) -> None:
    labels = write_labels(
        tmp_path / "l.h5", tiny_data, {"a/0": np.zeros((32, 48), np.uint8)}, params={"a": 1}
    )
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(256)) * 6)
    with h5py.File(labels, "r+") as file:
        del file["label/values"]
        file.create_dataset("label/values", (1536,), "u1", external=[(str(secret), 0, 1536)])
    for command in (
        ("info", labels),
        ("export", labels, "--format", "npy", "-o", tmp_path / "out"),
        ("view", labels, "-o", tmp_path / "out"),
        ("eval", labels),
        ("merge", labels, "-o", tmp_path / "out"),
        ("train-seg", "--labels", labels, "-o", tmp_path / "out"),
    ):
        result = wsss(*command)
        assert result.exit_code == 3, command
        assert result.stderr == (
            f"wsss: error: {labels}: damaged (label/values lies outside the file)\n"
            "wsss: hint: rerun `wsss make-seeds, random-walk or predict`\n"
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edited("true_box/values", 0, -1), "'a': a true_box is empty or not within the image"),
        (edited("true_box/values", 2, 61), "'a': a true_box is empty or not within the image"),
        (edited("true_box/values", 3, 5), "'a': a true_box is empty"),
        (edited("true_box/values", 9, np.nan), "'b': a true_box is empty"),
        (edited("true_box/values", -1, 1e9), "'e': a true_box is empty"),
        (edited("true_box_class/values", 2, 3), "'b': true_box_class is of no class"),
        (without("true_box_class"), "'a': some, and not all, of true_box, true_box_class"),
        (without("true_box/values"), "no data set true_box/values"),
    ],
)
def test_true_boxes_are_checked(tmp_path: Path, change: Change, said: str) -> None:
    path = write_boxed(tmp_path / "data.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(WsssError, match=said):
        open_artifact(path)


def test_fields_of_boxes_are_of_one_length(tmp_path: Path) -> None:
    path = write_boxed(tmp_path / "data.h5")
    with h5py.File(path, "r+") as file:
        file["true_box/shape"][0, 0] = 1
        file["true_box/shape"][1, 0] = 3
        file["true_box/offset"][1] = 4
    with pytest.raises(WsssError, match="the shapes of true_box and true_box_class do not fit"):
        open_artifact(path)
