"""Assignment by mean similarity, the plain alternative to the random walk.

Cells that the maps are sure of keep their label. An unsure cell takes the class (or background)
whose sure cells its features resemble most on average, wherever in the image they lie.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .labels import BACKGROUND, IGNORE
from .pseudo import inside, regrid
from .seeds.defaults import IRN_BG, IRN_FG
from .walk_defaults import NEAREST_BETA, PSA_STRIDE

AT_ONCE = 1 << 22  # distances that are held together: 16 MB in float32


@dataclass(frozen=True)
class NearestParams:
    """What is sure, and what counts as alike.

    Attributes:
        fg: score at or above which a cell is its strongest class for sure.
        bg: score of the strongest class below which a cell is background for sure; bg <= fg.
        beta: exponent of each similarity before the mean; 1 is the plain mean, large values ask
            for the single nearest cell.
    """

    fg: float = IRN_FG
    bg: float = IRN_BG
    beta: float = NEAREST_BETA

    def __post_init__(self) -> None:
        if not 0 <= self.bg <= self.fg <= 1:
            raise ValueError(f"bg {self.bg}, fg {self.fg}: need 0 <= bg <= fg <= 1")
        if not 0 <= self.beta < float("inf"):
            raise ValueError(f"beta {self.beta}: must be 0 or more, and finite")


def sure_cells(cam: Tensor, params: NearestParams) -> Tensor:
    """(h, w) uint8: 0 sure background, k + 1 surely the k-th map's class, 255 unsure.

    A class that is sure nowhere but responds somewhere is sure of one cell, so that no class of an
    image is lost: of its strongest (the first of equals) among those that no other class is sure
    of. Where there is none that it responds to, another class gives one up, but never its last;
    failing that too, it is one without response. Classes choose in order of their highest score,
    falling. Only where cells are fewer than classes can one remain without.

    Args:
        cam: (K, h, w) float in [0, 1], K <= 254.

    >>> sure_cells(torch.tensor([[[0.9, 0.2, 0.0]], [[0.0, 0.1, 0.04]]]), NearestParams())
    tensor([[1, 2, 0]], dtype=torch.uint8)
    """
    strongest, which = cam.max(dim=0)
    label = torch.full_like(which, IGNORE)
    label[strongest < params.bg] = BACKGROUND
    sure = (strongest >= params.fg) & (strongest > 0)
    label[sure] = which[sure] + 1
    _give_each_a_cell(label.view(-1), cam.flatten(1))
    return label.to(torch.uint8)


def _give_each_a_cell(label: Tensor, cam: Tensor) -> None:
    """Makes (n,) int64 labels hold each class that responds, as `sure_cells` says; cam (K, n)."""
    counts = torch.bincount(label, minlength=IGNORE + 1)
    order = cam.amax(dim=1).sort(descending=True, stable=True)
    lost = order.indices[(order.values > 0) & (counts[order.indices + 1] == 0)]
    for index in lost.tolist():
        scores = cam[index]
        free = (label == IGNORE) | (label == BACKGROUND)
        spare = free | (counts[label] > 1)
        responds = scores > 0
        for cells in (free & responds, spare & responds, free, spare):
            if bool(cells.any()):
                cell = scores.masked_fill(~cells, -1).argmax()
                counts[label[cell]] -= 1
                counts[index + 1] += 1
                label[cell] = index + 1
                break


@torch.no_grad()
def mean_similarity(
    features: Tensor, labels: Tensor, n: int, beta: float = 1.0, at_once: int = AT_ONCE
) -> Tensor:
    """Shares of the labels at every cell.

    A label's similarity to an unsure cell p is the mean of exp(-beta * mean_d |f_p - f_q|) over its
    sure cells q: AffinityNet's affinity, with the mean over features of its published code. Its
    share is that divided by the sum over labels.

    Args:
        features: (D, h, w) float.
        labels: (h, w) uint8, 0..n-1 sure, 255 unsure, on the same device.
        n: number of labels, background included.
        beta: exponent.
        at_once: how many distances to hold together.

    Returns:
        (n, h, w), float64 for such features, else float32; sums to 1. A sure cell's label has 1,
        a label without sure cells 0. With no sure cell at all, all is background.
    """
    flat = features if features.dtype == torch.float64 else features.float()
    flat = flat.flatten(1).T.contiguous()
    label = labels.flatten().long()
    shares = flat.new_zeros((len(flat), n))
    sure, unsure = (label != IGNORE).nonzero()[:, 0], (label == IGNORE).nonzero()[:, 0]
    shares[sure, label[sure]] = 1
    if not len(sure):
        shares[:, BACKGROUND] = 1
        return shares.T.reshape(n, *labels.shape)
    members, known = shares[sure], flat[sure]
    members = members / members.sum(dim=0).clamp_min(1)  # each label's column means its cells
    for cells in unsure.split(max(1, at_once // len(sure))):
        distance = torch.cdist(flat[cells], known, p=1) / flat.shape[1]
        # From the nearest cell, which shares do not see, so that the sum is never 0
        alike = ((distance.amin(dim=1, keepdim=True) - distance) * beta).exp_()
        similarity = alike @ members
        shares[cells] = similarity / similarity.sum(dim=1, keepdim=True)
    return shares.T.reshape(n, *labels.shape)


def assign_nearest(
    cam: Tensor,
    features: Tensor,
    size: tuple[int, int],
    stride: int,
    *,
    params: NearestParams | None = None,
) -> Tensor:
    """Scores of background and classes by the mean similarity of an AffinityNet's features.

    Args:
        cam: (K, h, w) float32 in [0, 1] at `stride`.
        features: (D, h', w') float32 at stride 8, same device; cells beyond the image (of a padded
            one) are left out.
        size: (H, W) of the image.
        stride: of the cam, any.
        params: by default `NearestParams()`.

    Returns:
        (K + 1, h8, w8) float32 in [0, 1], background first.
    """
    params = params or NearestParams()
    labels = sure_cells(regrid(cam, size, stride, PSA_STRIDE), params)
    return mean_similarity(inside(features, size, PSA_STRIDE), labels, len(cam) + 1, params.beta)
