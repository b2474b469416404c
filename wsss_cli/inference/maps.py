"""Class activation maps of photographs: what a method of make-cam says of itself, and the steps."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..artifacts.maps import MAX_STRIDE
from ..artifacts.supervision import TAGS
from ..errors import UsageError
from ..options.annotations import Default
from ..options.cards import Card
from ..options.looking import Views
from .views import looked_at, network_inputs, network_pass, not_finite, view_copies

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..artifacts import DatasetReader
    from ..machine.place import Place
    from ..nets.classifier import Classifier
    from ..nets.gradient import GradientClassifier

NAME = "make-cam"
TAG_THRESHOLD = 0.5  # of the probability of a predicted class


class Dtype(str, enum.Enum):
    "Data type in which maps are stored."

    float16 = "float16"
    uint8 = "uint8"


class Tags(str, enum.Enum):
    """Where the classes of an image come from."""

    data = "data"
    predicted = "predicted"


@dataclass(frozen=True, kw_only=True)
class CamCard(Card):
    """A method of make-cam.

    Attributes:
        look: the network as maps are drawn from it, of a classifier, its outputs by class (None:
            one a class, in order) and the method's options; and what the artifact records of that.
        any_network: whether it draws from others' classifiers too.
    """

    look: Callable[[Any, Sequence[Sequence[int]] | None, Any], tuple[Any, dict[str, Any]]]
    any_network: bool = False


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Which maps are drawn, and how they are kept."""

    stride: Annotated[
        int, typer.Option(min=1, max=MAX_STRIDE, help="Image pixels per cell of the maps.")
    ] = 4
    dtype: Annotated[Dtype, typer.Option(help="Data type in which maps are stored.")] = (
        Dtype.float16
    )
    tags: Annotated[
        Tags,
        typer.Option(
            help="Classes to draw: those that the data set says are there (data), or those that "
            "the network recognises (predicted)."
        ),
    ] = Tags.data
    tag_threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Probability from which a class counts as recognised.",
        ),
        Default(TAG_THRESHOLD),
    ] = None

    def __post_init__(self) -> None:
        """Raises UsageError for options that contradict."""
        if self.tag_threshold is not None and self.tags is Tags.data:
            raise UsageError("--tag-threshold: needs --tags predicted")

    @property
    def threshold(self) -> float | None:
        """The least probability of a class that is drawn; None where tags say which."""
        if self.tags is Tags.data:
            return None
        return TAG_THRESHOLD if self.tag_threshold is None else self.tag_threshold

    @property
    def learns(self) -> tuple[str, ...]:
        """The kinds of labels that maps are made of beside the network."""
        return (TAGS,) if self.tags is Tags.data else ()

    def record(self) -> dict[str, Any]:
        """For the artifact: plain values."""
        return {
            "stride": self.stride,
            "dtype": self.dtype.value,
            "tags": self.tags.value,
            "tag_threshold": self.threshold,
        }


class Loaded(NamedTuple):
    """An image as the network takes it.

    Attributes:
        copies: (3, H_s, W_s) uint8, one for each scale; none where no map is to be drawn.
        size: (2,) int32 H and W of the image.
        tags: (K,) uint16 class indices, rising; None where they are to be predicted.
    """

    copies: list[Tensor]
    size: np.ndarray
    tags: np.ndarray | None


class Drawn(NamedTuple):
    """The maps of an image.

    Attributes:
        cam: (K, h, w) float32 in [0, 1].
        classes: (K,) uint16 class indices, rising.
    """

    cam: Tensor
    classes: np.ndarray


def load_image(reader: DatasetReader, views: Views, drawing: Drawing, image_id: str) -> Loaded:
    """One image, decoded and scaled; not decoded where it has no tags."""
    import numpy as np

    tags = reader.tags(image_id) if drawing.tags is Tags.data else None
    if tags is not None and not len(tags):
        return Loaded([], np.array(reader.size(image_id), np.int32), tags)
    image = reader.image(image_id)
    copies = view_copies(image, views.scales, views.max_side)
    return Loaded(copies, np.array(image.shape[:2], np.int32), tags)


def map_items(
    model: Classifier | GradientClassifier,
    place: Place,
    flip: bool,
    drawing: Drawing,
    batches: Iterable[list[tuple[str, Loaded]]],
    weights: Path,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The fields of `wsss/cam` items, by image.

    Args:
        model: see `CamCard.look`.
        place: of the model.
        flip: look at mirror images too.
        drawing: see there.
        batches: of `Feed.batches`.
        weights: the file to name where it is to blame.

    Raises:
        WsssError: no memory, or maps that are not finite.
    """
    look = partial(draw, model, place, flip, drawing)
    for image_id, loaded, drawn in looked_at(batches, look):
        cam, classes = drawn or nothing_drawn(loaded, drawing.stride)
        values = stored(cam, drawing.dtype, weights, image_id)
        yield image_id, {"cam": values, "classes": classes, "size": loaded.size}


def draw(
    model: Classifier | GradientClassifier,
    place: Place,
    flip: bool,
    drawing: Drawing,
    batch: Sequence[tuple[str, Loaded]],
) -> list[Drawn]:
    """The maps of images of one working size.

    A class is predicted where the mean logits over all views give it the threshold's probability.
    """
    import numpy as np
    import torch

    from ..core.cam import fuse_views, normalise
    from ..core.seam import max_norm
    from ..nets.inference import class_views, mean_logits

    images = [loaded for _, loaded in batch]
    wanted = [
        torch.from_numpy(loaded.tags.astype(np.int64)).to(place.device)
        for loaded in images
        if loaded.tags is not None
    ]
    drawn = []
    with network_pass(place):
        every = class_views(model, network_inputs(images), flip, wanted or None)
        for loaded, views in zip(images, every, strict=True):
            classes = loaded.tags
            if classes is None:
                assert drawing.threshold is not None
                found = model.probabilities(mean_logits(views)) >= drawing.threshold
                views = [replace(view, maps=view.maps[found]) for view in views]
                classes = found.nonzero().flatten().cpu().numpy().astype(np.uint16)
            height, width = loaded.size.tolist()
            cam = fuse_views(views, (height, width), drawing.stride)
            drawn.append(Drawn(max_norm(cam) if model.spreads else normalise(cam), classes))
    return drawn


def nothing_drawn(loaded: Loaded, stride: int) -> Drawn:
    """The maps of an image without tags."""
    import torch

    from ..core.grid import grid_size

    assert loaded.tags is not None
    height, width = loaded.size.tolist()
    return Drawn(torch.zeros((0, *grid_size(height, width, stride))), loaded.tags)


def stored(cam: Tensor, dtype: Dtype, weights: Path, image_id: str) -> np.ndarray:
    """The maps as the artifact keeps them.

    Raises:
        WsssError: they are not finite, since the weights are not.
    """
    from ..core.cam import quantise

    try:
        return quantise(cam, dtype.value)
    except ValueError:
        raise not_finite(weights, "maps", image_id) from None
