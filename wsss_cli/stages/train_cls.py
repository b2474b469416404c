"""train-cls: a multi-label classifier from image tags."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import Data, Split
from ._grouped import Without, grouped
from ._training import Job, begin, train
from ._training_inputs import held_out_split, tagged_ids
from ._training_options import Body, Crops, Recipe, Setting, ValEvery, ValSplit

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ..artifacts import DatasetReader
    from ..training.augment import Augment
    from ..training.data import Sample
    from ..training.loop import Compute

NAME = "train-cls"
RELATIVE_SIDES = 0.625, 1.25  # longer side over crop: IRN's 320..640 with its crops of 512
BODY = Body(freeze_stages=2)
RECIPE = Recipe(epochs=15, batch_size=16, lr=0.01)
CROPS = Crops()
SETTING = Setting()


@grouped()
def run(
    data: Data = Path("data.h5"),
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Weights to write.")
    ] = Path("cls.pt"),
    split: Split = None,
    val_split: ValSplit = None,
    val_every: ValEvery = 1,
    body: Body = BODY,
    dropout: Annotated[float, typer.Option(min=0, max=0.99, help="Of feature channels.")] = 0.0,
    recipe: Recipe = RECIPE,
    crops: Annotated[Crops, Without("rescale", "max_side")] = CROPS,
    setting: Setting = SETTING,
) -> None:
    """Train a classifier of image tags, whose activation maps `make-cam` draws.

    Images are scaled to a longer side of 0.625 to 1.25 times --crop unless --long-side says
    otherwise, mirrored at random and cropped. Interrupted, the same command goes on.

    Example: wsss train-cls --data data.h5 --backbone resnet50 -o cls.pt
    """
    from ..artifacts import open_dataset
    from ..nets.classifier import Classifier
    from ..training.losses import Loss, count_images

    with begin(out, recipe, setting) as team, open_dataset(data) as reader:
        side = crops.crop
        augment = replace(crops, long_side=crops.long_side or _sides(side)).augment()
        held_out = held_out_split(reader, val_split)
        val = reader.split(held_out) if held_out is not None else []
        job = Job(
            name=NAME,
            kind="wsss/cls",
            out=out,
            model=Classifier(body.build(), len(reader.classes), dropout),
            config={**body.config(), "dropout": dropout},
            params={**body.params(), "dropout": dropout, **asdict(augment)},
            classes=reader.classes,
            inputs=[reader],
            ids=tagged_ids(reader, split, held_out),
            load=partial(load_tagged, reader, augment),
            loss=Loss(count_images, tag_loss),
            measure=partial(validate, reader, val, side, recipe.batch_size) if val else None,
            val_every=val_every,
        )
        train(job, recipe, setting, team)


def load_tagged(
    reader: DatasetReader, augment: Augment, image_id: str, rng: np.random.Generator
) -> Sample:
    """An augmented image (3, crop, crop) and its tags (C,) as 0 and 1; no tag gives all 0."""
    crop, _ = augment(reader.image(image_id), None, rng)
    return {"image": crop, "tags": _tag_vector(reader, image_id)}


def load_whole(reader: DatasetReader, side: int, image_id: str, rng: np.random.Generator) -> Sample:
    """A whole image fitted into a square, and its tags."""
    from ..training.augment import fit_square

    return {
        "image": fit_square(reader.image(image_id), side),
        "tags": _tag_vector(reader, image_id),
    }


def tag_loss(logits: Tensor, batch: Sample, counts: Tensor) -> Tensor:
    """Multi-label soft margin: binary cross-entropy, mean over classes and images."""
    from torch.nn import functional

    loss = functional.multilabel_soft_margin_loss(logits, batch["tags"])
    return loss * (len(logits) / counts[0])


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
    from ..training.data import Samples, in_order
    from ..training.loop import check_finite, predictions

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


def _tag_vector(reader: DatasetReader, image_id: str) -> Tensor:
    import torch

    tags = torch.zeros(len(reader.classes))
    tags[torch.from_numpy(reader.tags(image_id).astype("int64"))] = 1
    return tags


def _sides(crop: int) -> str:
    return ",".join(str(round(crop * ratio)) for ratio in RELATIVE_SIDES)
