"""What trained networks make of an image seen at several scales and mirrored."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..core.cam import View
from ..core.views import network_batch
from .classifier import Classifier
from .gradient import GradientClassifier
from .segmentation import Segmenter


def class_views(
    model: Classifier | GradientClassifier,
    copies: Sequence[Tensor],
    flip: bool,
    classes: Sequence[Tensor] | None = None,
) -> list[list[View]]:
    """The class maps of each copy of some images, all of one size, and of their mirror images.

    Args:
        model: in eval mode.
        copies: for each scale (B, 3, H_s, W_s) float, normalised, on the model's device.
        flip: look at the mirror images too.
        classes: for each image (K,) int64, the class indices to compute maps of; None for all.

    Returns:
        for each image one view, or with `flip` two, for each copy: (K, h_s, w_s) float32 before
        ReLU, and logits. The head runs in float32 under autocast too.
    """
    count = len(copies[0])
    wanted = None if classes is None else _wanted(classes, flip)
    views: list[list[View]] = [[] for _ in range(count)]
    for copy in copies:
        size = (copy.shape[-2], copy.shape[-1])
        seen = model.seen(network_batch(copy, flip), wanted)
        for i, (maps, logits) in enumerate(zip(*seen, strict=True)):
            image = i % count
            own = maps if classes is None else maps[: len(classes[image])]
            views[image].append(View(own, size, model.stride, i >= count, logits))
    return views


def _wanted(classes: Sequence[Tensor], flip: bool) -> Tensor:
    """(K,) of one image; of several (n, K), the mirror images' too, filled up with class 0."""
    if len(classes) == 1:
        return classes[0]
    wanted = pad_sequence(list(classes), batch_first=True)
    return wanted.repeat(2, 1) if flip else wanted


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
    labels: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """Softmax of a segmentation network's mean logits over all views of images of one size.

    Logits and not probabilities are averaged, each resized bilinearly to one size first.

    Args:
        model: in eval mode.
        copies: for each scale (B, 3, H_s, W_s) float, normalised, on the model's device; at least
            one.
        flip: look at the mirror images too.
        size: (H, W) of the result.
        labels: for each image (n,) int64, the labels among which its pixels lie; None for all.

    Returns:
        for each image (n, H, W) float32.
    """
    totals: list[Tensor] = []
    for copy in copies:
        logits = model(network_batch(copy, flip))
        assert isinstance(logits, Tensor)
        seen = [
            _mean_view(logits[i :: len(copy)] if labels is None else logits[i :: len(copy), own])
            for i, own in enumerate(labels or [None] * len(copy))
        ]
        if seen[0].shape[-2:] != size:
            seen = [
                F.interpolate(one[None], size=size, mode="bilinear", align_corners=False)[0]
                for one in seen
            ]
        totals = [a + b for a, b in zip(totals, seen, strict=True)] if totals else seen
    return [(total / len(copies)).softmax(dim=0) for total in totals]


def _mean_view(logits: Tensor) -> Tensor:
    """(n, h, w) float32 of an image's (1, n, h, w), or (2, n, h, w) with its mirror image's."""
    if len(logits) == 2:
        logits = torch.stack([logits[0], logits[1].flip(-1)])
    return logits.float().mean(dim=0)
