"""DeepLab v1, v2, v3+, FCN-32s and FCN-8s: rebuilt from weights, what trains, their sizes."""

from __future__ import annotations

import pytest
import torch
from segmenters import filled, random

from wsss_cli.methods.rebuild import rebuild_segmenter
from wsss_cli.nets.backbones import build_backbone, freeze_batchnorm
from wsss_cli.nets.segmentation import Segmenter, build_segmenter

MODELS = ("deeplabv1", "deeplabv2", "deeplabv3plus", "fcn32s", "fcn8s")


def on(backbone: str, model: str) -> Segmenter:
    stride = {"deeplabv3plus": 16, "fcn32s": 32, "fcn8s": 32}.get(model, 8)
    body = build_backbone(backbone, stride, dilated=True)
    freeze_batchnorm(body)
    return build_segmenter(model, body, 3)


@pytest.mark.usefixtures("thin_vgg")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("backbone", ["tiny", "vgg16"])
def test_weights_fill_a_network_built_again(model: str, backbone: str) -> None:
    net = filled(on(backbone, model)).eval()
    config = net.backbone.config
    config = {**config, "backbone": config.pop("name"), "model": model, "norm": "group"}
    again = rebuild_segmenter(config, 3, net.state_dict())
    assert all(torch.equal(t, again.state_dict()[key]) for key, t in net.state_dict().items())
    x = random(1, 3, 40, 23)
    with torch.no_grad():
        torch.testing.assert_close(net.double()(x), again.double()(x))
    with pytest.raises(ValueError, match="do not fit its config"):
        rebuild_segmenter(config, 4, net.state_dict())


@pytest.mark.usefixtures("thin_vgg")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("backbone", ["tiny", "vgg16"])
def test_gradient_reaches_what_trains_and_no_more(model: str, backbone: str) -> None:
    net = filled(on(backbone, model)).train()
    net.backbone.freeze_stages(1)
    net(random(1, 3, 64, 64).float()).square().sum().backward()
    frozen = {id(p) for m in net.backbone.in_stages()[0] for p in m.parameters()}
    for name, parameter in net.named_parameters():
        if id(parameter) in frozen:
            assert parameter.grad is None, name
        elif parameter.requires_grad:
            assert parameter.grad is not None, name
    assert sum(float(p.grad.abs().sum() > 0) for p in net.head.parameters()) >= 2
    assert net.head.state_dict().keys() == {k for k, _ in net.head.named_parameters()}


@pytest.mark.parametrize(
    ("model", "millions"), [("deeplabv1", 20.5), ("deeplabv2", 37.9), ("fcn32s", 134.3)]
)
def test_vgg_networks_have_the_published_size(model: str, millions: float) -> None:
    """LargeFOV's 20.5 M are its paper's; ASPP has four of its fc6, fc7 and fc8."""
    with torch.device("meta"):
        net = build_segmenter(model, build_backbone("vgg16", 32 if model == "fcn32s" else 8), 21)
    count = sum(parameter.numel() for parameter in net.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.05)
