"""torchvision's classifiers, filled from files of every kind."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
import torch
import torchvision.models as zoo
from torch import Tensor, nn
from torchvision.transforms.functional import normalize

from wsss_cli.core.images import IMAGENET_MEAN, IMAGENET_STD
from wsss_cli.nets.zoo import AUXILIARY, classifier_names, load_classifier, state_of


def test_state_dicts_in_their_wrappings() -> None:
    state = zoo.resnet18(num_classes=2).state_dict()
    held = {"state_dict": {f"model.{key}": value for key, value in state.items()}}
    assert state_of(held, "resnet18").tensors.keys() == state.keys()
    with pytest.raises(ValueError, match="no state dict"):
        state_of({"state_dict": 3}, "resnet18")


def test_a_head_of_other_layers_is_named() -> None:
    state = zoo.resnet18(num_classes=2).state_dict()
    state = {key.replace("fc.", "fc.1."): value for key, value in state.items()}
    with pytest.raises(ValueError, match=r"its last layer, fc, is there; instead it has fc\.1$"):
        load_classifier("resnet18", state)


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
