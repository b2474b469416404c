"""What can be built, by name."""

from __future__ import annotations

import pytest
import torch
from segmenters import tiny

from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.names import BACKBONE_FACTS, SEGMENTER_FACTS, SEGMENTERS, has_linear_head
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
