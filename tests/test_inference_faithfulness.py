"""How photographs and maps come to the classifier that is asked: sizes, batches, draws."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from made import random_cams, write_cam
from torch import Tensor

from wsss_cli.artifacts import CAM, open_artifact, open_dataset
from wsss_cli.core.cam import enlarge
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.inference.faithfulness import (
    at_once,
    drawn_images,
    inquiry,
    load,
    measured,
    with_maps,
)
from wsss_cli.machine.place import Place
from wsss_cli.options.faithfulness import CPU_BATCH, Faithfulness, Settings
from wsss_cli.options.machine import Machine

CPU = Place(torch.device("cpu"))


def redness(pictures: Tensor) -> Tensor:
    """A classifier of three classes that sees the mean of each colour."""
    return pictures.mean((2, 3)).sigmoid()


ASKED: Any = SimpleNamespace(
    probabilities=redness, stride=8, weights=SimpleNamespace(path=Path("cls.pt"))
)


def rows(cam: Path, settings: Settings, seed: int = 0, asked: Any = ASKED) -> list[dict[str, Any]]:
    with open_artifact(cam, CAM) as maps, open_dataset(None, maps) as reader:
        return list(measured(maps, reader, maps.ids, asked, CPU, settings, seed, True))


@pytest.fixture
def cam(tiny_data: Path) -> Path:
    return write_cam(tiny_data.with_name("cam.h5"), tiny_data, random_cams(tiny_data))


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_an_image_and_its_maps_come_in_one_size(tiny_data: Path, dtype: str) -> None:
    cams = random_cams(tiny_data, dtype=dtype)
    path = write_cam(tiny_data.with_name("cam.h5"), tiny_data, cams)
    with open_artifact(path, CAM) as maps, open_dataset(None, maps) as reader:
        for side, size in {0: (32, 48), 100: (32, 48), 24: (16, 24)}.items():
            loaded = load(reader, maps, side, "a/3")
            assert loaded.copies[0].shape == (3, *size)
            assert loaded.classes.tolist() == [0, 1]
            assert loaded.maps.shape == (2, *size)
            large = enlarge(cams["a/3"]["cam"], (32, 48), 4)
            if side == 24:  # half the size: each pixel the mean of four
                large = large.reshape(2, 16, 2, 24, 2).mean((2, 4))
            np.testing.assert_allclose(loaded.maps, large, atol=1e-6)
        assert load(reader, maps, 0, "a/5").copies == []


def test_each_map_has_a_row_in_the_order_of_images(cam: Path) -> None:
    found = rows(cam, Settings(steps=3))
    expected = ["a/0", "a/1", "a/2", "a/3", "a/3", "a/4", "a/4"]
    assert [row["id"] for row in found] == expected
    assert [row["class"] for row in found][3:] == ["red", "green", "green", "blue"]
    image = torch.from_numpy(np.asarray([row["score"] for row in found]))
    assert bool(((image > 0) & (image < 1)).all())


def test_rows_are_those_of_the_seed_whatever_the_images_and_batches(cam: Path) -> None:
    whole = rows(cam, Settings(steps=3))
    with open_artifact(cam, CAM) as maps, open_dataset(None, maps) as reader:
        one = list(measured(maps, reader, ["a/3"], ASKED, CPU, Settings(3), 0, True))
    assert one == whole[3:5]
    for row, other in zip(whole, rows(cam, Settings(steps=3, batch_size=1)), strict=True):
        assert row.keys() == other.keys()
        assert row["deletion_random"] == pytest.approx(other["deletion_random"])
    other = rows(cam, Settings(steps=3), seed=1)
    assert [row["deletion_random"] for row in other] != [row["deletion_random"] for row in whole]
    assert [row["score"] for row in other] == [row["score"] for row in whole]


def test_scores_that_are_not_finite_blame_the_weights(cam: Path) -> None:
    broken = SimpleNamespace(**{**vars(ASKED), "probabilities": lambda x: redness(x) * np.nan})
    with pytest.raises(WsssError, match=r"cls\.pt: gives scores of 'a/0' that are not finite"):
        rows(cam, Settings(steps=2), asked=broken)


def test_batches_are_as_asked_or_as_suits() -> None:
    assert at_once(None, CPU, 224 * 224) == CPU_BATCH
    assert at_once(3, CPU, 224 * 224) == 3
    cuda = Place(torch.device("cuda"))
    assert 100 < at_once(None, cuda, 224 * 224) < 200
    assert at_once(None, cuda, 10**9) == 1


def test_images_are_drawn_by_the_seed_and_stay_in_order(cam: Path) -> None:
    images = [f"{index:02}" for index in range(30)]
    drawn = drawn_images(images, 10, 0)
    assert drawn == sorted(set(drawn))
    assert len(drawn) == 10
    assert drawn == drawn_images(images, 10, 0) != drawn_images(images, 10, 1)
    assert drawn_images(images, None, 0) == drawn_images(images, 30, 0) == images
    with open_artifact(cam, CAM) as maps:
        assert with_maps(maps, maps.ids) == [f"a/{index}" for index in range(5)]
        with pytest.raises(WsssError, match="none of the 1 images to score has a map"):
            with_maps(maps, ["a/5"])


def test_labels_are_asked_nothing() -> None:
    labels: Any = SimpleNamespace(kind="wsss/label", path=Path("p.h5"))
    for options, option in (
        (Faithfulness(pointing=True), "--pointing"),
        (Faithfulness(faithfulness=True), "--faithfulness"),
    ):
        with pytest.raises(UsageError, match=f"{option}: p.h5 holds labels"):
            inquiry(options, labels, labels, Machine(), labels, 0)
    assert inquiry(Faithfulness(), labels, labels, Machine(), labels, 0).report([], True) == {}
