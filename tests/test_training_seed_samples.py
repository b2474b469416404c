"""Seeds on the grid: samples, classes that an image may hold, what seeds have grown to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import CLASSES

from wsss_cli.artifacts import LABEL, create, open_artifact, open_dataset
from wsss_cli.core.labels import IGNORE
from wsss_cli.training import seed_samples as _seeded
from wsss_cli.training.augment import Augment


def test_an_image_and_its_seeds_are_mirrored_together(folder: Path) -> None:
    augment = Augment(crop=48, long_side=(48, 48))
    with open_dataset("data.h5") as data, open_artifact("seeds.h5", LABEL) as labels:
        seen = set()
        for seed in range(8):
            rng = np.random.default_rng(seed)
            sample = _seeded.seeded_crop(data, labels, augment, 4, "a/0", rng)
            assert sample["present"].tolist() == [True, False, False]
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
        present = _seeded.present_classes(data, labels, "a/3", label)
    assert present.tolist() == [True, True, True]  # two tags, and what is labelled
