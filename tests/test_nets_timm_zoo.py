"""Backbones of timm's: equal to timm's own networks, by name."""

from __future__ import annotations

import copy
import sys
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from norms import randomise_norms
from pictures import image
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from wsss_cli.core.images import to_input
from wsss_cli.core.normalisation import Normalisation
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.nets.backbones import Backbone, build_backbone, freeze_batchnorm
from wsss_cli.nets.depthwise import DilatedDepthwiseConv2d
from wsss_cli.nets.folding import fold_batchnorm
from wsss_cli.nets.names import facts_of
from wsss_cli.nets.norms import synchronised, trains_statistics
from wsss_cli.nets.pretrained import load_backbone_weights
from wsss_cli.nets.rebuild import backbone_of
from wsss_cli.nets.timm_zoo import published_as, timm_facts

timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'wsss-cli[timm]'")

LITE = "tf_efficientnet_lite0"
NO_OPTION = ("mobilenetv3_small_050", "tf_mobilenetv3_small_minimal_100")  # none of timm's strides
SWEPT = (
    *(LITE, "test_efficientnet", "mnasnet_small", "test_resnet", "resnet10t", "resnest14d"),
    *("regnetx_002", "regnety_002", "test_convnext", "test_byobnet", "repvgg_a0"),
    *NO_OPTION,
)


def own(name: str, **options: Any) -> nn.Module:
    return timm.create_model(name, pretrained=False, num_classes=0, **options).eval()


def of(name: str, stride: int = 16, dilated: bool = False) -> Backbone:
    backbone = build_backbone(f"timm:{name}", stride, dilated).eval()
    randomise_norms(backbone)
    return backbone


def same_weights(net: nn.Module, backbone: Backbone) -> None:
    """Copy a backbone's weights to timm's network: every key but the classifier's."""
    missing, unexpected = net.load_state_dict(backbone.state_dict(), strict=False)
    assert not unexpected
    assert all(key.startswith(("head.", "conv_head.", "norm_head.")) for key in missing)


def seen(backbone: Backbone, x: Tensor) -> Tensor:
    """The image as the network gets it."""
    whole = F.pad(x, (0, -x.shape[-1] % backbone.whole, 0, -x.shape[-2] % backbone.whole))
    return whole if backbone.take is None else backbone.take(whole)


def near(one: Tensor, other: Tensor) -> bool:
    return float((one - other).abs().max()) <= 1e-4 * float(other.abs().max())


def test_images_are_seen_as_timm_prepares_them() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    cfg = {**own(LITE).pretrained_cfg, "input_size": (3, 40, 50), "crop_pct": 1.0}
    theirs = timm.data.create_transform(**timm.data.resolve_data_config(cfg))
    wanted = theirs(Image.fromarray(pixels))
    backbone = of(LITE)
    inputs: list[Tensor] = []
    backbone.conv_stem.register_forward_pre_hook(lambda module, given: inputs.append(*given))
    backbone(to_input(pixels)[None])
    assert (inputs[0][0] - wanted).abs().max() < 1e-5
    assert (to_input(pixels) - wanted).abs().max() > 0.1


