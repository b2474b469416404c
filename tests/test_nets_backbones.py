"""Backbones: geometry, equality with torchvision's networks, freezing, parameter groups."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torchvision.models as zoo
from torch import Tensor, nn

from wsss_cli.nets.backbones import (
    NAMES,
    Backbone,
    build_backbone,
    freeze_batchnorm,
    parameter_groups,
)
from wsss_cli.nets.base import remove_strides
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.norms import FixedBatchNorm2d, group_norm

SIZES = [(1, 1), (33, 50), (65, 97)]
LIGHT = [("tiny", s, d) for s in (8, 16, 32) for d in (False, True)]
LIGHT += [("resnet18", s, True) for s in (8, 16)] + [("resnet18", 8, False)]
LIGHT += [("mobilenet_v2", s, d) for s, d in ((8, True), (16, False), (32, False))]
LIGHT += [("mobilenet_v3_large", s, d) for s, d in ((8, True), (16, False), (32, True))]
HEAVY = [("resnet34", 8, True), ("resnet50", 16, False), ("resnet101", 16, True)]
HEAVY += [("resnext50_32x4d", 8, True), ("resnext101_32x8d", 16, False)]
HEAVY += [("vgg16", s, d) for s, d in ((8, True), (16, False), (32, False))]


def randomise_norms(module: nn.Module) -> None:
    """Batch statistics as of a trained network, so that forgetting them shows."""
    generator = torch.Generator().manual_seed(3)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            n = norm.num_features
            norm.running_mean.copy_(torch.randn(n, generator=generator) * 0.1)
            norm.running_var.copy_(torch.rand(n, generator=generator) + 0.5)
            with torch.no_grad():
                norm.weight.copy_(torch.rand(n, generator=generator) + 0.5)
                norm.bias.copy_(torch.randn(n, generator=generator) * 0.1)


def image(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


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


def test_remove_strides_on_a_basic_block_by_hand() -> None:
    block = build_backbone("resnet18", 32).layer4
    assert remove_strides([block], dilate=True, dilation=2) == 4
    convs = [block[0].conv1, block[0].conv2, block[1].conv1, block[1].conv2]
    assert [(c.stride[0], c.dilation[0], c.padding[0]) for c in convs] == [
        (1, 2, 2),
        (1, 4, 4),
        (1, 4, 4),
        (1, 4, 4),
    ]
    assert block[0].downsample[0].stride == (1, 1)


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


def test_five_by_five_kernels_keep_the_map_side() -> None:
    last = build_backbone("mobilenet_v3_large", 8, dilated=True).stages()[-1]
    depthwise = [c for m in last for c in m.modules() if isinstance(c, nn.Conv2d) and c.groups > 1]
    assert [(c.kernel_size[0], c.dilation[0], c.padding[0]) for c in depthwise] == [
        (5, 2, 4),
        (5, 4, 8),
        (5, 4, 8),
    ]


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


def test_tiny_is_tiny() -> None:
    backbone = build_backbone("tiny")
    assert sum(p.numel() for p in backbone.parameters()) == 739_024


def test_names_are_known_without_torch() -> None:
    code = "import sys, wsss_cli.nets.names as n; print(n.BACKBONES, 'torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"{NAMES} False"


# freezing


def test_frozen_stages_learn_nothing_and_later_ones_do() -> None:
    backbone = build_backbone("resnet18").freeze_stages(2)
    backbone.train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    x = image(33, 33, batch=2).requires_grad_()
    maps = backbone(x)
    assert [m.requires_grad for m in maps] == [False, False, True, True, True]
    maps[-1].sum().backward()
    assert x.grad is None
    frozen = ("conv1.", "bn1.", "layer1.")
    for key, parameter in backbone.named_parameters():
        assert (parameter.grad is None) == key.startswith(frozen), key
        assert parameter.requires_grad != key.startswith(frozen), key
    for key, value in backbone.state_dict().items():
        if key.endswith("running_mean"):
            assert torch.equal(value, before[key]) == key.startswith(frozen), key


def test_freezing_less_later_thaws_nothing() -> None:
    backbone = build_backbone("tiny").freeze_stages(3)
    assert backbone.freeze_stages(1).frozen_stages == 3
    wrapped = nn.Sequential(backbone).train()
    assert [s[0].training for s in wrapped[0].stages()] == [False, False, False, True, True]


@pytest.mark.parametrize("affine", [True, False])
def test_fixed_batchnorm_survives_train_mode(affine: bool) -> None:
    backbone = build_backbone("mobilenet_v2")
    randomise_norms(backbone)
    keys, x = list(backbone.state_dict()), image(33, 33, batch=2)
    held = {id(p) for p in backbone.parameters()}
    with torch.no_grad():
        expected = backbone.eval()(x)[-1]
    count = freeze_batchnorm(backbone, affine=affine)
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert count == len(norms) == 52
    assert all(isinstance(norm, FixedBatchNorm2d) for norm in norms)
    backbone.train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    maps = backbone(x)
    torch.testing.assert_close(maps[-1], expected, rtol=1e-4, atol=1e-5)  # absorbed: rounding
    maps[-1].sum().backward()
    assert list(backbone.state_dict()) == keys
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())
    assert all(norm.weight.requires_grad != affine for norm in norms)
    assert {id(p) for p in backbone.parameters()} == held  # an optimiser may hold them already


def test_what_cannot_be_frozen() -> None:
    with pytest.raises(ValueError, match="pass the module that holds"):
        freeze_batchnorm(nn.BatchNorm2d(2))
    with pytest.raises(ValueError, match="without running statistics"):
        freeze_batchnorm(nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False)))
    assert freeze_batchnorm(nn.Sequential(group_norm(4))) == 0


@pytest.mark.parametrize("channels", [1, 2, 3, 16, 32, 60, 112, 160, 240, 1280])
def test_group_norm_fits_any_width(channels: int) -> None:
    norm = group_norm(channels)
    assert channels % norm.num_groups == 0
    assert channels == 1 or channels // norm.num_groups >= 2
    if channels > 1:
        norm(torch.ones(1, channels, 1, 1))


# parameter groups


def test_each_trainable_parameter_is_in_exactly_one_group() -> None:
    model = Classifier(build_backbone("vgg16").freeze_stages(1), 3)
    model.head = nn.Conv2d(512, 3, 1)  # with a bias, to have all four groups
    groups = parameter_groups(model, lr=0.1, weight_decay=5e-4)
    table = {g["name"]: (round(g["lr"], 9), g["weight_decay"], len(g["params"])) for g in groups}
    assert table == {
        "pretrained weight": (0.1, 5e-4, 9),  # 13 convolutions less conv1_1 .. conv2_2
        "pretrained bias": (0.2, 0.0, 9),
        "new weight": (1.0, 5e-4, 1),
        "new bias": (2.0, 0.0, 1),
    }
    listed = [id(p) for g in groups for p in g["params"]]
    assert sorted(listed) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    torch.optim.SGD(groups, lr=0.1)


def test_biases_may_train_like_weights_and_empty_groups_go() -> None:
    model = Classifier(build_backbone("tiny"), 3)
    groups = parameter_groups(model, 0.5, 1e-4, head_multiplier=4, bias_doubling=False)
    assert [(g["name"], g["lr"], g["weight_decay"]) for g in groups] == [
        ("pretrained weight", 0.5, 1e-4),
        ("pretrained bias", 0.5, 1e-4),
        ("new weight", 2.0, 1e-4),
    ]


def test_the_caller_may_say_what_is_pretrained() -> None:
    model = nn.ModuleDict({"edge": nn.Conv2d(2, 2, 1), "displacement": nn.Conv2d(2, 2, 1)})
    groups = parameter_groups(model, 0.1, 0.0, bias_doubling=False, pretrained=[model["edge"]])
    rates = {id(p): g["lr"] for g in groups for p in g["params"]}
    assert rates[id(model["edge"].bias)] == 0.1
    assert rates[id(model["displacement"].weight)] == 1.0
