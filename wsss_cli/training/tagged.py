"""What networks that learn from tags go on from, and the samples they see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..console import log
from ..errors import WsssError
from .inputs import tag_vector
from .segmenting import NAME

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..artifacts import DatasetReader
    from ..nets.segmentation import Segmenter
    from .augment import Augment
    from .data import Sample
    from .segmenting import Task
    from .team import Team


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
    from ..artifacts.torch_files import read_torch
    from ..artifacts.weights import load_weights

    source = task.body.weights
    if source in ("imagenet", "random"):
        return None
    found = read_torch(Path(source), others=True)
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


def tagged_crop(
    reader: DatasetReader, augment: Augment, image_id: str, rng: np.random.Generator
) -> Sample:
    """An augmented image, for the network and in colours, where it is no padding, and its tags.

    Returns:
        {"image": (3, crop, crop); "pixels": the same uint8; "inside": (crop, crop) bool; "tags":
        (C,) of `tag_vector`}.
    """
    import torch

    image = reader.image(image_id)
    window = augment.window((image.shape[0], image.shape[1]), rng)
    pixels = augment.pixels(image, window, rng)
    inside = torch.zeros(pixels.shape[1:], dtype=torch.bool)
    (top, left), (h, w) = window.place, window.size
    inside[top : top + h, left : left + w] = True
    tags = tag_vector(reader, image_id)
    return {"image": pixels, "pixels": pixels, "inside": inside, "tags": tags}
