"""What the methods of train-seg share: the network, its validation, what is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made import pack_like
from teaching import seg_task

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.metrics import confusion_matrix, scores
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.options.segmenter import Head, Norm
from wsss_cli.options.training import BatchNorm, Body, Crops
from wsss_cli.training import segmenting as _segmenting
from wsss_cli.training.compute import Compute
from wsss_cli.training.team import Team

CONFIG = {
    **{"backbone": "tiny", "output_stride": 8, "dilated": False},
    **{"model": "deeplabv1", "norm": "group"},
}


def test_validation_scores_whole_images_at_their_own_size(tiny_data: Path) -> None:
    """The figure is eval's: every mask pixel against the network's label there."""

    class Painter(torch.nn.Module):
        """Sees the strongest colour; knows nothing of sizes."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            strength = x - x.mean(1, keepdim=True)
            return torch.cat([torch.full_like(x[:, :1], 0.5), strength], 1)

    with open_dataset(tiny_data) as data:
        compute, ids = Compute(torch.device("cpu")), data.ids
        found = _segmenting.validate(data, ids, 1024, Painter(), compute)
        total = np.zeros((4, 5), np.int64)
        for image_id in ids:
            batch = _segmenting.load_whole(data, 1024, image_id, np.random.default_rng(0))
            label = Painter()(batch["image"][None])[0].argmax(0).numpy().astype(np.uint8)
            total += confusion_matrix(data.mask(image_id), label, 4)
        expected = scores(total)
        assert found == {
            "val_miou": expected.miou,
            "val_pixel_accuracy": expected.pixel_accuracy,
        }
        assert found["val_miou"] > 0.9
        small = _segmenting.validate(data, ids, 24, Painter(), compute)  # logits enlarged again
        assert 0.7 < small["val_miou"] < found["val_miou"]


def test_a_network_is_rebuilt_without_what_only_training_needs() -> None:
    net = _segmenting.network({**CONFIG, "model": "unet", "output_stride": 16}, 4)
    assert net.aux_head is None
    assert net.backbone.output_stride == 16
    assert net.eval()(torch.zeros(1, 3, 16, 32)).shape == (1, 4, 16, 32)


@pytest.mark.parametrize("name", list(CONFIG))
def test_a_config_holds_all_that_it_is_built_from(name: str) -> None:
    lacking = {key: value for key, value in CONFIG.items() if key != name}
    with pytest.raises(ValueError, match=f"its config lacks {name}"):
        _segmenting.network(lacking, 4)


def test_the_head_says_the_backbones_stride(tmp_path: Path) -> None:
    task = seg_task(tmp_path, head=Head(model="deeplabv1", output_stride=16))
    assert task.body.output_stride == 16
    assert task.config == {**CONFIG, "output_stride": 16}
    assert seg_task(tmp_path).config == CONFIG
    with pytest.raises(UsageError, match="--output-stride 32: deeplabv1 is a network of stride"):
        seg_task(tmp_path, head=Head(model="deeplabv1", output_stride=32))


def test_what_changes_the_numbers_is_recorded(tmp_path: Path) -> None:
    params = seg_task(tmp_path, head=Head(model="unet", head_norm=Norm.batch)).params
    assert params == {
        **{"backbone": "tiny", "output_stride": 16, "dilated": False, "model": "unet"},
        **{"norm": "batch", "weights": "random", "freeze_stages": 0, "batchnorm": "frozen"},
        "aux_weight": 0.5,
    }


def test_what_only_some_networks_have_is_in_the_config_of_those(tmp_path: Path) -> None:
    body = Body(backbone="resnet34", weights="random", dilated=True, freeze_stages=0)

    def config(**head: Any) -> dict[str, Any]:
        return seg_task(tmp_path, body=body, head=Head(**head)).config

    assert config(model="deeplabv3")["multi_grid"] == [1, 2, 4]
    assert config(model="fcn", multi_grid="1,1,2")["multi_grid"] == [1, 1, 2]
    assert "multi_grid" not in config(model="deeplabv3", multi_grid="none")
    assert "multi_grid" not in config(model="fcn")
    assert config(model="unet", decoder_stride=1)["decoder_stride"] == 1
    assert "decoder_stride" not in config(model="unet")
    assert "decoder_stride" not in config(model="fcn")


