"""make-cam --method cam: maps read off the network that train-cls trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...inference.maps import CamCard
from ...options.cards import NoOptions

if TYPE_CHECKING:
    from ...nets.classifier import Classifier


def look(
    network: Classifier, outputs: Sequence[Sequence[int]] | None, options: NoOptions
) -> tuple[Classifier, dict[str, Any]]:
    """The network itself; recorded as before there were other methods."""
    return network, {}


CARD = CamCard(
    name="cam",
    said="the maps that train-cls's network pools into its scores",
    look=look,
    source="CAM: Zhou et al., CVPR 2016",
)
