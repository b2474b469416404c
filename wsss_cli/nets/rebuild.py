"""Trained networks built again from what their weights files keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ..core.ngwp import Pooling
from .affinity import AffinityNet, IRNet
from .attention import AttentionNet
from .backbones import Backbone, build_backbone
from .classifier import Classifier
from .seam import SeamNet
from .segmentation import Segmenter, build_segmenter
from .segmentation_gated import GatedHead
from .single_stage import SINGLE_STAGE, SingleStageNet
from .tagged import TAG_PREFIX


def rebuild_classifier(
    config: Mapping[str, Any], n_classes: int, state_dict: Mapping[str, Tensor]
) -> Classifier:
    """A trained classifier in eval mode, on the CPU.

    Args:
        config: `backbone`, `output_stride` and `dilated`, as `build_backbone` takes them; `method`
            where it is not the plain one, for seam with `suppress` as `SeamNet` takes it, for oaa
            and iam with `layers` as `AttentionNet` takes it; whatever else it holds matters only
            to training.
        n_classes: C.
        state_dict: the classifier's tensors.

    Raises:
        ValueError: config or tensors are not those of such a network.
    """
    method = config.get("method", "cam")
    if method == "cam":
        model = Classifier(_backbone(config), n_classes)
    elif method == "seam":
        model = SeamNet(_backbone(config), n_classes, suppress=_entry(config, "suppress"))
    elif method in ("oaa", "iam"):
        layers = _entry(config, "layers")
        model = AttentionNet(_backbone(config), n_classes, layers=layers, dense=method == "iam")
    else:
        raise ValueError(f"its config has the unknown method {method!r}")
    _fill(model, state_dict)
    return model


def rebuild_affinity(
    config: Mapping[str, Any], state_dict: Mapping[str, Tensor]
) -> AffinityNet | IRNet:
    """A trained affinity network in eval mode, on the CPU.

    Args:
        config: as for `rebuild_classifier`, and `method`, psa or irn; for psa `group_norm` as
            `AffinityNet` takes it.
        state_dict: the network's tensors.

    Raises:
        ValueError: config or tensors are not those of such a network.
    """
    method = _entry(config, "method")
    model: AffinityNet | IRNet
    if method == "psa":
        model = AffinityNet(_backbone(config), _entry(config, "group_norm"))
    elif method == "irn":
        model = IRNet(_backbone(config))
    else:
        raise ValueError(f"its config has the unknown method {method!r}")
    _fill(model, state_dict)
    return model


def rebuild_segmenter(
    config: Mapping[str, Any], n_labels: int, state_dict: Mapping[str, Tensor]
) -> Segmenter:
    """A trained segmentation network in eval mode, on the CPU, without what only training needs.

    Args:
        config: as for `rebuild_classifier`, and `model` and `norm` as `build_segmenter` takes them;
            `method` where it is one that predicts in its own way, for single-stage with
            `focal_power`, `focal_offset` and, for a gated head, `gate` as `SingleStageNet` takes
            them.
        n_labels: background included.
        state_dict: the network's tensors.

    Raises:
        ValueError: config or tensors are not those of such a network.
    """
    model = build_segmenter(
        _entry(config, "model"), _backbone(config), n_labels, norm=_entry(config, "norm")
    )
    if config.get("method") == SINGLE_STAGE:
        pooling = Pooling(_entry(config, "focal_power"), _entry(config, "focal_offset"))
        gate = _entry(config, "gate") if isinstance(model.head, GatedHead) else None
        model = SingleStageNet(model, pooling, gate)
    own = {k: t for k, t in state_dict.items() if not k.startswith(("aux_head.", TAG_PREFIX))}
    _fill(model, own)
    return model


def _backbone(config: Mapping[str, Any]) -> Backbone:
    name, stride = _entry(config, "backbone"), _entry(config, "output_stride")
    return build_backbone(name, stride, _entry(config, "dilated"))


def _entry(config: Mapping[str, Any], name: str) -> Any:
    if name not in config:
        raise ValueError(f"its config lacks {name}")
    return config[name]


def _fill(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
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
