"""DeepLab v1, v2, v3+, FCN-32s and FCN-8s: the facts of their papers, against plain arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsss_cli.core.grid import grid_size
from wsss_cli.methods.rebuild import rebuild_segmenter
from wsss_cli.nets.backbones import Backbone, build_backbone, freeze_batchnorm, parameter_groups
from wsss_cli.nets.convolved import ConvolvedClassifier
from wsss_cli.nets.segmentation import Segmenter, build_segmenter, load_head_weights


def random(*shape: int, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def tiny(stride: int) -> Backbone:
    backbone = build_backbone("tiny", stride, dilated=True)
    freeze_batchnorm(backbone, affine=False)
    return backbone


def filled(net: nn.Module) -> nn.Module:
    """Score layers that start from zero, made to say something."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.any():
            nn.init.normal_(module.weight)
    return net


def vgg_classifier(inputs: int = 6, wide: int = 16) -> dict[str, Tensor]:
    return {
        "classifier.0.weight": torch.randn(wide, inputs * 49),
        "classifier.0.bias": torch.randn(wide),
        "classifier.3.weight": torch.randn(wide, wide),
        "classifier.3.bias": torch.randn(wide),
        "classifier.6.weight": torch.randn(5, wide),
    }


def dilated_sum(x: np.ndarray, kernels: list[np.ndarray], rates: list[int]) -> np.ndarray:
    """Sum of 3 x 3 convolutions (L, C, 3, 3) of x (C, H, W), zero outside."""
    _, height, width = x.shape
    out = np.zeros((kernels[0].shape[0], height, width))
    for kernel, rate in zip(kernels, rates, strict=True):
        for row in range(height):
            for column in range(width):
                for i in range(3):
                    for j in range(3):
                        y, z = row + (i - 1) * rate, column + (j - 1) * rate
                        if 0 <= y < height and 0 <= z < width:
                            out[:, row, column] += kernel[:, :, i, j] @ x[:, y, z]
    return out


@pytest.mark.parametrize(
    ("model", "stride", "rates"),
    [
        ("deeplabv1", 8, [12]),
        ("deeplabv1", 16, [6]),
        ("deeplabv2", 8, [6, 12, 18, 24]),
        ("deeplabv2", 16, [3, 6, 9, 12]),
    ],
)
def test_v1_and_v2_sum_dilated_convolutions(model: str, stride: int, rates: list[int]) -> None:
    net = build_segmenter(model, tiny(stride), 3).double().eval()
    convs = [branch[0] for branch in net.head.branches]
    for number, conv in enumerate(convs):
        nn.init.constant_(conv.bias, 0.5 + number)
    x = random(1, 160, 14, 13)
    with torch.no_grad():
        found = net.head([x], (14 * stride, 13 * stride))[0].numpy()
        kernels = [conv.weight.numpy() for conv in convs]
    bias = sum(0.5 + number for number in range(len(rates)))
    np.testing.assert_allclose(found, dilated_sum(x[0].numpy(), kernels, rates) + bias, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "reaches"), [("deeplabv1", {0, 12}), ("deeplabv2", {0, 6, 12, 18, 24})]
)
def test_what_a_cell_of_the_head_sees(model: str, reaches: set[int]) -> None:
    head = build_segmenter(model, tiny(8), 2).head.double()
    x = random(1, 160, 57, 57).requires_grad_()
    head([x], (456, 456))[0, 0, 28, 28].backward()
    rows, columns = x.grad[0].abs().sum(0).nonzero().sub(28).abs().T
    assert set(rows.tolist()) == set(columns.tolist()) == reaches
    off_axis = (rows > 0) & (columns > 0)
    assert torch.equal(rows[off_axis], columns[off_axis])


