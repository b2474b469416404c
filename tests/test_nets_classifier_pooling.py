"""The classifier: its logits are pooled from its maps, whatever the pooling."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wsss_cli.core.pooling import POOLS, pooled
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.classifier import Classifier


def made(pool: str, dropout: float = 0.0) -> Classifier:
    torch.manual_seed(0)
    return Classifier(build_backbone("tiny", 8), 3, dropout, pool=pool, sharpness=2.0)


def images() -> Tensor:
    return torch.randn(2, 3, 40, 56, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("pool", POOLS)
def test_a_logit_is_pooled_from_its_map(pool: str) -> None:
    model, x = made(pool).eval(), images()
    with torch.no_grad():
        logits, maps = model(x), model.cam_logits(x)
        assert maps.shape == (2, 3, 5, 7)
        assert torch.allclose(logits, pooled(maps, pool, 2.0), atol=1e-5)
        drawn, seen = model.seen(x)
        assert torch.equal(drawn, maps)
        assert torch.allclose(seen, logits, atol=1e-5)
        drawn, seen = model.seen(x, torch.tensor([[2], [0]]))
        assert torch.allclose(drawn[:, 0], torch.stack([maps[0, 2], maps[1, 0]]), atol=1e-5)
        assert torch.allclose(seen[:, 0], torch.stack([logits[0, 2], logits[1, 0]]), atol=1e-5)


def test_without_a_word_it_is_the_mean_of_features() -> None:
    model, x = Classifier(build_backbone("tiny", 8), 3).eval(), images()
    with torch.no_grad():
        means = model.backbone(x)[-1].mean(dim=(2, 3))
        assert torch.equal(model(x), means @ model.head.weight.flatten(1).T)


@pytest.mark.parametrize("pool", POOLS)
def test_whole_channels_are_dropped(pool: str) -> None:
    """In training mode a logit is that of features of which some channels are 0."""
    model, x = made(pool, 0.5).train(), images()
    with torch.no_grad():
        model.head.weight.fill_(1.0)
        features = model.backbone(x)[-1]
        model.backbone.forward = lambda _: [features]  # type: ignore[method-assign]
        torch.manual_seed(3)
        found = model(x)[:, 0]
        torch.manual_seed(3)
        kept = model.dropout(torch.ones(features.shape[:2]))
        expected = pooled((features * kept[..., None, None]).sum(1), pool, 2.0)
    assert torch.allclose(found, expected, rtol=1e-4)
    assert set(kept.unique().tolist()) == {0.0, 2.0}


def test_what_makes_no_classifier() -> None:
    with pytest.raises(ValueError, match="a classifier of 0 classes"):
        Classifier(build_backbone("tiny"), 0)
    with pytest.raises(ValueError, match="unknown pool 'mean'"):
        Classifier(build_backbone("tiny"), 3, pool="mean")
