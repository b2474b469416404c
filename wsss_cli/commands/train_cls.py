"""train-cls: a multi-label classifier from image tags."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..methods.train_cls import attention as online
from ..methods.train_cls.attention import Learner, tag_vector
from ..methods.train_cls.classifiers import (
    DEFAULTS,
    JITTER,
    RELATIVE_SIDES,
    Attention,
    Method,
    Seam,
    layered,
    refuse_others,
    starts_as_probe,
)
from ..options.groups import Help, Without, grouped
from ..options.shared import Data, Split
from ..options.training import Body, Crops, Recipe, Setting, ValEvery, ValSplit
from ..training.inputs import held_out_split, keep_pixels, tagged_ids
from ..training.job import Job, begin, train
from ..training.probes import check_decay, probe_tags

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ..artifacts import DatasetReader
    from ..nets.classifier import Classifier
    from ..training.augment import Augment
    from ..training.compute import Compute
    from ..training.data import Sample

NAME = "train-cls"
PROBE_SIDE = 1.25  # longer side over crop of the images that the probe is fitted on
PROBE_DECAY = 0.1
BODY = Body(dilated=True, freeze_stages=2)  # what a probe is fitted on had better stay as it was
RECIPE = Recipe(epochs=5, batch_size=16, lr=0.003)
CROPS = Crops()
SETTING = Setting()


SEAM = Seam()
ATTENTION = Attention()


@grouped(by="method", usual=DEFAULTS)
def run(
    data: Data = Path("data.h5"),
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Weights to write.")
    ] = Path("cls.pt"),
    method: Annotated[
        Method,
        typer.Option(
            help="A plain classifier (cam); SEAM (seam); one that accumulates its maps (oaa), or "
            "learns such maps (iam)."
        ),
    ] = Method.cam,
    split: Split = None,
    val_split: ValSplit = None,
    val_every: ValEvery = 1,
    body: Body = BODY,
    dropout: Annotated[float, typer.Option(min=0, max=0.99, help="Of feature channels.")] = 0.0,
    probe: Annotated[
        bool | None,
        typer.Option(
            "--probe/--no-probe",
            help="Start from the best classifier of the pretrained features. Default: unless they "
            "are random, or there are --layers in between.",
            show_default=False,
        ),
    ] = None,
    probe_decay: Annotated[
        float, typer.Option(help="Weight decay of that classifier on standardised features.")
    ] = PROBE_DECAY,
    recipe: Recipe = RECIPE,
    crops: Annotated[
        Crops,
        Without("rescale", "max_side"),
        Help(
            crop="Side of the training crops, pixels.",
            jitter="Change brightness, contrast, saturation and hue by up to these parts. "
            f"Default: none (cam), {JITTER} (the others).",
        ),
    ] = CROPS,
    seam: Seam = SEAM,
    attention: Attention = ATTENTION,
    setting: Setting = SETTING,
) -> None:
    """Train a classifier of image tags, whose activation maps `make-cam` draws.

    Images are seen whole, their longer side scaled to --crop (seam: to 1 to 1.71 times that, and
    cropped) unless --long-side says otherwise, and mirrored at random. Where images are few, it is
    the probe that counts: --epochs 0 stops after it. Interrupted, the same command goes on.

    Example: wsss train-cls --data data.h5 --backbone resnet50 -o cls.pt
    """
    from ..artifacts import CAM, open_artifact, open_dataset

    probe = starts_as_probe(probe, body.weights, method, attention.layers)
    if probe and layered(method, attention.layers):
        raise UsageError("--probe: needs --layers 0 with this method")
    check_decay(probe_decay)
    if probe_decay != PROBE_DECAY and not probe:
        raise UsageError("--probe-decay: there is no probe")
    if (method is Method.iam) != (attention.targets is not None):
        raise UsageError("--method iam and --targets go together")
    refuse_others(method, seam, attention)
    fewest = 0 if probe else 1
    with (
        begin(out, recipe, setting, fewest) as team,
        open_dataset(data) as reader,
        ExitStack() as inputs,
    ):
        side = crops.crop
        augment = replace(crops, long_side=crops.long_side or _sides(method, side)).augment()
        held_out = held_out_split(reader, val_split)
        ids = tagged_ids(reader, split, held_out)
        val = reader.split(held_out) if held_out is not None else []
        keep_pixels(reader, [*ids, *val], setting.keep_pixels, team.world)
        targets = None
        if attention.targets is not None:
            targets = inputs.enter_context(open_artifact(attention.targets, CAM))
            ids = online.targeted_ids(reader, targets, ids, setting.quiet or not team.leads)
        learner = _learner(method, body, len(reader.classes), dropout, seam, attention)
        job = Job(
            name=NAME,
            kind="wsss/cls",
            out=out,
            model=learner.model,
            config={**body.config(), "dropout": dropout, **learner.config},
            params={
                **body.params(),
                "dropout": dropout,
                "probe_decay": probe_decay if probe else None,
                **asdict(augment),
                **learner.params,
            },
            classes=reader.classes,
            inputs=[reader],
            ids=ids,
            load=partial(load_tagged, reader, augment),
            loss=learner.loss,
            start=partial(fit_head, reader, ids, PROBE_SIDE * side, probe_decay) if probe else None,
            measure=partial(validate, reader, val, side, recipe.batch_size) if val else None,
            val_every=val_every,
        )
        if method is Method.oaa:
            job = online.accumulate(job, tag_loss, attention, augment, recipe, setting, team)
        elif targets is not None:
            job = online.learn_maps(job, targets, augment)
        train(job, recipe, setting, team)


def _learner(
    method: Method, body: Body, n_classes: int, dropout: float, seam: Seam, attention: Attention
) -> Learner:
    """A method's network and its loss of a batch's tags."""
    from ..nets.classifier import Classifier
    from ..nets.seam import SeamNet
    from ..training.losses import Loss, count_images

    if method is Method.cam:
        model = Classifier(body.build(), n_classes, dropout)
        return Learner(model, Loss(count_images, tag_loss), {}, {})
    if method in (Method.oaa, Method.iam):
        model, config = online.attention_network(
            method.value, body.build(), n_classes, dropout, attention.layers
        )
        # oaa's gets its store, and so its loss, once the job is known
        return Learner(model, Loss(count_images, online.dense_loss), config, config)
    model = SeamNet(
        body.build(),
        n_classes,
        dropout,
        pair_scale=seam.pair_scale,
        suppress=seam.suppress,
        detach=seam.detach,
    )
    config = {"method": method.value, "suppress": seam.suppress}
    return Learner(
        model, Loss(count_images, partial(pair_loss, seam)), config, {**config, **asdict(seam)}
    )


def load_tagged(
    reader: DatasetReader, augment: Augment, image_id: str, rng: np.random.Generator
) -> Sample:
    """An augmented image (3, crop, crop) and its tags (C,) as 0 and 1; no tag gives all 0."""
    crop, _ = augment(reader.image(image_id), None, rng)
    return {"image": crop, "tags": tag_vector(reader, image_id)}


def load_whole(reader: DatasetReader, side: int, image_id: str, rng: np.random.Generator) -> Sample:
    """A whole image fitted into a square, and its tags."""
    from ..training.augment import fit_square

    return {
        "image": fit_square(reader.image(image_id), side),
        "tags": tag_vector(reader, image_id),
    }


def load_scaled(
    reader: DatasetReader, side: float, image_id: str, rng: np.random.Generator
) -> Sample:
    """A whole image (3, H', W'), its longer side scaled to `side`, and its tags."""
    from ..core.images import as_tensor
    from ..core.views import resize_image, scaled_size

    image = reader.image(image_id)
    size = scaled_size((image.shape[0], image.shape[1]), side / max(image.shape[:2]))
    return {
        "image": as_tensor(resize_image(image, size)),
        "tags": tag_vector(reader, image_id),
    }


def fit_head(
    reader: DatasetReader,
    ids: list[str],
    side: float,
    decay: float,
    model: Classifier,
    compute: Compute,
) -> None:
    """Make the head a linear probe of the backbone's features, pooled over whole images."""
    import torch

    weight = probe_tags(partial(load_scaled, reader, side), ids, decay, model.backbone, compute)
    with torch.no_grad():
        model.head.weight.copy_(weight[:, :, None, None])


