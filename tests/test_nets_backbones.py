"""Backbones: geometry, and equality with torchvision's networks."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
import torchvision.models as zoo
from norms import randomise_norms
from pictures import image
from torch import Tensor, nn

from wsss_cli.nets.backbones import NAMES, Backbone, build_backbone

SIZES = [(1, 1), (33, 50), (65, 97)]
LIGHT = [("tiny", s, d) for s in (8, 16, 32) for d in (False, True)]
LIGHT += [("resnet18", s, True) for s in (8, 16)] + [("resnet18", 8, False)]
LIGHT += [("mobilenet_v2", s, d) for s, d in ((8, True), (16, False), (32, False))]
LIGHT += [("mobilenet_v3_large", s, d) for s, d in ((8, True), (16, False), (32, True))]
HEAVY = [("resnet34", 8, True), ("resnet50", 16, False), ("resnet101", 16, True)]
HEAVY += [("resnext50_32x4d", 8, True), ("resnext101_32x8d", 16, False)]
HEAVY += [("vgg16", s, d) for s, d in ((8, True), (16, False), (32, False))]


def last_map_of_zoo(net: nn.Module, x: Tensor) -> Tensor:
    if hasattr(net, "features"):
        return net.features(x)
    for key, child in net.named_children():
        if key not in ("avgpool", "fc"):
            x = child(x)
    return x


def same_weights(net: nn.Module, backbone: Backbone) -> None:
    """Copy a backbone's weights to torchvision's network: every key but the classifier's."""
    missing, unexpected = net.load_state_dict(backbone.state_dict(), strict=False)
    assert not unexpected
    assert all(key.startswith(("fc.", "classifier.")) for key in missing)


@pytest.mark.parametrize(("name", "stride", "dilated"), LIGHT + HEAVY)
def test_maps_cover_any_image(name: str, stride: int, dilated: bool) -> None:
    backbone = build_backbone(name, stride, dilated).eval()
    assert backbone.strides[-1] == backbone.output_stride == stride
    assert backbone.strides[1:] == tuple(min(s, stride) for s in (4, 8, 16, 32))
    with torch.no_grad():
        for height, width in SIZES:
            maps = backbone(image(height, width))
            assert [tuple(m.shape) for m in maps] == [
                (1, c, -(-height // s), -(-width // s))
                for c, s in zip(backbone.channels, backbone.strides, strict=True)
            ]


def test_every_name_is_built_in_some_test() -> None:
    assert {name for name, _, _ in LIGHT + HEAVY} == set(NAMES)


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet50",
        "resnext50_32x4d",
        "resnext101_32x8d",
        "mobilenet_v2",
        "mobilenet_v3_large",
    ],
)
def test_stride_32_is_torchvisions_network(name: str) -> None:
    backbone = build_backbone(name, 32, dilated=True).eval()
    randomise_norms(backbone)
    net = getattr(zoo, name)(weights=None).eval()
    same_weights(net, backbone)
    x = image(65, 33)
    with torch.no_grad():
        assert torch.equal(backbone(x)[-1], last_map_of_zoo(net, x))


def test_vgg_at_stride_32_is_torchvisions_on_even_sides() -> None:
    backbone = build_backbone("vgg16", 32).eval()
    net = nn.Module()  # less the 120 M classifier
    net.features = zoo.vgg.make_layers(zoo.vgg.cfgs["D"])
    same_weights(net, backbone)
    x = image(64, 32)
    with torch.no_grad():
        maps = backbone(x)
        assert torch.equal(maps[4], net.features(x))
        assert torch.equal(maps[2], net.features[:23](x))  # conv4_3, which PSA taps
        assert torch.equal(maps[3], net.features[:30](x))  # conv5_3


