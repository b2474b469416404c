"""Which images train and how one becomes a sample: splits, labels, sizes, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import CLASSES, SIZE
from made import masks_of, pack_like, write_labels

from wsss_cli.artifacts import DatasetReader, open_artifact, open_dataset
from wsss_cli.core.labels import IGNORE
from wsss_cli.errors import WsssError
from wsss_cli.training.augment import Augment
from wsss_cli.training.inputs import (
    checked_label,
    held_out_split,
    keep_pixels,
    labelled_crop,
    labelled_ids,
    tagged_ids,
)

TRAIN, VAL = ["a/0", "a/1", "a/3", "a/4"], ["a/2", "a/5"]


@pytest.fixture
def data(tiny_data: Path) -> Iterator[DatasetReader]:
    with open_dataset(tiny_data) as reader:
        yield reader


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[DatasetReader]:
    """A data set without splits."""
    image = np.zeros((4, 5, 3), np.uint8)
    path = pack_like(tmp_path / "bare.h5", {"x": image, "y": image}, {}, {}, CLASSES)
    with open_dataset(path) as reader:
        yield reader


def test_what_is_held_out(data: DatasetReader, bare: DatasetReader) -> None:
    assert held_out_split(data, None) == "val"
    assert held_out_split(data, "train") == "train"
    assert held_out_split(bare, None) is None
    with pytest.raises(WsssError, match="test"):
        held_out_split(data, "test")


def test_images_with_tags(data: DatasetReader, bare: DatasetReader) -> None:
    assert tagged_ids(data, None, "val") == TRAIN
    assert tagged_ids(data, "val", "val") == VAL  # who names a split gets it
    assert tagged_ids(bare, None, None) == ["x", "y"]
    with pytest.raises(WsssError, match="test"):
        tagged_ids(data, "test", None)


def test_nothing_to_train_on(tmp_path: Path) -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    splits = {"val": ["x"], "empty": []}
    path = pack_like(tmp_path / "few.h5", {"x": image}, {}, {}, CLASSES, splits)
    with open_dataset(path) as reader:
        for split, held_out, where in (
            (None, "val", "outside split 'val'"),
            ("empty", None, "in split 'empty'"),
        ):
            with pytest.raises(WsssError) as caught:
                tagged_ids(reader, split, held_out)
            assert str(caught.value) == f"{path}: no images to train on {where}"
            assert caught.value.hint == "see --split, --val-split"


def test_images_with_labels(tiny_data: Path, data: DatasetReader) -> None:
    masks = masks_of(tiny_data)
    path = write_labels(
        tiny_data.with_name("seeds.h5"), tiny_data, {i: masks[i] for i in ("a/5", "a/0", "a/3")}
    )
    with open_artifact(path) as labels:
        # in the labels' own order; all splits but the one held out, not `train` alone
        assert labelled_ids(data, labels, None, "val") == [i for i in labels.ids if i != "a/5"]
        assert sorted(labelled_ids(data, labels, None, None)) == ["a/0", "a/3", "a/5"]
        assert labelled_ids(data, labels, "val", "val") == ["a/5"]
    only = write_labels(tiny_data.with_name("one.h5"), tiny_data, {"a/5": masks["a/5"]})
    with open_artifact(only) as labels:
        for split, held_out, where in (
            (None, "val", "outside split 'val'"),
            ("train", None, "in split 'train'"),
        ):
            with pytest.raises(WsssError) as caught:
                labelled_ids(data, labels, split, held_out)
            assert str(caught.value) == f"{only}: no images to train on {where}"


def test_labels_of_another_data_set(
    tiny_data: Path, bare: DatasetReader, data: DatasetReader
) -> None:
    path = write_labels(tiny_data.with_name("seeds.h5"), tiny_data, masks_of(tiny_data))
    with open_artifact(path) as labels, pytest.raises(WsssError) as caught:
        labelled_ids(bare, labels, None, None)
    assert str(caught.value) == (
        f"{path}: 6 of its 6 images are not in {bare.path}, first {labels.ids[0]!r}"
    )
    assert caught.value.hint == "name the data set that the labels were made from with --data"


def test_an_image_and_its_labels(tiny_data: Path, data: DatasetReader) -> None:
    good = np.full(SIZE, len(CLASSES), np.uint8)
    good[0, 0] = IGNORE
    wrong = {"a/1": np.full(SIZE, len(CLASSES) + 1, np.uint8)}
    path = write_labels(tiny_data.with_name("seeds.h5"), tiny_data, {"a/0": good, **wrong})
    with open_artifact(path) as labels:
        image, label = checked_label(data, labels, "a/0")
        assert np.array_equal(image, data.image("a/0"))
        assert np.array_equal(label, good)
        with pytest.raises(WsssError) as caught:
            checked_label(data, labels, "a/1")
        assert str(caught.value) == f"{path}: 'a/1' has labels of no class"


def test_a_crop_holds_the_image_and_its_labels(tiny_data: Path, data: DatasetReader) -> None:
    masks = masks_of(tiny_data)
    path = write_labels(tiny_data.with_name("seeds.h5"), tiny_data, {"a/3": masks["a/3"]})
    augment = Augment(crop=48, flip=False)
    with open_artifact(path) as labels:
        sample = labelled_crop(data, labels, augment, "a/3", np.random.default_rng(2))
    assert sample.keys() == {"image", "label"}
    assert tuple(sample["image"].shape) == (3, 48, 48)
    inside = (sample["image"] != sample["image"][:, :1, :1]).any(0)
    (top, *_, bottom) = np.flatnonzero(inside.any(1).numpy())
    assert bottom - top == 31  # the whole height, somewhere in the crop
    assert np.array_equal(sample["label"][top : bottom + 1].numpy(), masks["a/3"])
    assert (sample["label"][:top] == IGNORE).all()
    assert (sample["label"][bottom + 1 :] == IGNORE).all()


def test_memory_for_pixels_is_shared_by_the_processes(
    data: DatasetReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(
        DatasetReader, "keep_pixels", lambda self, ids, room: told.append((list(ids), room))
    )
    keep_pixels(data, ["b", "a", "b"], 1.5, 3)
    assert told == [(["b", "a"], 2**29)]
