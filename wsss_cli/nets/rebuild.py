"""What trained networks are built again by, from what their weights files keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ..artifacts.torch_files import not_finite
from .backbones import Backbone, build_backbone
from .input import recorded_normalisation


def backbone_of(config: Mapping[str, Any]) -> Backbone:
    """The backbone that a network's config describes.

    Args:
        config: `backbone`, `output_stride` and `dilated`, as `build_backbone` takes them;
            `multi_grid` where there is one; `mean` and `std` where it has constants of its own.

    Raises:
        ValueError: the config does not describe one.
        UsageError: it is one of timm's, which is not installed.
    """
    name, stride = entry(config, "backbone", str), entry(config, "output_stride", int)
    rates = entry(config, "multi_grid", list, [])
    given = recorded_normalisation(config)
    return build_backbone(name, stride, entry(config, "dilated", bool), rates, given)


def entry(config: Mapping[str, Any], name: str, kind: type, otherwise: Any = None) -> Any:
    """What a config says under a name.

    Args:
        config: of words and numbers.
        name: of one of them.
        kind: str, bool, list, int, or float, which a whole number may stand for.
        otherwise: what it is where the config does not say.

    Raises:
        ValueError: nothing, and there is no `otherwise`; or something of another kind.
    """
    if name not in config:
        if otherwise is None:
            raise ValueError(f"its config lacks {name}")
        return otherwise
    value = config[name]
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ValueError(f"its config has {name} {value!r}, which is no {kind.__name__}")
    return value


def fill(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Give a network exactly these tensors, and put it into eval mode.

    Raises:
        ValueError: tensors that are not its own.
    """
    wanted = model.state_dict()
    wrong = sorted(wanted.keys() ^ state_dict.keys())
    wrong += sorted(
        key
        for key in wanted.keys() & state_dict.keys()
        if wanted[key].shape != state_dict[key].shape
        or wanted[key].is_floating_point() != state_dict[key].is_floating_point()
    )
    if wrong:
        raise ValueError(f"{len(wrong)} tensors do not fit its config, first {wrong[0]}")
    lost = not_finite(state_dict)
    if lost:
        raise ValueError(f"{len(lost)} tensors hold NaN or infinity, first {lost[0]}")
    model.load_state_dict(dict(state_dict))
    model.eval()
