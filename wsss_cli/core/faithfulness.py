"""Whether a classifier's score follows what its map says: insertion, deletion, drop, increase."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

BLUR_SIDE, BLUR_SIGMA = 11, 5.0  # pixels, of the published code of RISE
ROUNDING = 1e-6  # by which a float32 score of one picture may differ between batches


def order_ranks(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The place of each pixel when the strongest come first; equal ones in random order.

    A sort alone would leave equal pixels in the order of rows, and favour what lies at the top.

    Args:
        scores: (H, W) float.
        rng: whose draws break ties.

    Returns:
        (H, W) int32, each of 0..H * W - 1 once.
    """
    flat = scores.ravel()
    order = np.lexsort((rng.random(flat.size), -flat.astype(np.float64)))
    ranks = np.empty(flat.size, np.int32)
    ranks[order] = np.arange(flat.size, dtype=np.int32)
    return ranks.reshape(scores.shape)


def step_bounds(pixels: int, steps: int) -> np.ndarray:
    """How many pixels have changed after each of 0..`steps` steps: equally many more each.

    Returns:
        (steps + 1,) int64 from 0 to `pixels`; steps of no whole number differ by a pixel.

    Raises:
        ValueError: no step.

    >>> step_bounds(10, 4)
    array([ 0,  2,  5,  7, 10])
    """
    if steps < 1:
        raise ValueError(f"{steps} steps: need at least 1")
    return np.arange(steps + 1, dtype=np.int64) * pixels // steps


def changed(start: Tensor, end: Tensor, ranks: Tensor, counts: Tensor) -> Tensor:
    """Pictures whose first pixels, by rank, have gone from one picture to another.

    Args:
        start, end: (B, 3, H, W) or (1, 3, H, W) float.
        ranks: (B, H, W) int, see `order_ranks`.
        counts: (B,) int, how many pixels have changed.

    Returns:
        (B, 3, H, W), channels last in memory where `start` and `end` are.
    """
    gone = ranks < counts[:, None, None]
    pixels = torch.where(gone[..., None], end.permute(0, 2, 3, 1), start.permute(0, 2, 3, 1))
    return pixels.permute(0, 3, 1, 2)


def area_under(scores: np.ndarray) -> np.ndarray:
    """The area under curves of scores over equal steps, by trapezia, of a width of 1.

    Args:
        scores: (..., n + 1) float, from the first picture to the last.

    Returns:
        (...) float64, the mean of a constant score being that score.

    Source: Petsiuk et al., RISE (BMVC 2018), `auc` of its code.

    >>> float(area_under(np.array([1.0, 0.5, 0.0])))
    0.5
    """
    values = np.asarray(scores, np.float64)
    ends = (values[..., 0] + values[..., -1]) / 2
    return (values.sum(axis=-1) - ends) / (values.shape[-1] - 1)


def blurred(images: Tensor) -> Tensor:
    """Normalised images without their detail, as insertion starts from them.

    The kernel is a Gaussian of sigma 5 on 11 pixels, what it loses at its ends reflected, and
    beyond an image's border lies the mean colour.

    Args:
        images: (B, 3, H, W) float, of which 0 is the mean colour.

    Returns:
        the same shape.

    Source: the published code of RISE, `gkern` and `blur`.
    """
    point = np.zeros(BLUR_SIDE)
    point[BLUR_SIDE // 2] = 1
    kernel = torch.from_numpy(gaussian_filter1d(point, BLUR_SIGMA)).to(images)
    rows, columns = (kernel.view(shape).expand(3, 1, -1, -1) for shape in ((-1, 1), (1, -1)))
    half = BLUR_SIDE // 2
    across = F.conv2d(images, columns, padding=(0, half), groups=3)
    return F.conv2d(across, rows, padding=(half, 0), groups=3)


def score_drop(full: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The share of a score that is lost where only what a map shows is left; 0 where it grows.

    Args:
        full: (n,) float in [0, 1], of the whole images; a score of 0 has nothing to lose.
        shown: (n,) float, of what the maps show of them.

    Returns:
        (n,) float64 in [0, 1]; 100 times its mean is the average drop.

    Source: Chattopadhay et al., Grad-CAM++ (WACV 2018), section 5.1.

    >>> score_drop(np.array([0.8, 0.5, 0.0]), np.array([0.2, 0.6, 0.1])).round(6).tolist()
    [0.75, 0.0, 0.0]
    """
    full = np.asarray(full, np.float64)
    lost = np.maximum(full - shown, 0)
    return np.divide(lost, full, out=np.zeros_like(lost), where=full > 0)


def score_rises(full: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Whether a score is higher where only what a map shows is left, by more than rounding.

    Args:
        full, shown: as for `score_drop`.

    Returns:
        (n,) bool; 100 times its mean is the average increase.

    Source: as `score_drop`.

    >>> score_rises(np.array([0.5, 0.5]), np.array([0.6, 0.5 + 1e-8])).tolist()
    [True, False]
    """
    return np.asarray(shown, np.float64) > np.asarray(full, np.float64) + ROUNDING


def centre_scores(size: tuple[int, int]) -> np.ndarray:
    """(H, W) float64: the nearer to the image's centre, the higher."""
    rows, columns = ((np.arange(side) - (side - 1) / 2) ** 2 for side in size)
    found: np.ndarray = -(rows[:, None] + columns[None])
    return found


def noise_scores(size: tuple[int, int], cell: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W) float64 of a random map that is as smooth as a network's of cells of `cell` pixels."""
    from .grid import grid_size, upsample_grid

    cells = torch.from_numpy(rng.random(grid_size(*size, cell)))
    found: np.ndarray = upsample_grid(cells[None], size, cell)[0].numpy()
    return found


def rearranged(values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """The values of a map in another order: its highest where the rank is 0.

    Args:
        values: (H, W) float.
        ranks: (H, W) int, see `order_ranks`.

    Returns:
        (H, W) of the values' dtype, with the same mean.

    >>> rearranged(np.array([[0.1, 0.9, 0.5]]), np.array([[0, 1, 2]]))
    array([[0.9, 0.5, 0.1]])
    """
    return np.sort(values.ravel())[::-1][ranks]
