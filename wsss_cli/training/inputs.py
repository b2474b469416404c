"""What a training stage learns from: which images, and how one becomes a sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..console import warn
from ..errors import WsssError
from .doubts import doubt_labels, doubt_tags

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..artifacts import Artifact, DatasetReader
    from .augment import Augment
    from .data import Sample


def held_out_split(data: DatasetReader, val_split: str | None) -> str | None:
    """The split to validate on, and so not to train on: `val` where none is named.

    Raises:
        WsssError: the split that is named does not exist.
    """
    if val_split is not None:
        data.split(val_split)
        return val_split
    return "val" if "val" in data.splits else None


def tagged_ids(
    data: DatasetReader, split: str | None, held_out: str | None, speaks: bool = True
) -> list[str]:
    """Ids of the images to train on, all of which have tags.

    Without a split: the split `train`; in a data set without one, all that are not held out.
    Images whose tags say nothing of any class are left out. Says so, and what tags cannot teach,
    where it `speaks`.

    Raises:
        WsssError: no such split, or nothing in it whose tags say anything.
    """
    if split is None and "train" in data.splits:
        split = "train"
    chosen = _chosen(data, data.path, data.ids, split, held_out)
    ids = [name for name in chosen if len(data.not_said(name)) < len(data.classes)]
    if not ids:
        raise WsssError(
            f"{data.path}: the tags of the {len(chosen)} images to train on say of no class "
            "whether it is there",
            "`wsss train-seg --labels` learns from label maps",
        )
    if speaks:
        if left_out := len(chosen) - len(ids):
            warn(
                f"{data.path}: left out: {left_out} of {len(chosen)} images to train on, whose "
                "tags say of no class whether it is there"
            )
        doubt_tags(data, ids)
    return ids


def labelled_ids(
    data: DatasetReader,
    labels: Artifact,
    split: str | None,
    held_out: str | None,
    speaks: bool = True,
) -> list[str]:
    """Ids to train on that have labels: those of a split, or all but the split `held_out`.

    Args:
        data: the data set.
        labels: artifact of kind label, of the same classes.
        split: its images are taken; None for all.
        held_out: where `split` is None, leave out this split's images.
        speaks: whether to say what they cannot teach.

    Raises:
        WsssError: labels of images that the data set does not have, or nothing is left.
    """
    known = set(data.ids)
    unknown = [image_id for image_id in labels.ids if image_id not in known]
    if unknown:
        raise WsssError(
            f"{labels.path}: {len(unknown)} of its {len(labels)} images are not in {data.path}, "
            f"first {unknown[0]!r}",
            "name the data set that the labels were made from with --data",
        )
    ids = _chosen(data, labels.path, labels.ids, split, held_out)
    if speaks:
        doubt_labels(labels, ids)
    return ids


def keep_pixels(data: DatasetReader, ids: Sequence[str], gib: float, processes: int) -> None:
    """Decode images once, as far as the memory allowed for them goes.

    Args:
        ids: in the order in which they get room.
        gib: for all processes that train together.
        processes: how many those are; each goes through all images in the course of time.
    """
    data.keep_pixels(dict.fromkeys(ids), int(gib * 2**30 / processes))


def _chosen(
    data: DatasetReader, source: Path, ids: Sequence[str], split: str | None, held_out: str | None
) -> list[str]:
    if split is not None:
        wanted = set(data.split(split))
        chosen = [image_id for image_id in ids if image_id in wanted]
        where = f"in split {split!r}"
    else:
        left_out = set(data.split(held_out)) if held_out is not None else set()
        chosen = [image_id for image_id in ids if image_id not in left_out]
        where = f"outside split {held_out!r}" if held_out is not None else "at all"
    if not chosen:
        raise WsssError(f"{source}: no images to train on {where}", "see --split, --val-split")
    return chosen


def tag_vector(reader: DatasetReader, image_id: str) -> Tensor:
    """(C,) float32: 1 for classes present, 0 for absent ones, NaN where neither is said."""
    import torch

    from ..core.tags import NOT_SAID

    tags = torch.zeros(len(reader.classes))
    tags[torch.from_numpy(reader.tags(image_id).astype("int64"))] = 1
    tags[torch.from_numpy(reader.not_said(image_id).astype("int64"))] = NOT_SAID
    return tags


def labelled_crop(
    data: DatasetReader,
    labels: Artifact,
    augment: Augment,
    image_id: str,
    rng: np.random.Generator,
) -> Sample:
    """An augmented image (3, crop, crop) and its labels (crop, crop) uint8.

    Raises:
        WsssError: labels of another size than the image, or of no class.
    """
    crop, target = augment(*checked_label(data, labels, image_id), rng)
    assert target is not None
    return {"image": crop, "label": target}


def checked_label(
    data: DatasetReader, labels: Artifact, image_id: str
) -> tuple[np.ndarray, np.ndarray]:
    """An image (H, W, 3) and its labels (H, W), both uint8.

    Raises:
        WsssError: labels of no class.
    """
    from ..core.labels import IGNORE

    image, label = data.image(image_id), labels.field(image_id, "label")
    assert label is not None
    if ((label > len(labels.classes)) & (label != IGNORE)).any():
        raise WsssError(f"{labels.path}: {image_id!r} has labels of no class")
    return image, label
