"""plan: the time, memory and disk that the chain will take on a data set."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import log, table, warn
from ..machine.cores import free_cores
from ..options.ids import need_ids
from ..options.shared import Data, Quiet, Split
from ..options.training import ValSplit
from ..planning.chain import (
    EVAL,
    NAMES,
    Stage,
    StageFlags,
    Until,
    card_of,
    choose_splits,
    parse,
    settled,
    stage_flags,
    until,
)

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import DatasetReader
    from ..planning.measure import Rate

NAME = "plan"
# Stored over raw bytes: the largest of 14 files of maps (0.43 to 0.69) and of 7 of labels (0.02 to
# 0.07), made of VOC's photographs and of drawn scenes.
STORED_MAPS, STORED_LABELS = 0.69, 0.07
VALIDATION = 1 / 3  # of a training image's time: a forward pass without a backward one
TRAINING_STATE = 2  # weights and momentum, kept beside the finished weights for a moment


def run(
    data: Data = Path("data.h5"),
    split: Split = None,
    val_split: ValSplit = None,
    until_stage: Until = NAMES[-1],
    flags: StageFlags = None,
    shards: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Of image-by-image stages, on as many machines or GPUs."
        ),
    ] = 1,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Run the stages on four images, or not.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Reckon the time, memory and disk that each stage of the chain will take.

    Disk follows from the images' sizes and tags. Time and memory are measured: each stage runs on
    four of the images, on this machine, and time is taken to grow with pixels, epochs and images.
    Memory is the machine's, not that of a GPU. Nothing is kept.

    Example: wsss plan --data data.h5 --flags train-cls='--backbone resnet50'
    """
    from ..artifacts import open_dataset

    stages = until(until_stage)
    own = stage_flags(flags or [], [*NAMES, EVAL])
    with open_dataset(data) as reader:
        train, val = choose_splits(reader, split, val_split)
        if any(stage.name == "predict" for stage in stages):
            need_ids(reader.split(val), reader.path, val)
        images = {
            "train": _images(reader, reader.split(train)),
            "val": _images(reader, reader.split(val)),
        }
        # where no split is named, training leaves out what it validates on
        held_out = set(reader.split(val)) if train is None and val is not None else set()
        learnt = len(set(reader.split(train)) - held_out)
        rates: dict[str, Rate] = {}
        if measure:
            rates = _measure(stages, reader, reader.split(train), own, quiet)
    rows = []
    for stage in stages:
        chosen = images["val" if stage.name == "predict" else "train"]
        if stage.trains:
            validated = _validated(stage, images["val"]) if val is not None else 0
            rate = rates.get(stage.name)
            row = _training_row(stage, learnt, validated, rate, own[stage.name])
            rows.append(row)
            continue
        rows.append(_image_row(stage, chosen, rates.get(stage.name), own[stage.name], shards))
        if chosen.masks:
            rows.append(_scoring_row(stage, chosen, rates.get(f"{EVAL} {stage.out}")))
    if as_json:
        typer.echo(json.dumps(_report(reader, images, rows, rates, shards), indent=2))
    else:
        _print(rows, images, measure, shards)


@dataclass(frozen=True)
class Images:
    """What is reckoned with: sizes (n, 2), numbers of tags (n,), and how many have masks."""

    sizes: np.ndarray
    tags: np.ndarray
    masks: int

    def __len__(self) -> int:
        return len(self.sizes)

    def megapixels(self, max_side: int = 0) -> float:
        """That a stage looks at, after --max-side."""
        from ..planning.measure import seen_megapixels

        return sum(seen_megapixels((h, w), max_side) for h, w in self.sizes.tolist())


@dataclass(frozen=True)
class Row:
    """What one command takes; None where it was not measured."""

    stage: str
    makes: str
    disk: float | None = None
    disk_at_peak: float | None = None
    memory: float | None = None
    seconds: float | None = None


def _images(data: DatasetReader, ids: Sequence[str]) -> Images:
    import numpy as np

    sizes = np.array([data.size(image_id) for image_id in ids], np.int64).reshape(-1, 2)
    tags = np.array([len(data.tags(image_id)) for image_id in ids], np.int64)
    return Images(sizes, tags, sum(data.has_mask(image_id) for image_id in ids))


def _measure(
    stages: Sequence[Stage],
    data: DatasetReader,
    ids: Sequence[str],
    flags: Mapping[str, str],
    quiet: bool,
) -> dict[str, Rate]:
    """Rates by stage, and by `eval FILE`; without those from the first on that cannot be had."""
    from ..planning.measure import Probe

    rates = {}
    with tempfile.TemporaryDirectory(prefix="wsss-plan-") as folder:
        probe = Probe(Path(folder), data, ids, flags)
        for stage in stages:
            log(f"{NAME}: measuring {stage.name}", quiet)
            try:
                if stage.trains:
                    parallel = _recipe(stage, flags[stage.name])["parallel"]
                    rates[stage.name] = probe.training(stage, parallel)
                    continue
                rates[stage.name] = probe.image_stage(stage)
                if probe.masks:
                    rates[f"{EVAL} {stage.out}"] = probe.scoring(stage.out)
            except RuntimeError as err:
                warn(f"{stage.name}: cannot be measured ({err}), nor can what follows")
                break
    return rates


