"""What a network that mines its labels starts from, and the whole images that tell it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ....training.classifying import PROBE_DECAY, PROBE_SIDE, fit_head
from ....training.inputs import tag_vector
from ....training.probes import start_from_cells

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ....artifacts import DatasetReader
    from ....nets.rrm import TaggedSegmenter
    from ....training.compute import Compute
    from ....training.data import Sample
    from .loss import ReliableLoss


def probe_tag_head(
    reader: DatasetReader, ids: list[str], crop: int, model: TaggedSegmenter, compute: Compute
) -> None:
    """Make the tags' head a linear probe, as train-cls does."""
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


def tagged_whole(
    reader: DatasetReader, side: int, image_id: str, rng: np.random.Generator
) -> Sample:
    """The same of a whole image, its longer side scaled to `side`."""
    import torch

    from ....core.images import as_tensor
    from ....core.views import resize_image, scaled_size

    image = reader.image(image_id)
    size = scaled_size((image.shape[0], image.shape[1]), side / max(image.shape[:2]))
    pixels = as_tensor(resize_image(image, size))
    inside = torch.ones(size, dtype=torch.bool)
    tags = tag_vector(reader, image_id)
    return {"image": pixels, "pixels": pixels, "inside": inside, "tags": tags}