def test_vgg_as_psa_has_it() -> None:
    features = build_backbone("vgg16", 8, dilated=True).features
    pools = [m for m in features if isinstance(m, nn.MaxPool2d)]
    assert [(p.kernel_size, p.stride, p.padding) for p in pools] == [(2, 2, 0)] * 3 + [
        (3, 1, 1)
    ] * 2
    dilations = [m.dilation[0] for m in features if isinstance(m, nn.Conv2d)]
    assert dilations == [1] * 10 + [2] * 3
    for stride, dilated in ((8, False), (16, True)):  # at 16, no convolution follows pool5
        features = build_backbone("vgg16", stride, dilated).features
        assert all(m.dilation == (1, 1) for m in features if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize("name", ["resnet50", "resnext50_32x4d"])
@pytest.mark.parametrize(
    ("stride", "replace"), [(8, [False, True, True]), (16, [False, False, True])]
)
def test_dilated_is_torchvisions_replace_stride_with_dilation(
    name: str, stride: int, replace: list[bool]
) -> None:
    backbone = build_backbone(name, stride, dilated=True).eval()
    randomise_norms(backbone)
    net = getattr(zoo, name)(weights=None, replace_stride_with_dilation=replace).eval()
    same_weights(net, backbone)
    x = image(65, 50)
    with torch.no_grad():
        assert torch.equal(backbone(x)[-1], last_map_of_zoo(net, x))


def test_undilated_stride_16_is_irns_resnet() -> None:
    """Strides 2, 2, 2, 1 on the 3 x 3 and the shortcut, dilation 1 throughout."""
    backbone = build_backbone("resnet50", 16).eval()
    randomise_norms(backbone)
    net = zoo.resnet50(weights=None).eval()
    same_weights(net, backbone)
    net.layer4[0].conv2.stride = net.layer4[0].downsample[0].stride = (1, 1)
    x = image(65, 50)
    with torch.no_grad():
        assert torch.equal(backbone(x)[-1], last_map_of_zoo(net, x))


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "mobilenet_v2"])
@pytest.mark.parametrize("size", [(64, 96), (65, 97), (50, 83)])
def test_dilation_computes_the_strided_network_in_between(name: str, size: tuple[int, int]) -> None:
    """The hole algorithm: every 4th cell at stride 8 is a cell at stride 32, borders too."""
    strided, dilated = build_backbone(name, 32).eval(), build_backbone(name, 8, True).eval()
    randomise_norms(strided)
    dilated.load_state_dict(strided.state_dict())
    with torch.no_grad():
        coarse, fine = strided(image(*size)), dilated(image(*size))
    torch.testing.assert_close(fine[3][..., ::2, ::2], coarse[3], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(fine[4][..., ::4, ::4], coarse[4], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "stride"), [("resnet18", 16), ("mobilenet_v2", 8), ("tiny", 16)])