@pytest.mark.parametrize("model", ["deeplabv1", "deeplabv2"])
@pytest.mark.parametrize("name", ["vgg16", "resnet101"])
def test_stride_8_gives_the_published_grids(model: str, name: str) -> None:
    """321 -> 41 and 513 -> 65, of the channels, dilations and kernels of the papers."""
    with torch.device("meta"):
        net = build_segmenter(model, build_backbone(name, 8, dilated=True), 21)
        maps = net.backbone(torch.empty(1, 3, 321, 513))
        assert net.head(maps, (321, 513)).shape == (1, 21, 41, 65)
    rates = [12] if model == "deeplabv1" else [6, 12, 18, 24]
    first = [next(m for m in b.modules() if isinstance(m, nn.Conv2d)) for b in net.head.branches]
    assert [conv.dilation for conv in first] == [(rate, rate) for rate in rates]
    assert {conv.kernel_size for conv in first} == {(3, 3)}
    assert {conv.out_channels for conv in first} == {1024 if name == "vgg16" else 21}
    if name == "vgg16":
        features = net.backbone.features
        assert [features[k].stride for k in (23, 30)] == [1, 1]
        assert [features[k].dilation for k in (24, 26, 28)] == [(2, 2)] * 3
        assert isinstance(net.head.average, nn.AvgPool2d) == (model == "deeplabv1")
        assert all(branch[0].dropout.p == 0.5 for branch in net.head.branches)
    else:
        dilations = {
            m.dilation[0] for m in net.backbone.layer4[1].modules() if isinstance(m, nn.Conv2d)
        }
        assert dilations == {1, 4}


@pytest.mark.usefixtures("thin_vgg")
def test_v1_on_vgg_by_hand() -> None:
    net = build_segmenter("deeplabv1", build_backbone("vgg16", 8, dilated=True), 3).double().eval()
    x = random(1, 3, 45, 38)
    with torch.no_grad():
        fc, score = net.head.branches[0]
        y = F.avg_pool2d(net.backbone(x)[4], 3, 1, 1)
        y = F.relu(F.conv2d(y, fc.fc6.weight, fc.fc6.bias, padding=12, dilation=12))
        y = F.conv2d(F.relu(F.conv2d(y, fc.fc7.weight, fc.fc7.bias)), score.weight, score.bias)
        assert y.shape == (1, 3, 6, 5)
        y = F.interpolate(y, scale_factor=8, mode="bilinear")[..., :45, :38]
        torch.testing.assert_close(net(x), y)


def test_scores_start_from_a_small_gaussian() -> None:
    net = build_segmenter("deeplabv2", tiny(8), 21)
    for branch in net.head.branches:
        assert branch[0].weight.std().item() == pytest.approx(0.01, rel=0.03)
        assert not branch[0].bias.any()


def test_rates_of_v1_and_v2_are_ten_and_twenty() -> None:
    net = build_segmenter("deeplabv2", tiny(8), 4)
    groups = {id(p): g for g in parameter_groups(net, 1.0, 0.1) for p in g["params"]}
    conv = net.head.branches[2][0]
    assert (groups[id(conv.weight)]["lr"], groups[id(conv.weight)]["weight_decay"]) == (10.0, 0.1)
    assert (groups[id(conv.bias)]["lr"], groups[id(conv.bias)]["weight_decay"]) == (20.0, 0.0)


def test_v3plus_by_hand() -> None:
    net = build_segmenter("deeplabv3plus", tiny(16), 3).double().eval()
    head, x = net.head, random(1, 3, 37, 50)
    with torch.no_grad():
        maps = net.backbone(x)
        low = head.reduce(maps[1])
        assert low.shape == (1, 48, 10, 13)
        y = F.interpolate(head.aspp(maps[4]), scale_factor=4, mode="bilinear")[..., :10, :13]
        y = head.decode(torch.cat([y, low], 1))
        y = F.interpolate(y, scale_factor=4, mode="bilinear")[..., :37, :50]
        torch.testing.assert_close(net(x), y)
    widths = [(m.in_channels, m.out_channels) for m in head.decode if isinstance(m, nn.Conv2d)]
    assert widths == [(304, 256), (256, 256), (256, 3)]
    rates = [conv[0].dilation[0] for conv in list(head.aspp.convs)[1:4]]
    assert rates == [6, 12, 18]


def test_an_fcn_that_starts_from_a_classifier_is_one() -> None:
    bias = random(3, seed=3)
    net = build_segmenter("fcn8s", tiny(32), 3).double().eval()
    weight = random(3, net.backbone.channels[-1], seed=2)
    net.head.start_from(weight, bias)
    x = random(1, 3, 64, 96)
    with torch.no_grad():
        cells = F.conv2d(net.backbone(x)[4], weight[:, :, None, None], bias)
        coarse = build_segmenter("fcn32s", net.backbone, 3).double().eval()
        coarse.head.start_from(weight, bias)
        torch.testing.assert_close(coarse.head(coarse.maps(x), (64, 96)), cells)
    vgg = build_segmenter("fcn32s", build_backbone("vgg16", 32), 2)
    with pytest.raises(ValueError, match="several layers"):
        vgg.head.start_from(weight, bias)


