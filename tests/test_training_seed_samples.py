"""Seeds on the grid: samples, classes that an image may hold, what seeds have grown to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CLASSES
from test_cli_train_seg_seeded import folder

from wsss_cli.artifacts import LABEL, create, open_artifact, open_dataset
from wsss_cli.core.labels import IGNORE
from wsss_cli.training import seed_samples as _seeded
from wsss_cli.training.augment import Augment
from wsss_cli.training.seed_samples import load_seeded, marked, on_grid, supervision
from wsss_cli.training.seeded import SeededLoss

__all__ = ["folder"]  # a fixture


def test_an_image_and_its_seeds_are_mirrored_together(folder: Path) -> None:
    augment = Augment(crop=48, long_side=(48, 48))
    with open_dataset("data.h5") as data, open_artifact("seeds.h5", LABEL) as labels:
        seen = set()
        for seed in range(8):
            rng = np.random.default_rng(seed)
            sample = _seeded.seeded_crop(data, labels, augment, 4, "a/0", rng)
            assert sample["tags"].tolist() == [1, 0, 0]
            red = sample["label"] == 1
            assert red.any()
            assert (sample["thumb"][0][red] > 150).all()  # where the image is red
            assert sample["seen"].sum() == 8 * 12  # 32 x 48 pixels
            assert (sample["label"][~sample["seen"]] == IGNORE).all()
            inside = sample["label"][sample["seen"]]
            assert (inside == IGNORE).float().mean() > 0.5
            seen.add(bool(red[:, :6].sum() > red[:, 6:].sum()))
        assert seen == {True, False}


def test_tags_stand_in_where_labels_name_no_classes(folder: Path) -> None:
    with (
        open_dataset("data.h5") as data,
        create("bare.h5", LABEL, classes=CLASSES, params={}, ids=["a/3"], inputs=[data]) as out,
    ):
        label = np.full((32, 48), IGNORE, np.uint8)
        label[0, 0] = 3
        out.put("a/3", label=label, present=np.zeros(0, np.uint16))
    with open_dataset("data.h5") as data, open_artifact("bare.h5", LABEL) as labels:
        tags = _seeded.labelled_tags(data, labels, "a/3", label)
    assert tags.tolist() == [1, 1, 1]  # two tags, and what is labelled


def test_unknown_pixels_are_told_from_padding() -> None:
    found = marked(np.array([[0, 3, IGNORE]], np.uint8))
    assert (found.dtype, found.tolist()) == (np.int16, [[0, 3, 256]])


def test_cells_by_hand() -> None:
    """Cells of 4 pixels; a centre lies at 1.5, so that pixel 1 counts, and 5 and 9."""
    image = torch.zeros(3, 4, 12, dtype=torch.uint8)
    image[0, :, 4:8], image[1, :2, 8:] = 200, 101
    target = torch.full((4, 12), 7, dtype=torch.int16)
    target[1, 1], target[1, 5], target[1, 9] = 2, 256, IGNORE
    sample = on_grid(image, target, 4)
    assert sample["label"].tolist() == [[2, IGNORE, IGNORE]]
    assert sample["seen"].tolist() == [[True, True, False]]
    assert sample["label"].dtype == sample["thumb"].dtype == torch.uint8
    assert sample["thumb"][:, 0].tolist() == [[0, 200, 0], [0, 0, 50], [0, 0, 0]]  # 50.5 is even


def test_what_is_labelled_is_present_whatever_the_file_says(folder: Path) -> None:
    label = np.full((32, 48), IGNORE, np.uint8)
    label[0, 0] = 3
    with open_dataset("data.h5") as data, open_artifact("seeds.h5", LABEL) as labels:
        own = _seeded.labelled_tags(data, labels, "a/0", np.zeros((32, 48), np.uint8))
        with_blue = _seeded.labelled_tags(data, labels, "a/0", label)
    assert own.tolist() == [1, 0, 0]
    assert with_blue.tolist() == [1, 0, 1]


def test_a_whole_image_at_another_size(folder: Path) -> None:
    with open_dataset("data.h5") as data, open_artifact("seeds.h5", LABEL) as labels:
        whole = load_seeded(data, labels, 24, 4, "a/3", np.random.default_rng(0))
        own = labels["a/3"]["label"]
    assert whole["image"].shape == (3, 16, 24)
    assert whole["seen"].all()
    # a cell is 8 pixels of the image; pixel 1 of its 4 is the pixel 3 of these
    assert whole["label"].tolist() == own[3::8, 3::8].tolist()
    assert whole["tags"].tolist() == [1, 1, 0]


@pytest.mark.parametrize("side", [48, 96])
def test_supervision_is_that_of_whole_images(folder: Path, side: int) -> None:
    with open_dataset("data.h5") as data, open_artifact("seeds.h5", LABEL) as labels:
        loss = SeededLoss(("seed",), False, stride=4)
        found = supervision(folder / "sup.h5", loss, data, labels, ["a/3"], side)
        assert (found.stride, found.params["side"], found.params["terms"]) == (4, side, ("seed",))
        assert found.present("a/3").tolist() == [0, 1]
        sample = found.load("a/3", np.random.default_rng(0))
        assert sample["image"].shape == (3, side * 2 // 3, side)
        batch = {name: one[None] for name, one in sample.items()}
        logits = torch.zeros(1, 4, side * 2 // 3, side)
        assert torch.equal(found.cells(logits, batch)[0], sample["label"])  # nothing grows
