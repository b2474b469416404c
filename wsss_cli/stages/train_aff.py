"""train-aff: which pixels belong together, learned from seeds."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ..options import Data, Device, Force, Precision, PrecisionOption, Quiet, Seed, Split, Workers
from . import _training_options as options
from ._training import Job, Recipe, Setting, begin, train
from ._training_inputs import held_out_split, labelled_crop, labelled_ids

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ..artifacts import DatasetReader
    from ..nets.base import Backbone
    from ..training.data import Sample
    from ..training.loop import Compute, LossFn

T = TypeVar("T")

NAME = "train-aff"


class Method(str, enum.Enum):
    """AffinityNet's pixel features, or IRNet's boundaries and displacements."""

    psa = "psa"
    irn = "irn"


@dataclass(frozen=True)
class Defaults:
    """What the two methods do differently, unless an option says otherwise."""

    radius: int
    output_stride: int
    dilated: bool
    lr: float
    weight_decay: float
    epochs: int
    batch_size: int
    crop: int
    rescale: str | None


# Crops, scales, radius, decay, strides as published (Ahn & Kwak, CVPR 2018; Ahn, Cho & Kwak, CVPR
# 2019, and their code). Rates are theirs over ten, since theirs go without momentum; batches are
# smaller and epochs more, so that a few hundred images make enough steps.
DEFAULTS = {
    Method.psa: Defaults(5, 8, True, 1e-3, 5e-4, 8, 8, 448, None),
    Method.irn: Defaults(10, 16, False, 1e-2, 1e-4, 8, 16, 512, "0.5,1.5"),
}


def run(
    seeds: Annotated[
        Path, typer.Option("--seeds", metavar="FILE", help="Label maps to learn from.")
    ] = Path("seeds.h5"),
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Weights to write.")
    ] = Path("aff.pt"),
    method: Annotated[Method, typer.Option(help="AffinityNet (psa) or IRNet (irn).")] = Method.irn,
    radius: Annotated[
        int | None,
        typer.Option(min=2, help="Of the disk of pairs, in cells. Default: 5 (psa), 10 (irn)."),
    ] = None,
    split: Split = None,
    backbone: options.BackboneName = "resnet50",
    backbone_weights: options.BackboneWeights = "imagenet",
    output_stride: Annotated[
        int | None,
        typer.Option(
            callback=options.check_output_stride,
            help="Pixels per cell of the features. Default: 8 (psa), 16 (irn).",
        ),
    ] = None,
    dilated: Annotated[
        bool | None,
        typer.Option(
            "--dilated/--no-dilated",
            help="Dilate what follows a removed stride. Default: yes (psa), no (irn).",
        ),
    ] = None,
    freeze_stages: Annotated[
        int,
        typer.Option(
            "--freeze-stages", min=0, max=5, help="psa: first stages that do not train (irn: all)."
        ),
    ] = 2,
    batchnorm: options.BatchNormOption = options.BatchNorm.frozen,
    group_norm: Annotated[
        bool | None,
        typer.Option(
            "--group-norm/--no-group-norm",
            help="psa: normalise the projections. Default: for vgg16, which has no batch norm.",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Rounds through the images. Default: 8.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images per update. Default: 8 (psa), 16 (irn).")
    ] = None,
    accumulate: options.Accumulate = 1,
    lr: Annotated[
        float | None,
        typer.Option(
            help="Rate of the backbone (psa) or the boundary head (irn) at start. "
            "Default: 0.001 (psa), 0.01 (irn)."
        ),
    ] = None,
    head_multiplier: Annotated[
        float, typer.Option(help="Rate of the head (psa) or the displacement head (irn) over --lr.")
    ] = 10.0,
    momentum: options.Momentum = 0.9,
    weight_decay: Annotated[
        float | None, typer.Option(help="Weight decay. Default: 0.0005 (psa), 0.0001 (irn).")
    ] = None,
    warmup: options.Warmup = 0,
    clip_grad: options.ClipGrad = None,
    crop: Annotated[
        int | None,
        typer.Option(min=16, help="Side of the training crops. Default: 448 (psa), 512 (irn)."),
    ] = None,
    rescale: Annotated[
        str | None,
        typer.Option(
            metavar="LO,HI",
            help="Scale images by a factor in this range. Default: 1,1 (psa), 0.5,1.5 (irn).",
        ),
    ] = None,
    jitter: options.Jitter = None,
    precision: PrecisionOption = Precision.f32,
    device: Device = "auto",
    workers: Workers = None,
    seed: Seed = 0,
    checkpoint_every: options.CheckpointEvery = 60.0,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Train a network that tells which near pixels belong together, for `random-walk`.

    Learns from pairs of pixels that seeds label; 255 teaches nothing. Takes all seeds but those
    of a split `val`, unless --split says otherwise. Interrupted, the same command goes on.

    Example: wsss train-aff --seeds seeds.h5 --method irn --backbone resnet50 -o aff.pt
    """
    usual = DEFAULTS[method]
    recipe = Recipe(
        epochs=_given(epochs, usual.epochs),
        batch_size=_given(batch_size, usual.batch_size),
        lr=_given(lr, usual.lr),
        head_multiplier=head_multiplier,
        momentum=momentum,
        weight_decay=_given(weight_decay, usual.weight_decay),
        warmup=warmup,
        accumulate=accumulate,
        clip_grad=clip_grad,
        seed=seed,
    )
    setting = Setting(out, force, quiet, device, workers, checkpoint_every)
    body = options.BackboneOptions(
        backbone,
        backbone_weights,
        _given(output_stride, usual.output_stride),
        _given(dilated, usual.dilated),
        freeze_stages,
        batchnorm,
    )
    augment = options.make_augment(
        _given(crop, usual.crop), rescale=_given(rescale, usual.rescale), jitter=jitter
    )
    begin(setting, recipe)

    from ..artifacts import LABEL, open_artifact, open_dataset

    with open_artifact(seeds, LABEL) as labels, open_dataset(data, labels) as reader:
        ids = labelled_ids(reader, labels, split, held_out_split(reader, None))
        config = {**body.config(), "method": method.value}
        radius = _given(radius, usual.radius)
        if method is Method.psa:
            config["group_norm"] = _given(group_norm, backbone == "vgg16")
            learner = affinity_learner(body.build(), config["group_norm"], recipe, radius)
        else:
            learner = boundary_learner(body.build(), recipe, radius, reader, ids)
        job = Job(
            name=NAME,
            kind="wsss/aff",
            model=learner.model,
            groups=learner.groups,
            config=config,
            classes=reader.classes,
            params={**config, **body.params(), "radius": radius, **asdict(augment)},
            inputs=[reader, labels],
            ids=ids,
            load=partial(labelled_crop, reader, labels, augment),
            loss=learner.loss,
            recipe=recipe,
            precision=precision,
            finish=learner.finish,
        )
        train(job, setting)


