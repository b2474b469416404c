"""train-cls: a classifier of image tags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..methods.train_cls import CARDS
from ..options.cards import Chosen
from ..options.files import Writes
from ..options.groups import Help, Without, grouped
from ..options.select import Select
from ..options.shared import FirstData, Split
from ..options.training import Body, Crops, Recipe, Setting, ValEvery, ValSplit
from ..training.classifying import NAME, PROBE_DECAY, ClassifierTask
from ..training.lesson import teach

BODY = Body(dilated=True, freeze_stages=2)  # what a probe is fitted on had better stay as it was
RECIPE = Recipe(epochs=5, batch_size=16, lr=0.003)
CROPS = Crops()
SETTING = Setting()

__all__ = ["NAME", "run"]


@grouped()
def run(
    method: Annotated[Chosen, Select(CARDS, "Rule by which the classifier learns.")],
    data: FirstData = Path("data.h5"),
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="File of weights to write."),
        Writes(),
    ] = Path("cls.pt"),
    split: Split = None,
    val_split: ValSplit = None,
    val_every: ValEvery = 1,
    body: Body = BODY,
    dropout: Annotated[
        float,
        typer.Option(
            min=0, max=0.99, help="Share of the feature channels that are dropped in training."
        ),
    ] = 0.0,
    probe: Annotated[
        bool | None,
        typer.Option(
            "--probe/--no-probe",
            help="Start from a linear classifier that is fitted to the pretrained features. "
            "Default: yes, unless they are random or --layers stand in between.",
            show_default=False,
        ),
    ] = None,
    probe_decay: Annotated[
        float,
        typer.Option(
            help="Weight decay of that linear classifier, which is fitted to standardised features."
        ),
    ] = PROBE_DECAY,
    recipe: Recipe = RECIPE,
    crops: Annotated[
        Crops,
        Without("rescale", "max_side"),
        Help(crop="Side of the training crops, in pixels."),
    ] = CROPS,
    setting: Setting = SETTING,
) -> None:
    """Train a classifier of image tags, whose activation maps `make-cam` draws.

    Images are seen whole, their longer side scaled to --crop (seam: to 1 to 1.71 times that, and
    cropped) unless --long-side says otherwise, and mirrored at random. Where images are few, it is
    the probe that counts: --epochs 0 stops after it. Interrupted, the same command goes on.

    Example: wsss train-cls --data data.h5 --backbone resnet50 -o cls.pt
    """
    task = ClassifierTask(
        out=out,
        data=data,
        split=split,
        val_split=val_split,
        val_every=val_every,
        body=body,
        dropout=dropout,
        probe=probe,
        probe_decay=probe_decay,
        recipe=recipe,
        crops=crops,
        setting=setting,
    )
    teach(method, task, out, recipe, setting)
