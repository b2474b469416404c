"""train-aff: which pixels belong together, learned from seeds."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..options.groups import Help, Without, grouped
from ..options.shared import Data, Split
from ..options.training import MAX_SIDE, Body, Crops, Recipe, Setting
from ..training.inputs import held_out_split, keep_pixels, labelled_crop, labelled_ids
from ..training.job import Job, begin, train

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ..artifacts import DatasetReader
    from ..nets.base import Backbone
    from ..training.compute import Compute
    from ..training.data import Sample
    from ..training.losses import Loss

NAME = "train-aff"


class Method(str, enum.Enum):
    """AffinityNet's pixel features, or IRNet's boundaries and displacements."""

    psa = "psa"
    irn = "irn"


# Crops, scales, radius, decay, strides as published (Ahn & Kwak, CVPR 2018; Ahn, Cho & Kwak, CVPR
# 2019, and their code). Rates are theirs over ten, since theirs go without momentum; batches are
# smaller and epochs more, so that a few hundred images make enough steps.
DEFAULTS: dict[Method, dict[str, Any]] = {
    Method.psa: {
        "radius": 5,
        "output_stride": 8,
        "dilated": True,
        "epochs": 8,
        "batch_size": 8,
        "lr": 1e-3,
        "weight_decay": 5e-4,
        "crop": 448,
        "rescale": None,
    },
    Method.irn: {
        "radius": 10,
        "output_stride": 16,
        "dilated": False,
        "epochs": 8,
        "batch_size": 16,
        "lr": 1e-2,
        "weight_decay": 1e-4,
        "crop": 512,
        "rescale": "0.5,1.5",
    },
}
BODY = Body(freeze_stages=2)
RECIPE = Recipe(epochs=8, batch_size=16, lr=1e-2)
CROPS = Crops()
SETTING = Setting()


@grouped(by="method", usual=DEFAULTS)
def run(
    seeds: Annotated[
        Path, typer.Option("--seeds", metavar="FILE", help="Label maps to learn from.")
    ] = Path("seeds.h5"),
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Weights to write.")
    ] = Path("aff.pt"),
    method: Annotated[Method, typer.Option(help="AffinityNet (psa) or IRNet (irn).")] = Method.irn,
    radius: Annotated[int, typer.Option(min=2, help="Of the disk of pairs, in cells.")] = 10,
    split: Split = None,
    body: Annotated[
        Body, Help(freeze_stages="psa: first stages that do not train (irn: all).")
    ] = BODY,
    group_norm: Annotated[
        bool | None,
        typer.Option(
            "--group-norm/--no-group-norm",
            help="psa: normalise the projections. Default: for vgg16, which has no batch norm.",
        ),
    ] = None,
    recipe: Annotated[
        Recipe,
        Help(
            lr="Rate of the backbone (psa) or the boundary head (irn) at start.",
            head_multiplier="Rate of the head (psa) or the displacement head (irn) over --lr.",
        ),
    ] = RECIPE,
    crops: Annotated[
        Crops,
        Without("long_side", "max_side"),
        Help(
            crop="Side of the training crops.",
            rescale="Scale images by a factor in this range. Default: 1,1 (psa), 0.5,1.5 (irn).",
        ),
    ] = CROPS,
    setting: Setting = SETTING,
) -> None:
    """Train a network that tells which near pixels belong together, for `random-walk`.

    Learns from pairs of pixels that seeds label; 255 teaches nothing. Takes all seeds but those
    of a split `val`, unless --split says otherwise. Interrupted, the same command goes on.

    Example: wsss train-aff --seeds seeds.h5 --method irn --backbone resnet50 -o aff.pt
    """
    from ..artifacts import LABEL, open_artifact, open_dataset

    with (
        begin(out, recipe, setting) as team,
        open_artifact(seeds, LABEL) as labels,
        open_dataset(data, labels) as reader,
    ):
        augment = crops.augment()
        ids = labelled_ids(reader, labels, split, held_out_split(reader, None))
        keep_pixels(reader, ids, setting.keep_pixels, team.world)
        config: dict[str, Any] = {**body.config(), "method": method.value}
        if method is Method.psa:
            config["group_norm"] = body.backbone == "vgg16" if group_norm is None else group_norm
            learner = affinity_learner(body.build(), config["group_norm"], radius)
        else:
            learner = boundary_learner(body.build(), radius, reader, ids)
        job = Job(
            name=NAME,
            kind="wsss/aff",
            out=out,
            model=learner.model,
            config=config,
            params={**config, **body.params(), "radius": radius, **asdict(augment)},
            classes=reader.classes,
            inputs=[reader, labels],
            ids=ids,
            load=partial(labelled_crop, reader, labels, augment),
            loss=learner.loss,
            grouping=learner.grouping,
            finish=learner.finish,
        )
        train(job, recipe, setting, team)


@dataclass
class Learner:
    """A method's network and loss, how its parameters are grouped, and what is left to do."""

    model: nn.Module
    loss: Loss
    grouping: dict[str, Any] = field(default_factory=dict)
    finish: Callable[[nn.Module, Compute], None] | None = None


