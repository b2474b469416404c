"""predict: masks for new images, by a trained segmentation network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import log, track
from ..errors import UsageError, WsssError
from ..inference import feed as shared
from ..inference.masks import Labeller, Presence, load_image, look
from ..machine.devices import Precision, resolve_device, resolve_precision
from ..methods.rebuild import presence_tellers, segmenter
from ..options.crf import NONE
from ..options.groups import grouped
from ..options.ids import need_ids, select_ids
from ..options.refine import RefineOptions, in_this_process, recorded
from ..options.shared import (
    Data,
    Device,
    Force,
    Ids,
    PrecisionOption,
    Quiet,
    ShardOption,
    Split,
    Workers,
)

if TYPE_CHECKING:
    from ..artifacts import DatasetReader, Shard, Weights, Writer
    from ..core.refine import Refinement
    from ..formats.png_folder import PngFolder
    from ..inference.images import ImageFiles
    from ..nets.single_stage import PresenceRule

NAME = "predict"
REFINE = RefineOptions(crf=NONE)
PRESENCE = Presence()
SCALES = "0.5,0.75,1,1.25,1.5,1.75"  # SEAM's and PSA's segmentation code
OUT = Path("pred.h5")


@grouped()
def run(
    ctx: typer.Context,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGE", help="Image files, or folders of them."),
    ] = None,
    weights: Annotated[
        Path, typer.Option("--weights", "-w", metavar="FILE", help="From `wsss train-seg`.")
    ] = Path("seg.pt"),
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Labels to write. Default: pred.h5."),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option("--png", metavar="DIR", help="Write palette PNGs into this folder instead."),
    ] = None,
    split: Split = None,
    ids: Ids = None,
    scales: shared.Scales = SCALES,
    flip: shared.Flip = True,
    max_side: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="PIXELS",
            help="Shrink longer images to this before scaling; 0: never. Default: as in training.",
        ),
    ] = None,
    batch_size: shared.BatchSize = None,
    restrict_to_tags: Annotated[
        bool,
        typer.Option("--restrict-to-tags", help="No class that the data set does not tag."),
    ] = False,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Less probable labels become 255.")
    ] = 0.0,
    presence: Presence = PRESENCE,
    refinement: RefineOptions = REFINE,
    precision: PrecisionOption = Precision.f32,
    device: Device = "auto",
    shard: ShardOption = "1/1",
    workers: Workers = None,
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
    refine = refinement.refinement(device=device)
    place = resolve_device(device)
    precision = resolve_precision(precision, place)
    sizes = shared.parse_scales(scales)
    if out is not None and png is not None:
        raise UsageError("--out and --png: give one")
    if images:
        refuse_beside_files(ctx, split, restrict_to_tags)
    if restrict_to_tags and presence.min_class is not None:
        raise UsageError("--min-class: with --restrict-to-tags, tags say which classes there are")

    from ..artifacts import Shard, load_weights
    from ..machine.precision import autocast_type
    from ..training.compute import Compute

    part = Shard.parse(shard)
    compute = Compute(place, autocast_type(precision.value))
    trained = load_weights(weights, "wsss/seg")
    check_classes(trained)
    setting = Setting(
        sizes,
        flip,
        trained_side(trained) if max_side is None else max_side,
        restrict_to_tags,
        min_confidence,
        refine,
        precision,
        presence.rule(trained, presence_tellers()),
    )
    with opened(images, data, trained) as source:
        known = source.ids if images else source.split(split)  # type: ignore[union-attr]
        wanted = need_ids(select_ids(known, ids, source.path), source.path, split)
        task = Task(source, trained, setting.params(), wanted, part, force)
        model = segmenter(trained, compute)
        target: Writer | PngFolder = task.labels(out or OUT) if png is None else task.pngs(png)
        with target:
            load = partial(load_image, source, len(trained.classes), setting)
            threads = shared.threads(workers, compute)
            labels = len(trained.classes) + 1
            feed = shared.Feed(compute, threads, batch_size, setting.max_side, labels)
            batches = feed.batches(load, target.todo, source)
            fill(target, look(model, compute, setting, batches), setting, workers, quiet)
    log(f"{NAME}: {len(target)} items -> {target.path}", quiet)


def trained_side(trained: Weights) -> int:
    """The longest side that the network was trained to look through images at.

    Raises:
        WsssError: not a number of pixels.
    """
    side = trained.params.get("max_side", shared.MAX_SIDE)
    if isinstance(side, int) and side >= 0:
        return side
    raise WsssError(
        f"{trained.path}: damaged (max_side {side!r:.40})",
        "give --max-side, or take other weights",
    )


@contextmanager
def opened(
    images: list[Path] | None, data: Path | None, trained: Weights
) -> Iterator[DatasetReader | ImageFiles]:
    """The image files that are named, or else the data set."""
    from ..artifacts import open_dataset
    from ..inference.images import ImageFiles

    if images:
        yield ImageFiles(images)
        return
    with open_dataset(data, trained) as reader:
        yield reader


def fill(
    target: Writer | PngFolder,
    jobs: Iterator[tuple[Any, ...]],
    setting: Setting,
    workers: int | None,
    quiet: bool,
) -> None:
    """Make labels of what the network saw, in processes where there is a CRF."""
    from ..machine.pool import WorkerPool, worker_count

    labeller = Labeller(setting.crf, setting.min_confidence)
    idle = in_this_process(setting.crf)
    count = 0 if idle else worker_count(workers, len(target.todo), heavy=True)
    with WorkerPool(labeller, count, behind=True) as pool:
        results = pool.map(jobs)
        for image_id, item in track(results, NAME, target.total, len(target), quiet):
            target.put(image_id, **item)


def check_classes(trained: Weights) -> None:
    """Refuse a network of more classes than label maps hold.

    Raises:
        WsssError: naming the weights.
    """
    from ..core.labels import MAX_CLASSES

    if len(trained.classes) > MAX_CLASSES:
        raise WsssError(
            f"{trained.path}: has {len(trained.classes)} classes; "
            f"label maps hold {MAX_CLASSES} at most"
        )


def refuse_beside_files(ctx: typer.Context, split: str | None, restrict: bool) -> None:
    """Refuse options that need a data set where image files are named.

    Raises:
        UsageError: naming the option. WSSS_DATA in the environment is no such option.
    """
    source = ctx.get_parameter_source("data")
    given = {
        "--data": source is not None and source.name == "COMMANDLINE",
        "--split": split is not None,
        "--restrict-to-tags": restrict,
    }
    for option, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{option}: needs a data set, and image files are named",
                "without IMAGE arguments the data set's images are taken",
            )


@dataclass(frozen=True)
class Setting:
    """All options that change the numbers."""

    scales: tuple[float, ...]
    flip: bool
    max_side: int
    restrict_to_tags: bool
    min_confidence: float
    crf: Refinement | None
    precision: Precision
    rule: PresenceRule | None = None

    def params(self) -> dict[str, Any]:
        """For the artifact: plain values."""
        values = asdict(self)
        rule = values.pop("rule")
        plain = {"precision": self.precision.value, "fusion": "mean of logits"}
        if rule is not None:
            plain |= {"fusion": "mean of probabilities", **rule}
        return {**values, **recorded(self.crf), **plain}


@dataclass(frozen=True)
class Task:
    """What is to be written, and from what."""

    source: DatasetReader | ImageFiles
    trained: Weights
    params: dict[str, Any]
    ids: Sequence[str]
    shard: Shard
    force: bool

    def labels(self, path: Path) -> Writer:
        """A label artifact begun, or gone on with."""
        from ..artifacts import LABEL, create
        from ..artifacts.writer import check_target

        check_target(path, self.force, self._files)
        return create(
            path,
            LABEL,
            classes=self.trained.classes,
            params=self.params,
            inputs=[self.source, self.trained],
            ids=self.ids,
            shard=self.shard,
            force=self.force,
        )

    def pngs(self, path: Path) -> PngFolder:
        """A folder of PNGs begun, or gone on with."""
        from ..artifacts.provenance import run_digest
        from ..formats.png_folder import PngFolder

        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: is a file, --png names a folder")
        inputs = [self.source, self.trained]
        run = run_digest("png", 1, self.params, None, self.trained.classes, inputs, self.ids)
        return PngFolder(path, self.ids, run, self.shard, self.force, self._files)

    @property
    def _files(self) -> list[Path]:
        """The image files that this is made from, if it is."""
        return getattr(self.source, "paths", [])
