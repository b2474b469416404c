"""FCN-32s: scores of the last map alone."""

from __future__ import annotations

from .base import Backbone
from .heads import Head
from .strided import StridedHead


def head(backbone: Backbone, n_labels: int) -> Head:
    """Scores of the last map alone."""
    return StridedHead(backbone, n_labels, skips=False)
