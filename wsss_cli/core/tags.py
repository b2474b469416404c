"""Tags as numbers of three values, and the loss that compares scores with them.

1 says that a class is in the image, 0 that it is not, and NaN that neither is known. NaN, since
whatever takes no account of it becomes NaN as well, and training that does so is refused.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

NOT_SAID = float("nan")


def is_present(tags: Tensor) -> Tensor:
    """Bool, of the shape of `tags`: which classes are said to be in the image."""
    return tags == 1


def is_absent(tags: Tensor) -> Tensor:
    """Bool, of the shape of `tags`: which classes are said not to be in the image."""
    return tags == 0


def is_said(tags: Tensor) -> Tensor:
    """Bool, of the shape of `tags`: of which classes it is said whether they are in the image."""
    return ~tags.isnan()


def tag_losses(scores: Tensor, tags: Tensor, counts: Tensor | None = None) -> Tensor:
    """Multi-label soft margin: binary cross-entropy of tags, over those that are said.

    The mean of these losses over all images of a batch is the mean over all its tags that are said,
    each of the same weight; 0 where none is. If all are said, a loss is its image's mean over
    classes.

    Args:
        scores: (B, C) logits.
        tags: (B, C) of 1, 0 and NaN.
        counts: of the whole batch, where this is only a part of it: its images, and its tags that
            are said, as the first two.

    Returns:
        (B,). The score of a class of which nothing is said has no effect and no gradient.

    >>> import torch
    >>> tags = torch.tensor([[1.0, 0.0], [1.0, NOT_SAID]])
    >>> losses = tag_losses(torch.tensor([[0.0, 0.0], [0.0, 99.0]]), tags)
    >>> round(float(losses.mean()), 4)  # log 2
    0.6931
    """
    said = is_said(tags)
    images, known = (len(tags), said.sum()) if counts is None else counts[:2]
    target = tags.masked_fill(~said, 0).to(scores.dtype)
    losses = F.multilabel_soft_margin_loss(
        scores, target, weight=said.to(scores.dtype), reduction="none"
    )
    return losses * (images * tags.shape[1] / known.clamp(min=1).to(scores.dtype))
