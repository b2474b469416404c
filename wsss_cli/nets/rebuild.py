"""What trained networks are built again by, from what their weights files keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from .backbones import Backbone, build_backbone


def backbone_of(config: Mapping[str, Any]) -> Backbone:
    """The backbone that a network's config describes.

    Args:
        config: `backbone`, `output_stride` and `dilated`, as `build_backbone` takes them;
            `multi_grid` where there is one.

    Raises:
        ValueError: the config does not describe one.
    """
    name, stride = entry(config, "backbone"), entry(config, "output_stride")
    return build_backbone(name, stride, entry(config, "dilated"), config.get("multi_grid", ()))


def entry(config: Mapping[str, Any], name: str) -> Any:
    """What a config says under a name.

    Raises:
        ValueError: nothing.
    """
    if name not in config:
        raise ValueError(f"its config lacks {name}")
    return config[name]


def fill(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Give a network exactly these tensors, and put it into eval mode.

    Raises:
        ValueError: tensors that are not its own.
    """
    wanted = model.state_dict()
    wrong = sorted(wanted.keys() ^ state_dict.keys())
    wrong += [
        key
        for key in wanted.keys() & state_dict.keys()
        if wanted[key].shape != state_dict[key].shape
    ]
    if wrong:
        raise ValueError(f"{len(wrong)} tensors do not fit its config, first {wrong[0]}")
    model.load_state_dict(dict(state_dict))
    model.eval()
