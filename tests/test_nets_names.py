"""What can be built, by name."""

from __future__ import annotations

import pytest
import torch
from segmenters import tiny

from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.names import (
    BACKBONE_FACTS,
    SEGMENTER_FACTS,
    SEGMENTERS,
    check_decoder_stride,
    check_multi_grid,
    has_linear_head,
    usual_multi_grid,
)
from wsss_cli.nets.segmentation import head_of

SEGMENTER_STRIDES = {model: facts.strides for model, facts in SEGMENTER_FACTS.items()}


def test_the_listed_names_are_the_built_ones() -> None:
    for model in SEGMENTERS:
        assert head_of(model, tiny(SEGMENTER_STRIDES[model][0]), 3).stride in (2, 4, 8, 16, 32)


def test_facts_are_those_of_what_is_built() -> None:
    """Channels and strides of the five maps, at the stride of ImageNet."""
    with torch.device("meta"):
        x = torch.empty(1, 3, 64, 64)
        for name, facts in BACKBONE_FACTS.items():
            maps = build_backbone(name, 32)(x)
            assert tuple(m.shape[1] for m in maps) == facts.channels, name
            if not facts.vgg:  # its stages end before their pool
                assert tuple(64 // m.shape[2] for m in maps) == facts.strides, name


@pytest.mark.parametrize("backbone", ["tiny", "vgg16"])
@pytest.mark.parametrize("model", SEGMENTERS)
def test_what_is_called_linear_has_a_linear_start(model: str, backbone: str) -> None:
    with torch.device("meta"):
        body = build_backbone(backbone, SEGMENTER_STRIDES[model][0])
        head = head_of(model, body, 2)
        start = torch.empty(2, body.channels[-1]), torch.empty(2)
    if has_linear_head(model, backbone):
        head.start_from(*start)
    else:
        with pytest.raises(ValueError, match="several layers"):
            head.start_from(*start)


def test_units_are_those_of_the_last_stage() -> None:
    with torch.device("meta"):
        for name, facts in BACKBONE_FACTS.items():
            stem, *_, last = build_backbone(name, 32).in_stages()
            assert facts.units == (len(last[0]) if "res" in name else 0), name
            assert facts.inner is None or facts.inner[0] < len(stem), name


def test_a_network_is_published_with_its_rates_where_there_are_such_units() -> None:
    found = {(m, b) for m in SEGMENTERS for b in BACKBONE_FACTS if usual_multi_grid(m, b, True)}
    deep = [name for name in BACKBONE_FACTS if "res" in name and name != "resnet18"]
    assert found == {(m, b) for m in ("deeplabv3", "deeplabv3plus") for b in deep}
    assert usual_multi_grid("deeplabv3", "resnet50", True) == (1, 2, 4)
    assert usual_multi_grid("deeplabv3", "resnet50", False) == ()


def test_the_stride_of_a_decoder() -> None:
    for stride in (1, 2, 4):
        check_decoder_stride("unet", stride)
    with pytest.raises(ValueError, match="decoder stride 8: choose 1, 2, 4"):
        check_decoder_stride("unet", 8)
    for model in set(SEGMENTERS) - {"unet"}:
        with pytest.raises(ValueError, match=f"{model} has no decoder whose stride"):
            check_decoder_stride(model, 1)


def test_rates_fit_the_units() -> None:
    check_multi_grid("resnet18", True, (1, 2))
    with pytest.raises(ValueError, match="resnet18 takes 2 whole numbers"):
        check_multi_grid("resnet18", True, (1, 2, 4))
