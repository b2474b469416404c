"""From maps to pseudo masks: what the random walk is given, and the labels that come out of it.

PSA walks the background along with the classes, on a grid of stride 8; the strongest score wins.
IRN walks the classes alone, at stride 4, and a constant score stands for the background. Scores
stay on the grid, a few kilobytes an image, until labels are made of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .affinity import feature_affinity, path_affinity
from .cam import background_score
from .grid import grid_size, pad_to_multiple, upsample_grid
from .labels import BACKGROUND, local_to_labels
from .pairs import Border, half_disk_offsets
from .refine import Refinement, refine_labels, refine_scores
from .walk import MAX_STEPS, random_walk, steps_for
from .walk_defaults import (
    AUTO,
    IRN_BETA,
    IRN_STRIDE,
    PSA_ALPHA,
    PSA_BETA,
    PSA_STRIDE,
    PUBLISHED_SIZE,
    RADIUS,
    Auto,
)

Unary = Literal["scores", "labels"]
MAX_RADIUS = 32  # cells; 1,577 neighbours, each a plane of the grid


@dataclass(frozen=True)
class WalkParams:
    """How far and how freely scores spread.

    Attributes:
        beta: exponent of each affinity; the larger, the fewer neighbours count.
        steps: averagings; "auto" as `walk.steps_for` has it, 256 on images of published size.
        radius: of a cell's neighbourhood, in cells.
    """

    beta: float
    steps: int | Auto
    radius: int

    def __post_init__(self) -> None:
        if not 0 <= self.beta < float("inf"):
            raise ValueError(f"beta {self.beta}: must be 0 or more, and finite")
        if self.steps != AUTO and not 0 <= self.steps <= MAX_STEPS:
            raise ValueError(f"steps {self.steps}: must lie in 0..{MAX_STEPS}, or be {AUTO}")
        if not 1 <= self.radius <= MAX_RADIUS:
            raise ValueError(f"radius {self.radius}: must lie in 1..{MAX_RADIUS}")

    def steps_on(self, size: tuple[int, int], stride: int) -> int:
        """Averagings on the grid of an (H, W) image.

        >>> WALKS["irn"].steps_on((375, 500), 4), WALKS["psa"].steps_on((96, 128), 8)
        (256, 16)
        """
        if self.steps != AUTO:
            return self.steps
        cells, published = (math.prod(grid_size(*s, stride)) for s in (size, PUBLISHED_SIZE))
        return steps_for(cells, published)


# The published code's: its 256 steps wherever images are of the size that it was made for.
WALKS = {
    "psa": WalkParams(PSA_BETA, AUTO, RADIUS),
    "irn": WalkParams(IRN_BETA, AUTO, RADIUS),
}


def regrid(maps: Tensor, size: tuple[int, int], stride: int, target: int) -> Tensor:
    """Maps on the grid of another stride, cells staying where they are.

    Args:
        maps: (K, h, w) float with (h, w) = grid_size(H, W, stride).
        size: (H, W) of the image.
        stride: of `maps`.
        target: stride wanted.

    Returns:
        (K, h', w') with (h', w') = grid_size(H, W, target): interpolated when `target` divides
        `stride`, else the mean over each cell's pixels.

    >>> regrid(torch.tensor([[0.0, 2.0, 8.0]]), (1, 3), 1, 2)
    tensor([[1., 8.]])
    """
    if stride == target:
        return maps
    if stride % target == 0:
        return upsample_grid(maps, grid_size(*size, target), stride // target)
    return _pool(upsample_grid(maps, size, stride), target)


def _pool(pixels: Tensor, stride: int) -> Tensor:
    """(K, h, w) means over the pixels that each cell has inside the image."""
    return F.avg_pool2d(pixels.unsqueeze(1), stride, ceil_mode=True).squeeze(1)


def walk_psa(
    cam: Tensor,
    features: Tensor,
    size: tuple[int, int],
    stride: int,
    *,
    alpha: float = PSA_ALPHA,
    params: WalkParams = WALKS["psa"],
    border: Border = "full",
) -> Tensor:
    """Spread background and classes along the affinities of an AffinityNet.

    Source: PSA (Ahn and Kwak, CVPR 2018), sections 3.1 and 3.4: the background score is made at
    image resolution, then all scores are averaged over the grid's cells.

    Args:
        cam: (K, h, w) float32 in [0, 1] at `stride`.
        features: (D, h', w') float32 at stride 8, same device; cells beyond the image (of a padded
            one) are left out.
        size: (H, W) of the image.
        stride: of the cam, any.
        alpha: exponent of the background score, > 0.
        params: of the walk.
        border: "reference" repeats two traits of the published code at the border: missing pairs,
            and cells that the image fills in part averaged with zeros, so that they count less.

    Returns:
        (K + 1, h8, w8) float32 in [0, 1], background first.
    """
    pixels = upsample_grid(cam, size, stride)
    stack = torch.cat([background_score(pixels, alpha)[None], pixels])
    if border == "reference":
        stack = pad_to_multiple(stack, PSA_STRIDE)
    scores = _pool(stack, PSA_STRIDE)
    offsets = half_disk_offsets(params.radius)
    affinity = feature_affinity(inside(features, size, PSA_STRIDE), offsets)
    steps = params.steps_on(size, PSA_STRIDE)
    return random_walk(scores, affinity, offsets, beta=params.beta, steps=steps, border=border)


def walk_irn(
    cam: Tensor,
    boundary: Tensor,
    size: tuple[int, int],
    stride: int,
    *,
    params: WalkParams = WALKS["irn"],
) -> Tensor:
    """Spread classes within the boundaries of an IRNet.

    Scores on a boundary are weakened first; after the walk all are divided by the greatest score
    that any class has at any pixel, so that the strongest class of an image reaches 1 there. The
    published code pads its grid with boundary, which leaves every cell all its pairs: so here.

    Source: IRN (Ahn et al., CVPR 2019), section 3.3 and its published code.

    Args:
        cam: (K, h, w) float32 in [0, 1] at `stride`.
        boundary: (h', w') float32 in [0, 1] at stride 4, same device; cells beyond the image (of a
            padded one) are left out.
        size: (H, W) of the image.
        stride: of the cam, any.
        params: of the walk.

    Returns:
        (K, h4, w4) float32 >= 0; all 0 where nothing is left. A single cell may exceed 1, since
        its centre lies between pixels.
    """
    boundary = inside(boundary, size, IRN_STRIDE)
    scores = regrid(cam, size, stride, IRN_STRIDE) * (1 - boundary)
    if not len(scores):
        return scores
    offsets = half_disk_offsets(params.radius)
    affinity = path_affinity(boundary, offsets)
    steps = params.steps_on(size, IRN_STRIDE)
    walked = random_walk(scores, affinity, offsets, beta=params.beta, steps=steps)
    top = upsample_grid(walked, size, IRN_STRIDE).amax()
    return torch.where(top > 0, walked / top, torch.zeros_like(walked))


def inside(maps: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """The cells of (..., h, w) maps that hold a pixel of the image."""
    h, w = grid_size(*size, stride)
    if maps.shape[-2] < h or maps.shape[-1] < w:
        raise ValueError(f"a grid of {tuple(maps.shape[-2:])} does not cover {h}x{w} cells")
    return maps[..., :h, :w]


def score_stack(
    walked: Tensor, size: tuple[int, int], stride: int, threshold: float | None = None
) -> np.ndarray:
    """Walked scores at image resolution, background first.

    Args:
        walked: (K + 1, h, w) with background, or (K, h, w) without.
        size: (H, W) of the image.
        stride: of the grid.
        threshold: the constant background score of maps without background, else None.

    Returns:
        (K + 1, H, W) float32.
    """
    pixels = upsample_grid(walked.float().cpu(), size, stride)
    if threshold is not None:
        pixels = torch.cat([pixels.new_full((1, *size), threshold), pixels])
    return pixels.numpy()


def stack_labels(
    stack: np.ndarray,
    classes: np.ndarray,
    *,
    image: np.ndarray | None = None,
    crf: Refinement | None = None,
    unary: Unary = "scores",
) -> np.ndarray:
    """The label of the strongest score at every pixel, perhaps refined by a CRF or PAMR.

    Args:
        stack: (K + 1, H, W) float32 scores, background first; of equals the first wins.
        classes: (K,) class indices present; no other label comes out.
        image: (H, W, 3) uint8, for the CRF or PAMR.
        crf: the one or the other; None leaves labels as they are.
        unary: what it is given: the 'scores', or the 'labels' that win (`core.refine`).

    Returns:
        (H, W) uint8 labels, 0 background.

    Raises:
        ValueError: stack and classes that disagree on K, or a refinement without an image.

    >>> stack = np.array([[[0.25, 0.25]], [[0.2, 0.3]]], np.float32)
    >>> stack_labels(stack, np.array([14]))
    array([[ 0, 15]], dtype=uint8)
    """
    if stack.ndim != 3 or stack.shape[0] != len(classes) + 1:
        raise ValueError(f"scores of {stack.shape} for background and {len(classes)} classes")
    if not len(classes):
        return np.full(stack.shape[1:], BACKGROUND, np.uint8)
    winner = stack.argmax(axis=0)
    if crf is not None:
        if image is None:
            raise ValueError("a refinement needs the image")
        if unary == "labels":
            refined = refine_labels(image, [winner], len(stack), crf)
        else:
            refined = refine_scores(image, [stack], crf)
        winner = refined[0].argmax(axis=0)
    return local_to_labels(winner, classes)


def against_background(cam: Tensor, background: Tensor) -> Tensor:
    """Class scores as shares of the two that compete at a pixel: the best class and background.

    With m the maximum over classes and b the background, class c becomes cam_c / (m + b): above
    0.5 where the best class beats the background, so thresholds mean the same for every image.

    Args:
        cam: (K, H, W) float in [0, 1].
        background: (H, W) float in [0, 1].

    Returns:
        (K, H, W) float in [0, 1]; 0 where all scores are 0.

    >>> against_background(torch.tensor([[[0.6, 0.0]]]), torch.tensor([[0.2, 0.0]]))
    tensor([[[0.7500, 0.0000]]])
    """
    if not len(cam):
        return cam
    total = cam.amax(dim=0) + background
    return torch.where(total > 0, cam / total, torch.zeros_like(cam))
