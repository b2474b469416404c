"""What trained networks make of an image seen at several scales and mirrored."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..core.cam import View
from ..core.presence import PresenceRule
from ..core.views import network_batch
from ..machine.precision import full_precision
from .classifier import Classifier
from .gradient import GradientClassifier
from .segmentation import Segmenter
from .single_stage import SingleStageNet, ruled


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
    rule: PresenceRule | None = None,
) -> list[Tensor]:
    """Softmax of a segmentation network's mean logits over all views of images of one size.

    Logits and not probabilities are averaged, each resized bilinearly to one size first. Of a
    network of the single-stage method it is the probabilities, and a class is left out that no
    view shows; see `ruled`.

    Args:
        model: in eval mode.
        copies: for each scale (B, 3, H_s, W_s) float, normalised, on the model's device; at least
            one.
        flip: look at the mirror images too.
        size: (H, W) of the result.
        labels: for each image (n,) int64, the labels among which its pixels lie; None for all.
            They are taken at their word: no class among them is left out.
        rule: of a network of the single-stage method; None for the published one.

    Returns:
        for each image (n, H, W) float32.
    """
    if isinstance(model, SingleStageNet):
        return _ruled_means(model, copies, flip, size, labels, rule or PresenceRule())
    means = _view_means(model, copies, flip, size, labels)
    return [mean.softmax(dim=0) for mean in means]


def _view_means(
    look: Callable[[Tensor], Tensor],
    copies: Sequence[Tensor],
    flip: bool,
    size: tuple[int, int],
    labels: Sequence[Tensor] | None,
) -> list[Tensor]:
    """Means over all views of what a look at a batch gives, as `label_probabilities`."""
    totals: list[Tensor] = []
    for copy in copies:
        found = look(network_batch(copy, flip))
        seen = [
            _mean_view(found[i :: len(copy)] if labels is None else found[i :: len(copy), own])
            for i, own in enumerate(labels or [None] * len(copy))
        ]
        if seen[0].shape[-2:] != size:
            seen = [
                F.interpolate(one[None], size=size, mode="bilinear", align_corners=False)[0]
                for one in seen
            ]
        totals = [a + b for a, b in zip(totals, seen, strict=True)] if totals else seen
    return [total / len(copies) for total in totals]


def _mean_view(found: Tensor) -> Tensor:
    """(n, h, w) float32 of an image's (1, n, h, w), or (2, n, h, w) with its mirror image's."""
    if len(found) == 2:
        found = torch.stack([found[0], found[1].flip(-1)])
        return full_precision(found).mean(dim=0)
    return full_precision(found[0])


def _ruled_means(
    model: SingleStageNet,
    copies: Sequence[Tensor],
    flip: bool,
    size: tuple[int, int],
    labels: Sequence[Tensor] | None,
    rule: PresenceRule,
) -> list[Tensor]:
    """`label_probabilities` of the single-stage method."""
    scores = []

    def look(batch: Tensor) -> Tensor:
        masks, found = model.seen(batch)
        scores.append(found.unflatten(0, (-1, len(copies[0]))))
        return masks

    means = _view_means(look, copies, flip, size, labels)
    highest = torch.cat(scores).amax(0)
    return [
        ruled(mean[None], None if labels is not None else highest[i, None], rule)[0]
        for i, mean in enumerate(means)
    ]
