"""The threshold that a file of maps chooses by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import WsssError
from .maps import checked_item

if TYPE_CHECKING:
    from . import Artifact


def threshold_of(maps: Artifact) -> float:
    """The threshold that a cam chooses by all of its maps, whichever of them are used.

    Raises:
        WsssError: a shard, maps with a background of their own, or none that says anything.
    """
    from ..core.cam import dequantise
    from ..core.thresholds import histogram_of, two_class_threshold

    if maps.shard.count > 1:
        raise WsssError(
            f"{maps.path}: only shard {maps.shard} of a run; its threshold is one of all maps",
            "`wsss merge` joins the shards",
        )
    if maps.column("background").holds_values:
        raise WsssError(
            f"{maps.path}: its maps have a background of their own, and need no threshold"
        )
    items = (checked_item(maps, image_id)[0]["cam"] for image_id in maps.ids)
    try:
        return two_class_threshold(histogram_of(dequantise(item).numpy() for item in items))
    except ValueError as err:
        raise WsssError(f"{maps.path}: chooses no threshold: {err}") from None
