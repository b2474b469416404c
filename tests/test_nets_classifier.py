"""The classifier against plain re-computations of its head."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pictures import SIZES, images
from torch import nn

from wsss_cli.core.grid import grid_size
from wsss_cli.nets.backbones import build_backbone, freeze_batchnorm
from wsss_cli.nets.classifier import Classifier


@pytest.mark.parametrize("size", SIZES)
def test_logits_are_the_mean_of_the_maps(size: tuple[int, int]) -> None:
    model = Classifier(build_backbone("tiny"), 4, dropout=0.5).eval()
    x = images(*size)
    with torch.no_grad():
        maps, logits = model.cam_logits(x), model(x)
    assert maps.shape == (2, 4, *grid_size(*size, model.stride))
    assert logits.shape == (2, 4)
    torch.testing.assert_close(maps.mean(dim=(2, 3)), logits, atol=1e-6, rtol=1e-5)


def test_maps_are_the_head_applied_to_each_cell() -> None:
    model = Classifier(build_backbone("tiny", 8), 3).double().eval()
    x = images(33, 40).double()
    with torch.no_grad():
        features = model.backbone(x)[-1]
        expected = torch.einsum("kd,bdhw->bkhw", model.head.weight[:, :, 0, 0], features)
        torch.testing.assert_close(model.cam_logits(x), expected)


def test_dropout_acts_in_training_only_and_on_whole_channels() -> None:
    model = Classifier(build_backbone("tiny"), 2, dropout=1.0)
    x = images(33, 33)
    assert torch.equal(model.train()(x), torch.zeros(2, 2))
    assert model.eval()(x).abs().min() > 0
    plain = Classifier(build_backbone("tiny"), 2)
    freeze_batchnorm(plain.backbone)
    assert torch.equal(plain.train()(x), plain.eval()(x))


def test_head_stays_in_float32_under_autocast() -> None:
    model = Classifier(build_backbone("tiny"), 5).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half, logits, maps = (
            model.backbone(images(65, 65))[-1],
            *(f(images(65, 65)) for f in (model, model.cam_logits)),
        )
        assert logits.dtype == maps.dtype == torch.float32
    with torch.no_grad():
        exact = F.conv2d(half.float(), model.head.weight)
        torch.testing.assert_close(maps, exact)
        torch.testing.assert_close(logits, exact.mean((2, 3)), atol=1e-6, rtol=1e-5)


def test_mirrored_kernels_mirror_the_maps() -> None:
    model = Classifier(build_backbone("tiny", 16), 3).double().eval()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = (module.weight + module.weight.flip(-1)).data / 2
    x = images(33, 65).double()
    with torch.no_grad():
        torch.testing.assert_close(model.cam_logits(x.flip(-1)).flip(-1), model.cam_logits(x))


def test_a_classifier_needs_a_class() -> None:
    assert Classifier(build_backbone("tiny"), 1)(images(8, 8)).shape == (2, 1)
    with pytest.raises(ValueError, match="0 classes"):
        Classifier(build_backbone("tiny"), 0)