def _recipe(stage: Stage, flags: str) -> dict[str, int]:
    """Epochs, passes that train nothing, and the images that are in memory at a time.

    The latter passes: over the validation images, and of a head's probe over the others.
    """
    options, chosen = parse(stage, flags), settled(stage, flags)
    epochs, every = options["epochs"], options.get("val-every", 0)
    return {
        "epochs": epochs,
        "validations": -(-epochs // every) if every else 0,
        "probes": int(card_of(stage, chosen).probes(chosen)),
        "parallel": -(-options["batch-size"] // options["accumulate"]),
    }


def _validated(stage: Stage, val: Images) -> int:
    """How many images of the split a training stage validates on: tags will do for train-cls."""
    return len(val) if stage.name == "train-cls" else val.masks


def _training_row(stage: Stage, learnt: int, validated: int, rate: Rate | None, flags: str) -> Row:
    """What training takes, on so many images and with so many at each validation."""
    if rate is None:
        return Row(stage.name, stage.out)
    recipe = _recipe(stage, flags)
    passes: float = recipe["epochs"] * learnt
    passes += VALIDATION * recipe["validations"] * validated
    passes += VALIDATION * recipe["probes"] * learnt
    return Row(
        stage.name,
        stage.out,
        rate.weights,
        rate.weights * (1 + TRAINING_STATE),
        rate.memory,
        rate.start + rate.work * passes,
    )


def _image_row(stage: Stage, images: Images, rate: Rate | None, flags: str, shards: int) -> Row:
    options = parse(stage, flags)
    if stage.name == "make-cam":
        cells = -(-images.sizes // options["stride"])
        bytes_each = 2 if options["dtype"].value == "float16" else 1
        disk = float((images.tags * cells.prod(axis=1)).sum()) * bytes_each * STORED_MAPS
    else:
        disk = float(images.sizes.prod(axis=1).sum()) * STORED_LABELS
    memory = seconds = None
    if rate is not None:
        workers = _workers(stage, options)
        work = rate.work * images.megapixels(options.get("max-side") or 0)
        memory, seconds = rate.memory * workers, rate.start + work / shards / workers
    # a journal beside the file; and of shards both, then all of them beside the joined one
    return Row(stage.name, stage.out, disk, 2 * disk, memory, seconds)


def _workers(stage: Stage, options: Mapping[str, Any]) -> int:
    """Processes that share the work of make-seeds' CRF; four images are too few to start them."""
    if stage.name != "make-seeds" or options["method"].value == "threshold":
        return 1
    if options["crf"] == "none":
        return 1
    return max(1, options["workers"] if options["workers"] is not None else free_cores())


def _scoring_row(stage: Stage, images: Images, rate: Rate | None) -> Row:
    disk = 40.0 * len(images)  # ids, mainly
    name, makes = f"{EVAL} {stage.out}", str(Path(stage.out).with_suffix(".json"))
    if rate is None:
        return Row(name, makes, disk, disk)
    return Row(name, makes, disk, disk, rate.memory, rate.start + rate.work * images.megapixels())


def _report(
    data: DatasetReader,
    images: Mapping[str, Images],
    rows: Sequence[Row],
    rates: Mapping[str, Rate],
    shards: int,
) -> dict[str, Any]:
    return {
        "data": {"file": str(data.path), "run": data.run, "bytes": data.path.stat().st_size},
        "images": {
            name: {"count": len(found), "megapixels": found.megapixels()}
            for name, found in images.items()
        },
        "shards": shards,
        "stages": [asdict(row) for row in rows],
        "total": _total(rows),
        "rates": {name: asdict(rate) for name, rate in rates.items()},
        "assumed": {
            "stored_maps": STORED_MAPS,
            "stored_labels": STORED_LABELS,
            "validation": VALIDATION,
            "training_state": TRAINING_STATE,
        },
    }


def _total(rows: Sequence[Row]) -> dict[str, float | None]:
    """Sums over the chain; at the peak, all files and the largest of what stands beside them."""
    seconds = [row.seconds for row in rows]
    memory = [row.memory for row in rows if row.memory is not None]
    files = [(row.disk, row.disk_at_peak) for row in rows]
    known = [(disk, peak) for disk, peak in files if disk is not None and peak is not None]
    disk = sum(disk for disk, _ in known)
    return {
        "disk": disk,
        "disk_at_peak": disk + max((peak - disk for disk, peak in known), default=0.0),
        "memory": max(memory, default=None),
        "seconds": None if None in seconds else sum(filter(None, seconds)),
    }


def _print(rows: Sequence[Row], images: Mapping[str, Images], measured: bool, shards: int) -> None:
    total = _total(rows)
    lines = [
        [row.stage, row.makes, _size(row.disk), _size(row.disk_at_peak), _size(row.memory)]
        for row in rows
    ]
    lines.append(["all", "", *(_size(total[name]) for name in ("disk", "disk_at_peak", "memory"))])
    for line, seconds in zip(
        lines, [*(row.seconds for row in rows), total["seconds"]], strict=True
    ):
        line.append(_time(seconds))
    table(["stage", "makes", "disk", "at its peak", "memory", "time"], lines)
    typer.echo("")
    for name, found in images.items():
        typer.echo(f"{name}: {len(found)} images, {found.megapixels():.1f} megapixels")
    if measured:
        processes = f"each stage in {shards} shards" if shards > 1 else "one process a stage"
        typer.echo(f"time and memory: measured on 4 images here, {processes}")
        typer.echo("memory: of the machine; what a GPU holds of its own is not counted")
    typer.echo(
        f"disk: maps at {STORED_MAPS:g}, labels at {STORED_LABELS:g} of their raw size, "
        "the largest seen; a stage's journal stands beside its file"
    )


def _size(number: float | None) -> str:
    """Bytes in kB, MB, GB or TB."""
    if number is None:
        return "-"
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 1000:
            return f"{number:.1f} {unit}" if number < 100 else f"{number:.0f} {unit}"
    return f"{number / 1000:.1f} TB"


def _time(seconds: float | None) -> str:
    """Seconds, minutes or hours."""
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
