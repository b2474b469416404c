"""export --format png: labels as palette PNGs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import WsssError
from ..exporting import Exporter, one_an_image

if TYPE_CHECKING:
    from ...artifacts import Artifact


def encode(source: Artifact, image_id: str) -> bytes:
    """One image's labels as a PNG.

    Raises:
        WsssError: labels of no pixels.
    """
    from ...core.images import encode_mask

    try:
        return encode_mask(source[image_id]["label"])
    except ValueError as err:
        raise WsssError(f"{source.path}: image {image_id!r}: {err}") from None


EXPORTER = Exporter(
    name="png",
    said="a palette PNG in VOC's colours, 255 for ignore",
    kind="wsss/label",
    write=one_an_image(".png", encode),
)
