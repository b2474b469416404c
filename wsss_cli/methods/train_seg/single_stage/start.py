"""Masks that start as the maps of a classifier, or of a linear probe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ....training.classifying import PROBE_DECAY, PROBE_SIDE, load_scaled
from ....training.probes import probe_tags, seen_by

if TYPE_CHECKING:
    from torch import Tensor

    from ....artifacts import DatasetReader
    from ....core.single_stage_pooling import Pooling
    from ....nets.single_stage import SingleStageNet
    from ....training.compute import Compute
    from ....training.data import Sample

VALUES = 1 << 22  # of class maps that tell the scale of masks, at most: ten seconds


def probe_masks(
    reader: DatasetReader,
    ids: list[str],
    side: int,
    pooling: Pooling,
    weight: Tensor | None,
    model: SingleStageNet,
    compute: Compute,
) -> None:
    """Make a one-layer head's masks the maps of a classifier, scaled and shifted to suit tags.

    Args:
        reader: of the images.
        ids: of the images to train on. Scale and offset follow from as many of them, evenly
            spread, as have VALUES values.
        side: of their longer side.
        pooling: from masks to scores, of the training to come.
        weight: (C, D, 1, 1) of the classifier's head; None to fit a linear probe.
        model: whose head it is.
        compute: where.
    """
    import torch
    from torch.nn import functional

    from ....core.single_stage_pooling import BACKGROUND_LOGIT, fitted_logits
    from ....training.loop import check_finite

    if weight is None:
        load = partial(load_scaled, reader, PROBE_SIDE * side)
        weight = probe_tags(load, ids, PROBE_DECAY, model.backbone, compute)[:, :, None, None]
    own = weight.to(compute.device).float()

    def mapped(features: Tensor, batch: Sample) -> tuple[Tensor, ...]:
        return functional.conv2d(features.float(), own)[0], batch["tags"][0]

    values = len(own) * math.ceil(side / model.backbone.output_stride) ** 2  # of an image
    some = ids[:: math.ceil(len(ids) * values / VALUES)]
    found = seen_by(model.backbone, partial(load_scaled, reader, side), some, mapped, compute)
    maps, seen = padded([one for one, _ in found])
    tags = torch.stack([tag for _, tag in found])
    check_finite(bool(maps.isfinite().all()), "the classifier's maps are not finite")
    leads = compute.team.leads
    fit = fitted_logits(maps, tags, pooling, seen) if leads else (1.0, 0.0)
    scale, offset = compute.team.share(fit)
    bias = own.new_full((len(own) + 1,), offset)
    bias[0] = BACKGROUND_LOGIT
    flat = scale * own.flatten(1)
    model.head.start_from(torch.cat([torch.zeros_like(flat[:1]), flat]), bias)


def padded(maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Maps (C, h, w) of several sizes as one (B, C, h', w'), and (B, h', w') where they are."""
    import torch

    sides = [max(one.shape[axis] for one in maps) for axis in (1, 2)]
    whole = maps[0].new_zeros(len(maps), len(maps[0]), *sides)
    seen = torch.zeros(len(maps), *sides, dtype=torch.bool)
    for i, one in enumerate(maps):
        h, w = one.shape[1:]
        whole[i, :, :h, :w], seen[i, :h, :w] = one, True
    return whole, seen
