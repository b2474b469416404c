"""Networks built again from what weights files keep, by the cards of their methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import CLASSES
from norms import randomise_norms
from torch import Tensor, nn

from wsss_cli.artifacts import Weights, load_weights, save_weights
from wsss_cli.errors import WsssError
from wsss_cli.methods.rebuild import (
    affinity,
    classifier,
    rebuild_affinity,
    rebuild_classifier,
    rebuild_segmenter,
    segmenter,
)
from wsss_cli.nets.affinity import AffinityNet, IRNet
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.segmentation import build_segmenter
from wsss_cli.training.compute import Compute

BODY = {"backbone": "tiny", "output_stride": 16, "dilated": False}
COMPUTE = Compute(torch.device("cpu"))


def changed(model: nn.Module) -> dict[str, Tensor]:
    """Tensors unlike those of any fresh network; variances are above 0."""
    generator = torch.Generator().manual_seed(4)
    return {
        name: torch.rand(value.shape, generator=generator) + 0.1
        if value.is_floating_point()
        else value + 1
        for name, value in model.state_dict().items()
    }


def assert_holds(model: nn.Module, state: dict[str, Tensor]) -> None:
    assert not model.training
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_classifier_without_a_method_is_the_plain_one() -> None:
    state = changed(Classifier(build_backbone("tiny", 16), 4))
    for config in (BODY, {**BODY, "method": "cam"}):
        model = rebuild_classifier(config, 4, state)
        assert type(model) is Classifier
        assert_holds(model, state)


@pytest.mark.parametrize(("method", "kind"), [("psa", AffinityNet), ("irn", IRNet)])
def test_an_affinity_network_is_its_methods(method: str, kind: Any) -> None:
    state = changed(kind(build_backbone("tiny", 16)))
    config = {**BODY, "method": method, "group_norm": False}
    model = rebuild_affinity(config, state)
    assert type(model) is kind
    assert_holds(model, state)


def test_a_segmenter_leaves_out_what_only_training_needs() -> None:
    net = build_segmenter("unet", build_backbone("tiny", 16), 3, norm="batch")
    state = changed(net)
    extra = {"aux_head.weight": torch.ones(3), "tag_head.bias": torch.ones(2)}
    model = rebuild_segmenter({**BODY, "model": "unet", "norm": "batch"}, 3, {**state, **extra})
    assert type(model) is type(net)
    assert_holds(model, state)


def test_configs_that_describe_no_network() -> None:
    with pytest.raises(ValueError, match="its config has the unknown method 'magic'"):
        rebuild_classifier({**BODY, "method": "magic"}, 3, {})
    with pytest.raises(ValueError, match="its config lacks method"):
        rebuild_affinity(BODY, {})
    with pytest.raises(ValueError, match="its config has method 3, which is no str"):
        rebuild_affinity({**BODY, "method": 3}, {})
    with pytest.raises(ValueError, match="its config lacks model"):
        rebuild_segmenter(BODY, 3, {})
    with pytest.raises(ValueError, match=r"tensors do not fit its config, first backbone\."):
        rebuild_classifier(BODY, 3, {})
    other = Classifier(build_backbone("tiny", 16), 4).state_dict()
    with pytest.raises(ValueError, match=r"1 tensors do not fit its config, first head\.weight"):
        rebuild_classifier(BODY, 3, other)


def saved(path: Path, kind: str, net: nn.Module, **config: object) -> Weights:
    randomise_norms(net)
    save_weights(
        path,
        kind=kind,
        config={**BODY, **config},
        classes=CLASSES,
        params={},
        seed=0,
        inputs=[],
        state_dict=net.state_dict(),
    )
    return load_weights(path)


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def test_networks_for_use_have_no_batch_norms_left(tmp_path: Path) -> None:
    """But for those of affinity networks, which are as they were trained."""
    body = build_backbone("tiny", 16)
    x = torch.rand(1, 3, 40, 56)
    n = len(CLASSES)
    cls = saved(tmp_path / "cls.pt", "wsss/cls", Classifier(body, n))
    net = build_segmenter("unet", build_backbone("tiny", 16), n + 1, norm="batch")
    seg = saved(tmp_path / "seg.pt", "wsss/seg", net, model="unet", norm="batch")
    aff = saved(tmp_path / "aff.pt", "wsss/aff", IRNet(build_backbone("tiny", 16)), method="irn")
    plain = [
        rebuild_classifier(cls.config, n, cls.state_dict),
        rebuild_segmenter(seg.config, n + 1, seg.state_dict),
        rebuild_affinity(aff.config, aff.state_dict),
    ]
    found = [classifier(cls, COMPUTE), segmenter(seg, COMPUTE), affinity(aff, COMPUTE)]
    assert [norms(model) for model in found] == [0, 0, 13]
    with torch.inference_mode():
        for model, expected in zip(found, plain, strict=True):
            assert norms(expected) > 0
            torch.testing.assert_close(model(x), expected(x), rtol=1e-3, atol=1e-4)
            conv = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
            assert conv.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("of", [classifier, segmenter, affinity])
def test_weights_that_make_no_network_name_their_file(of: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    weights = saved(path, "wsss/cls", nn.Linear(1, 1), method="magic", model="magic", norm="group")
    with pytest.raises(WsssError) as caught:
        of(weights, COMPUTE)
    assert str(caught.value).startswith(f"{path}: damaged (")
    assert "magic" in str(caught.value)
    assert caught.value.hint == "train again, or take other weights"