def test_a_network_is_trained_and_rebuilt_with_its_rates(tmp_path: Path) -> None:
    body = Body(
        backbone="resnet34",
        weights="random",
        dilated=True,
        freeze_stages=0,
        batchnorm=BatchNorm.train,  # else convolutions do their work, and rounding differs
    )
    task = seg_task(tmp_path, body=body, head=Head(model="deeplabv3", aux_weight=0.0))
    trained, _ = task.network(3, Team())
    rebuilt = _segmenting.network(task.config, 3)
    older = _segmenting.network({k: v for k, v in task.config.items() if k != "multi_grid"}, 3)
    for net in (rebuilt, older):
        net.load_state_dict(trained.state_dict())
    x = torch.randn(1, 3, 48, 64)
    with torch.no_grad():
        one, same, other = (net.eval()(x) for net in (trained, rebuilt, older))
    assert torch.equal(one, same)
    assert one.shape == other.shape
    assert not torch.equal(one, other)


def test_weights_of_before_the_decoders_stride_was_chosen_are_rebuilt(tmp_path: Path) -> None:
    task = seg_task(tmp_path, head=Head(model="unet", aux_weight=0.0, decoder_stride=1))
    old = {k: v for k, v in task.config.items() if k != "decoder_stride"}
    assert _segmenting.network(old, 3).head.stride == 2  # the tiny network's finest stage
    assert _segmenting.network(task.config, 3).head.stride == 1


def test_a_network_that_cannot_be_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--multi-grid 1,2,4: tiny has no last stage"):
        seg_task(tmp_path, head=Head(model="deeplabv3", multi_grid="1,2,4"))
    with pytest.raises(UsageError, match="--decoder-stride 2: fcn has no decoder"):
        seg_task(tmp_path, head=Head(model="fcn", decoder_stride=2))


def test_a_network_to_train_has_an_auxiliary_head_where_its_loss_counts(tmp_path: Path) -> None:
    for weight, expected in ((0.4, True), (0.0, False)):
        task = seg_task(tmp_path, head=Head(model="unet", aux_weight=weight))
        net, pretrained = task.network(4, Team())
        assert (net.aux_head is not None) is expected
        assert pretrained == [net.backbone]
        assert not _segmenting.head_learned(pretrained)
    assert _segmenting.head_learned([net.backbone, net.head])


def test_validation_is_of_the_split_that_is_held_out(
    tiny_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crops = Crops(crop=32, max_side=24)
    with open_dataset(tiny_data) as data:
        task = seg_task(tiny_data.parent, val_every=1, crops=crops)
        assert (task.held_out(data), task.side) == ("val", 24)
        assert seg_task(tiny_data.parent, val_split="train").held_out(data) == "train"
        assert (
            seg_task(tiny_data.parent, val_every=0, crops=crops).measure(data, [], Team()) is None
        )
        measure = task.measure(data, ["a/0"], Team())
        assert measure is not None
        net = _segmenting.network(CONFIG, 4)
        found = measure(net, Compute(torch.device("cpu")))
        expected = _segmenting.validate(data, ["a/2", "a/5"], 24, net, Compute(torch.device("cpu")))
        assert found == expected
    assert capsys.readouterr().err == ""


def test_without_masks_there_is_no_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = {"a": np.zeros((4, 4, 3), np.uint8), "b": np.ones((4, 4, 3), np.uint8)}
    path = pack_like(tmp_path / "data.h5", images, {}, {}, ["red"], {"val": ["b"]})
    task = seg_task(tmp_path, val_every=1, crops=Crops(max_side=0))
    with open_dataset(path) as data:
        assert task.measure(data, ["a"], Team()) is None
    assert "no image of split 'val' has a mask" in capsys.readouterr().err


def test_a_mask_has_its_images_size(tmp_path: Path) -> None:
    images, masks = {"a": np.zeros((4, 6, 3), np.uint8)}, {"a": np.zeros((4, 5), np.uint8)}
    path = pack_like(tmp_path / "data.h5", images, masks, {}, ["red"])
    with (
        open_dataset(path) as data,
        pytest.raises(WsssError, match="mask of 'a' is 4x5, not 4x6"),
    ):
        _segmenting.load_whole(data, 0, "a", np.random.default_rng(0))


def test_a_whole_image_is_shrunk_and_its_mask_is_not(tiny_data: Path) -> None:
    with open_dataset(tiny_data) as data:
        sample = _segmenting.load_whole(data, 24, "a/3", np.random.default_rng(0))
        assert np.array_equal(sample["mask"].numpy(), data.mask("a/3"))  # type: ignore[arg-type]
    assert sample["image"].shape == (3, 16, 24)
