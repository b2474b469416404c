"""train-seg: a segmentation network from label maps, or from image tags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..methods.train_seg import CARDS
from ..options.cards import Chosen
from ..options.files import Writes
from ..options.groups import Help, Without, grouped
from ..options.segmenter import Head
from ..options.select import Second, Select
from ..options.shared import Data, Split
from ..options.training import MAX_SIDE, Body, Crops, Recipe, Setting, ValEvery, ValSplit
from ..training.lesson import teach
from ..training.segmenting import NAME, Task

BODY = Body(dilated=True, freeze_stages=1)
HEAD = Head()
RECIPE = Recipe(epochs=30, batch_size=8, lr=0.001)
CROPS = Crops(max_side=None)
SETTING = Setting()
LOSS = Second(
    "loss", under="labels", text="Loss by which --labels teach.", said="from --labels, by a --loss"
)
IN_CELLS = "in cells (rrm: pixels), in place of the preset's."
CRF = {
    "crf": "Preset of the CRF that runs in each step; its lengths are in cells of the "
    "grid, with rrm in pixels.",
    "crf_gaussian_sxy": f"Reach of the CRF's term of position alone, {IN_CELLS}",
    "crf_bilateral_sxy": f"Reach in position of the term of position and colour, {IN_CELLS}",
}

__all__ = ["NAME", "run"]


@grouped()
def run(
    method: Annotated[
        Chosen, Select(CARDS, "What the network learns from.", second=LOSS, words=CRF)
    ],
    data: Data = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="File of weights to write."),
        Writes(),
    ] = Path("seg.pt"),
    split: Split = None,
    val_split: ValSplit = None,
    val_every: ValEvery = 1,
    head: Head = HEAD,
    body: Annotated[Body, Without("output_stride")] = BODY,
    recipe: Recipe = RECIPE,
    crops: Annotated[
        Crops,
        Help(
            long_side="Range of the longer side that images are scaled to, in pixels. Default: the "
            "side of --crop, unless --rescale is given.",
            max_side="Longest side of an image in pixels; longer images are shrunk to it before "
            "scaling. Whole images in validation and `predict` are shrunk to it too. 0: no limit. "
            "Default: the highest longer side that is trained on, or "
            f"{MAX_SIDE} with --rescale.",
        ),
    ] = CROPS,
    setting: Setting = SETTING,
) -> None:
    """Train a segmentation network on pseudo masks, or any label maps, or from image tags.

    Pixels of 255 teach nothing by themselves; sec and dsrg learn from seeds, that is, from labels
    that are mostly 255; --method rrm and single-stage need no labels, and go on from a classifier
    where --backbone-weights names one. Images of the validation split are left out of training
    unless --split says otherwise. Interrupted, the same command goes on.

    Example: wsss train-seg --labels pseudo.h5 --backbone resnet50 --backbone-weights cls.pt
    """
    task = Task(out, data, split, val_split, val_every, head, body, recipe, crops, setting)
    teach(method, task, out, recipe, setting)
