"""Heads that start as a linear probe of the backbone's features, before training touches them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from ..nets.names import BACKBONE_FACTS, SEGMENTER_FACTS, has_linear_head
from .inputs import checked_label

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from ..artifacts import Artifact, DatasetReader
    from ..nets.segmentation import Segmenter
    from ..options.training import Body
    from .compute import Compute
    from .data import Load, Sample

PROBE_DECAY = 0.3
CELLS = 1 << 16  # that a probe of cells is fitted to, of all images: half a gigabyte of ResNet-50's


ONE_LAYER = ", ".join(name for name, facts in SEGMENTER_FACTS.items() if facts.linear)
NO_PROBE = ", ".join(name for name, facts in BACKBONE_FACTS.items() if facts.vgg)


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What the head of a segmentation network starts from."""

    probe: Annotated[
        bool | None,
        typer.Option(
            "--probe/--no-probe",
            help="Start a head of one layer as a linear classifier of the pretrained features, "
            "fitted to labelled cells (single-stage: to tags). Only networks with such a head: "
            f"{ONE_LAYER}, not on {NO_PROBE}; rrm's head of tags on any network. Default: yes "
            "there, unless the features are random, the weights hold a head, or the loss is sec "
            "or dsrg.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class CellProbe(Probed):
    """A start from labelled cells."""

    probe_decay: Annotated[
        float, typer.Option(metavar="RATE", help="Weight decay of the probe.")
    ] = PROBE_DECAY

    def decay(self, model: str, body: Body, usual: bool) -> float | None:
        """The probe's decay; None to start at random.

        Args:
            model: of the network.
            body: its backbone.
            usual: whether to probe where it is possible and nothing is said.

        Raises:
            UsageError: a head that has no such start, or a decay of no use.
        """
        check_decay(self.probe_decay)
        possible = has_linear_head(model, body.backbone)
        if self.probe and not possible:
            raise UsageError(f"--probe: the head of {model} on {body.backbone} has several layers")
        given = {"probe": self.probe, "weights": body.weights}
        if starts_as_probe(given, usual and possible):
            return self.probe_decay
        if self.probe_decay != PROBE_DECAY:
            raise UsageError("--probe-decay: there is no probe")
        return None


def starts_as_probe(options: Mapping[str, Any], usual: bool) -> bool:
    """Whether a head starts as a linear probe: as --probe says, else of pretrained features.

    Args:
        options: `probe` and `weights` among them.
        usual: whether it does so if nothing is said.
    """
    usual = usual and options["weights"] != "random"
    return usual if options["probe"] is None else bool(options["probe"])


def probes_head(options: Mapping[str, Any]) -> bool:
    """The same of a head of one layer, of all of train-seg's options."""
    return starts_as_probe(options, has_linear_head(options["model"], options["backbone"]))


def check_decay(decay: float) -> None:
    """Raise UsageError for a --probe-decay that determines nothing."""
    if not 0 < decay < math.inf:
        raise UsageError("--probe-decay: must be above 0")


def seen_by(
    backbone: nn.Module,
    load: Load,
    ids: list[str],
    take: Callable[[Tensor, Sample], tuple[Tensor, ...]],
    compute: Compute,
) -> list[tuple[Tensor, ...]]:
    """What `take` makes of the last map (1, D, h, w) and the sample of each image, in order.

    Images are dealt over the processes; each gets what all have found.
    """
    import torch

    from .compute import predictions
    from .data import Samples

    mine = compute.team.mine(range(len(ids)))
    batches = compute.batches(Samples(load, ids), [[(0, index)] for index in mine])
    seen = [
        tuple(value.cpu().numpy() for value in take(maps[-1], batch))
        for maps, batch in predictions(backbone, batches, compute)
    ]
    found = dict(
        pair for part in compute.team.gather(list(zip(mine, seen, strict=True))) for pair in part
    )
    return [tuple(map(torch.from_numpy, found[index])) for index in range(len(ids))]


def probe_tags(
    load: Load, ids: list[str], decay: float, backbone: nn.Module, compute: Compute
) -> Tensor:
    """A linear probe (C, D) of features pooled over whole images, samples having "tags"."""
    import torch

    from ..core.probe import linear_probe
    from .loop import check_finite

    def pooled(features: Tensor, batch: Sample) -> tuple[Tensor, ...]:
        return features.mean(dim=(2, 3))[0], batch["tags"][0]

    found = seen_by(backbone, load, ids, pooled, compute)
    features, tags = (torch.stack(column) for column in zip(*found, strict=True))
    check_finite(bool(features.isfinite().all()), "the backbone's features are not finite")
    return compute.team.share(
        linear_probe(features, tags, decay) if compute.team.leads else features
    )


def start_head(
    data: DatasetReader,
    labels: Artifact,
    ids: list[str],
    max_side: int,
    decay: float,
    model: Segmenter,
    compute: Compute,
) -> None:
    """Make a one-layer head a linear probe of the cells whose centres are labelled."""
    load = partial(_whole, data, labels, max_side)
    start_from_cells(load, _own_label, ids, len(data.classes) + 1, decay, model, compute)


def start_from_cells(
    load: Load,
    label: Callable[[Sample], Tensor],
    ids: list[str],
    n_labels: int,
    decay: float,
    model: Segmenter,
    compute: Compute,
) -> None:
    """Make a one-layer head a linear probe of the cells whose centres are labelled.

    Each image gives the same number of cells, spread evenly over those that it has.

    Args:
        load: makes the sample of a whole image, with its `image`.
        label: of such a sample, (1, H, W) labels of the image at any size.
        ids: of the images.
        n_labels: background included.
        decay: of the probe.
        model: whose head it is.
    """
    import torch

    from ..core.labels import IGNORE
    from ..core.probe import pixel_probe
    from .loop import check_finite

    share = max(1, CELLS // len(ids))

    def labelled(features: Tensor, batch: Sample) -> tuple[Tensor, ...]:
        cells = features[0].flatten(1).T
        seen = {"image": batch["image"], "label": label(batch)}
        target = _at_centres(seen, model.backbone.output_stride, features.shape[-2:])
        known = (target != IGNORE).nonzero()[:, 0]
        if len(known) > share:
            known = known[torch.arange(share, device=known.device) * len(known) // share]
        return cells[known].half(), target[known]

    found = seen_by(model.backbone, load, ids, labelled, compute)
    features, target = (torch.cat(column) for column in zip(*found, strict=True))
    del found
    check_finite(bool(features.isfinite().all()), "the backbone's features are not finite")
    probe = (
        pixel_probe(features.float(), target, n_labels, decay)
        if compute.team.leads and len(target)
        else None
    )
    probe = compute.team.share(probe)
    if probe is not None:
        model.head.start_from(*(part.to(compute.device) for part in probe))


def _own_label(batch: Sample) -> Tensor:
    return batch["label"]


def _whole(
    data: DatasetReader,
    labels: Artifact,
    max_side: int,
    image_id: str,
    rng: np.random.Generator,
) -> Sample:
    """A whole image at its working size, and its labels (H, W) at their own."""
    import torch

    from ..core.images import as_tensor
    from ..core.views import resize_image, working_size

    image, label = checked_label(data, labels, image_id)
    small = resize_image(image, working_size(label.shape, max_side))
    return {"image": as_tensor(small), "label": torch.from_numpy(label)}


def _at_centres(batch: Sample, stride: int, cells: torch.Size) -> Tensor:
    """Labels (h * w,) at the centres of a map's cells, of a sample with its image (1, 3, H, W)."""
    import torch

    label, seen = batch["label"][0], batch["image"].shape[-2:]
    rows, columns = (
        ((torch.arange(count, device=label.device) + 0.5) * stride * whole / side)
        .long()
        .clamp_max(whole - 1)
        for count, whole, side in zip(cells, label.shape, seen, strict=True)
    )
    return label[rows[:, None], columns].flatten().long()
