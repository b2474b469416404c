"""timm's transformers as backbones: equal to timm's own features, on the cells of the image."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import timm_nets
import torch
from pictures import image
from torch import Tensor, nn
from torch.nn import functional as F

from wsss_cli.nets.backbones import Backbone, build_backbone
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.gradient import GradientClassifier
from wsss_cli.nets.names import facts_of
from wsss_cli.nets.pretrained import load_backbone_weights
from wsss_cli.nets.segmentation import build_segmenter
from wsss_cli.nets.timm_transformers import TRANSFORMERS

pytest.importorskip("timm", reason="timm is not installed: pip install 'wsss-cli[timm]'")

PLAIN = tuple(name for name in timm_nets.SMALL if "swin" not in name)


@pytest.fixture(autouse=True)
def small_networks() -> Iterator[None]:
    with timm_nets.known_to_timm():
        yield


def stirred(net: nn.Module) -> nn.Module:
    """With weights none of which is zero or one, so that each of them counts."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
    return net.eval()


def pair(name: str, stride: int) -> tuple[Backbone, nn.Module]:
    """A backbone, and timm's network of the same weights."""
    net = stirred(timm_nets.build(name, **TRANSFORMERS[facts_of(f"timm:{name}").kind]))
    backbone = build_backbone(f"timm:{name}", stride).eval()
    load_backbone_weights(backbone, net.state_dict())
    return backbone, net


def seen(backbone: Backbone, x: Tensor, height: int, width: int) -> Tensor:
    """The image as the network gets it, of a size that needs no resizing."""
    assert backbone.take is not None
    return backbone.take(F.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2])))


@pytest.mark.parametrize("name", PLAIN)
def test_the_last_map_is_timms_tokens(name: str) -> None:
    """At the patch's own stride, where there is one; else of the image resized to whole patches."""
    patch = facts_of(f"timm:{name}").strides[-1]
    stride = {8: 8, 14: 16, 16: 16}[patch]
    backbone, net = pair(name, stride)
    x = image(70, 41)
    with torch.no_grad():
        maps = backbone(x)
        h, w = -(-70 // stride), -(-41 // stride)
        whole = seen(backbone, x, h * stride, w * stride)
        if patch != stride:
            whole = F.interpolate(
                whole, size=(h * patch, w * patch), mode="bilinear", antialias=True
            )
        tokens = net.forward_features(whole)[:, net.num_prefix_tokens :]
    assert backbone.strides == (stride,) * 5
    assert [tuple(m.shape) for m in maps] == [(1, 16, h, w)] * 5
    assert torch.allclose(maps[-1][0], tokens[0].T.unflatten(1, (h, w)), atol=1e-5)


@pytest.mark.parametrize("name", ["small_swin", "small_swinv2"])
def test_maps_of_windows_are_timms(name: str) -> None:
    backbone, net = pair(name, 32)
    assert backbone.strides == (4, 4, 8, 16, 32)
    x = image(70, 41)
    with torch.no_grad():
        maps = backbone(x)
        last, inner = net.forward_intermediates(seen(backbone, x, 96, 64))
    for found, wanted in zip(maps[1:-1], inner, strict=False):
        assert torch.allclose(found, wanted[..., : found.shape[2], : found.shape[3]], atol=1e-5)
    assert torch.allclose(maps[-1], last.permute(0, 3, 1, 2), atol=1e-5)


@pytest.mark.parametrize("name", timm_nets.SMALL)
@pytest.mark.parametrize("stride", [8, 16, 32])
def test_maps_cover_any_image(name: str, stride: int) -> None:
    backbone = build_backbone(f"timm:{name}", stride).eval()
    assert backbone.output_stride == backbone.strides[-1] == stride
    with torch.no_grad():
        for height, width in ((1, 1), (33, 50)):
            assert [tuple(m.shape) for m in backbone(image(height, width))] == [
                (1, c, -(-height // s), -(-width // s))
                for c, s in zip(backbone.channels, backbone.strides, strict=True)
            ]


def test_an_enlarged_image_is_the_network_of_the_larger_image() -> None:
    """At stride 8 a patch of 16 covers 8 pixels: the network sees an image twice as large."""
    near, net = pair("small_vit", 8)
    far = build_backbone("timm:small_vit", 16).eval()
    load_backbone_weights(far, net.state_dict())
    x = image(32, 48)
    large = F.interpolate(x, scale_factor=2, mode="bilinear")
    with torch.no_grad():
        assert torch.allclose(near(x)[-1], far(large)[-1], atol=1e-5)


def test_frozen_stages_stay_and_the_others_learn() -> None:
    backbone = build_backbone("timm:small_vit", 16).freeze_stages(2).train()
    backbone(image(32, 32))[-1].square().sum().backward()
    moved = {name for name, p in backbone.named_parameters() if p.grad is not None}
    kept = ("net.cls_token", "net.pos_embed", "net.patch_embed.", "net.blocks.0.", "net.blocks.1.")
    assert not any(name.startswith(kept) for name in moved)
    assert {f"net.blocks.{k}.attn.qkv.weight" for k in (2, 3, 4)} <= moved
    assert not backbone(image(32, 32))[1].requires_grad
    assert not backbone.freeze_stages(5)(image(32, 32))[-1].requires_grad


def test_heads_that_need_a_pyramid_are_refused() -> None:
    with pytest.raises(ValueError, match="timm:small_vit has no maps of strides 16 and 8"):
        build_segmenter("fcn8s", build_backbone("timm:small_vit", 32), 3)
    build_segmenter("fcn8s", build_backbone("timm:small_swin", 32), 3)


@pytest.mark.parametrize("model", ["deeplabv2", "deeplabv3plus", "unet", "fcn", "gated"])
@pytest.mark.parametrize("name", ["small_dinov2", "small_swin"])
def test_heads_stand_on_them(model: str, name: str) -> None:
    net = build_segmenter(model, build_backbone(f"timm:{name}", 16), 4).eval()
    with torch.no_grad():
        assert net(image(37, 50)).shape == (1, 4, 37, 50)


@pytest.mark.parametrize("name", ["small_vit", "small_swin"])
def test_gradients_are_taken_where_the_last_map_is_made(name: str) -> None:
    model = Classifier(build_backbone(f"timm:{name}", 16), 3).eval()
    looked = GradientClassifier(model, "gradcam")
    assert (looked.layer, looked.stride) == ("backbone.out", 16)
    x = image(40, 50)
    maps, logits = looked.seen(x)
    assert maps.shape == (1, 3, 3, 4)
    assert torch.allclose(logits, model(x), atol=1e-5)
    # Grad-CAM of a classifier of pooled features is its CAM, but for a factor
    with torch.no_grad():
        cam = model.cam_logits(x).relu()
    assert torch.allclose(maps / maps.amax(), cam / cam.amax(), atol=1e-4)
