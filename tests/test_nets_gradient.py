"""Maps of any classifier, by gradients: of ours, of torchvision's, and of one made by hand."""

from __future__ import annotations

import inspect
import re
from collections import OrderedDict
from typing import Any

import pytest
import torch
import torchvision.models as zoo
from torch import Tensor, nn
from torchvision.transforms.functional import normalize

from wsss_cli.core.gradcam import METHODS, gradient_maps
from wsss_cli.core.grid import grid_size
from wsss_cli.core.images import IMAGENET_MEAN, IMAGENET_STD
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.gradient import GradientClassifier
from wsss_cli.nets.zoo import AUXILIARY, classifier_names, load_classifier, state_of


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


def test_state_dicts_in_their_wrappings() -> None:
    state = {"a": torch.ones(1)}
    assert state_of(state) == state
    assert state_of({"state_dict": state, "epoch": 3}) == state
    assert state_of({"model": {"module.a": state["a"]}}) == state
    for nothing in ({}, {"a": 1}, [], {"state_dict": 3}):
        with pytest.raises(ValueError, match="no state dict"):
            state_of(nothing)


def test_half_precision_and_no_counters() -> None:
    source = zoo.resnet18(num_classes=2).eval()
    state = {k: v for k, v in source.half().state_dict().items() if "num_batches" not in k}
    model, _ = load_classifier("resnet18", state)
    assert model.fc.weight.dtype == torch.float32
    assert torch.equal(model.fc.weight, source.fc.weight.float())


def test_state_dicts_of_something_else() -> None:
    state = zoo.resnet18(num_classes=2).state_dict()
    with pytest.raises(ValueError, match=r"does not fit resnet34: .* tensors, first layer"):
        load_classifier("resnet34", state)
    with pytest.raises(ValueError, match="no tensor of its last layer"):
        load_classifier("vgg16", state)
    with pytest.raises(ValueError, match="no classifier 'resnet19'"):
        load_classifier("resnet19", state)
    assert "resnet50" in classifier_names()
    assert "deeplabv3_resnet50" not in classifier_names()


@pytest.fixture
def few_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """EfficientNets of their first two stages, as all of them would take seconds."""
    whole = zoo.efficientnet._efficientnet_conf

    def cut(*args: Any, **options: Any) -> tuple[list[Any], int]:
        return whole(*args, **options)[0][:2], 64

    monkeypatch.setattr(zoo.efficientnet, "_efficientnet_conf", cut)


def published(name: str, images: Tensor, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """torchvision's network as it builds it for its default weights, of random ones instead.

    Batch norms know `images`, so that what it is fed shows in its scores.
    """
    torch.manual_seed(5)
    options = {"init_weights": False} if name in AUXILIARY else {}
    source = zoo.get_model(name, weights=None, num_classes=1000, **options)
    weights = zoo.get_model_weights(name)
    monkeypatch.setattr(weights, "get_state_dict", lambda *args, **kw: source.state_dict())
    model = zoo.get_model(name, weights="DEFAULT").eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train().momentum = 1
    with torch.no_grad():
        model(images)
    return model.eval()


@pytest.mark.usefixtures("few_stages")
@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "efficientnet_v2_l", "resnet18"])
def test_input_is_what_the_preset_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    side = 75 if name == "inception_v3" else 32
    pixels = torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(6))
    preset = zoo.get_model_weights(name).DEFAULT.transforms()
    theirs = normalize(pixels, preset.mean, preset.std)
    reference = published(name, theirs, monkeypatch)
    model, outputs = load_classifier(name, reference.state_dict())
    assert outputs == 1000
    with torch.no_grad():
        expected = reference(theirs)
        found = model(normalize(pixels, IMAGENET_MEAN, IMAGENET_STD))
    spread = expected.std(dim=0).mean()  # among images, beside which a difference is small
    torch.testing.assert_close(found / spread, expected / spread, rtol=0, atol=1e-2)


def test_all_that_torchvision_feeds_otherwise_are_known() -> None:
    names = classifier_names()
    ported = [n for n in names if "transform_input" in inspect.getsource(zoo.get_model_builder(n))]
    assert ported == sorted(AUXILIARY)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_have_no_part(name: str) -> None:
    options = {"num_classes": 3, "init_weights": False}
    state = zoo.get_model(name, weights=None, aux_logits=True, **options).state_dict()
    without = zoo.get_model(name, weights=None, aux_logits=False, **options).state_dict().keys()
    assert len(without) < len(state)
    both = [load_classifier(name, s) for s in (state, {k: state[k] for k in without})]
    for model, outputs in both:
        assert outputs == 3
        assert model.state_dict().keys() == without
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    lacking = {k: v for k, v in state.items() if k != "fc.bias"}
    with pytest.raises(ValueError, match=f"does not fit {name}: 1 tensors, first fc.bias"):
        load_classifier(name, lacking)


def test_densenet_as_its_published_files_name_it() -> None:
    state = zoo.densenet121(num_classes=2).state_dict()
    old = {re.sub(r"(denselayer\d+\.\w+?)([12])\.", r"\1.\2.", k): v for k, v in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    model, outputs = load_classifier("densenet121", old)
    assert outputs == 2
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_auxiliary_heads_of_a_network_without_them() -> None:
    state = zoo.resnet18(num_classes=2).state_dict() | {"aux1.fc.bias": torch.zeros(2)}
    with pytest.raises(ValueError, match=r"does not fit resnet18: 1 tensors, first aux1\.fc\.bias"):
        load_classifier("resnet18", state)
