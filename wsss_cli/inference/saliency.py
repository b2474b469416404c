"""Saliency maps of others: grey images that are bright where something catches the eye."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..artifacts.inputs import contents
from ..artifacts.supervision import SALIENCY, Taught
from ..core.seeds.defaults import SALIENCY_BELOW
from ..errors import UsageError, WsssError
from ..options.annotations import Default
from ..options.files import Reads

if TYPE_CHECKING:
    import numpy as np

    from ..formats.files import ImageFolder


@dataclass(frozen=True, kw_only=True)
class SaliencyOptions:
    """Where saliency maps are, and what they decide."""

    saliency: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of grey saliency maps named like the images. Background is where they "
            "are dark, in place of the method's own background.",
        ),
        Reads(),
    ] = None
    saliency_below: Annotated[
        float | None,
        typer.Option(
            help="Saliency below which a pixel is background, from 0 (black) to 1 (white)."
        ),
        Default(SALIENCY_BELOW),
    ] = None

    def opened(self) -> Saliency | None:
        """The maps, if there are any.

        Raises:
            UsageError: a threshold without maps, or out of range.
            WsssError: there is no such folder.
        """
        below = SALIENCY_BELOW if self.saliency_below is None else self.saliency_below
        if self.saliency is None and self.saliency_below is not None:
            raise UsageError("--saliency-below: there is no --saliency")
        if not 0 <= below <= 1:
            raise UsageError(f"--saliency-below {below}: must lie in 0..1")
        if self.saliency is None:
            return None
        if not self.saliency.is_dir():
            raise WsssError(f"{self.saliency}: no such folder", "--saliency names one")
        return Saliency(self.saliency, below)


@dataclass(frozen=True)
class Saliency:
    """A folder of saliency maps; sent to worker processes.

    Attributes:
        folder: of the maps.
        below: background is where a map is below this part of white.
    """

    folder: Path
    below: float

    def background(self, image_id: str, label: np.ndarray) -> np.ndarray:
        """(H, W) labels with the background that the map shows, in place of their own.

        Raises:
            WsssError: no map, or one that cannot be read or has another size.
        """
        from ..core.seeds.saliency import background_by_saliency

        with self._named(image_id):
            return background_by_saliency(label, self._grey(image_id), self.below)

    def map(self, image_id: str, size: tuple[int, int]) -> np.ndarray:
        """(H, W) uint8 map of an image of that size, 255 for what stands out most.

        Raises:
            WsssError: as above.
        """
        with self._named(image_id):
            grey = self._grey(image_id)
            if grey.shape != size:
                raise ValueError(f"saliency of {grey.shape} for maps of {size}")
            return grey

    def params(self, ids: Sequence[str]) -> dict[str, Any]:
        """For provenance: the saliency of all images, by its bytes.

        Raises:
            WsssError: an image has none.
        """
        digest = hashlib.sha256()
        for image_id in ids:
            with self._named(image_id):
                digest.update(hashlib.sha256(contents(self._images.find(image_id))).digest())
        return {"saliency": f"{self.folder.name} sha256:{digest.hexdigest()[:16]}"}

    def taught(self, params: Mapping[str, Any]) -> list[Taught]:
        """What the maps add to what teaches; `params` of `params` knows which maps they are."""
        return [Taught(SALIENCY, of=str(params["saliency"]))]

    @cached_property
    def _images(self) -> ImageFolder:
        from ..formats.files import ImageFolder

        return ImageFolder(self.folder)

    def _grey(self, image_id: str) -> np.ndarray:
        from ..core.images import decode_image

        return decode_image(contents(self._images.find(image_id)))[..., 0]

    @contextmanager
    def _named(self, image_id: str) -> Iterator[None]:
        try:
            yield
        except (LookupError, OSError, ValueError) as err:
            reason = err.args[0] if isinstance(err, LookupError) else err
            raise WsssError(f"{self.folder}: {image_id}: {reason}") from None
