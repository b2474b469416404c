"""make-cam: class activation maps of a trained classifier."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..artifacts.maps import MAX_STRIDE
from ..console import log, track
from ..errors import UsageError, WsssError
from ..inference import feed as shared
from ..machine.devices import Precision, resolve_device, resolve_precision
from ..methods.make_cam.network import Look, StateDict
from ..methods.rebuild import classifier
from ..options.groups import grouped
from ..options.ids import need_ids, select_ids
from ..options.shared import Data, Device, Force, Ids, PrecisionOption, Quiet, ShardOption, Split

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..artifacts import DatasetReader, Weights
    from ..nets.classifier import Classifier
    from ..nets.gradient import GradientClassifier
    from ..training.compute import Compute

NAME = "make-cam"
TAG_THRESHOLD = 0.5  # of the probability of a predicted class


class Dtype(str, enum.Enum):
    """How maps are stored."""

    float16 = "float16"
    uint8 = "uint8"


class Tags(str, enum.Enum):
    """Where the classes of an image come from."""

    data = "data"
    predicted = "predicted"


LOOK = Look()


@grouped()
def run(
    weights: Annotated[
        Path,
        typer.Option(
            "--weights", "-w", metavar="FILE", help="From `wsss train-cls`; or see --network."
        ),
    ] = Path("cls.pt"),
    data: Data = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Maps to write.")] = Path(
        "cam.h5"
    ),
    look: Look = LOOK,
    split: Split = None,
    ids: Ids = None,
    scales: shared.Scales = shared.SCALES,
    flip: shared.Flip = True,
    max_side: shared.MaxSide = shared.MAX_SIDE,
    batch_size: shared.BatchSize = None,
    stride: Annotated[
        int, typer.Option(min=1, max=MAX_STRIDE, help="Image pixels per cell of the maps.")
    ] = 4,
    dtype: Annotated[Dtype, typer.Option(help="How maps are stored.")] = Dtype.float16,
    tags: Annotated[
        Tags, typer.Option(help="Classes to draw: the data set's tags, or what is recognised.")
    ] = Tags.data,
    tag_threshold: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Probability at which a class counts as recognised. Default: 0.5."
        ),
    ] = None,
    precision: PrecisionOption = Precision.f32,
    device: Device = "auto",
    shard: ShardOption = "1/1",
    workers: shared.Threads = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Draw where each class of an image was recognised.

    Takes all images of the data set unless --split or --ids says otherwise. Maps of the scaled and
    mirrored copies are summed and divided by their maximum. cam reads them off the network that
    train-cls trained; the other methods take gradients, so any classifier serves, torchvision's by
    --network. Interrupted, the same command goes on.

    Example: wsss make-cam --weights cls.pt -o cam.h5
    """
    if tag_threshold is not None and tags is Tags.data:
        raise UsageError("--tag-threshold: needs --tags predicted")
    if tags is Tags.predicted and tag_threshold is None:
        tag_threshold = TAG_THRESHOLD
    look.chosen()
    sizes = shared.parse_scales(scales)
    place = resolve_device(device)
    precision = resolve_precision(precision, place)
    setting = Setting(sizes, flip, max_side, stride, dtype, tags, tag_threshold, precision)

    from ..artifacts import CAM, Shard, create, open_dataset
    from ..machine.precision import autocast_type
    from ..training.compute import Compute

    part = Shard.parse(shard)
    compute = Compute(place, autocast_type(precision.value))
    trained = look.weights(weights)
    with open_dataset(data, trained) as reader:
        wanted = need_ids(select_ids(reader.split(split), ids, reader.path), reader.path, split)
        model, record = look.model(trained, reader, compute, classifier)
        with create(
            out,
            CAM,
            classes=reader.classes,
            params=setting.params() | record,
            inputs=[reader, trained],
            ids=wanted,
            shard=part,
            force=force,
        ) as target:
            load = partial(load_image, reader, setting)
            feed = shared.Feed(compute, shared.threads(workers, compute), batch_size, max_side)
            items = draw(model, compute, feed.batches(load, target.todo, reader), setting)
            for image_id, drawn in track(items, NAME, target.total, len(target), quiet):
                values = store(drawn.cam, setting, trained, image_id)
                target.put(image_id, cam=values, classes=drawn.classes, size=drawn.size)
        log(f"{NAME}: {len(target)} items -> {out}", quiet)


