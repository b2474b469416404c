"""The dataset as stages see it: splits, masks, finding it by provenance, class names."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from boxed import BOXES, write_boxed
from conftest import SIZE, encode_png, tiny_scene
from PIL import Image
from rasters import encode

import wsss_cli
from wsss_cli.artifacts import DATASET, LABEL, create, open_artifact, open_dataset
from wsss_cli.artifacts.dataset import DatasetReader
from wsss_cli.core.images import encode_mask
from wsss_cli.errors import WsssError


def label_file(path: Path, data: DatasetReader, classes: list[str] | None = None) -> Path:
    with create(
        path, LABEL, classes=classes or data.classes, params={}, inputs=[data], ids=["a/0"]
    ) as out:
        label = np.zeros(SIZE, np.uint8)
        for image_id in out.todo:
            out.put(image_id, label=label, present=np.zeros(0, np.uint16))
    return path


def test_images_masks_tags_sizes_and_splits(tiny_data: Path) -> None:
    with open_dataset(tiny_data) as data:
        assert data.classes == ["red", "green", "blue"]
        assert data.splits == ["train", "val"]
        assert data.split("val") == ["a/2", "a/5"]
        assert data.split(None) == data.ids
        for index, image_id in enumerate(data.ids):
            image, mask = tiny_scene(index)
            np.testing.assert_array_equal(data.image(image_id), image)
            np.testing.assert_array_equal(data.mask(image_id), mask)
            assert data.size(image_id) == mask.shape
        assert data.tags("a/3").tolist() == [0, 1]
        assert data.tags("a/5").tolist() == []
        with pytest.raises(WsssError, match="has no split 'test'") as caught:
            data.split("test")
        assert caught.value.hint == "it has: train, val"


def linked(path: Path, image: bytes, name: bytes = b"a.png") -> Path:
    """A data set of one linked image, with the digest of `image`."""
    with create(path, DATASET, classes=["x"], params={}, ids=["a"]) as out:
        out.put(
            "a",
            path=np.frombuffer(name, np.uint8),
            digest=np.frombuffer(hashlib.sha256(image).digest(), np.uint8),
            tags=np.zeros(0, np.uint16),
            size=np.array([1, 1], np.int32),
        )
    return path


def test_a_linked_image_that_has_changed_is_refused(tmp_path: Path) -> None:
    image = encode_png(np.zeros((1, 1, 3), np.uint8)).tobytes()
    (tmp_path / "a.png").write_bytes(image)
    with open_dataset(linked(tmp_path / "d.h5", image)) as data:
        assert data.image("a").shape == (1, 1, 3)
        (tmp_path / "a.png").write_bytes(encode_png(np.ones((1, 1, 3), np.uint8)).tobytes())
        with pytest.raises(WsssError, match=r"a.png: has changed since .*d.h5 was packed"):
            data.image("a")


def test_a_linked_name_may_be_any_bytes_and_one_that_is_no_name_is_an_error(tmp_path: Path) -> None:
    image = encode_png(np.zeros((1, 1, 3), np.uint8)).tobytes()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.png")).write_bytes(image)
    with open_dataset(linked(tmp_path / "d.h5", image, b"\xe9.png")) as data:
        assert data.image("a").shape == (1, 1, 3)
    with (
        open_dataset(linked(tmp_path / "e.h5", image, b"\0")) as data,
        pytest.raises(WsssError, match="cannot be read"),
    ):
        data.image("a")


@pytest.mark.parametrize("tags", [[1, 0], [2, 2], [0, 3]])
def test_tags_that_no_stage_could_use_are_damage(tmp_path: Path, tags: list[int]) -> None:
    path = tmp_path / "d.h5"
    with create(path, DATASET, classes=["x", "y", "z"], params={}, ids=["a"]) as out:
        out.put(
            "a",
            image=np.zeros(1, np.uint8),
            tags=np.array(tags, np.uint16),
            size=np.array([1, 1], np.int32),
        )
    with pytest.raises(WsssError, match=r"damaged .'a': tags do not rise, or are of no class"):
        open_dataset(path)


def test_ids_out_of_order_are_damage(tmp_path: Path) -> None:
    """A search by halves would miss some of them without a word."""
    path = tmp_path / "d.h5"
    with create(path, LABEL, classes=["x"], params={}, ids=["a", "b"]) as out:
        for image_id in out.todo:
            none = np.zeros(0, np.uint16)
            out.put(image_id, label=np.zeros((1, 1), np.uint8), present=none)
    for ids in (["b", "a"], ["a", "a"]):
        with h5py.File(path, "r+") as file:
            file["ids"][:] = [one.encode() for one in ids]
        with pytest.raises(WsssError, match=r"damaged .ids do not rise"):
            open_artifact(path)


def test_a_linked_image_that_went_away_is_named(tmp_path: Path) -> None:
    path = tmp_path / "linked.h5"
    with create(path, DATASET, classes=["x"], params={}, ids=["a"]) as out:
        out.put(
            "a",
            path=np.frombuffer(b"images/a.png", np.uint8),
            tags=np.zeros(0, np.uint16),
            size=np.array([1, 1], np.int32),
        )
    with open_dataset(path) as data, pytest.raises(WsssError, match=r"a.png: No such file") as err:
        data.image("a")
    assert "without --link" in (err.value.hint or "")


def deep_data(path: Path, params: dict) -> Path:
    values = np.array([[412, 1909, 3406]], np.uint16)
    image = np.frombuffer(encode(Image.fromarray(values)), np.uint8)
    with create(path, DATASET, classes=["x"], params=params, ids=["a"]) as out:
        out.put("a", image=image, tags=np.zeros(0, np.uint16), size=np.array([1, 3], np.int32))
    return path


def test_pixels_are_read_as_the_params_say(tmp_path: Path) -> None:
    with open_dataset(deep_data(tmp_path / "d.h5", {"range": [412, 3406]})) as data:
        assert data.image("a")[0, :, 0].tolist() == [0, 128, 255]
    with open_dataset(deep_data(tmp_path / "old.h5", {})) as data:
        assert data.image("a")[0, :, 0].tolist() == [2, 7, 13]


def test_params_that_make_no_sense_of_pixels_are_damage(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=r"d.h5: damaged \(range"):
        open_dataset(deep_data(tmp_path / "d.h5", {"range": [9, 1]}))


def test_pixels_of_another_size_than_recorded_are_refused(tmp_path: Path) -> None:
    path, mask = tmp_path / "d.h5", encode_mask(np.zeros((3, 2), np.uint8))
    with create(path, DATASET, classes=["x"], params={}, ids=["a"]) as out:
        out.put(
            "a",
            image=encode_png(np.zeros((2, 2, 3), np.uint8)),
            tags=np.zeros(0, np.uint16),
            size=np.array([2, 3], np.int32),
            mask=np.frombuffer(mask, np.uint8),
        )
    with open_dataset(path) as data:
        with pytest.raises(WsssError, match=r"d.h5: image 'a' is 2x2, not 2x3"):
            data.image("a")
        with pytest.raises(WsssError, match=r"d.h5: mask of 'a' is 3x2, not 2x3"):
            data.mask("a")


# True boxes


def test_true_boxes_are_read_again(tmp_path: Path) -> None:
    with open_dataset(write_boxed(tmp_path / "data.h5", missing=("b",))) as data:
        assert data.true_boxes("b") is None
        for image_id in "acde":
            found = data.true_boxes(image_id)
            assert found is not None
            rows = zip(found.classes.tolist(), found.corners.tolist(), found.difficult, strict=True)
            assert [(k, tuple(box), bool(d)) for k, box, d in rows] == BOXES[image_id]


def test_a_file_of_before_there_were_boxes_has_none(tiny_data: Path) -> None:
    with h5py.File(tiny_data) as file:
        assert not [name for name in file if name.startswith("true_box")]
    with open_dataset(tiny_data) as data:
        assert data.true_boxes("a/0") is None
        assert "true_box" not in data["a/0"]
        assert not data.column("true_box").holds_values


def test_only_scoring_reads_true_boxes_and_objects() -> None:
    """A method that saw them would not be weakly supervised."""
    package = Path(wsss_cli.__file__).parent
    readers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"true_(box(es\(|\")|object(s\(|\"))", path.read_text("utf-8"))
    }
    assert readers == {
        "artifacts/dataset.py", "artifacts/holdings.py", "artifacts/schema.py",
        "artifacts/wholes.py", "formats/storing.py", "report/label_facts.py",
        "scoring/localisation.py",
    }  # fmt: skip
