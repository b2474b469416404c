"""Scores refined by the colours of the image: by the CRF, or by PAMR in its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .crf import CrfParams, dense_crf_each, unary_from_labels, unary_from_scores
from .grid import upsample_grid
from .images import as_tensor
from .pamr import PamrParams, pamr

Refinement = CrfParams | PamrParams


def refine_scores(
    image: np.ndarray, stacks: Sequence[np.ndarray], by: Refinement
) -> list[np.ndarray]:
    """Refine several stacks of scores of one image.

    Args:
        image: (H, W, 3) uint8.
        stacks: (n, H, W) float32 each, background first.
        by: the CRF takes scores as probabilities, clipped to [1e-5, 1]; PAMR averages them.

    Returns:
        (n, H, W) float32 each.

    Raises:
        ValueError: shapes that do not fit.
        Unfit: a CRF that cannot work on an image of this size.
    """
    if isinstance(by, PamrParams):
        return _pamr_each(image, stacks, by)
    return dense_crf_each(image, [unary_from_scores(stack) for stack in stacks], by)


def refine_labels(
    image: np.ndarray, labels: Sequence[np.ndarray], n: int, by: Refinement
) -> list[np.ndarray]:
    """Refine several hard label maps of one image.

    Args:
        image: (H, W, 3) uint8.
        labels: (H, W) integers 0..n-1 each.
        n: number of labels.
        by: the CRF believes a label with probability 0.7; PAMR averages ones and zeros.

    Returns:
        (n, H, W) float32 each.

    Raises:
        ValueError, Unfit: as `refine_scores`.
    """
    if isinstance(by, PamrParams):
        every = np.arange(n)[:, None, None]
        return _pamr_each(image, [(one == every).astype(np.float32) for one in labels], by)
    return dense_crf_each(image, [unary_from_labels(one, n) for one in labels], by)


def _pamr_each(
    image: np.ndarray, stacks: Sequence[np.ndarray], params: PamrParams
) -> list[np.ndarray]:
    """PAMR of several stacks, which share the weights: channels do not mix."""
    pixels = as_tensor(image).to(params.device).float() / 255
    joined = np.concatenate([np.asarray(stack, np.float32) for stack in stacks])
    scores = torch.from_numpy(joined).to(params.device)
    if pixels.shape[1:] != scores.shape[1:]:
        raise ValueError(f"scores of {joined.shape} do not fit an image of {image.shape}")
    refined = pamr(
        _pooled(pixels, params.stride),
        _pooled(scores, params.stride),
        iterations=params.iterations,
        dilations=params.dilations,
    )
    height, width = image.shape[:2]
    large = upsample_grid(refined, (height, width), params.stride).cpu().numpy()
    ends = np.cumsum([len(stack) for stack in stacks])
    return np.split(large, ends[:-1])


def _pooled(maps: Tensor, stride: int) -> Tensor:
    """(n, h, w) means over the pixels that each cell has inside the image."""
    if stride == 1:
        return maps
    return F.avg_pool2d(maps[:, None], stride, ceil_mode=True)[:, 0]