def affinity_learner(backbone: Backbone, group_norm: bool, radius: int) -> Learner:
    """AffinityNet, all of which trains, on the commonest label of each cell."""
    from ..nets.affinity import AffinityNet
    from ..training.losses import Loss, vote_labels

    model = AffinityNet(backbone, group_norm)
    prepare = partial(count_cells, vote_labels, model.stride, radius)
    return Learner(model, Loss(prepare, partial(affinity_loss, radius)))


def boundary_learner(
    backbone: Backbone, radius: int, reader: DatasetReader, ids: Sequence[str]
) -> Learner:
    """IRNet, whose two heads train, on the label at each cell's centre.

    At the end it learns its mean displacement.
    """
    from ..nets.affinity import IRNet
    from ..training.losses import Loss, nearest_labels

    model = IRNet(backbone)
    prepare = partial(count_cells, nearest_labels, model.stride, radius)
    return Learner(
        model,
        Loss(prepare, partial(boundary_loss, radius)),
        # the boundary head trains at --lr itself, as in IRN's code
        {"bias_doubling": False, "pretrained": [model.edge]},
        partial(centre_displacement, reader, ids),
    )


def count_cells(
    to_cells: Callable[[Tensor, int], Tensor], stride: int, radius: int, batch: Sample
) -> tuple[Tensor, Tensor]:
    """Labels of the cells, and how many pairs of each kind they make."""
    from ..core.affinity import pair_counts

    labels = to_cells(batch["label"], stride)
    return labels, pair_counts(labels, radius)


def affinity_loss(radius: int, features: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    """AffinityNet's loss."""
    from ..core.affinity import affinity_loss_psa

    return affinity_loss_psa(features, labels, radius, counts=counts).total


def boundary_loss(
    radius: int, outputs: tuple[Tensor, Tensor], labels: Tensor, counts: Tensor
) -> Tensor:
    """IRNet's losses."""
    from ..core.affinity import boundary_loss_irn

    edge, displacement = outputs
    return boundary_loss_irn(edge.sigmoid(), displacement, labels, radius, counts=counts).total


def centre_displacement(
    reader: DatasetReader, ids: Sequence[str], model: nn.Module, compute: Compute
) -> None:
    """Store the mean displacement over the training images, whole and each counting the same.

    Source: IRNet (Ahn, Cho and Kwak, CVPR 2019), section 4.2; the code takes 512 x 512 corners,
    padding included.
    """
    import torch

    from ..nets.affinity import IRNet
    from ..training.compute import predictions
    from ..training.data import Samples, in_order

    assert isinstance(model, IRNet)
    model.set_mean_displacement(torch.zeros(2))
    total = torch.zeros(2)
    samples = Samples(partial(load_whole, reader), ids)
    keys = compute.team.mine(in_order(len(ids), 1))
    for outputs, _ in predictions(model, compute.batches(samples, keys), compute):
        total += outputs[1].mean(dim=(0, 2, 3)).cpu()
    model.set_mean_displacement(torch.stack(compute.team.gather(total)).sum(0) / len(ids))


def load_whole(reader: DatasetReader, image_id: str, rng: np.random.Generator) -> Sample:
    """A whole image (3, H, W) at its working size."""
    from ..core.images import to_input
    from ..core.views import resize_image, working_size

    image = reader.image(image_id)
    size = working_size((image.shape[0], image.shape[1]), MAX_SIDE)
    return {"image": to_input(resize_image(image, size))}