def test_fcn8s_without_skips_is_fcn32s_in_steps() -> None:
    """Skips start from zero: then three enlargements by 2, 2 and 8 are all that happens."""
    net = build_segmenter("fcn8s", tiny(32), 3).double().eval()
    assert not any(p.any() for p in net.head.parameters())
    nn.init.normal_(net.head.score.weight)
    size = (75, 110)
    x = random(1, 3, *size)
    with torch.no_grad():
        maps = net.backbone(x)
        y = F.conv2d(maps[4], net.head.score.weight)
        for stride in (16, 8):
            h, w = grid_size(*size, stride)
            y = F.interpolate(y, scale_factor=2, mode="bilinear")[..., :h, :w]
        eight = F.interpolate(y, scale_factor=8, mode="bilinear")[..., :75, :110]
        torch.testing.assert_close(net(x), eight)
        coarse = build_segmenter("fcn32s", net.backbone, 3).double().eval()
        coarse.head.load_state_dict(net.head.state_dict(), strict=False)
        y = F.interpolate(
            F.conv2d(maps[4], net.head.score.weight), scale_factor=32, mode="bilinear"
        )
        torch.testing.assert_close(coarse(x), y[..., :75, :110])
        filled(net)
        at8 = F.conv2d(maps[2], net.head.skips[1].weight)
        at16 = F.conv2d(maps[3], net.head.skips[0].weight)
        up = F.interpolate(at16, scale_factor=2, mode="bilinear")[..., :10, :14] + at8
        up = F.interpolate(up, scale_factor=8, mode="bilinear")[..., :75, :110]
        torch.testing.assert_close(net(x) - eight, up)


def test_enlargement_is_the_fixed_bilinear_deconvolution() -> None:
    """The 64 x 64 kernel of stride 32, inside the grid's border."""
    net = filled(build_segmenter("fcn32s", tiny(32), 1).double().eval())
    x = random(1, 3, 128, 128)
    with torch.no_grad():
        cells = net.head(net.backbone(x), (128, 128))
        ramp = 1 - (torch.arange(64, dtype=torch.float64) - 31.5).abs() / 32
        large = F.conv_transpose2d(cells, torch.outer(ramp, ramp)[None, None], stride=32)
        torch.testing.assert_close(net(x)[..., 16:112, 16:112], large[..., 32:128, 32:128])


@pytest.mark.usefixtures("thin_vgg")
@pytest.mark.parametrize("model", ["fcn32s", "fcn8s"])
@pytest.mark.parametrize("size", [(1, 1), (33, 64), (50, 97)])
def test_fcn_on_vgg_by_hand(model: str, size: tuple[int, int]) -> None:
    """The frame makes room for an unpadded 7 x 7, and cells stay where the image's are."""
    backbone = build_backbone("vgg16", 32)
    net = filled(build_segmenter(model, backbone, 2)).double().eval()
    head, x = net.head, random(1, 3, *size)
    assert head.frame == 96
    assert head.fc.fc6.padding == (0, 0)
    with torch.no_grad():
        taps, y = {}, F.pad(x, (96, 96, 96, 96))
        for number, module in enumerate(backbone.features):
            y = module(y)
            if isinstance(module, nn.MaxPool2d):
                taps[number] = y
        y = F.relu(F.conv2d(y, head.fc.fc6.weight, head.fc.fc6.bias))
        y = head.score(F.relu(head.fc.fc7(y)))
        assert y.shape[-2:] == grid_size(*size, 32)
        stride = 32
        for finer, pool in ((16, 23), (8, 16)) if model == "fcn8s" else ():
            h, w = grid_size(*size, finer)
            first = 96 // finer
            skip = taps[pool][..., first : first + h, first : first + w]
            score = head.skips[0 if finer == 16 else 1]
            y = F.interpolate(y, scale_factor=2, mode="bilinear")[..., :h, :w] + score(skip)
            stride = finer
        y = F.interpolate(y, scale_factor=stride, mode="bilinear")
        torch.testing.assert_close(net(x), y[..., : size[0], : size[1]])


@pytest.mark.usefixtures("thin_vgg")
def test_auxiliary_logits_of_a_framed_image_lie_where_they_belong() -> None:
    net = build_segmenter("fcn8s", build_backbone("vgg16", 32), 2, aux=True).double()
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    x = random(1, 3, 70, 40)
    with torch.no_grad():
        cells = net.aux_head.layers(net.backbone(F.pad(x, (96, 96, 96, 96)))[3])
        expected = F.interpolate(cells[..., 6:11, 6:9], scale_factor=16, mode="bilinear")
        torch.testing.assert_close(net(x)["aux"], expected[..., :70, :40])


