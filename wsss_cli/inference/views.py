"""A network's look at photographs: what it is given of each, and what it makes of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from ..errors import WsssError, short_of_memory
from .feed import Seen

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor

    from ..machine.place import Place

R = TypeVar("R")


def view_copies(image: np.ndarray, scales: Sequence[float], max_side: int) -> list[Tensor]:
    """(3, H_s, W_s) uint8, an image's scaled copies; normalised where the network is."""
    from ..core.images import as_tensor
    from ..core.views import scaled_copies

    return [as_tensor(copy) for copy in scaled_copies(image, scales, max_side)]


def network_inputs(batch: Sequence[Seen]) -> list[Tensor]:
    """For each scale (B, 3, H_s, W_s) float32, the normalised copies of images of one size."""
    from ..core.images import batch_to_input

    return [batch_to_input(same) for same in zip(*(seen.copies for seen in batch), strict=True)]


def looked_at(
    batches: Iterable[list[tuple[str, Seen]]],
    look: Callable[[Sequence[tuple[str, Seen]]], Iterable[R]],
) -> Iterator[tuple[str, Seen, R | None]]:
    """What a network makes of images, one after the other.

    Args:
        batches: of `Feed.batches`.
        look: at images of one size, with their ids, all with copies: something of each.

    Yields:
        (id, image as loaded, what `look` made of it); None of an image without copies.

    Raises:
        WsssError: no memory for them.
    """
    for batch in batches:
        seen = [(image_id, loaded) for image_id, loaded in batch if loaded.copies]
        ids = [image_id for image_id, _ in seen]
        found = {}
        if seen:
            with enough_memory(ids):
                found = dict(zip(ids, look(seen), strict=True))
        for image_id, loaded in batch:
            yield image_id, loaded, found.pop(image_id, None)


@contextmanager
def network_pass(place: Place) -> Iterator[None]:
    """Context of a network's forward pass."""
    import torch

    with torch.inference_mode(), place.autocast():
        yield


@contextmanager
def enough_memory(ids: Sequence[str]) -> Iterator[None]:
    """Turn a lack of memory for images into one clear line.

    Raises:
        WsssError: naming the first.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as err:
        if not short_of_memory(err):
            raise
        several = f" and {len(ids) - 1} more at once" if len(ids) > 1 else ""
        smaller = "a lower --batch-size" if several else "a lower --max-side"
        raise WsssError(
            f"{ids[0]}: not enough memory for it{several}",
            f"{smaller} needs less; what is finished is kept",
        ) from err


def not_finite(weights: Path | str, what: str, image_id: str) -> WsssError:
    """The error of a network that gives NaN or infinity."""
    return WsssError(
        f"{weights}: gives {what} of {image_id!r} that are not finite",
        "train again, or take other weights",
    )
