"""train-seg: a segmentation network from label maps, or from image tags."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..methods.train_seg.labels import FromLabels
from ..methods.train_seg.rrm import FromTags
from ..methods.train_seg.rrm_options import Rrm
from ..methods.train_seg.seeded import Seeded
from ..methods.train_seg.single_stage import SelfTaught, SingleStage
from ..options.crf import CrfOptions
from ..options.files import Reads, Writes
from ..options.groups import Help, Without, grouped, refuse
from ..options.segmenter import DEFAULTS, JITTER, Head, Method
from ..options.shared import Data, Split
from ..options.training import MAX_SIDE, Body, Crops, Recipe, Setting, ValEvery, ValSplit
from ..training.job import begin, train
from ..training.probes import Start
from ..training.segmenting import NAME, Lesson, Task

__all__ = ["DEFAULTS", "NAME", "run"]

BODY = Body(dilated=True, freeze_stages=1)
HEAD = Head()
RECIPE = Recipe(epochs=30, batch_size=8, lr=0.001)
CROPS = Crops(max_side=None)
SETTING = Setting()
START = Start()
SEEDED, CRF, RRM, SINGLE = Seeded(), CrfOptions(), Rrm(), SingleStage()


@grouped(by="method", usual=DEFAULTS)
def run(
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", metavar="FILE", help="Label maps to learn from. Default: pseudo.h5."
        ),
        Reads(),
    ] = None,
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Weights to write."), Writes()
    ] = Path("seg.pt"),
    method: Annotated[
        Method,
        typer.Option(
            help="Learn from --labels (labels), or from image tags: from labels that are mined in "
            "each step (rrm), or from the network's own masks (single-stage)."
        ),
    ] = Method.labels,
    split: Split = None,
    val_split: ValSplit = None,
    val_every: ValEvery = 1,
    head: Head = HEAD,
    body: Annotated[Body, Without("output_stride")] = BODY,
    start: Start = START,
    seeded: Seeded = SEEDED,
    crf: Annotated[
        CrfOptions,
        Help(
            crf="sec, dsrg, rrm: CRF in each step; lengths are cells of the grid, with rrm pixels. "
            "Default: sec-train, rrm-train.",
            crf_gaussian_sxy="In cells (rrm: pixels), in place of the preset's.",
            crf_bilateral_sxy="In cells (rrm: pixels), in place of the preset's.",
        ),
    ] = CRF,
    rrm: Rrm = RRM,
    single: SingleStage = SINGLE,
    stairs: Annotated[
        str | None,
        typer.Option(
            metavar="N,RATIO",
            help="Multiply the rate by RATIO after each Nth part of the run: 4,0.1 as SEC, 8,0.33 "
            "as DSRG's code. Default: it falls by the poly rule, but in single-stage not at all.",
        ),
    ] = None,
    recipe: Recipe = RECIPE,
    crops: Annotated[
        Crops,
        Help(
            long_side="Scale images to a longer side in this range. Default: sec and dsrg see "
            "images whole, their longer side --crop, unless there is --rescale.",
            rescale="Scale images by a factor in this range. Default: 0.5,1.5 (ce), 0.5,1 (rrm).",
            max_side="Shrink longer images to this before scaling, and where they are looked at "
            "whole, in validation and by `predict`; 0: never. Default: the highest longer side "
            f"that is trained on, or {MAX_SIDE} with --rescale.",
            jitter="Change brightness, contrast, saturation and hue by up to these parts. "
            f"Default: {JITTER} (single-stage), none.",
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
    lesson: Lesson
    if method is Method.labels:
        refuse(method, [rrm, single], [RRM, SINGLE])
        lesson = FromLabels(task, labels or Path("pseudo.h5"), start, seeded, crf, stairs)
    elif method is Method.single_stage:
        groups = seeded, crf, rrm, replace(start, probe=None)
        refuse(method, groups, (SEEDED, CRF, RRM, START), labels=labels)
        lesson = SelfTaught(task, single, stairs, start.probe)
    else:
        others = replace(seeded, grid_stride=None, supervision=None), replace(start, probe=None)
        refuse(method, [*others, single], [SEEDED, START, SINGLE], labels=labels, stairs=stairs)
        lesson = FromTags(task, rrm, crf, seeded, start.probe)
    with begin(out, recipe, setting, lesson.fewest_epochs) as team, ExitStack() as files:
        train(lesson.job(team, files), recipe, setting, team)
