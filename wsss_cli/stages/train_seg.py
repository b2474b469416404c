"""train-seg: a segmentation network from label maps."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import warn
from ..errors import UsageError, WsssError
from ..nets.names import HEAD_NORMS, SEGMENTER_STRIDES, SEGMENTERS
from ..options import Data, Split
from ._crf import CrfOptions
from ._grouped import Help, Without, grouped
from ._seeded import Seeded, Supervision, seeded_crop
from ._training import Job, begin, train
from ._training_inputs import held_out_split, keep_pixels, labelled_crop, labelled_ids
from ._training_options import MAX_SIDE, Body, Crops, Recipe, Setting, ValEvery, ValSplit

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ..artifacts import DatasetReader
    from ..nets.segmentation import Segmenter
    from ..training.compute import Compute
    from ..training.data import Sample
    from ..training.schedule import Schedule
    from ..training.team import Team

NAME = "train-seg"
AUX_WEIGHT = {"deeplabv3": 0.5, "fcn": 0.5, "unet": 0.5}  # torchvision's; the others have none
BODY = Body(dilated=True, freeze_stages=1)
RECIPE = Recipe(epochs=30, batch_size=8, lr=0.001)  # and ten times that in the head: SEAM's
CROPS = Crops(max_side=MAX_SIDE)
RESCALE = "0.5,1.5"  # for cross-entropy
SETTING = Setting()
SEEDED, CRF = Seeded(), CrfOptions()


class Norm(str, enum.Enum):
    """Normalisation in the head: group norm, or batch norm as published."""

    group = HEAD_NORMS[0]
    batch = HEAD_NORMS[1]


def _model_name(name: str) -> str:
    if name not in SEGMENTERS:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(SEGMENTERS)}")
    return name


@grouped()
def run(
    labels: Annotated[
        Path, typer.Option("--labels", metavar="FILE", help="Label maps to learn from.")
    ] = Path("pseudo.h5"),
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Weights to write.")
    ] = Path("seg.pt"),
    split: Split = None,
    val_split: ValSplit = None,
    val_every: ValEvery = 1,
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
    body: Annotated[Body, Without("output_stride")] = BODY,
    output_stride: Annotated[
        int | None,
        typer.Option(
            help="Pixels per cell of the features. Default: 8 (deeplabv1, deeplabv2), "
            "32 (fcn32s, fcn8s), 16 (others)."
        ),
    ] = None,
    head_norm: Annotated[Norm, typer.Option(help="Normalisation in the head, if any.")] = (
        Norm.group
    ),
    aux_weight: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Of the auxiliary loss at stride 16; 0: without. Default: 0.5 (deeplabv3, fcn, "
            "unet), 0 (others).",
        ),
    ] = None,
    seeded: Seeded = SEEDED,
    crf: Annotated[
        CrfOptions,
        Help(
            crf="sec, dsrg: CRF in each step; lengths are cells of the grid. Default: sec-train.",
            crf_gaussian_sxy="In cells, in place of the preset's.",
            crf_bilateral_sxy="In cells, in place of the preset's.",
        ),
    ] = CRF,
    stairs: Annotated[
        str | None,
        typer.Option(
            metavar="N,RATIO",
            help="Multiply the rate by RATIO after each Nth part of the run: 4,0.1 as SEC, 8,0.33 "
            "as DSRG's code. Default: it falls by the poly rule.",
        ),
    ] = None,
    recipe: Recipe = RECIPE,
    crops: Annotated[
        Crops,
        Help(
            long_side="Scale images to a longer side in this range. Default: sec and dsrg see "
            "images whole, their longer side --crop, unless there is --rescale.",
            rescale="Scale images by a factor in this range. Default: 0.5,1.5 with ce.",
        ),
    ] = CROPS,
    setting: Setting = SETTING,
) -> None:
    """Train a segmentation network on pseudo masks, or any label maps.

    Pixels of 255 teach nothing by themselves; sec and dsrg learn from seeds, that is, from labels
    that are mostly 255. Images of the validation split are left out of training unless --split
    says otherwise. Interrupted, the same command goes on.

    Example: wsss train-seg --labels pseudo.h5 --model deeplabv3 --backbone resnet50 -o seg.pt
    """
    from ..artifacts import LABEL, open_artifact, open_dataset
    from ..training.losses import Loss, count_images, count_pixels

    body = replace(body, output_stride=stride_of(model, output_stride))
    aux_weight = AUX_WEIGHT.get(model, 0.0) if aux_weight is None else aux_weight
    schedule = None if stairs is None else _stairs(stairs)
    lesson = seeded.chosen(crf, crops.crop, aux_weight)
    with (
        begin(out, recipe, setting) as team,
        open_artifact(labels, LABEL) as target,
        open_dataset(data, target) as reader,
    ):
        augment = scaled(crops, lesson is None).augment()
        held_out = held_out_split(reader, val_split)
        ids = labelled_ids(reader, target, split, held_out)
        val = _with_masks(reader, held_out, team) if val_every and held_out is not None else []
        keep_pixels(reader, [*ids, *val], setting.keep_pixels, team.world)
        config = {**body.config(), "model": model, "norm": head_norm.value}
        net, pretrained = network(
            model, body, len(reader.classes) + 1, aux_weight > 0, head_norm, team
        )
        job = Job(
            name=NAME,
            kind="wsss/seg",
            out=out,
            model=net,
            config=config,
            params={
                **config,
                **body.params(),
                "aux_weight": aux_weight,
                **asdict(augment),
                "loss": seeded.loss.value,
                **({} if stairs is None else {"stairs": stairs}),
                **({} if lesson is None else asdict(lesson)),
            },
            classes=reader.classes,
            inputs=[reader, target],
            ids=ids,
            load=partial(labelled_crop, reader, target, augment)
            if lesson is None
            else partial(seeded_crop, reader, target, augment, lesson.stride),
            schedule=schedule,
            loss=Loss(count_pixels, partial(label_loss, aux_weight))
            if lesson is None
            else Loss(count_images, lesson.share),
            grouping={"pretrained": pretrained},
            measure=partial(validate, reader, val, crops.max_side) if val else None,
            val_every=val_every,
            after=None
            if lesson is None or seeded.supervision is None
            else Supervision(seeded.supervision, lesson, reader, target, ids, crops.crop),
        )
        train(job, recipe, setting, team)


def stride_of(model: str, given: int | None) -> int:
    """The output stride asked for, or else the one that the network was published with.

    Raises:
        UsageError: a stride at which there is no such network.
    """
    choices = SEGMENTER_STRIDES[model]
    if given is None:
        return choices[0]
    if given not in choices:
        strides = " or ".join(map(str, sorted(choices)))
        raise UsageError(f"--output-stride {given}: {model} is a network of stride {strides}")
    return given


def network(
    model: str, body: Body, n_labels: int, aux: bool, norm: Norm, team: Team
) -> tuple[Segmenter, list[nn.Module]]:
    """A network to train, and those of its modules that are pretrained."""
    from ..nets.segmentation import build_segmenter, load_head_weights

    net = build_segmenter(model, body.build(), n_labels, aux, norm.value)
    filled = load_head_weights(net, body.weights)
    if filled is None and team.leads:
        warn(f"{body.weights} holds no classifier of VGG-16: fc6 and fc7 start at random")
    return net, [net.backbone, *(filled or [])]


def _stairs(text: str) -> Callable[[int, int], Schedule]:
    """The schedule of --stairs, of a run's steps and those of warm-up.

    Raises:
        UsageError: not a number of parts, at least 1, and a ratio in 0..1, not 0.
    """
    from ..training.schedule import Stairs

    parts, _, ratio = text.partition(",")
    try:
        number, factor = int(parts), float(ratio)
    except ValueError:
        number, factor = 0, 0.0
    if number < 1 or not 0 < factor <= 1:
        raise UsageError(f"--stairs {text}: need N,RATIO, such as 4,0.1")
    return partial(Stairs, parts=number, ratio=factor)


def scaled(crops: Crops, dense: bool) -> Crops:
    """The crops, scaled as suits labels of most pixels (`dense`), or seeds and tags, if unsaid.

    What a tag promises holds for a whole image only.
    """
    if crops.rescale is not None and crops.long_side is not None:
        raise UsageError("--rescale and --long-side: give one of them")
    if crops.rescale is not None or crops.long_side is not None:
        return crops
    if dense:
        return replace(crops, rescale=RESCALE)
    return replace(crops, long_side=f"{crops.crop},{crops.crop}")


def label_loss(
    aux_weight: float, outputs: Tensor | dict[str, Tensor], labels: Tensor, count: Tensor
) -> Tensor:
    """Cross-entropy over labelled pixels, plus `aux_weight` times that of the auxiliary head."""
    from ..training.losses import pixel_cross_entropy

    if isinstance(outputs, dict):
        main = pixel_cross_entropy(outputs["out"], labels, count)
        return main + aux_weight * pixel_cross_entropy(outputs["aux"], labels, count)
    return pixel_cross_entropy(outputs, labels, count)


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
    from ..training.compute import predictions
    from ..training.data import Samples, in_order

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
