"""Class activation maps: fusing views, normalising, background, storing, hard labels.

A cam holds one map per *present* class, (K, h, w) on a stride-s grid, each divided by its own
maximum. Classes that the image does not hold have no map at all, so nothing can normalise them
up to 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .grid import grid_size, upsample_grid
from .labels import label_of_class

EPS = 1e-5  # added to the maximum that a map is divided by (PSA, IRN)
DTYPES = {"float16": np.float16, "uint8": np.uint8}


@dataclass(frozen=True)
class View:
    """What the classifier made of one scaled, perhaps mirrored, copy of an image.

    Attributes:
        maps: (K, h', w') float, pre-ReLU maps of the present classes.
        size: (H', W') of the scaled copy in pixels, without any padding on the right and below.
        stride: scaled pixels per cell of `maps`; h' * stride >= H', and so across.
        mirrored: the copy was mirrored left to right (before it was padded).
        logits: (C,) of the copy, where they are not the means of its maps.
    """

    maps: Tensor
    size: tuple[int, int]
    stride: int
    mirrored: bool = False
    logits: Tensor | None = None


def fuse_views(views: Iterable[View], size: tuple[int, int], stride: int) -> Tensor:
    """Sum the rectified maps of all views on one grid of the image.

    Each view is resampled bilinearly at the place in the image where every grid cell has its
    centre, so cells stay aligned although a view's cells overhang its copy on the right and
    below (for a mirrored view: on the left of the image). Views of the same geometry are summed
    before they are resampled, which gives the same by linearity.

    Args:
        views: at least one; all on one device and with the same K.
        size: (H, W) of the image.
        stride: pixels per cell of the result; 1 gives maps at image resolution.

    Returns:
        (K, h, w) float32, >= 0, (h, w) = grid_size(H, W, stride). Not yet normalised.

    Raises:
        ValueError: no view, maps that do not cover their copy, or a K that differs.

    Source: multi-scale inference of PSA (Ahn and Kwak, CVPR 2018) and IRN (Ahn et al., CVPR
    2019): ReLU, then resize, then sum, then normalise once.
    """
    groups: dict[tuple[tuple[int, int], int, bool, tuple[int, int]], Tensor] = {}
    for view in views:
        maps, mirrored = _checked_maps(view), view.mirrored
        if mirrored and view.stride * maps.shape[-1] == view.size[1]:
            # Nothing overhangs: the mirrored cells lie exactly on those of the plain view.
            maps, mirrored = maps.flip(-1), False
        key = (view.size, view.stride, mirrored, (maps.shape[-2], maps.shape[-1]))
        if groups and maps.shape[0] != next(iter(groups.values())).shape[0]:
            raise ValueError("views hold different numbers of classes")
        groups[key] = groups[key] + maps if key in groups else maps
    if not groups:
        raise ValueError("no views to fuse")
    total: Tensor | None = None
    for (scaled, view_stride, mirrored, _), maps in groups.items():
        placed = _place(maps, scaled, view_stride, mirrored, size, stride)
        total = placed if total is None else total + placed
    assert total is not None
    return total


def _checked_maps(view: View) -> Tensor:
    """Rectified float32 maps of a view, its geometry checked."""
    if view.maps.ndim != 3:
        raise ValueError(f"maps of a view are (K, h, w), not {tuple(view.maps.shape)}")
    h, w = view.maps.shape[-2:]
    if h * view.stride < view.size[0] or w * view.stride < view.size[1]:
        raise ValueError(
            f"{h}x{w} cells of stride {view.stride} do not cover {view.size[0]}x{view.size[1]}"
        )
    return view.maps.float().relu()


def _place(
    maps: Tensor,
    scaled: tuple[int, int],
    view_stride: int,
    mirrored: bool,
    size: tuple[int, int],
    stride: int,
) -> Tensor:
    """Sample a view's maps at the cell centres of the image's grid, one axis at a time."""
    h, w = grid_size(*size, stride)
    rows = _positions(h, stride, size[0], scaled[0], view_stride, False)
    columns = _positions(w, stride, size[1], scaled[1], view_stride, mirrored)
    return _sample(_sample(maps, rows, -2), columns, -1)


def _positions(
    cells: int, stride: int, side: int, scaled: int, view_stride: int, mirrored: bool
) -> Tensor:
    """(cells,) float64: where each grid cell's centre lies, counted in cells of the view.

    Edge coordinates throughout: pixel i of an image covers i..i+1, its cell i covers
    i*stride..(i+1)*stride.
    """
    centre = (torch.arange(cells, dtype=torch.float64) + 0.5) * stride
    scaled_centre = centre * (scaled / side)
    if mirrored:
        scaled_centre = scaled - scaled_centre
    return scaled_centre / view_stride - 0.5


def _sample(maps: Tensor, positions: Tensor, dim: int) -> Tensor:
    """Linear interpolation of `maps` along `dim`; beyond the outermost centres the edge value."""
    last = maps.shape[dim] - 1
    positions = positions.clamp(0, last)
    low = positions.floor().long()
    weight = (positions - low).to(maps.dtype).to(maps.device)
    if dim == -2:
        weight = weight[:, None]
    high = (low + 1).clamp_max(last)
    below = maps.index_select(dim, low.to(maps.device))
    above = maps.index_select(dim, high.to(maps.device))
    return below * (1 - weight) + above * weight


def normalise(cam: Tensor, eps: float = EPS) -> Tensor:
    """Divide every class's map by its own (maximum + eps).

    Args:
        cam: (K, h, w) float; negative values count as 0.

    Returns:
        (K, h, w) float32 in [0, 1]; a map without response stays 0.

    >>> normalise(torch.tensor([[[0.0, 2.0]], [[0.0, 0.0]]]), eps=0.5)
    tensor([[[0.0000, 0.8000]],
    <BLANKLINE>
            [[0.0000, 0.0000]]])
    """
    cam = cam.float().clamp_min(0)
    if cam.numel() == 0:
        return cam
    return cam / (cam.amax(dim=(-2, -1), keepdim=True) + eps)


def background_score(cam: Tensor, alpha: float) -> Tensor:
    """(1 - max over classes)^alpha, PSA's background score.

    Args:
        cam: (K, h, w) float in [0, 1]; K may be 0 (the score is then 1 everywhere).
        alpha: > 0; larger gives less background.

    Returns:
        (h, w) in [0, 1], same dtype.

    Raises:
        ValueError: alpha not above 0.

    Source: Ahn and Kwak, CVPR 2018, section 3.1.
    """
    if not alpha > 0:
        raise ValueError(f"alpha {alpha}: must be above 0")
    if cam.shape[0] == 0:
        return cam.new_ones(cam.shape[1:])
    return (1 - cam.amax(dim=0).clamp(0, 1)) ** alpha


def threshold_of_alpha(alpha: float) -> float:
    """The constant background score that separates as `background_score` of alpha does.

    A maximum m beats (1 - m)^alpha exactly when it exceeds the root of m = (1 - m)^alpha, so for
    a hard argmax the two kinds of background are one; they differ only where scores stay soft.

    >>> [round(threshold_of_alpha(a), 4) for a in (1, 4, 6, 16, 24, 32)]
    [0.5, 0.2755, 0.2219, 0.1228, 0.0939, 0.077]

    Raises:
        ValueError: alpha not above 0.
    """
    if not alpha > 0:
        raise ValueError(f"alpha {alpha}: must be above 0")
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:  # until two neighbouring floats remain
        if middle < (1 - middle) ** alpha:
            low = middle
        else:
            high = middle
    return high


def cam_labels(cam: Tensor, classes: np.ndarray, threshold: float) -> Tensor:
    """Label every pixel with its strongest class, or background.

    Args:
        cam: (K, H, W) float, one map per present class.
        classes: (K,) class indices.
        threshold: the constant background score. A class wins only strictly above it (compared
            in the cam's dtype); of equal classes the first wins.

    Returns:
        (H, W) uint8 labels, 0 background, on the cam's device.

    Raises:
        ValueError: cam and classes disagree on K.

    >>> cam_labels(torch.tensor([[[0.2, 0.3, 0.9]]]), np.array([14]), 0.3)
    tensor([[ 0,  0, 15]], dtype=torch.uint8)
    """
    if cam.ndim != 3 or cam.shape[0] != len(classes):
        raise ValueError(f"a cam of shape {tuple(cam.shape)} does not hold {len(classes)} classes")
    if cam.shape[0] == 0:
        return torch.zeros(cam.shape[1:], dtype=torch.uint8, device=cam.device)
    strongest, which = cam.max(dim=0)
    labels = torch.from_numpy(label_of_class(classes)).to(cam.device)[which]
    foreground = strongest > torch.tensor(threshold, dtype=cam.dtype, device=cam.device)
    return torch.where(foreground, labels, torch.zeros_like(labels))


def quantise(cam: Tensor, dtype: str) -> np.ndarray:
    """A cam as an artifact stores it.

    Args:
        cam: (K, h, w) float in [0, 1].
        dtype: 'float16' (error <= 2.5e-4) or 'uint8' (times 255, rounded; error <= 2e-3).

    Raises:
        ValueError: another dtype, or values outside [0, 1], NaN included.
    """
    if dtype not in DTYPES:
        raise ValueError(f"cam dtype {dtype!r}: one of {', '.join(DTYPES)}")
    cam = cam.detach().float().cpu()
    if not bool(((cam >= 0) & (cam <= 1)).all()):
        raise ValueError("a cam to store has values outside [0, 1] or NaN")
    if dtype == "uint8":
        cam = (cam * 255).round()
    return cam.numpy().astype(DTYPES[dtype])


def dequantise(cam: np.ndarray) -> Tensor:
    """A stored cam as float32 in [0, 1]; the inverse of `quantise` up to its error.

    Raises:
        ValueError: neither floating point nor uint8.
    """
    if cam.dtype == np.uint8:
        return torch.from_numpy(cam.astype(np.float32)) / 255
    if not np.issubdtype(cam.dtype, np.floating):
        raise ValueError(f"a cam is stored as float or uint8, not {cam.dtype}")
    return torch.from_numpy(cam.astype(np.float32))


def enlarge(maps: np.ndarray, size: tuple[int, ...], stride: int) -> np.ndarray:
    """(K, H, W) float32 in [0, 1] from stored (K, h, w) maps.

    Args:
        size: (H, W) of the image.
        stride: image pixels per cell of the maps.

    Raises:
        ValueError: maps that are not a grid of this stride on such an image.
    """
    large: Tensor = upsample_grid(dequantise(maps), (size[0], size[1]), stride)
    return large.numpy()
