"""DeepLab v1 (LargeFOV): one convolution of dilation 12."""

from __future__ import annotations

from .base import Backbone
from .heads import Head
from .summed import SummedHead

RATES = (12,)  # at stride 8, DeepLab v1 (Chen et al., ICLR 2015)


def head(backbone: Backbone, n_labels: int) -> Head:
    """LargeFOV."""
    return SummedHead(backbone, n_labels, RATES, average=True)
