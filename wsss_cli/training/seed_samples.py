"""Seeds on a grid of cells: the samples that losses of seeds need, and what seeds have grown to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .inputs import checked_label
from .supervision import Supervision

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import Artifact, DatasetReader
    from .augment import Augment
    from .data import Sample
    from .seeded import SeededLoss

UNKNOWN = 256  # a pixel of the image without a label, while IGNORE marks padding


def seeded_crop(
    data: DatasetReader,
    labels: Artifact,
    augment: Augment,
    stride: int,
    image_id: str,
    rng: np.random.Generator,
) -> Sample:
    """An augmented image (3, crop, crop), and what `training.seeded.SeededLoss` wants of it.

    A cell's label is that of the pixel at its centre.

    Raises:
        WsssError: labels of another size than the image, or of no class.
    """
    image, label = checked_label(data, labels, image_id)
    crop, target = augment(image, marked(label), rng)
    assert target is not None
    return {
        "image": crop,
        "tags": labelled_tags(data, labels, image_id, label),
        **on_grid(crop, target, stride),
    }


def marked(label: np.ndarray) -> np.ndarray:
    """int16 labels where pixels without one are UNKNOWN, so that padding can be told from them."""
    import numpy as np

    from ..core.labels import IGNORE

    return np.where(label == IGNORE, np.int16(UNKNOWN), label.astype(np.int16))


def on_grid(image: Any, target: Any, stride: int) -> Sample:
    """Label, seen and thumb of an image (3, H, W) uint8 and its `marked` labels (H, W)."""
    import torch

    from ..core.labels import IGNORE
    from .losses import nearest_labels
    from .seeded import thumbnail

    cells = nearest_labels(target[None], stride)[0]
    return {
        "label": torch.where(cells == UNKNOWN, IGNORE, cells).to(torch.uint8),
        "seen": cells != IGNORE,
        "thumb": thumbnail(image, stride),
    }


def labelled_tags(data: DatasetReader, labels: Artifact, image_id: str, label: np.ndarray) -> Any:
    """(C,) float32 of 1, 0 and NaN: an image's tags, as far as its labels do not say otherwise.

    Present is what the label file says the image holds, else what its tags say; and what is
    labelled. Of other classes nothing is said where the tags do not.
    """
    import numpy as np
    import torch

    from ..core.labels import IGNORE, class_of_label
    from ..core.tags import NOT_SAID

    found = labels.field(image_id, "present")
    if found is None or not len(found):
        found = data.tags(image_id)
    labelled = np.unique(label)
    labelled = labelled[(labelled > 0) & (labelled != IGNORE)]
    tags = torch.zeros(len(labels.classes))
    tags[torch.from_numpy(data.not_said(image_id).astype(np.int64))] = NOT_SAID
    tags[torch.from_numpy(np.union1d(found, class_of_label(labelled)).astype(np.int64))] = 1
    return tags


def supervision(
    path: Path,
    loss: SeededLoss,
    data: DatasetReader,
    labels: Artifact,
    ids: Sequence[str],
    side: int,
) -> Supervision:
    """Writes what the seeds have grown to.

    Args:
        path: see `Supervision`.
        loss: by which they grow.
        data, labels, ids: training images.
        side: of the longer side of the images as the network gets to see them here.
    """

    from ..core.tags import is_present

    def present(image_id: str) -> np.ndarray:
        label = labels.field(image_id, "label")
        assert label is not None
        tags = labelled_tags(data, labels, image_id, label)
        return is_present(tags).nonzero()[:, 0].numpy().astype("u2")

    return Supervision(
        path,
        data,
        [data, labels],
        ids,
        loss.stride,
        {"side": side, **asdict(loss)},
        load=partial(load_seeded, data, labels, side, loss.stride),
        cells=loss.supervision,
        present=present,
    )


def load_seeded(
    data: DatasetReader,
    labels: Artifact,
    side: int,
    stride: int,
    image_id: str,
    rng: np.random.Generator,
) -> Sample:
    """As `seeded_crop`, of the whole image, its longer side scaled to `side`."""
    import torch

    from ..core.images import as_tensor
    from ..core.views import resize_image, scaled_size
    from .augment import Window, cut_label

    image, label = checked_label(data, labels, image_id)
    size = scaled_size((image.shape[0], image.shape[1]), side / max(image.shape[:2]))
    small = as_tensor(resize_image(image, size))
    target = torch.from_numpy(
        cut_label(marked(label), Window(size, (0, 0), size, (0, 0), max(size)))
    )
    return {
        "image": small,
        "tags": labelled_tags(data, labels, image_id, label),
        **on_grid(small, target, stride),
    }
