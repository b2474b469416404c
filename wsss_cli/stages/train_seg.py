"""train-seg: a segmentation network from label maps."""

from __future__ import annotations

import enum
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import warn
from ..errors import WsssError
from ..nets.names import HEAD_NORMS, SEGMENTERS
from ..options import Data, Device, Force, Precision, PrecisionOption, Quiet, Seed, Split, Workers
from . import _training_options as options
from ._training import Job, Recipe, Setting, begin, train
from ._training_inputs import held_out_split, labelled_crop, labelled_ids

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ..artifacts import DatasetReader
    from ..training.data import Sample
    from ..training.loop import Compute

NAME = "train-seg"


class Norm(str, enum.Enum):
    """Normalisation in the head: group norm, or batch norm as published."""

    group = HEAD_NORMS[0]
    batch = HEAD_NORMS[1]


def _model_name(name: str) -> str:
    if name not in SEGMENTERS:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(SEGMENTERS)}")
    return name


def run(
    labels: Annotated[
        Path, typer.Option("--labels", metavar="FILE", help="Label maps to learn from.")
    ] = Path("pseudo.h5"),
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Weights to write.")
    ] = Path("seg.pt"),
    split: Split = None,
    val_split: options.ValSplit = None,
    val_every: options.ValEvery = 1,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME",
            callback=_model_name,
            autocompletion=lambda: list(SEGMENTERS),
            help=f"One of {', '.join(SEGMENTERS)}.",
        ),
    ] = "deeplabv3",
    backbone: options.BackboneName = "resnet50",
    backbone_weights: options.BackboneWeights = "imagenet",
    output_stride: options.OutputStride = 16,
    dilated: options.Dilated = True,
    freeze_stages: options.FreezeStages = 1,
    batchnorm: options.BatchNormOption = options.BatchNorm.frozen,
    head_norm: Annotated[Norm, typer.Option(help="Normalisation in the head.")] = Norm.group,
    aux_weight: Annotated[
        float, typer.Option(min=0, help="Of the auxiliary loss at stride 16; 0: without.")
    ] = 0.5,
    epochs: options.Epochs = 30,
    batch_size: options.BatchSize = 8,
    accumulate: options.Accumulate = 1,
    lr: options.Lr = 0.001,  # and ten times that in the head: SEAM's recipe
    head_multiplier: options.HeadMultiplier = 10.0,
    momentum: options.Momentum = 0.9,
    weight_decay: options.WeightDecay = 1e-4,
    warmup: options.Warmup = 0,
    clip_grad: options.ClipGrad = None,
    crop: options.Crop = 320,
    rescale: options.Rescale = "0.5,1.5",
    max_side: options.MaxSide = options.MAX_SIDE,
    jitter: options.Jitter = None,
    precision: PrecisionOption = Precision.f32,
    device: Device = "auto",
    workers: Workers = None,
    seed: Seed = 0,
    checkpoint_every: options.CheckpointEvery = 60.0,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Train a segmentation network on pseudo masks, or any label maps.

    Pixels of 255 teach nothing. Images of the validation split are left out of training unless
    --split says otherwise. Interrupted, the same command goes on.

    Example: wsss train-seg --labels pseudo.h5 --model deeplabv3 --backbone resnet50 -o seg.pt
    """
    recipe = Recipe(
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        head_multiplier=head_multiplier,
        momentum=momentum,
        weight_decay=weight_decay,
        warmup=warmup,
        accumulate=accumulate,
        clip_grad=clip_grad,
        seed=seed,
    )
    setting = Setting(out, force, quiet, device, workers, checkpoint_every)
    body = options.BackboneOptions(
        backbone, backbone_weights, output_stride, dilated, freeze_stages, batchnorm
    )
    augment = options.make_augment(crop, rescale=rescale, jitter=jitter, max_side=max_side)
    begin(setting, recipe)

    from ..artifacts import LABEL, open_artifact, open_dataset
    from ..nets.backbones import parameter_groups
    from ..nets.segmentation import build_segmenter

    with open_artifact(labels, LABEL) as target, open_dataset(data, target) as reader:
        held_out = held_out_split(reader, val_split)
        ids = labelled_ids(reader, target, split, held_out)
        val = _with_masks(reader, held_out) if val_every and held_out is not None else []
        n_labels = len(reader.classes) + 1
        network = build_segmenter(
            model, body.build(), n_labels, aux=aux_weight > 0, norm=head_norm.value
        )
        config = {**body.config(), "model": model, "norm": head_norm.value}
        job = Job(
            name=NAME,
            kind="wsss/seg",
            model=network,
            groups=parameter_groups(network, lr, weight_decay, head_multiplier),
            config=config,
            classes=reader.classes,
            params={**config, **body.params(), "aux_weight": aux_weight, **asdict(augment)},
            inputs=[reader, target],
            ids=ids,
            load=partial(labelled_crop, reader, target, augment),
            loss=partial(label_loss, aux_weight),
            recipe=recipe,
            precision=precision,
            measure=partial(validate, reader, val, max_side) if val else None,
            val_every=val_every,
        )
        train(job, setting)


def label_loss(aux_weight: float, outputs: Tensor | dict[str, Tensor], batch: Sample) -> Tensor:
    """Cross-entropy over labelled pixels, plus `aux_weight` times that of the auxiliary head."""
    from ..training.losses import pixel_cross_entropy

    if isinstance(outputs, dict):
        main = pixel_cross_entropy(outputs["out"], batch["label"])
        return main + aux_weight * pixel_cross_entropy(outputs["aux"], batch["label"])
    return pixel_cross_entropy(outputs, batch["label"])


def load_whole(
    reader: DatasetReader, max_side: int, image_id: str, rng: np.random.Generator
) -> Sample:
    """A whole image at its working size, and its mask (H, W) uint8 at its own."""
    import torch

    from ..core.images import to_input
    from ..core.views import resize_image, working_size

    image, mask = reader.image(image_id), reader.mask(image_id)
    assert mask is not None
    if mask.shape != image.shape[:2]:
        raise WsssError(f"{reader.path}: the mask of {image_id!r} has another size than the image")
    small = resize_image(image, working_size(mask.shape, max_side))
    return {"image": to_input(small), "mask": torch.from_numpy(mask)}


def validate(
    reader: DatasetReader, ids: list[str], max_side: int, model: nn.Module, compute: Compute
) -> dict[str, float]:
    """Mean IoU over the labels that masks or predictions hold; whole images, one scale."""
    import numpy as np
    from torch.nn import functional

    from ..core.metrics import confusion_matrix, scores
    from ..training.data import Samples, in_order
    from ..training.loop import predictions

    n_labels = len(reader.classes) + 1
    total = np.zeros((n_labels, n_labels + 1), np.int64)
    samples = Samples(partial(load_whole, reader, max_side), ids)
    # one image at a time: padding to a common size would let borders see what they never saw
    for logits, batch in predictions(
        model, compute.batches(samples, in_order(len(ids), 1)), compute
    ):
        mask = batch["mask"][0]
        if logits.shape[-2:] != mask.shape:
            logits = functional.interpolate(logits, size=mask.shape, mode="bilinear")
        labels = logits[0].argmax(0).cpu().numpy().astype(np.uint8)
        total += confusion_matrix(mask.cpu().numpy(), labels, n_labels)
    found = scores(total)
    return {"val_miou": found.miou, "val_pixel_accuracy": found.pixel_accuracy}


def _with_masks(reader: DatasetReader, split: str) -> list[str]:
    ids = [image_id for image_id in reader.split(split) if reader.has_mask(image_id)]
    if not ids:
        warn(f"no image of split {split!r} has a mask: training without validation")
    return ids
