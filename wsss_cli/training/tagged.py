"""What a network that learns from tags starts from, and the samples it sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..console import log
from ..errors import WsssError
from .classifying import tag_vector
from .probes import probe_tags, seen_by, start_from_cells
from .segmenting import NAME

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..artifacts import DatasetReader
    from ..core.single_stage_pooling import Pooling
    from ..nets.rrm import TaggedSegmenter
    from ..nets.segmentation import Segmenter
    from ..nets.single_stage import SingleStageNet
    from .augment import Augment
    from .compute import Compute
    from .data import Sample
    from .reliable import ReliableLoss
    from .segmenting import Task
    from .team import Team

VALUES = 1 << 22  # of class maps that tell the scale of masks, at most: ten seconds


def classifier_head(task: Task, net: Segmenter, classes: list[str], team: Team) -> Tensor | None:
    """Weights (C, D, 1, 1) of a trained classifier's head, if the backbone's weights are one's.

    Says that training goes on from it.

    Args:
        task: whose backbone's weights they are.
        net: D channels has its backbone's last map.
        classes: that there are to be.
        team: whose leader speaks.

    Raises:
        WsssError: a classifier of other classes, or one that does not stand on the backbone.
    """
    from ..artifacts.weights import load_weights, read_torch

    source = task.body.weights
    if source in ("imagenet", "random"):
        return None
    found = read_torch(Path(source))
    if not isinstance(found, dict) or found.get("kind") != "wsss/cls":
        return None
    weights = load_weights(source, "wsss/cls")
    weight = weights.state_dict.get("head.weight")
    if weights.config.get("method") == "iam":
        raise WsssError(
            f"{source}: its classifier learned maps, not tags",
            "weights of `wsss train-cls --method cam`, seam or oaa serve",
        )
    fits = weight is not None and weight.shape[1:] == (net.backbone.channels[-1], 1, 1)
    if weight is None or weights.config.get("layers") or not fits:
        raise WsssError(
            f"{source}: its classifier does not stand on the backbone",
            "weights of `wsss train-cls --method cam`, seam, or oaa without --layers do",
        )
    if weights.classes != classes:
        raise WsssError(
            f"{source}: knows other classes than the data set's",
            "weights of `wsss train-cls` on this data set do, or of a backbone alone",
        )
    quiet = task.setting.quiet or not team.leads
    log(f"{NAME}: goes on from the classifier {source}", quiet)
    return weight


def probe_tag_head(
    reader: DatasetReader, ids: list[str], crop: int, model: TaggedSegmenter, compute: Compute
) -> None:
    """Make the tags' head a linear probe, as train-cls does."""
    from .classifying import PROBE_DECAY, PROBE_SIDE, fit_head

    fit_head(reader, ids, PROBE_SIDE * crop, PROBE_DECAY, model.classifier, compute)


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

    from ..core.single_stage_pooling import BACKGROUND_LOGIT, fitted_logits
    from .classifying import PROBE_DECAY, PROBE_SIDE, load_scaled
    from .loop import check_finite

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


def probe_segments(
    reader: DatasetReader,
    ids: list[str],
    loss: ReliableLoss,
    side: int,
    decay: float,
    model: TaggedSegmenter,
    compute: Compute,
) -> None:
    """Make a one-layer segmentation head a linear probe of what is mined of whole images.

    Args:
        side: of the images' longer side.
    """
    model.eval()  # all of it: mining looks through it while its backbone gives the features

    def mined(batch: Sample) -> Tensor:
        return loss.in_pixels(loss.mine(batch), batch["image"].shape[-2:])

    load, n_labels = partial(tagged_whole, reader, side), len(reader.classes) + 1
    start_from_cells(load, mined, ids, n_labels, decay, model, compute)


def tagged_crop(
    reader: DatasetReader, augment: Augment, image_id: str, rng: np.random.Generator
) -> Sample:
    """What `training.reliable.ReliableLoss` wants of an augmented image."""
    import torch

    image = reader.image(image_id)
    window = augment.window((image.shape[0], image.shape[1]), rng)
    pixels = augment.pixels(image, window, rng)
    inside = torch.zeros(pixels.shape[1:], dtype=torch.bool)
    (top, left), (h, w) = window.place, window.size
    inside[top : top + h, left : left + w] = True
    tags = tag_vector(reader, image_id)
    return {"image": pixels, "pixels": pixels, "inside": inside, "tags": tags}


def tagged_whole(
    reader: DatasetReader, side: int, image_id: str, rng: np.random.Generator
) -> Sample:
    """The same of a whole image, its longer side scaled to `side`."""
    import torch

    from ..core.images import as_tensor
    from ..core.views import resize_image, scaled_size

    image = reader.image(image_id)
    size = scaled_size((image.shape[0], image.shape[1]), side / max(image.shape[:2]))
    pixels = as_tensor(resize_image(image, size))
    inside = torch.ones(size, dtype=torch.bool)
    tags = tag_vector(reader, image_id)
    return {"image": pixels, "pixels": pixels, "inside": inside, "tags": tags}