def test_mirror_symmetric_kernels_make_a_mirror_equivariant_network(name: str, stride: int) -> None:
    """Padding and strides favour no side, where stride divides W - 1."""
    backbone = build_backbone(name, stride, dilated=True).double().eval()
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = (module.weight + module.weight.flip(-1)).data / 2
    x = image(33, 65).double()
    with torch.no_grad():
        for straight, mirrored in zip(backbone(x), backbone(x.flip(-1)), strict=True):
            torch.testing.assert_close(mirrored.flip(-1), straight, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("name", ["resnext50_32x4d", "resnext101_32x8d"])
def test_grouped_convolutions_are_dilated_as_any_other(name: str) -> None:
    """Of Xie et al.: 32 groups. They are no depthwise ones, whose gradient needs a special case."""
    last = build_backbone(name, 16, dilated=True).layer4
    grouped = [c for c in last.modules() if isinstance(c, nn.Conv2d) and c.groups > 1]
    assert [(c.groups, c.stride[0], c.dilation[0], c.padding[0]) for c in grouped] == [
        (32, 1, 1, 1),
        (32, 1, 2, 2),
        (32, 1, 2, 2),
    ]
    assert {type(c) for c in grouped} == {nn.Conv2d}
    with torch.device("meta"):
        net = getattr(zoo, name)(weights=None)
    shapes = {k: v.shape for k, v in net.state_dict().items() if not k.startswith("fc.")}
    assert {k: v.shape for k, v in build_backbone(name).state_dict().items()} == shapes


@pytest.mark.parametrize("name", ["tiny", "mobilenet_v2"])
def test_config_rebuilds_and_weights_fit_every_stride(name: str) -> None:
    backbone = build_backbone(name, 8, dilated=True)
    again = build_backbone(**backbone.config)
    assert again.config == {"name": name, "output_stride": 8, "dilated": True}
    assert str(again) == str(backbone)
    build_backbone(name, 32).load_state_dict(backbone.state_dict())


def test_the_caller_is_told_what_there_is() -> None:
    with pytest.raises(ValueError, match="unknown backbone 'resnet5'; there are resnet18"):
        build_backbone("resnet5")
    with pytest.raises(ValueError, match="choose 8, 16 or 32"):
        build_backbone("tiny", 4)
    with pytest.raises(ValueError, match="freeze 0 to 5 stages, not 6"):
        build_backbone("tiny").freeze_stages(6)


def test_names_are_known_without_torch() -> None:
    code = "import sys, wsss_cli.nets.names as n; print(n.BACKBONES, 'torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"{NAMES} False"


@pytest.mark.parametrize(
    ("name", "stride", "expected"),
    [
        ("resnet50", 8, [4, 8, 16]),
        ("resnet50", 16, [2, 4, 8]),
        ("resnet50", 32, [1, 2, 4]),
        ("resnext50_32x4d", 16, [2, 4, 8]),
        ("resnet34", 16, [2, 2, 4, 4, 8, 8]),
    ],
)
def test_multi_grid_as_in_deeplab_v3(name: str, stride: int, expected: list[int]) -> None:
    """Unit rates 1, 2, 4 times the rate of the stage, 2 at stride 16 and 4 at 8 (section 4.2)."""
    with torch.device("meta"):
        backbone = build_backbone(name, stride, dilated=True, multi_grid=(1, 2, 4))
        plain = build_backbone(name, stride, dilated=True)
        again = build_backbone(**backbone.config)

    def rates(stage: nn.Module) -> list[int]:
        found = [m for m in stage.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
        return [conv.dilation[0] for conv in found]

    assert rates(backbone.layer4) == expected
    assert rates(backbone.layer3) == rates(plain.layer3)
    assert rates(again.layer4) == expected
    assert again.config == backbone.config == {**plain.config, "multi_grid": [1, 2, 4]}


def test_multi_grid_changes_what_is_seen_and_nothing_else() -> None:
    plain = build_backbone("resnet50", 16, dilated=True).eval()
    gridded = build_backbone("resnet50", 16, dilated=True, multi_grid=[1, 2, 4]).eval()
    gridded.load_state_dict(plain.state_dict())
    x = image(65, 97)
    with torch.no_grad():
        one, other = plain(x), gridded(x)
    assert [m.shape for m in one] == [m.shape for m in other]
    assert [torch.equal(a, b) for a, b in zip(one, other, strict=True)] == [True] * 4 + [False]


@pytest.mark.parametrize(
    ("name", "dilated", "rates", "said"),
    [
        ("mobilenet_v2", True, (1, 2, 4), "mobilenet_v2 has no last stage of residual units"),
        ("vgg16", True, (1, 2, 4), "vgg16 has no last stage"),
        ("resnet18", True, (1, 2, 4), "resnet18 takes 2 whole numbers from 1, one a unit"),
        ("resnet50", True, (1, 2), "resnet50 takes 3 whole numbers"),
        ("resnet50", True, (1, 0, 2), "resnet50 takes 3 whole numbers"),
        ("resnet50", True, "124", "resnet50 takes 3 whole numbers"),
        ("resnet50", True, 4, "resnet50 takes 3 whole numbers"),
        ("resnet50", False, (1, 2, 4), "the network is not dilated"),
    ],
)
def test_rates_without_such_units(name: str, dilated: bool, rates: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_backbone(name, 16, dilated, rates)


@pytest.mark.parametrize(
    ("name", "sides", "widths"),
    [
        ("resnet50", [65, 33], [3, 64]),
        ("vgg16", [65, 65], [3, 64]),
        ("mobilenet_v2", [65], [3]),
        ("tiny", [65], [3]),
    ],
)
def test_finer_maps_of_real_networks(name: str, sides: list[int], widths: list[int]) -> None:
    backbone = build_backbone(name, 16).eval()
    x = image(65, 33)
    with torch.no_grad():
        *finer, one, two, three, four, five = backbone(x, finer=True)
        plain = backbone(x)
    assert [m.shape[2] for m in finer] == sides
    assert [m.shape[1] for m in finer] == widths
    assert [(s, c) for s, c in backbone.finer] == [
        (-(-65 // side), width) for side, width in zip(sides, widths, strict=True)
    ]
    assert torch.equal(finer[0], x)
    assert all(map(torch.equal, (one, two, three, four, five), plain))
    if name == "resnet50":
        assert torch.equal(finer[1], backbone.relu(backbone.bn1(backbone.conv1(x))))
    if name == "vgg16":
        assert torch.equal(finer[1], backbone.features[:4](x))