@pytest.mark.parametrize("name", SWEPT)
def test_features_are_timms(name: str) -> None:
    """The last map is what timm pools, or would; those before are those of its features_only."""
    backbone = of(name, 32)
    whole, x = own(name), image(65, 50)
    same_weights(whole, backbone)
    with torch.no_grad():
        maps = backbone(x)
        last = whole.forward_features(seen(backbone, x))
        inner = whole.forward_intermediates(seen(backbone, x), intermediates_only=True)
    assert near(maps[-1], last[..., : maps[-1].shape[2], : maps[-1].shape[3]])
    for found, wanted in zip(maps[-2:0:-1], inner[-2::-1], strict=False):
        assert near(found, wanted[..., : found.shape[2], : found.shape[3]])
    assert [tuple(m.shape) for m in maps] == [
        (1, c, -(-65 // s), -(-50 // s))
        for c, s in zip(backbone.channels, backbone.strides, strict=True)
    ]


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("name", [name for name in SWEPT if name not in NO_OPTION])
def test_removed_strides_are_timms(name: str, stride: int) -> None:
    backbone = of(name, stride, dilated=True)
    whole, x = own(name, output_stride=stride), image(33, 50)
    same_weights(whole, backbone)
    with torch.no_grad():
        last, found = whole.forward_features(seen(backbone, x)), backbone(x)[-1]
    assert near(found, last[..., : found.shape[2], : found.shape[3]])


@pytest.mark.parametrize("dilated", [False, True])
@pytest.mark.parametrize("name", SWEPT)
def test_maps_cover_any_image(name: str, dilated: bool) -> None:
    backbone = of(name, 8, dilated)
    assert backbone.strides == tuple(min(s, 8) for s in facts_of(f"timm:{name}").strides)
    convolutions = [m for m in backbone.modules() if isinstance(m, nn.Conv2d)]
    assert any(conv.dilation[0] > 1 for conv in convolutions) == dilated
    for conv in convolutions:
        deep = conv.groups == conv.in_channels > 1 and conv.dilation[0] > 1
        assert isinstance(conv, DilatedDepthwiseConv2d) == deep
    with torch.no_grad():
        for height, width in ((1, 1), (33, 50)):
            assert [tuple(m.shape) for m in backbone(image(height, width))] == [
                (1, c, -(-height // s), -(-width // s))
                for c, s in zip(backbone.channels, backbone.strides, strict=True)
            ]


@pytest.mark.parametrize("name", ["resnetaa34d", "resnet50_clip"])
def test_networks_that_round_down_see_whole_cells(name: str) -> None:
    with torch.device("meta"):
        backbone = build_backbone(f"timm:{name}", 16).eval()
        assert backbone.whole == 16
        maps = backbone(torch.empty(1, 3, 33, 50))
    assert [tuple(m.shape[2:]) for m in maps] == [
        (-(-33 // s), -(-50 // s)) for s in backbone.strides
    ]


@pytest.mark.parametrize("name", SWEPT)
def test_fixed_and_folded_norms_keep_their_activations(name: str) -> None:
    backbone, x = of(name), image(33, 50)
    norms = sum(trains_statistics(module) for module in backbone.modules())
    with torch.no_grad():
        before = backbone(x)
        unfrozen = fold_batchnorm(copy.deepcopy(backbone))(x)
        assert freeze_batchnorm(backbone) == norms
        fixed = backbone.train()(x)
        folded = fold_batchnorm(backbone.eval())(x)
    for maps in (unfrozen, fixed, folded):
        assert all(near(one, other) for one, other in zip(maps, before, strict=True))


def test_a_synchronised_norm_keeps_its_activation() -> None:
    norm = of(LITE).bn1
    x = image(8, 8).repeat(1, 11, 1, 1)[:, :32]
    with torch.no_grad():
        wanted, other = norm(x), synchronised(norm)
        assert isinstance(other, nn.SyncBatchNorm)
        assert torch.allclose(other(x), wanted, atol=1e-6)
    assert float(wanted.min()) == 0


def test_frozen_stages_stay_and_the_others_learn() -> None:
    backbone = of(LITE)
    freeze_batchnorm(backbone)
    backbone.freeze_stages(2).train()
    statistics = {k: v.clone() for k, v in backbone.state_dict().items() if "running" in k}
    maps = backbone(image(33, 50))
    maps[-1].square().mean().backward()
    moved = {name for name, p in backbone.named_parameters() if p.grad is not None}
    assert not any(name.startswith(("conv_stem", "bn", "blocks.0.", "blocks.1.")) for name in moved)
    assert {"blocks.2.0.conv_pw.weight", "blocks.6.0.conv_dw.weight", "conv_head.weight"} <= moved
    assert not maps[1].requires_grad
    assert all(torch.equal(backbone.state_dict()[key], value) for key, value in statistics.items())


def test_a_file_of_weights_fits_by_name_and_shape() -> None:
    """Half precision becomes float32; the classifier is left out; others' tensors are refused."""
    whole = timm.create_model(LITE, pretrained=False, num_classes=10)
    randomise_norms(whole)
    state = {k: t.half() if t.is_floating_point() else t for k, t in whole.state_dict().items()}
    backbone = of(LITE)
    load_backbone_weights(backbone, state)
    found = backbone.state_dict()
    assert all(torch.equal(found[key], state[key].to(found[key].dtype)) for key in found)
    assert found["conv_stem.weight"].dtype == torch.float32
    short = {key: value for key, value in state.items() if key != "bn2.weight"}
    with pytest.raises(WsssError, match=r"does not fit timm:tf_.* 1 missing, first bn2.weight"):
        load_backbone_weights(backbone, short)
    odd = state | {"bn2.weight": torch.ones(3)}
    with pytest.raises(WsssError, match=r"1 of other shape or type, first bn2.weight"):
        load_backbone_weights(backbone, odd)


def test_facts() -> None:
    facts = facts_of(f"timm:{LITE}")
    assert facts.channels == (16, 24, 40, 112, 1280)
    assert facts.strides == (2, 4, 8, 16, 32)
    assert not facts.low_rate
    assert facts_of("timm:mobilenetv3_small_050").low_rate
    assert facts.recorded == {
        **{"mean": [0.5] * 3, "std": [0.5] * 3, "trained_side": 224, "interpolation": "bicubic"},
        "timm": timm.__version__,
    }
    for name, said in (
        ("nothing", r"timm .* has no network 'nothing'"),
        (f"{LITE}.nothing", "timm cannot build|has no network"),
        ("botnet26t_256", "timm:botnet26t_256 takes images of one size only"),
        ("vgg11", "timm:vgg11 is a VGG; backbones can be EfficientNet"),
    ):
        with pytest.raises(ValueError, match=said):
            facts_of(f"timm:{name}")


def test_a_recorded_normalisation_is_obeyed() -> None:
    """That of the file, whatever timm says of the name by then."""
    config = {"backbone": "timm:test_resnet", "output_stride": 16, "dilated": False}
    given = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}
    step = backbone_of({**config, **given}).take
    assert step is not None
    scale, shift = Normalisation((0.4, 0.5, 0.6), (0.2, 0.3, 0.25)).change_from(
        Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    assert torch.allclose(step.scale.flatten(), torch.tensor(scale))
    assert torch.allclose(step.shift.flatten(), torch.tensor(shift))
    assert backbone_of({**config, "backbone": "tiny"}).take is None  # as weights always were
    for odd in ({"mean": [0.4, 0.5, 0.6]}, {**given, "std": [1, 1]}, {**given, "mean": "half"}):
        with pytest.raises(ValueError, match=r"mean|std"):
            backbone_of({**config, **odd})


def test_weights_of_ours_are_refused_where_their_normalisation_differs() -> None:
    state = {f"backbone.{k}": v for k, v in of("test_resnet").state_dict().items()}
    config = {"backbone": "timm:test_resnet.other", "mean": [0.4] * 3, "std": [0.5] * 3}
    file = {"kind": "wsss/cls", "config": config, "state_dict": state}
    backbone = build_backbone("timm:test_resnet")
    with pytest.raises(WsssError, match="which timm:test_resnet does not take") as caught:
        load_backbone_weights(backbone, file)
    assert "give that as --backbone" in str(caught.value.hint)
    known = backbone.normalisation
    fits = {**config, "mean": list(known.mean), "std": list(known.std)}
    load_backbone_weights(backbone, {**file, "config": fits})


def test_without_timm_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    timm_facts.cache_clear()
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match="need timm, which is not installed") as caught:
        build_backbone(f"timm:{LITE}")
    assert caught.value.hint == "pip install 'wsss-cli[timm]'"


def test_without_a_network_nothing_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    asked: list[str] = []

    def cut_off(url: str, *_: Any, **__: Any) -> None:
        asked.append(url)
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", cut_off)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(WsssError, match="cannot download ImageNet weights of timm:resnet18"):
        load_backbone_weights(build_backbone("timm:resnet18"), "imagenet")
    assert asked == ["https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors"]


def test_published_weights_have_a_name() -> None:
    assert published_as("timm:resnet18") == "resnet18.a1_in1k"
