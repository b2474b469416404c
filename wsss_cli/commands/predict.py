"""predict: masks for new images, by a trained segmentation network."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import log
from ..errors import UsageError
from ..inference.feed import Feed, threads
from ..inference.images import opened, wanted_ids
from ..inference.masks import Labeller, Presence, load_image, look
from ..inference.predicting import (
    NAME,
    PredictSetting,
    Task,
    check_classes,
    refuse_beside_files,
    trained_side,
)
from ..inference.writing import workers_for, write_made
from ..methods.rebuild import presence_tellers, segmenter
from ..options.annotations import Default
from ..options.crf import NONE
from ..options.files import Reads, Writes
from ..options.groups import Help, grouped
from ..options.looking import Looking
from ..options.machine import Machine
from ..options.refine import RefineOptions
from ..options.shared import Data, Force, Ids, Quiet, ShardOption, Split
from ..options.tiles import LEAST, OverlapOption, refuse_shrunk, tiling_of

if TYPE_CHECKING:
    from ..artifacts import Writer
    from ..formats.png_folder import PngFolder

REFINE, PRESENCE, MACHINE = RefineOptions(crf=NONE), Presence(), Machine()
# Scales of SEAM's and PSA's segmentation code
LOOKING = Looking(scales="0.5,0.75,1,1.25,1.5,1.75", max_side=None)
OUT = Path("pred.h5")

__all__ = ["NAME", "run"]


@grouped()
def run(
    ctx: typer.Context,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGE", help="Image files, or folders of them."),
        Reads(),
    ] = None,
    weights: Annotated[
        Path,
        typer.Option("--weights", "-w", metavar="FILE", help="Weights, from `wsss train-seg`."),
        Reads(),
    ] = Path("seg.pt"),
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="File of labels to write."),
        Default(OUT),
        Writes(),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(
            "--png", metavar="DIR", help="Folder to write palette PNGs into, in place of --out."
        ),
        Writes(folder=True),
    ] = None,
    split: Split = None,
    ids: Ids = None,
    looking: Annotated[
        Looking,
        Help(
            max_side="Longest side of an image in pixels; longer images are shrunk to it before "
            "scaling. 0: no limit. Default: as in training."
        ),
    ] = LOOKING,
    tile: Annotated[
        int | None,
        typer.Option(
            "--tile",
            min=LEAST,
            metavar="PIXELS",
            help="Look at images that are larger in overlapping tiles of this side, and blend "
            "probabilities where tiles overlap. Of a data set of tiles, the whole images are "
            "labelled.",
        ),
    ] = None,
    overlap: OverlapOption = None,
    restrict_to_tags: Annotated[
        bool,
        typer.Option(
            "--restrict-to-tags",
            help="Give an image only the classes that the data set tags it with.",
        ),
    ] = False,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Probability below which a label becomes 255.")
    ] = 0.0,
    presence: Presence = PRESENCE,
    refinement: RefineOptions = REFINE,
    machine: Machine = MACHINE,
    shard: ShardOption = "1/1",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Label every pixel of images, from files or from a data set.

    Without IMAGE, takes all images of the data set, or those of --split or --ids. Logits of the
    scaled and mirrored copies are averaged (single-stage: probabilities); `--scales 1 --no-flip`
    is nearly 20 times faster. An image file's id is its path under the folder, without extension.
    Interrupted, the same command goes on.

    Example: wsss predict photos/ --weights seg.pt --png masks
    """
    refine, place = refinement.refinement(device=machine.device), machine.place()
    tiling = tiling_of(tile, overlap)
    if out is not None and png is not None:
        raise UsageError("--out and --png: give one")
    if images:
        refuse_beside_files(ctx, split, restrict_to_tags)
    if restrict_to_tags and presence.min_class is not None:
        raise UsageError("--min-class: with --restrict-to-tags, tags say which classes there are")

    from ..artifacts import Shard, load_weights
    from ..inference.tiling import blended, in_tiles, uncut

    part = Shard.parse(shard)
    trained = load_weights(weights, "wsss/seg")
    check_classes(trained)
    views = looking.views(lambda: trained_side(trained))
    rule = presence.rule(trained, presence_tellers())
    setting = PredictSetting(views, restrict_to_tags, min_confidence, refine, rule)
    refuse_shrunk(tiling, views.max_side)
    with opened(images, data, trained) as given:
        source = uncut(given, tiling)
        wanted = wanted_ids(source, split, ids)
        params = setting.record(place) | ({} if tiling is None else tiling.record())
        task = Task(source, trained, params, wanted, part, force)
        model, labels = segmenter(trained, place), len(trained.classes) + 1
        target: Writer | PngFolder = task.labels(out or OUT) if png is None else task.pngs(png)
        with target:
            seen, whole = in_tiles(source, target, tiling, target.todo)
            load = partial(load_image, seen, len(trained.classes), setting)
            loaders = threads(machine.workers, place)
            feed = Feed(place, loaders, looking.batch_size, views.max_side, labels)
            looks = look(model, place, setting, feed.batches(load, whole.todo, seen), weights)
            jobs = blended(looks, seen)
            count = workers_for(refine, machine.workers, len(whole.todo)) if refine else 0
            labeller = Labeller(refine, min_confidence)
            write_made(whole, labeller, jobs, count, NAME, quiet, behind=True)
    log(f"{NAME}: {len(target)} items -> {target.path}", quiet)
