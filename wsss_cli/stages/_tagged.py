"""What a network that learns from tags starts from, and the samples it sees."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WsssError
from ._attention import tag_vector
from ._heads import start_from_cells

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..artifacts import DatasetReader
    from ..nets.tagged import TaggedSegmenter
    from ..training.augment import Augment
    from ..training.compute import Compute
    from ..training.data import Sample
    from ..training.reliable import ReliableLoss


def take_classifier(model: TaggedSegmenter, source: str, classes: list[str]) -> bool:
    """Have the tags' head go on from that of a trained classifier, if the source is one.

    Raises:
        WsssError: a classifier of other classes, or one that does not stand on the backbone.
    """
    import torch

    from ..artifacts.weights import load_weights, read_torch

    if source in ("imagenet", "random"):
        return False
    found = read_torch(Path(source))
    if not isinstance(found, dict) or found.get("kind") != "wsss/cls":
        return False
    weights = load_weights(source, "wsss/cls")
    weight = weights.state_dict.get("head.weight")
    if weights.config.get("method") == "iam":
        raise WsssError(
            f"{source}: its classifier learned maps, not tags",
            "weights of `wsss train-cls --method cam`, seam or oaa serve",
        )
    if weight is None or weights.config.get("layers") or weight.shape[1:] != _head(model).shape[1:]:
        raise WsssError(
            f"{source}: its classifier does not stand on the backbone",
            "weights of `wsss train-cls --method cam`, seam, or oaa without --layers do",
        )
    if weights.classes != classes:
        raise WsssError(f"{source}: knows other classes than the data set's")
    with torch.no_grad():
        _head(model).copy_(weight)
    return True


def _head(model: TaggedSegmenter) -> Tensor:
    return model.tag_head.weight


def probe_tag_head(
    reader: DatasetReader, ids: list[str], crop: int, model: TaggedSegmenter, compute: Compute
) -> None:
    """Make the tags' head a linear probe, as train-cls does."""
    from .train_cls import PROBE_DECAY, PROBE_SIDE, fit_head

    fit_head(reader, ids, PROBE_SIDE * crop, PROBE_DECAY, model.classifier, compute)


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
