"""Segmentation networks: sizes, norms, train mode, and the strides in between."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from segmenters import images, tiny
from torch import nn

from wsss_cli.core.grid import upsample_grid
from wsss_cli.nets.backbones import build_backbone, parameter_groups
from wsss_cli.nets.names import SEGMENTER_FACTS, SEGMENTERS
from wsss_cli.nets.segmentation import build_segmenter

SEGMENTER_STRIDES = {model: facts.strides for model, facts in SEGMENTER_FACTS.items()}


@pytest.mark.parametrize(
    ("model", "stride"), [(model, s) for model, all_ in SEGMENTER_STRIDES.items() for s in all_]
)
def test_logits_have_the_size_of_the_image(model: str, stride: int) -> None:
    net = build_segmenter(model, tiny(stride, dilated=True), 5).eval()
    with torch.no_grad():
        for size in [(1, 1), (65, 97), (50, 33)]:
            logits = net(images(*size, batch=2))
            assert logits.shape == (2, 5, *size)
            assert logits.isfinite().all()


@pytest.mark.usefixtures("thin_vgg")
@pytest.mark.parametrize(
    ("model", "name"),
    [
        *((model, name) for model in SEGMENTERS for name in ("resnet18", "vgg16")),
        ("deeplabv3plus", "mobilenet_v2"),
        ("fcn8s", "mobilenet_v3_large"),
    ],
)
def test_on_other_backbones(model: str, name: str) -> None:
    with torch.device("meta"):
        net = build_segmenter(model, build_backbone(name, SEGMENTER_STRIDES[model][0]), 1, aux=True)
        x = torch.empty(2, 3, 33, 47)
    assert {k: t.shape for k, t in net(x).items()} == dict.fromkeys(("out", "aux"), (2, 1, 33, 47))
    assert net.eval()(x).shape == (2, 1, 33, 47)


@pytest.mark.parametrize("model", SEGMENTERS)
def test_one_pixel_alone_trains(model: str) -> None:
    net = build_segmenter(model, tiny(SEGMENTER_STRIDES[model][0]), 3, aux=True).train()
    out = net(images(1, 1))
    (out["out"].sum() + out["aux"].sum()).backward()
    assert out["out"].shape == out["aux"].shape == (1, 3, 1, 1)


@pytest.mark.parametrize("model", SEGMENTERS)
@pytest.mark.parametrize("norm", ["group", "batch"])
def test_one_image_trains_with_either_norm(model: str, norm: str) -> None:
    net = build_segmenter(model, tiny(SEGMENTER_STRIDES[model][0]), 3, norm=norm).train()
    logits = net(images(33, 33))
    F.cross_entropy(logits, torch.ones(1, 33, 33, dtype=torch.long)).backward()
    assert not [k for k, p in net.named_parameters() if p.grad is None]
    heads = [m for name, m in net.named_modules() if not name.startswith("backbone.")]
    normalised = model in ("deeplabv3", "deeplabv3plus", "fcn", "unet", "gated")
    found = any(isinstance(m, nn.BatchNorm2d) for m in heads)
    assert found == (normalised and norm == "batch")


@pytest.mark.parametrize("model", SEGMENTERS)
def test_with_group_norm_an_image_does_not_feel_its_batch(model: str) -> None:
    net = build_segmenter(model, tiny(SEGMENTER_STRIDES[model][0]), 3).double().train()
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    x = images(33, 33, batch=3).double()
    with torch.no_grad():
        torch.testing.assert_close(net(x)[1:2], net(x[1:2]))


def test_auxiliary_logits_come_in_training_only() -> None:
    net = build_segmenter("fcn", tiny(8), 4, aux=True)
    x = images(30, 41)
    trained = net.train()(x)
    assert set(trained) == {"out", "aux"}
    assert trained["aux"].shape == (1, 4, 30, 41)
    with torch.no_grad():
        logits = net.eval()(x)
        maps = net.backbone(x)
        expected = upsample_grid(net.head.layers(maps[4]), (30, 41), 8)
        assert torch.equal(logits, expected)
        net.train()
        for module in net.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        aux = upsample_grid(net.aux_head.layers(maps[3]), (30, 41), 8)
        assert torch.equal(net(x)["aux"], aux)
        assert torch.equal(net(x)["out"], expected)


def test_logits_are_float32_under_autocast() -> None:
    net = build_segmenter("deeplabv3", tiny(16), 3).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert net(images(33, 33)).dtype == torch.float32


def test_head_and_auxiliary_head_are_new_parameters() -> None:
    net = build_segmenter("fcn", tiny(8), 4, aux=True)
    rates = {id(p): g["lr"] for g in parameter_groups(net, 1.0, 0.0) for p in g["params"]}
    assert rates[id(net.head.layers[0].weight)] == 10.0
    assert rates[id(net.aux_head.layers[4].bias)] == 20.0
    assert rates[id(net.backbone.stem[0].weight)] == 1.0


def test_misuse_is_named() -> None:
    backbone = tiny()
    with pytest.raises(ValueError, match="unknown model 'deeplab'; there are deeplabv3, "):
        build_segmenter("deeplab", backbone, 2)
    with pytest.raises(ValueError, match="fcn8s does not go with output stride 16"):
        build_segmenter("fcn8s", backbone, 2)
    with pytest.raises(ValueError, match="unknown norm 'layer'"):
        build_segmenter("fcn", backbone, 2, norm="layer")
    with pytest.raises(ValueError, match="0 labels"):
        build_segmenter("fcn", backbone, 0)
