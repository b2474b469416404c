"""Networks that learn from tags: the classifier they go on from, and the samples they see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from teaching import seg_task

from wsss_cli.artifacts import open_dataset, save_weights
from wsss_cli.core.images import MEAN_COLOUR
from wsss_cli.errors import WsssError
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.segmentation import Segmenter, build_segmenter
from wsss_cli.training.augment import Augment
from wsss_cli.training.tagged import classifier_head, tagged_crop
from wsss_cli.training.team import Team

CLASSES = ["red", "green", "blue"]
WEIGHT = torch.arange(3 * 160, dtype=torch.float32).view(3, 160, 1, 1)


@pytest.fixture(scope="module")
def net() -> Segmenter:
    return build_segmenter("deeplabv1", build_backbone("tiny", 8), 4)


def write(path: Path, state: Any = None, kind: str = "wsss/cls", **changes: Any) -> Path:
    save_weights(
        path,
        kind=kind,
        config={"method": "cam", **changes.pop("config", {})},
        classes=changes.pop("classes", CLASSES),
        params={},
        seed=0,
        inputs=[],
        state_dict={"head.weight": WEIGHT} if state is None else state,
    )
    return path


def head(net: Segmenter, folder: Path, source: str, quiet: bool = False) -> Any:
    task = seg_task(folder)
    body, setting = replace(task.body, weights=source), replace(task.setting, quiet=quiet)
    return classifier_head(replace(task, body=body, setting=setting), net, CLASSES, Team())


def test_a_classifiers_head_is_gone_on_from(
    net: Segmenter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "cls.pt")
    assert torch.equal(head(net, tmp_path, str(path)), WEIGHT)
    assert capsys.readouterr().err == f"train-seg: goes on from the classifier {path}\n"
    assert torch.equal(head(net, tmp_path, str(path), quiet=True), WEIGHT)
    assert capsys.readouterr().err == ""


def test_weights_without_a_classifier_of_ours_hold_none(net: Segmenter, tmp_path: Path) -> None:
    assert head(net, tmp_path, "imagenet") is None
    assert head(net, tmp_path, "random") is None
    assert head(net, tmp_path, str(write(tmp_path / "seg.pt", kind="wsss/seg"))) is None
    torch.save({"head.weight": WEIGHT}, tmp_path / "torch.pth")
    assert head(net, tmp_path, str(tmp_path / "torch.pth")) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": {"method": "iam"}}, "its classifier learned maps, not tags"),
        ({"config": {"layers": 3}}, "its classifier does not stand on the backbone"),
        ({"state": {"head.weight": WEIGHT[:, :9]}}, "does not stand on the backbone"),
        ({"state": {"other": WEIGHT}}, "does not stand on the backbone"),
        ({"classes": ["red", "blue", "green"]}, "knows other classes than the data set's"),
    ],
)
def test_classifiers_that_do_not_serve(
    net: Segmenter, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = write(tmp_path / "cls.pt", **changes)
    with pytest.raises(WsssError) as caught:
        head(net, tmp_path, str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(said)


def test_a_sample_knows_its_padding_and_its_tags(tiny_data: Path) -> None:
    """An image of 32 x 48 in a crop of 64, mirrored or not."""
    augment, mirrored = Augment(crop=64, long_side=(48, 48)), set()
    with open_dataset(tiny_data) as data:
        image = torch.from_numpy(data.image("a/3")).permute(2, 0, 1)
        for seed in range(8):
            sample = tagged_crop(data, augment, "a/3", np.random.default_rng(seed))
            assert sample["tags"].tolist() == [1, 1, 0]
            assert sample["pixels"].dtype == torch.uint8
            assert torch.equal(sample["image"], sample["pixels"])
            inside = sample["pixels"][:, sample["inside"]].view(3, 32, 48)
            mirrored.add(torch.equal(inside, image.flip(-1)))
            assert torch.equal(inside, image) or torch.equal(inside, image.flip(-1))
            around = sample["pixels"][:, ~sample["inside"]]
            assert (around == torch.tensor(MEAN_COLOUR)[:, None]).all()
        assert tagged_crop(data, augment, "a/5", np.random.default_rng(0))["tags"].sum() == 0
    assert mirrored == {True, False}
