"""VGG-16's fully connected layers as convolutions, against the classifier itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from segmenters import dilated_tiny as tiny
from segmenters import vgg_classifier
from torch import nn

from wsss_cli.nets.backbones import build_backbone, parameter_groups
from wsss_cli.nets.convolved import ConvolvedClassifier
from wsss_cli.nets.segmentation import build_segmenter, load_head_weights

SHAPES = {
    "classifier.0.weight": (49,),
    "classifier.0.bias": (),
    "classifier.3.weight": (4,),
    "classifier.3.bias": (),
}


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


def test_a_kernel_of_3_keeps_the_outer_taps_and_the_middle_one() -> None:
    """Of 7 x 7 rows and columns 0, 3, 6; of 4 channels 0 and 2."""
    given = {name: torch.zeros(4, *shape) for name, shape in SHAPES.items()}
    given["classifier.0.weight"].copy_(torch.arange(4.0)[:, None] * 100 + torch.arange(49.0))
    given["classifier.3.weight"].copy_(torch.arange(16.0).view(4, 4))
    given["classifier.0.bias"].copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
    layers = ConvolvedClassifier(1, 2, 3)
    assert layers.load(given)
    assert layers.fc6.weight[0, 0].tolist() == [[0, 3, 6], [21, 24, 27], [42, 45, 48]]
    assert layers.fc6.weight[1, 0, 0].tolist() == [200, 203, 206]
    assert layers.fc6.bias.tolist() == pytest.approx([0.1, 0.3])
    assert layers.fc7.weight[..., 0, 0].tolist() == [[0, 2], [8, 10]]


def test_dropout_takes_whole_cells_in_training_only() -> None:
    layers = ConvolvedClassifier(1, 2, 1, dropout=1.0)
    nn.init.ones_(layers.fc6.weight)
    nn.init.ones_(layers.fc7.weight)
    x = torch.tensor([[[[3.0, -5.0]]]])
    assert layers.eval()(x).tolist() == [[[[6.0, 0.0]], [[6.0, 0.0]]]]
    assert not layers.train()(x).any()