@dataclass
class Learner:
    """A method's network, its optimiser groups, its loss, and what is left to do at the end."""

    model: nn.Module
    groups: list[dict[str, Any]]
    loss: LossFn
    finish: Callable[[nn.Module, Compute], None] | None = None


def affinity_learner(backbone: Backbone, group_norm: bool, recipe: Recipe, radius: int) -> Learner:
    """AffinityNet, all of which trains."""
    from ..nets.affinity import AffinityNet
    from ..nets.backbones import parameter_groups

    model = AffinityNet(backbone, group_norm)
    groups = parameter_groups(model, recipe.lr, recipe.weight_decay, recipe.head_multiplier)
    return Learner(model, groups, partial(affinity_loss, radius, model.stride))


def boundary_learner(
    backbone: Backbone,
    recipe: Recipe,
    radius: int,
    reader: DatasetReader,
    ids: Sequence[str],
) -> Learner:
    """IRNet, whose two heads train; at the end it learns its mean displacement."""
    from ..nets.affinity import IRNet
    from ..nets.backbones import parameter_groups

    model = IRNet(backbone)
    groups = parameter_groups(
        model,
        recipe.lr,
        recipe.weight_decay,
        recipe.head_multiplier,
        bias_doubling=False,
        pretrained=[model.edge],  # trains at --lr itself, as in IRN's code
    )
    loss = partial(boundary_loss, radius, model.stride)
    return Learner(model, groups, loss, partial(centre_displacement, reader, ids))


def affinity_loss(radius: int, stride: int, features: Tensor, batch: Sample) -> Tensor:
    """AffinityNet's loss against the commonest label of each cell."""
    from ..core.affinity import affinity_loss_psa
    from ..training.losses import vote_labels

    return affinity_loss_psa(features, vote_labels(batch["label"], stride), radius).total


def boundary_loss(
    radius: int, stride: int, outputs: tuple[Tensor, Tensor], batch: Sample
) -> Tensor:
    """IRNet's losses against the label at each cell's centre."""
    from ..core.affinity import boundary_loss_irn
    from ..training.losses import nearest_labels

    edge, displacement = outputs
    labels = nearest_labels(batch["label"], stride)
    return boundary_loss_irn(edge.sigmoid(), displacement, labels, radius).total


def centre_displacement(
    reader: DatasetReader, ids: Sequence[str], model: nn.Module, compute: Compute
) -> None:
    """Store the mean displacement over the training images, whole and each counting the same.

    Source: IRNet (Ahn, Cho and Kwak, CVPR 2019), section 4.2; the code takes 512 x 512 corners,
    padding included.
    """
    import torch

    from ..nets.affinity import IRNet
    from ..training.data import Samples, in_order
    from ..training.loop import predictions

    assert isinstance(model, IRNet)
    model.set_mean_displacement(torch.zeros(2))
    total = torch.zeros(2)
    samples = Samples(partial(load_whole, reader), ids)
    for outputs, _ in predictions(model, compute.batches(samples, in_order(len(ids), 1)), compute):
        total += outputs[1].mean(dim=(0, 2, 3)).cpu()
    model.set_mean_displacement(total / len(ids))


def load_whole(reader: DatasetReader, image_id: str, rng: np.random.Generator) -> Sample:
    """A whole image (3, H, W) at its working size."""
    from ..core.images import to_input
    from ..core.views import resize_image, working_size

    image = reader.image(image_id)
    size = working_size((image.shape[0], image.shape[1]), options.MAX_SIDE)
    return {"image": to_input(resize_image(image, size))}


def _given(value: T | None, usual: T) -> T:
    return usual if value is None else value
