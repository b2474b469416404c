"""What trained networks make of an image seen at several scales and mirrored."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.cam import View
from ..core.views import network_batch
from .classifier import Classifier
from .gradient import GradientClassifier
from .segmentation import Segmenter


def class_views(
    model: Classifier | GradientClassifier,
    copies: Sequence[Tensor],
    flip: bool,
    classes: Tensor | None = None,
) -> list[View]:
    """The class maps of each copy of an image and of its mirror image.

    Args:
        model: in eval mode.
        copies: (3, H_s, W_s) float, normalised, on the model's device.
        flip: look at the mirror images too.
        classes: (K,) int64 class indices to compute maps of; None for all.

    Returns:
        one view, or with `flip` two, for each copy: (K, h_s, w_s) float32 before ReLU, and logits
        of those or of all classes. The head runs in float32 under autocast too.
    """
    views = []
    for copy in copies:
        size = (copy.shape[-2], copy.shape[-1])
        batch = network_batch(copy, flip)
        views += [
            View(maps, size, model.stride, mirrored=i == 1, logits=logits)
            for i, (maps, logits) in enumerate(zip(*model.seen(batch, classes), strict=True))
        ]
    return views


def mean_logits(views: Sequence[View]) -> Tensor:
    """(C,) logits of an image: the mean over its views' logits, or the means of their maps."""
    return torch.stack(
        [view.maps.mean(dim=(-2, -1)) if view.logits is None else view.logits for view in views]
    ).mean(dim=0)


def label_probabilities(
    model: Segmenter,
    copies: Sequence[Tensor],
    flip: bool,
    size: tuple[int, int],
    labels: Tensor | None = None,
) -> Tensor:
    """Softmax of a segmentation network's mean logits over all views of an image.

    Logits and not probabilities are averaged, each resized bilinearly to one size first.

    Args:
        model: in eval mode.
        copies: (3, H_s, W_s) float, normalised, on the model's device; at least one.
        flip: look at the mirror images too.
        size: (H, W) of the result.
        labels: (n,) int64 labels among which the image's pixels lie; None for all.

    Returns:
        (n, H, W) float32.
    """
    total: Tensor | None = None
    for copy in copies:
        logits = model(network_batch(copy, flip))
        assert isinstance(logits, Tensor)
        if labels is not None:
            logits = logits[:, labels]
        if flip:
            logits = torch.stack([logits[0], logits[1].flip(-1)])
        seen = logits.float().mean(dim=0)
        if seen.shape[-2:] != size:
            seen = F.interpolate(seen[None], size=size, mode="bilinear", align_corners=False)[0]
        total = seen if total is None else total + seen
    assert total is not None
    return (total / len(copies)).softmax(dim=0)
