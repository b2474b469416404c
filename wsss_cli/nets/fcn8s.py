"""FCN-8s: scores of three maps, added up from coarse to fine."""

from __future__ import annotations

from .base import Backbone
from .heads import Head
from .strided import StridedHead


def head(backbone: Backbone, n_labels: int) -> Head:
    """Scores of three maps."""
    return StridedHead(backbone, n_labels, skips=True)
