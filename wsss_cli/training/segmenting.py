"""What the methods of train-seg share: what they are told, the network, its validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.supervision import MASKS
from ..console import warn
from ..errors import UsageError
from ..options.segmenter import Head
from ..options.training import Body, Crops, Recipe, Setting
from .inputs import held_out_split, keep_pixels
from .lesson import TrainingCard
from .taught import Measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import nn

    from ..artifacts import DatasetReader
    from ..nets.segmentation import Segmenter
    from .compute import Compute
    from .data import Sample
    from .team import Team

NAME = "train-seg"
KIND = "wsss/seg"


def network(config: Mapping[str, Any], n_labels: int) -> Segmenter:
    """The network that weights of most methods hold, untrained, without what only training needs.

    Args:
        config: see `Task.config`.
        n_labels: background included.

    Raises:
        ValueError: a config without what it is built from.
    """
    from ..nets.rebuild import backbone_of, entry
    from ..nets.segmentation import build_segmenter

    model, backbone = entry(config, "model", str), backbone_of(config)
    norm = entry(config, "norm", str)
    stride = entry(config, "decoder_stride", int, 0) or None  # older weights have no choice of it
    return build_segmenter(model, backbone, n_labels, norm=norm, decoder_stride=stride)


@dataclass(frozen=True, kw_only=True)
class SegmentingCard(TrainingCard):
    """A method of train-seg.

    Attributes:
        presence: its networks tell which classes an image holds, and `predict` goes by it.
    """

    network: Callable[[Mapping[str, Any], int], nn.Module] = network
    presence: bool = False


@dataclass(frozen=True)
class Task:
    """What every method is told."""

    out: Path
    data: Path | None
    split: str | None
    val_split: str | None
    val_every: int
    head: Head
    body: Body
    recipe: Recipe
    crops: Crops
    setting: Setting

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", replace(self.body, output_stride=self.head.stride))
        _ = self.config  # refuses what is no network

    @property
    def unit_rates(self) -> tuple[int, ...]:
        """The rates of the units of the backbone's last stage; none where all have the same."""
        return self.head.unit_rates(self.body.backbone, self.body.dilated)

    @property
    def config(self) -> dict[str, Any]:
        """What the network is rebuilt from.

        Keys that only some networks have stand there for those alone.
        """
        norm, decoder, rates = self.head.head_norm.value, self.head.decoder, self.unit_rates
        own: dict[str, Any] = {"model": self.head.model, "norm": norm}
        own |= {} if decoder is None else {"decoder_stride": decoder}
        own |= {"multi_grid": list(rates)} if rates else {}
        return {**self.body.config(), **own}

    @property
    def params(self) -> dict[str, Any]:
        """What of the network's options changes the numbers."""
        return {**self.config, **self.body.params(), "aux_weight": self.head.aux}

    def network(self, n_labels: int, team: Team) -> tuple[Segmenter, list[nn.Module]]:
        """A network to train, and those of its modules that are pretrained.

        Raises:
            UsageError: a head that the backbone has no maps for.
        """
        from ..nets.segmentation import build_segmenter, load_head_weights

        aux, norm = self.head.aux > 0, self.head.head_norm.value
        body = self.body.build(self.unit_rates)
        try:
            net = build_segmenter(self.head.model, body, n_labels, aux, norm, self.head.decoder)
        except ValueError as err:
            raise UsageError(f"--model {self.head.model}: {err}") from None
        filled = load_head_weights(net, self.body.weights)
        if filled is None and team.leads:
            warn(f"{self.body.weights} holds no classifier of VGG-16: fc6 and fc7 start at random")
        return net, [net.backbone, *(filled or [])]

    @property
    def side(self) -> int:
        """The longer side that longer images are shrunk to when looked at whole; 0: none are."""
        side = self.crops.max_side
        assert side is not None  # the methods settle it
        return side

    def held_out(self, reader: DatasetReader) -> str | None:
        """The split to validate on."""
        return held_out_split(reader, self.val_split)

    def measure(self, reader: DatasetReader, ids: Sequence[str], team: Team) -> Measure | None:
        """Validation, if there is any; has pixels kept of its images and of those to train on."""
        held_out, val = self.held_out(reader), []
        if self.val_every and held_out is not None:
            val = _with_masks(reader, held_out, team)
        keep_pixels(reader, [*ids, *val], self.setting.keep_pixels, team.world)
        return Measure(MASKS, val, partial(validate, reader, val, self.side)) if val else None


def head_learned(pretrained: Sequence[nn.Module]) -> bool:
    """Whether `Task.network` filled part of the head too, as FCN-8s's from FCN-32s.

    Such a head is left as it is, unless a probe is asked for.
    """
    return len(pretrained) > 1


def load_whole(
    reader: DatasetReader, max_side: int, image_id: str, rng: np.random.Generator
) -> Sample:
    """A whole image at its working size, and its mask (H, W) uint8 at its own."""
    import torch

    from ..core.images import to_input
    from ..core.views import resize_image, working_size

    image, mask = reader.image(image_id), reader.mask(image_id)
    assert mask is not None
    small = resize_image(image, working_size(mask.shape, max_side))
    return {"image": to_input(small), "mask": torch.from_numpy(mask)}


def validate(
    reader: DatasetReader, ids: list[str], max_side: int, model: nn.Module, compute: Compute
) -> dict[str, float]:
    """Mean IoU over the labels that masks or predictions hold; whole images, one scale."""
    import numpy as np
    from torch.nn import functional

    from ..core.metrics import confusion_matrix, scores
    from .compute import predictions
    from .data import Samples, in_order

    n_labels = len(reader.classes) + 1
    total = np.zeros((n_labels, n_labels + 1), np.int64)
    samples = Samples(partial(load_whole, reader, max_side), ids)
    # one image at a time: padding to a common size would let borders see what they never saw
    keys = compute.team.mine(in_order(len(ids), 1))
    for logits, batch in predictions(model, compute.batches(samples, keys), compute):
        mask = batch["mask"][0]
        if logits.shape[-2:] != mask.shape:
            logits = functional.interpolate(logits, size=mask.shape, mode="bilinear")
        labels = logits[0].argmax(0).cpu().numpy().astype(np.uint8)
        total += confusion_matrix(mask.cpu().numpy(), labels, n_labels)
    found = scores(np.stack(compute.team.gather(total)).sum(axis=0))
    return {"val_miou": found.miou, "val_pixel_accuracy": found.pixel_accuracy}


def _with_masks(reader: DatasetReader, split: str, team: Team) -> list[str]:
    ids = [image_id for image_id in reader.split(split) if reader.has_mask(image_id)]
    if not ids and team.leads:
        warn(f"no image of split {split!r} has a mask: training without validation")
    return ids
