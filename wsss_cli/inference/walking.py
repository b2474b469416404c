"""Maps spread along learned affinities: what a method of random-walk says of itself, and a walk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol

import typer

from ..artifacts.maps import cam_stride, checked_item
from ..core.walk_defaults import IRN_BETA, NEAREST_BETA, PSA_BETA
from ..options.cards import Card
from .feed import Feed, threads
from .views import looked_at, not_finite

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor

    from ..artifacts import Artifact, DatasetReader
    from ..machine.place import Place

NAME = "random-walk"
PAD = 16  # images are padded to multiples of this, the networks' stride, so that mirrors fit too


class Spread(Protocol):
    """How scores spread over an image; made of a method's options and of the weights' method.

    Attributes:
        stride: of the grid that scores live on.
        has_background: the background is one of the scores.
        threshold: of the background in the place of scores; None where it has some.
        pad_to: side that images are padded to at least.
    """

    @property
    def stride(self) -> int: ...
    @property
    def has_background(self) -> bool: ...
    @property
    def threshold(self) -> float | None: ...
    @property
    def pad_to(self) -> int: ...

    def see(self, model: Any, x: Tensor, place: Place) -> Tensor:
        """What the network sees in a padded image (1, 3, H, W): features or boundaries."""

    def __call__(self, cam: Tensor, seen: Tensor, size: tuple[int, int], stride: int) -> Tensor:
        """(n, h, w) scores on the grid, of an image of (H, W) whose cam is of `stride`."""

    def scores_record(self) -> dict[str, Any]:
        """All that the scores depend on, for provenance."""

    def labels_record(self) -> dict[str, Any]:
        """What the labels depend on besides."""


@dataclass(frozen=True, kw_only=True)
class Exponent:
    """What every method raises affinities to."""

    beta: Annotated[
        float | None,
        typer.Option(
            help=f"Exponent that affinities are raised to. nearest: {NEAREST_BETA:g}. "
            f"Default: {PSA_BETA:g} (psa), {IRN_BETA:g} (irn)."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class WalkCard(Card):
    """A method of random-walk.

    Attributes:
        spread: of the name of the method that trained the weights, the options, and the side of the
            crops that it trained on, 0 if that is not known.
    """

    spread: Callable[[str, Any, int], Spread]


class Loaded(NamedTuple):
    """An image and its maps as the walk takes them.

    Attributes:
        copies: its pixels at their working size, (3, h, w) uint8; none where it has no class.
        cam: (K, h', w') float32 on the grid of the image itself.
        size: (H, W) of the image.
    """

    copies: list[Tensor]
    cam: Tensor
    size: tuple[int, int]


@dataclass(frozen=True)
class Walker:
    """Runs the network and the walk, in this process: torch has threads of its own for them.

    Attributes:
        maps: what spreads.
        data: their images.
        model: of train-aff.
        weights: its file.
        place: of the model.
        spread: how scores spread.
        max_side: longer images are looked at, and walked over, at this size.
    """

    maps: Artifact
    data: DatasetReader
    model: Any
    weights: Path
    place: Place
    spread: Spread
    max_side: int

    def load(self, image_id: str) -> Loaded:
        """One image and its maps.

        Raises:
            WsssError: maps and image do not fit.
        """
        from ..core.cam import dequantise
        from ..core.images import as_tensor
        from ..core.views import resize_image, working_size

        item, size = checked_item(self.maps, image_id)
        image = self.data.image(image_id)
        copies = [as_tensor(resize_image(image, working_size(size, self.max_side)))]
        return Loaded(copies if len(item["classes"]) else [], dequantise(item["cam"]), size)

    def walked(self, ids: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
        """Walked scores (n, h, w) float32 of images, the background first where it spreads too.

        Raises:
            WsssError: maps and image do not fit, or there is no memory for them.
        """
        import torch

        from ..core.grid import grid_size

        feed = Feed(self.place, threads(None, self.place), 1, self.max_side)
        batches = feed.batches(self.load, ids, self.data)
        for image_id, loaded, scores in looked_at(batches, self._look):
            if scores is None:
                channels = 1 if self.spread.has_background else 0
                grid = grid_size(*loaded.size, self.spread.stride)
                scores = torch.ones(channels, *grid).numpy()
            yield image_id, scores

    def _look(self, batch: Sequence[tuple[str, Loaded]]) -> list[np.ndarray]:
        return [self._scores(image_id, loaded) for image_id, loaded in batch]

    def _scores(self, image_id: str, loaded: Loaded) -> np.ndarray:
        import torch

        from ..core.images import batch_to_input

        stride, own = cam_stride(self.maps), self.spread.stride
        work = (loaded.copies[0].shape[-2], loaded.copies[0].shape[-1])
        with torch.no_grad():
            x = padded(batch_to_input(loaded.copies), self.spread.pad_to)
            x = x.contiguous(memory_format=torch.channels_last)
            cam = loaded.cam.to(self.place.device)  # before the network, which it would wait for
            seen = self.spread.see(self.model, x, self.place)
            finite = torch.isfinite(seen).all()  # asked at the end, when a GPU is waited for anyway
            if work != loaded.size:
                finer = min(stride, own)
                cam, stride = _moved(cam, loaded.size, stride, work, finer), finer
            scores = self.spread(cam, seen, work, stride)
            if work != loaded.size:
                scores = _moved(scores, work, own, loaded.size, own)
            walked = scores.cpu().numpy()
        if not finite:
            raise not_finite(self.weights, "values", image_id)
        return walked


def padded(x: Tensor, least: int) -> Tensor:
    """Pad (B, 3, H, W) on the right and below to sides of `least` or, if longer, multiples of PAD.

    With zeros, the mean colour. Features of a network with batch norm hardly change with it. The
    heads of IRNet have group norms, which take means over the whole map: its boundaries do.
    """
    from torch.nn import functional

    from ..core.grid import pad_to_multiple

    height, width = x.shape[-2:]
    large = functional.pad(x, (0, max(0, least - width), 0, max(0, least - height)))
    return pad_to_multiple(large, PAD)


def features(model: Any, x: Tensor, place: Place) -> Tensor:
    """(D, h, w) features of a padded image (1, 3, H, W)."""
    with place.autocast():
        return model(x)[0]


def _moved(
    maps: Tensor, size: tuple[int, int], stride: int, to: tuple[int, int], to_stride: int
) -> Tensor:
    """Maps of an image on the grid of its copy of another size."""
    from ..core.cam import View, fuse_views

    return fuse_views([View(maps, size, stride)], to, to_stride)