@pytest.mark.usefixtures("thin_vgg")
@pytest.mark.parametrize("model", ["deeplabv1", "deeplabv2", "fcn32s", "fcn8s"])
def test_fully_connected_layers_come_from_the_classifier(model: str) -> None:
    net = build_segmenter(model, build_backbone("vgg16", 32 if "fcn" in model else 8), 2)
    given = vgg_classifier()
    modules = load_head_weights(net, given)
    assert modules
    assert all(isinstance(module, ConvolvedClassifier) for module in modules)
    assert len(modules) == (4 if model == "deeplabv2" else 1)
    fc6 = given["classifier.0.weight"].reshape(16, 6, 7, 7)
    for layers in modules:
        if "fcn" in model:
            assert torch.equal(layers.fc6.weight, fc6)
            assert torch.equal(layers.fc7.weight[..., 0, 0], given["classifier.3.weight"])
        else:
            assert layers.fc6.weight.shape == (8, 6, 3, 3)
            assert torch.equal(layers.fc6.weight[3, 2, 1, 2], fc6[6, 2, 3, 6])
            assert torch.equal(layers.fc6.weight, fc6[::2, :, [0, 3, 6]][..., [0, 3, 6]])
            assert torch.equal(layers.fc6.bias, given["classifier.0.bias"][::2])
            assert layers.fc7.weight[5, 2, 0, 0] == given["classifier.3.weight"][10, 4]
            assert torch.equal(layers.fc7.bias, given["classifier.3.bias"][::2])
    groups = parameter_groups(net, 1.0, 0.0, pretrained=[net.backbone, *modules])
    rates = {id(p): g["lr"] for g in groups for p in g["params"]}
    assert rates[id(modules[0].fc6.weight)] == 1.0
    score = net.head.score if "fcn" in model else net.head.branches[0][1]
    assert (rates[id(score.weight)], rates[id(score.bias)]) == (10.0, 20.0)


@pytest.mark.usefixtures("thin_vgg")
def test_convolved_classifier_is_the_classifier() -> None:
    """Over one 7 x 7 map the full-sized layers give what VGG-16's do."""
    given = vgg_classifier()
    layers = ConvolvedClassifier(6, 16, 7).eval()
    assert layers.load(given)
    x = torch.randn(2, 6, 7, 7)
    y = F.relu(F.linear(x.flatten(1), given["classifier.0.weight"], given["classifier.0.bias"]))
    y = F.relu(F.linear(y, given["classifier.3.weight"], given["classifier.3.bias"]))
    torch.testing.assert_close(layers(x)[..., 0, 0], y, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("thin_vgg")
def test_sources_without_a_classifier_change_nothing(tmp_path: Path) -> None:
    net = build_segmenter("deeplabv1", build_backbone("vgg16", 8), 2)
    before = {key: t.clone() for key, t in net.state_dict().items()}
    torch.save(net.backbone.state_dict(), tmp_path / "features.pth")
    assert load_head_weights(net, tmp_path / "features.pth") is None
    assert load_head_weights(net, "random") == []
    wrong = {**vgg_classifier(), "classifier.3.weight": torch.ones(16, 15)}
    assert load_head_weights(net, wrong) is None
    assert all(torch.equal(t, before[key]) for key, t in net.state_dict().items())
    plain = build_segmenter("deeplabv3", tiny(16), 2)
    assert load_head_weights(plain, "imagenet") == []  # nothing to fill: nothing is read


@pytest.mark.usefixtures("thin_vgg")
def test_fcn8s_starts_from_a_trained_fcn32s() -> None:
    first = filled(build_segmenter("fcn32s", build_backbone("vgg16", 32), 2)).eval()
    second = build_segmenter("fcn8s", build_backbone("vgg16", 32), 2).eval()
    trained = first.state_dict()
    second.backbone.load_state_dict(first.backbone.state_dict())
    assert load_head_weights(second, trained) == [second.head.fc, second.head.score]
    assert not any(p.any() for p in second.head.skips.parameters())
    x = random(1, 3, 32, 32).float()
    with torch.no_grad():  # one cell: nothing lies between cells
        torch.testing.assert_close(first(x), second(x))
    other = build_segmenter("fcn8s", build_backbone("vgg16", 32), 5)
    assert load_head_weights(other, trained) is None


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
    frozen = {id(p) for m in net.backbone.stages()[0] for p in m.parameters()}
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
