"""Backbones of timm's: equal to timm's own networks, by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from norms import randomise_norms
from pictures import image
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from wsss_cli.core.images import to_input
from wsss_cli.errors import WsssError
from wsss_cli.nets.backbones import Backbone, build_backbone, freeze_batchnorm
from wsss_cli.nets.folding import fold_batchnorm
from wsss_cli.nets.names import facts_of
from wsss_cli.nets.pretrained import load_backbone_weights

timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'wsss-cli[timm]'")

LITE = "tf_efficientnet_lite0"


def own(name: str, **options: Any) -> nn.Module:
    return timm.create_model(name, pretrained=False, num_classes=0, **options).eval()


def same_weights(net: nn.Module, backbone: Backbone) -> None:
    """Copy a backbone's weights to timm's network: every key but the classifier's."""
    missing, unexpected = net.load_state_dict(backbone.state_dict(), strict=False)
    assert not unexpected
    assert all(key.startswith(("head.", "conv_head.", "norm_head.")) for key in missing)


def test_images_are_seen_as_timm_prepares_them() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    cfg = {**own(LITE).pretrained_cfg, "input_size": (3, 40, 50), "crop_pct": 1.0}
    theirs = timm.data.create_transform(**timm.data.resolve_data_config(cfg))
    wanted = theirs(Image.fromarray(pixels))
    backbone = build_backbone(f"timm:{LITE}", 16)
    seen: list[Tensor] = []
    backbone.conv_stem.register_forward_pre_hook(lambda module, inputs: seen.append(*inputs))
    backbone(to_input(pixels)[None])
    assert (seen[0][0] - wanted).abs().max() < 1e-5
    assert (to_input(pixels) - wanted).abs().max() > 0.1


@pytest.mark.parametrize(("stride", "dilated"), [(32, True), (16, True), (8, True)])
def test_features_are_timms(stride: int, dilated: bool) -> None:
    backbone = build_backbone(f"timm:{LITE}", stride, dilated).eval()
    randomise_norms(backbone)
    whole = own(LITE, output_stride=stride)
    x = image(65, 50)
    with torch.no_grad():
        maps = backbone(x)
        same_weights(whole, backbone)
        seen = backbone.take(x)
        assert torch.equal(maps[-1], whole.forward_features(seen))
    assert [tuple(m.shape) for m in maps] == [
        (1, c, -(-65 // s), -(-50 // s))
        for c, s in zip(backbone.channels, backbone.strides, strict=True)
    ]


def test_fixed_and_folded_norms_keep_their_activations() -> None:
    backbone = build_backbone(f"timm:{LITE}", 16).eval()
    randomise_norms(backbone)
    x = image(33, 50)
    with torch.no_grad():
        before = backbone(x)
        assert freeze_batchnorm(backbone) == 49
        fixed = backbone.train()(x)
        folded = fold_batchnorm(backbone.eval())(x)
    for first, second, third in zip(before, fixed, folded, strict=True):
        assert F.l1_loss(second, first) < 1e-4 * first.abs().max()
        assert F.l1_loss(third, first) < 1e-4 * first.abs().max()


def test_a_file_of_weights_fits_by_name_and_shape() -> None:
    """Half precision becomes float32; the classifier is left out; others' tensors are refused."""
    whole = timm.create_model(LITE, pretrained=False, num_classes=10)
    randomise_norms(whole)
    state = {k: t.half() if t.is_floating_point() else t for k, t in whole.state_dict().items()}
    backbone = build_backbone(f"timm:{LITE}", 16)
    load_backbone_weights(backbone, state)
    found = backbone.state_dict()
    assert all(torch.equal(found[key], state[key].to(found[key].dtype)) for key in found)
    assert found["conv_stem.weight"].dtype == torch.float32
    short = {key: value for key, value in state.items() if key != "bn2.weight"}
    with pytest.raises(WsssError, match=r"does not fit timm:tf_.* 1 missing, first bn2.weight"):
        load_backbone_weights(backbone, short)
    with pytest.raises(WsssError, match="does not fit"):
        load_backbone_weights(build_backbone("timm:tf_efficientnet_lite2", 16), state)


def test_facts() -> None:
    facts = facts_of(f"timm:{LITE}")
    assert facts.channels == (16, 24, 40, 112, 1280)
    assert facts.strides == (2, 4, 8, 16, 32)
    assert facts.low_rate
    assert facts.recorded["mean"] == facts.recorded["std"] == [0.5, 0.5, 0.5]
    with pytest.raises(ValueError, match=r"timm .* has no network 'nothing'"):
        facts_of("timm:nothing")