@dataclass(frozen=True)
class Setting:
    """All options that change the numbers."""

    scales: tuple[float, ...]
    flip: bool
    max_side: int
    stride: int
    dtype: Dtype
    tags: Tags
    tag_threshold: float | None
    precision: Precision

    def params(self) -> dict[str, Any]:
        """For the artifact: plain values."""
        return {
            name: value.value if isinstance(value, enum.Enum) else value
            for name, value in asdict(self).items()
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
        size: (2,) int32 H and W of the image.
    """

    cam: Tensor
    classes: np.ndarray
    size: np.ndarray


def load_image(reader: DatasetReader, setting: Setting, image_id: str) -> Loaded:
    """One image, decoded and scaled; not decoded where it has no tags."""
    import numpy as np

    tags = reader.tags(image_id) if setting.tags is Tags.data else None
    if tags is not None and not len(tags):
        return Loaded([], np.array(reader.size(image_id), np.int32), tags)
    image = reader.image(image_id)
    copies = shared.view_copies(image, setting.scales, setting.max_side)
    return Loaded(copies, np.array(image.shape[:2], np.int32), tags)


def draw(
    model: Classifier | GradientClassifier,
    compute: Compute,
    batches: Iterable[list[tuple[str, Loaded]]],
    setting: Setting,
) -> Iterator[tuple[str, Drawn]]:
    """The maps of images, those of a batch at once."""
    import torch

    from ..core.grid import grid_size

    for batch in batches:
        seen = [(image_id, loaded) for image_id, loaded in batch if loaded.copies]
        drawn = {}
        if seen:
            with shared.network_pass(compute, [image_id for image_id, _ in seen]):
                drawn = dict(draw_batch(model, compute, seen, setting))
        for image_id, loaded in batch:
            if image_id in drawn:
                yield image_id, drawn.pop(image_id)
                continue
            assert loaded.tags is not None
            height, width = loaded.size.tolist()
            empty = torch.zeros((0, *grid_size(height, width, setting.stride)))
            yield image_id, Drawn(empty, loaded.tags, loaded.size)


def draw_batch(
    model: Classifier | GradientClassifier,
    compute: Compute,
    batch: Sequence[tuple[str, Loaded]],
    setting: Setting,
) -> Iterator[tuple[str, Drawn]]:
    """The maps of images of one working size.

    A class is predicted where the mean logits over all views give it the threshold's probability.
    """
    import numpy as np
    import torch

    from ..core.cam import fuse_views, normalise
    from ..core.seam import max_norm
    from ..nets.inference import class_views, mean_logits

    wanted = [
        torch.from_numpy(loaded.tags.astype(np.int64)).to(compute.device)
        for _, loaded in batch
        if loaded.tags is not None
    ]
    copies = shared.network_inputs([loaded for _, loaded in batch])
    every = class_views(model, copies, setting.flip, wanted or None)
    for (image_id, loaded), views in zip(batch, every, strict=True):
        classes = loaded.tags
        if classes is None:
            assert setting.tag_threshold is not None
            found = model.probabilities(mean_logits(views)) >= setting.tag_threshold
            views = [replace(view, maps=view.maps[found]) for view in views]
            classes = found.nonzero().flatten().cpu().numpy().astype(np.uint16)
        height, width = loaded.size.tolist()
        cam = fuse_views(views, (height, width), setting.stride)
        cam = max_norm(cam) if model.spreads else normalise(cam)
        yield image_id, Drawn(cam, classes, loaded.size)


def store(cam: Tensor, setting: Setting, trained: Weights | StateDict, image_id: str) -> np.ndarray:
    """The maps as the artifact keeps them.

    Raises:
        WsssError: they are not finite, since the weights are not.
    """
    from ..core.cam import quantise

    try:
        return quantise(cam, setting.dtype.value)
    except ValueError:
        raise WsssError(
            f"{trained.path}: gives maps of {image_id!r} that are not finite",
            "train again, or take other weights",
        ) from None
