"""Maps of any classifier, by gradients: of ours, of torchvision's, and of one made by hand."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
import torchvision.models as zoo
from torch import Tensor, nn

from wsss_cli.core.gradcam import METHODS, gradient_maps
from wsss_cli.core.grid import grid_size
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.gradient import GradientClassifier
from wsss_cli.nets.zoo import load_classifier


class Two(nn.Module):
    """Two convolutions and a head with a nonlinearity, by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(6, 7, 3, stride=2, padding=1)
        self.final = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.head = nn.Sequential(nn.Linear(28, 9), nn.Tanh(), nn.Linear(9, 4))

    def forward(self, x: Tensor) -> Tensor:
        features = self.final(self.second(self.act(self.first(x))))
        return self.head(self.pool(features).flatten(1))


@pytest.fixture(scope="module")
def ours() -> Classifier:
    torch.manual_seed(3)
    backbone = build_backbone("tiny", 16)
    with torch.no_grad():  # batch norms see something, so that features differ
        for _ in range(10):
            backbone(torch.randn(2, 3, 64, 64))
    return Classifier(backbone, 4).eval()


@pytest.mark.parametrize("layer", ["final", "second", "act"])
@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_those_of_autograd_in_float64(method: str, layer: str) -> None:
    torch.manual_seed(0)
    net, x = Two().double().eval(), torch.randn(2, 3, 12, 16, dtype=torch.float64)
    model = GradientClassifier(net, method, layer)
    assert model.stride == {"act": 2}.get(layer, 4)
    maps, logits = model.seen(x, torch.tensor([2, 0]))

    act = torch.relu(net.first(x))
    second = net.second(act)
    by_layer = {"act": act, "second": second, "final": torch.relu(second)}
    leaf = by_layer[layer].detach().requires_grad_()
    behind = {
        "act": lambda a: torch.relu(net.second(a)),
        "second": torch.relu,
        "final": lambda a: a,
    }[layer]
    scores = net.head(net.pool(behind(leaf)).flatten(1))
    torch.testing.assert_close(logits, scores.detach(), rtol=1e-12, atol=0)
    for place, index in enumerate((2, 0)):
        (gradients,) = torch.autograd.grad(scores[:, index].sum(), leaf, retain_graph=True)
        expected = gradient_maps(leaf.detach(), gradients, method)
        torch.testing.assert_close(maps[:, place], expected, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("size", [(64, 96), (33, 50), (5, 7)])
def test_gradcam_of_our_head_is_cam(ours: Classifier, size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    model = GradientClassifier(ours, "gradcam")
    assert (model.layer, model.stride) == ("backbone.stage4", 16)
    with torch.inference_mode():  # as make-cam runs it
        maps, logits = model.seen(x)
        cam, expected = ours.seen(x)
    torch.testing.assert_close(maps, cam.relu(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-6)
    some, every = model.seen(x, torch.tensor([1, 3]))
    torch.testing.assert_close(some, maps[:, [1, 3]])
    torch.testing.assert_close(every, logits)


def test_a_batch_of_two_is_two_images(ours: Classifier) -> None:
    x = torch.randn(2, 3, 40, 48)
    model = GradientClassifier(ours, "gradcam++")
    both = model.seen(x)[0]
    for one, image in zip(both, x, strict=True):
        torch.testing.assert_close(one, model.seen(image[None])[0][0], rtol=1e-4, atol=1e-6)


def test_several_outputs_of_one_class_are_the_strongest(ours: Classifier) -> None:
    x = torch.randn(1, 3, 32, 48)
    plain, scores = GradientClassifier(ours, "gradcam").seen(x)
    model = GradientClassifier(ours, "gradcam", outputs=[[3], [0, 2]])
    maps, logits = model.seen(x)
    strongest = 0 if scores[0, 0] > scores[0, 2] else 2
    torch.testing.assert_close(logits[0], scores[0, [3, strongest]])
    torch.testing.assert_close(maps[0], plain[0, [3, strongest]])


def test_gradcam_of_a_fine_tuned_resnet_is_its_cam() -> None:
    torch.manual_seed(1)
    source = zoo.resnet18(num_classes=5).eval()
    model, outputs = load_classifier("resnet18", source.state_dict())
    assert outputs == 5
    x = torch.randn(1, 3, 70, 90)
    body = nn.Sequential(OrderedDict(list(source.named_children())[:-2]))
    with torch.no_grad():
        features = body(x)
        expected = torch.einsum("cd,bdhw->bchw", source.fc.weight, features).relu()
        logits = source(x)
    maps, found = GradientClassifier(model, "gradcam").seen(x)
    assert maps.shape == (1, 5, *grid_size(70, 90, 32))
    torch.testing.assert_close(maps, expected, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found, logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "layer", "stride"),
    [
        ("mobilenet_v3_small", "features", 32),
        ("squeezenet1_1", "classifier.2", 16),  # its head is a convolution
        ("shufflenet_v2_x0_5", "conv5", 32),
        ("regnet_y_400mf", "trunk_output", 32),
    ],
)
def test_torchvisions(name: str, layer: str, stride: int) -> None:
    source = zoo.get_model(name, weights=None, num_classes=3)
    model = GradientClassifier(load_classifier(name, source.state_dict())[0], "layercam")
    assert (model.layer, model.stride) == (layer, stride)
    maps, logits = model.seen(torch.randn(2, 3, 20, 75), torch.tensor([2]))
    assert maps.shape == (2, 1, *grid_size(20, 75, stride))
    assert logits.shape == (2, 3)
    assert bool(torch.isfinite(maps).all())


def test_a_network_that_rounds_down_sees_whole_cells() -> None:
    """A pixel in the last column, which such a network would not see, has a cell."""
    torch.manual_seed(0)
    net = nn.Sequential(
        OrderedDict(
            body=nn.Conv2d(3, 2, 4, stride=4), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten()
        )
    )
    model = GradientClassifier(net.eval(), "gradcam")
    x = torch.zeros(1, 3, 13, 14)
    plain = model.seen(x)[0]
    x[..., 13] = 5
    changed = (model.seen(x)[0] - plain).abs()[0].amax(0) > 1e-6
    assert changed.shape == (4, 4)
    assert not changed[:, :3].any()
    assert changed[:, 3].any()


def test_what_gives_no_maps(ours: Classifier) -> None:
    with pytest.raises(ValueError, match="its layer 'fc' gives no map of cells"):
        GradientClassifier(ours, "gradcam", "fc")
    with pytest.raises(ValueError, match="no layer"):
        GradientClassifier(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), "gradcam")
    with pytest.raises(ValueError, match="one size only"):
        GradientClassifier(nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), "gradcam")