def tag_loss(logits: Tensor, batch: Sample, counts: Tensor) -> Tensor:
    """Multi-label soft margin: binary cross-entropy, mean over classes and images."""
    from torch.nn import functional

    loss = functional.multilabel_soft_margin_loss(logits, batch["tags"])
    return loss * (len(logits) / counts[0])


def pair_loss(
    seam: Seam, outputs: dict[str, tuple[Tensor, Tensor]], batch: Sample, counts: Tensor
) -> Tensor:
    """SEAM's losses of the images and their small copies."""
    from ..core.seam import PairWeights, seam_loss
    from ..nets.seam import small_size

    size = (batch["image"].shape[-2], batch["image"].shape[-1])
    return seam_loss(
        outputs["cams"],
        outputs["refined"],
        batch["tags"],
        (size, small_size(size, seam.pair_scale)),
        PairWeights(seam.er_weight, seam.ecr_weight, seam.min_weight),
        counts[0],
    )


def validate(
    reader: DatasetReader,
    ids: list[str],
    side: int,
    batch_size: int,
    model: nn.Module,
    compute: Compute,
) -> dict[str, float]:
    """Mean average precision over whole images."""
    import numpy as np

    from ..core.metrics import mean_ap
    from ..training.compute import predictions
    from ..training.data import Samples, in_order
    from ..training.loop import check_finite

    samples = Samples(partial(load_whole, reader, side), ids)
    keys = compute.team.mine(in_order(len(ids), batch_size))
    seen = [
        (logits.cpu().numpy(), batch["tags"].cpu().numpy())
        for logits, batch in predictions(model, compute.batches(samples, keys), compute)
    ]
    found = [pair for part in compute.team.gather(seen) for pair in part]
    scores, tags = (np.concatenate(column) for column in zip(*found, strict=True))
    check_finite(bool(np.isfinite(scores).all()), "validation gives scores that are not finite")
    return {"val_map": mean_ap(scores, tags)}


def _sides(method: Method, crop: int) -> str:
    return ",".join(str(round(crop * ratio)) for ratio in RELATIVE_SIDES[method])
