"""PAMR, pixel-adaptive mask refinement: scores averaged over near pixels of like colour.

Every pixel takes, a few times over, the mean of its neighbours' scores, weighted by how much each
neighbour looks like it. Neighbours lie in 8 directions at several distances. Where a CRF weighs
all pairs of pixels, this is a few dozen shifted multiply-adds, on any device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .pamr_defaults import DILATIONS, ITERATIONS, STRIDE

SHARPNESS = 0.1  # of a local standard deviation: the unit that colours are compared in
EPS = 1e-8
MAX_DILATION = 1024
MAX_STRIDE = 64
# Weights of a whole image are kept from one iteration to the next below the first number of them
# (256 MB in float32); a larger image's are made anew for some rows at a time.
KEPT, AT_ONCE = 1 << 26, 1 << 24

_DIRECTIONS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


@dataclass(frozen=True)
class PamrParams:
    """One setting of PAMR.

    Attributes:
        iterations: averagings; 0 leaves scores as they are.
        dilations: distances of the neighbours, in cells; different, 1 or more.
        stride: pixels per cell of the grid that it works on.
        device: where it is computed, which changes nothing but rounding.
    """

    iterations: int = ITERATIONS
    dilations: tuple[int, ...] = DILATIONS
    stride: int = STRIDE
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.iterations < 0:
            raise ValueError("PAMR iterations must not be below 0")
        _check_dilations(self.dilations)
        if not 1 <= self.stride <= MAX_STRIDE:
            raise ValueError(f"PAMR's stride must lie in 1..{MAX_STRIDE}")


def _check_dilations(dilations: Sequence[int]) -> None:
    if not dilations or not all(1 <= d <= MAX_DILATION for d in dilations):
        raise ValueError(f"PAMR's dilations must lie in 1..{MAX_DILATION}, and there must be one")
    if len(set(dilations)) < len(dilations):
        raise ValueError("PAMR's dilations name one twice")


@torch.no_grad()
def pamr(
    image: Tensor,
    scores: Tensor,
    *,
    iterations: int = ITERATIONS,
    dilations: Sequence[int] = DILATIONS,
    seen: Tensor | None = None,
) -> Tensor:
    """Average scores over neighbours of like colour, `iterations` times.

    The weight of neighbour n of pixel p is a softmax over the neighbours of the mean over colour
    channels of -|I(p) - I(n)| / (EPS + SHARPNESS * s(p)), s the unbiased standard deviation of
    that channel over all 3 x 3 neighbourhoods of p, one a dilation. The pixel itself is not among
    its neighbours. Beyond its border an image goes on as at the border. What is not seen is no
    neighbour and no part of s: whatever it holds, it changes nothing elsewhere.

    Args:
        image: (C, H, W) or (B, C, H, W) float, in any range: an affine change of a channel's
            values changes nothing (but where s is near EPS).
        scores: (n, H, W) or (B, n, H, W) float, same device. Channels do not mix.
        iterations: 0 or more.
        dilations: distances of the neighbours.
        seen: (H, W) or (B, H, W) bool, pixels of the image and not of its padding; None for all.

    Returns:
        Shaped as `scores`, float64 where they are, else float32; each map within its range over
        the pixels seen, and where channels sum to one constant they still do. Pixels that are not
        seen, or that see no neighbour, keep their scores. No gradients.

    Raises:
        ValueError: shapes that do not fit, or parameters out of range.

    Source: Araslanov and Roth, CVPR 2020, section 3.2, with the kernel of the published code (the
    paper prints a squared deviation).

    >>> pamr(torch.zeros(3, 1, 2), torch.tensor([[[0.0, 1.0]]]), iterations=1, dilations=[1])
    tensor([[[0.3750, 0.6250]]])
    """
    _check_dilations(dilations)
    if iterations < 0:
        raise ValueError(f"iterations {iterations}: must be 0 or more")
    fits = image.shape[-2:] == scores.shape[-2:] and image.shape[:-3] == scores.shape[:-3]
    if not fits or image.dim() not in (3, 4) or image.dim() != scores.dim():
        raise ValueError(
            f"scores {tuple(scores.shape)} do not fit an image of {tuple(image.shape)}"
        )
    if seen is not None and seen.shape != scores.shape[:-3] + scores.shape[-2:]:
        raise ValueError(f"{tuple(seen.shape)} seen pixels do not fit {tuple(scores.shape)} scores")
    dtype = torch.float64 if scores.dtype == torch.float64 else torch.float32
    state = scores.to(dtype)
    if iterations == 0 or scores.numel() == 0:
        return state.clone()
    hidden = None if seen is None or bool(seen.all()) else ~seen.unsqueeze(-3)
    if scores.dim() == 3:
        hidden = None if hidden is None else hidden[None]
        return _averaged(image[None].to(dtype), state[None], iterations, dilations, hidden)[0]
    return _averaged(image.to(dtype), state, iterations, dilations, hidden)


def _averaged(
    image: Tensor,
    scores: Tensor,
    iterations: int,
    dilations: Sequence[int],
    hidden: Tensor | None,
) -> Tensor:
    """`pamr` of batches; hidden is (B, 1, H, W) bool."""
    height, width = scores.shape[-2:]
    windows = _Windows(dilations, height, width, hidden)
    if hidden is None:
        return _ranged(_iterated(image, scores, iterations, windows), scores, scores)
    # Weights of 0 do not silence what is not a number
    image, known = image.masked_fill(hidden, 0), scores.masked_fill(hidden, 0)
    state = _iterated(image, known, iterations, windows)
    inf = float("inf")
    state = _ranged(state, scores.masked_fill(hidden, inf), scores.masked_fill(hidden, -inf))
    return torch.where(hidden | (windows.neighbours == 0), scores, state)


def _ranged(state: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """A state within the range of each map, the least of `low` and the highest of `high`."""
    # A mean cannot leave the range of its terms; rounded weights, which miss 1 by a little, can.
    return state.clamp_(low.amin((-2, -1), keepdim=True), high.amax((-2, -1), keepdim=True))


def _iterated(image: Tensor, scores: Tensor, iterations: int, windows: _Windows) -> Tensor:
    """One or more averagings."""
    around = windows.padded(image)
    bands = windows.bands(len(image))
    kept: dict[int, Tensor] = {}
    state = scores
    for _ in range(iterations):
        source, following = windows.padded(state), torch.zeros_like(state)
        for top, bottom in bands:
            weights = kept.get(top)
            if weights is None:
                weights = _weights(around, windows, top, bottom)
                if len(bands) == 1:
                    kept[top] = weights
            target = following[..., top:bottom, :]
            for index, offset in enumerate(windows.offsets):
                neighbours = windows.at(source, offset, top, bottom)
                target.addcmul_(weights[:, index : index + 1], neighbours)
        state = following
    return state


class _Windows:
    """Every pixel's neighbours, as shifted views of padded maps.

    Attributes:
        offsets: (dy, dx) of each neighbour.
        neighbours: how many there are, (B, 1, H, W) where some are hidden.
    """

    def __init__(
        self, dilations: Sequence[int], height: int, width: int, hidden: Tensor | None = None
    ) -> None:
        self.offsets = [(y * d, x * d) for d in dilations for y, x in _DIRECTIONS]
        self.reach = max(dilations)
        self.height, self.width = height, width
        self._centres = len(dilations)  # the centre is in each 3 x 3
        self.neighbours: Tensor | int = len(self.offsets)
        self._hidden = None if hidden is None else self.padded(hidden.float()).bool()
        if self._hidden is not None:
            for offset in self.offsets:
                self.neighbours = self.neighbours - self.at(self._hidden, offset, 0, height).int()

    def samples(self, top: int, bottom: int) -> Tensor | int:
        """How many values the neighbourhoods of the pixels in rows top..bottom hold."""
        if isinstance(self.neighbours, int):
            return self.neighbours + self._centres
        return self.neighbours[..., top:bottom, :] + self._centres

    def hide_(
        self, values: Tensor, filler: float, offset: tuple[int, int], top: int, bottom: int
    ) -> Tensor:
        """Fills in values (B, n, h, W) of the neighbours at an offset where these are hidden."""
        if self._hidden is None:
            return values
        return values.masked_fill_(self.at(self._hidden, offset, top, bottom), filler)

    def padded(self, maps: Tensor) -> Tensor:
        """(B, n, H, W) maps continued beyond the border as at the border."""
        return F.pad(maps, (self.reach,) * 4, mode="replicate")

    def at(self, padded: Tensor, offset: tuple[int, int], top: int, bottom: int) -> Tensor:
        """The neighbours at an offset (dy, dx) of the pixels in rows top..bottom."""
        dy, dx = offset[0] + self.reach, offset[1] + self.reach
        return padded[..., top + dy : bottom + dy, dx : dx + self.width]

    def bands(self, batch: int) -> list[tuple[int, int]]:
        """Rows whose weights are made together: all of them where there is memory for it."""
        row = batch * len(self.offsets) * self.width
        rows = self.height if row * self.height <= KEPT else max(1, AT_ONCE // row)
        return [(top, min(top + rows, self.height)) for top in range(0, self.height, rows)]


def _weights(padded: Tensor, windows: _Windows, top: int, bottom: int) -> Tensor:
    """(B, N, h, W) weights of the N neighbours of each pixel in some rows; they sum to 1."""
    centre = windows.at(padded, (0, 0), top, bottom)
    # Of differences from the centre, which is itself a sample: flat images give exactly 0
    total, squares = torch.zeros_like(centre), torch.zeros_like(centre)
    for offset in windows.offsets:
        difference = windows.at(padded, offset, top, bottom) - centre
        windows.hide_(difference, 0, offset, top, bottom)
        total += difference
        squares.addcmul_(difference, difference)
    samples = windows.samples(top, bottom)
    variance = (squares - total.square() / samples).clamp_min_(0) / (samples - 1)
    scale = -1 / (EPS + SHARPNESS * variance.sqrt_())
    batch, _, rows, width = centre.shape
    lowest = torch.finfo(centre.dtype).min
    logits = centre.new_empty((batch, len(windows.offsets), rows, width))
    for index, offset in enumerate(windows.offsets):
        difference = windows.at(padded, offset, top, bottom) - centre
        torch.mean(difference.abs_().mul_(scale), dim=1, out=logits[:, index])
        # Not -inf, which would leave a pixel without neighbours without numbers
        windows.hide_(logits[:, index : index + 1], lowest, offset, top, bottom)
    return logits.softmax(dim=1)
