"""DeepLab v2 (ASPP-L): convolutions of four dilations, summed."""

from __future__ import annotations

from .base import Backbone
from .heads import Head
from .summed import SummedHead

RATES = (6, 12, 18, 24)  # at stride 8, DeepLab v2's ASPP-L (Chen et al., arXiv:1606.00915)


def head(backbone: Backbone, n_labels: int) -> Head:
    """ASPP-L."""
    return SummedHead(backbone, n_labels, RATES)
