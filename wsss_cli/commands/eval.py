"""eval: score labels or maps against the data set's masks."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import log, table, track, warn
from ..errors import UsageError
from ..options.files import Reads, Writes
from ..options.shared import Data, Force, Ids, Quiet, Split

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader
    from ..scoring.counts import Outcome

NAME = "eval"


class Average(str, enum.Enum):
    """Which labels the mean IoU averages."""

    union = "union"
    all = "all"


class Unlabelled(str, enum.Enum):
    """What a predicted 255 counts as."""

    error = "error"
    background = "background"


AVERAGES = {
    "union": "mean over the labels that truth or prediction holds",
    "all": "mean over all labels, 0 for one that neither truth nor prediction holds",
}
UNLABELLED = {
    "error": "a predicted 255 is a miss of the true label, and no prediction",
    "background": "a predicted 255 counts as background",
}
VOID = "pixels that are 255 in the mask are not counted"
RESOLUTION = {
    "wsss/label": "the masks' own; labels must be of the same size",
    "wsss/cam": "the masks' own; maps enlarged bilinearly, cell centres in place",
}
TIES = "a class wins strictly above the threshold (float32); of equal classes the first"
SUMMARY = {
    "miou": "mIoU %",
    "pixel_accuracy": "pixel accuracy %",
    "mean_accuracy": "mean accuracy %",
    "fw_iou": "frequency-weighted IoU %",
    "m_fp": "over-activation m_FP",
    "m_fn": "under-activation m_FN",
    "background_precision": "precision of background %",
    "foreground_precision": "precision of classes %",
    "coverage": "pixels labelled %",
    "images_without_class": "images without a class",
}
PER_LABEL = {
    "iou": "IoU %",
    "precision": "precision %",
    "recall": "recall %",
    "over": "over %",
    "under": "under %",
}
RATIOS = ("m_fp", "m_fn")  # may exceed 1: shown as they are, not in percent


def run(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Labels or maps, of any stage."), Reads()
    ],
    data: Data = None,
    split: Split = None,
    ids: Ids = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Score though FILE lacks some of the images.")
    ] = False,
    average: Annotated[Average, typer.Option(help="Labels that mIoU averages.")] = Average.union,
    unlabelled: Annotated[
        Unlabelled, typer.Option(help="What a 255 in FILE counts as.")
    ] = Unlabelled.error,
    thresholds: Annotated[
        str,
        typer.Option(metavar="A:B:STEP", help="Maps: thresholds to try, without B; or a list."),
    ] = "0:0.6:0.01",
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Maps: score at this threshold.")
    ] = None,
    threshold_from: Annotated[
        Path | None,
        typer.Option(metavar="JSON", help="Maps: at the best one of another eval's --json."),
        Reads(),
    ] = None,
    calibrate_split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Maps: at the best one on this other split.")
    ] = None,
    json_out: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write JSON; - is stdout, without tables."),
        Writes(but=("-",)),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Score labels or maps against the data set's masks.

    Maps are scored at all --thresholds in one pass. The best is an oracle, chosen with the very
    masks that it is scored on. Beside it stands the score at a threshold chosen without them:
    --threshold, --threshold-from or --calibrate-split; else the file's own background scores;
    else IRN's published constants, 0.15 for maps and 0.25 for walked ones.

    Example: wsss eval cam.h5 --split train --json cam.json
    """
    from ..scoring import counts as _scoring
    from ..scoring import protocol as _protocol

    sweep = _protocol.parse_thresholds(thresholds)
    choice = _protocol.ThresholdChoice(threshold, threshold_from, calibrate_split)
    if [threshold, threshold_from, calibrate_split].count(None) < 2:
        raise UsageError("--threshold, --threshold-from, --calibrate-split: give only one")
    from ..artifacts import CAM, LABEL, open_artifact, open_dataset
    from ..artifacts.writer import check_target

    report_to = None if json_out in (None, "-") else Path(str(json_out))
    if report_to is not None:
        check_target(report_to, force)
    with open_artifact(file, LABEL, CAM) as found, open_dataset(data, found) as truth:
        if report_to is not None:
            others = [path for path in (threshold_from, ids) if path not in (None, "-")]
            check_target(report_to, force, [file, truth.path, *map(Path, map(str, others))])
        is_maps = found.schema is CAM
        if choice.is_made and not is_maps:
            raise UsageError(f"{file}: holds labels, which have no threshold")
        images, n_missing = _protocol.select_images(found, truth, split, ids, allow_missing)
        shown = track(images, NAME, quiet=quiet)
        if is_maps:
            at = None
            if choice.is_made or not found.column("background").holds_values:
                at = _protocol.choose_threshold(choice, found, truth, images, sweep, average.value)
            outcome = _scoring.score_maps(found, truth, shown, average.value, sweep, at)
        else:
            outcome = _scoring.score_labels(found, truth, shown, average.value, unlabelled.value)
        rules: dict[str, Any] = {"thresholds": sweep, "ties": TIES}
        if not is_maps:
            rules = {"unlabelled": unlabelled.value, "unlabelled_rule": UNLABELLED[unlabelled]}
        protocol = {
            "split": split,
            "ids_from": ids,
            "images_counted": len(outcome.counted),
            "images_without_mask": outcome.without_mask,
            "images_missing": n_missing,
            "resolution": RESOLUTION[found.kind],
            "void": VOID,
            "average": average.value,
            "average_rule": AVERAGES[average.value],
            **rules,
        }
        report = _report(found, truth, protocol, outcome)
    _warn(report)
    if json_out is not None:
        _write_json(report, json_out)
    if json_out != "-":
        _print(report)
        if json_out is not None:
            log(f"{NAME}: {len(outcome.counted)} images -> {json_out}", quiet)


def _report(
    found: Artifact, truth: DatasetReader, protocol: dict[str, Any], outcome: Outcome
) -> dict[str, Any]:
    """All that eval has to say, as it stands in the JSON; the tables are drawn from it."""
    from .. import __version__
    from ..scoring.protocol import FORMAT, VERSION

    points = {name: point.as_dict() for name, point in outcome.points.items()}
    headline = points.get("labels") or points["chosen"]
    report: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "created_by": f"wsss {__version__}",
        "miou": headline["miou"],  # never the oracle's
        "predictions": {"file": found.path.name, "kind": found.kind, "run": found.run},
        "data": {"file": truth.path.name, "run": truth.run},
        "protocol": protocol,
        "labels": ["background", *truth.classes],
        "scores": points,
    }
    if outcome.sweep:
        curve = [{"threshold": t, "miou": None if m != m else m} for t, m in outcome.sweep]
        report["sweep"] = curve
    return report | {"ids": sorted(outcome.counted)}


def _warn(report: dict[str, Any]) -> None:
    counted = report["protocol"]["images_counted"]
    name = report["predictions"]["file"]
    for key, point in report["scores"].items():
        if point["images_without_class"] == counted:
            where = "" if key == "labels" else f" ({key})"
            warn(f"{name}{where}: only background is predicted, in every one of {counted} images")
    if report["miou"] is None:
        warn(f"{name}: nothing is scored: the masks of all {counted} images are void throughout")
    if report["protocol"]["images_missing"]:
        missing = report["protocol"]["images_missing"]
        warn(f"{name}: lacks {missing} images of the split: this is the score of a part")


def _print(report: dict[str, Any]) -> None:
    """The protocol, then the tables."""
    protocol, points = report["protocol"], report["scores"]
    source, data = report["predictions"], report["data"]
    images = f"{protocol['images_counted']} counted"
    if protocol["images_without_mask"]:
        images += f", {protocol['images_without_mask']} without a mask left out"
    if protocol["images_missing"]:
        images += f", {protocol['images_missing']} missing"
    of = f"split {protocol['split']}" if protocol["split"] else f"all of {source['file']}"
    of += f", those in {protocol['ids_from']}" if protocol["ids_from"] else ""
    lines = {
        "scored": f"{source['file']} ({source['kind']}, run {source['run']})",
        "data": f"{data['file']} (run {data['run']})",
        "images": f"{images} ({of})",
        "resolution": protocol["resolution"],
        "void": protocol["void"],
        "average": f"{protocol['average_rule']} ({protocol['average']})",
    }
    if "unlabelled" in protocol:
        lines["unlabelled"] = f"{protocol['unlabelled_rule']} ({protocol['unlabelled']})"
    else:
        lines["ties"] = protocol["ties"]
        for key, point in points.items():
            at = "" if point["threshold"] is None else f"threshold {point['threshold']:g}: "
            lines[key] = at + point["how"]
    for key, text in lines.items():
        typer.echo(f"{key:<12}{text}")
    typer.echo("")
    table(
        ["", *points],
        [
            [title, *(_cell(point[key], key) for point in points.values())]
            for key, title in SUMMARY.items()
        ],
    )
    typer.echo("")
    if "labels" in points:
        columns = {title: points["labels"][key] for key, title in PER_LABEL.items()}
    else:
        columns = {f"IoU % {key}": point["iou"] for key, point in points.items()}
    rows = zip(report["labels"], *columns.values(), strict=True)
    table(["label", *columns], [[name, *map(_cell, values)] for name, *values in rows])


def _cell(value: float | int | None, key: str = "") -> str:
    """A share in percent, a ratio or a count as it is, - where it is undefined."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if key in RATIOS else f"{100 * value:.2f}"


def _write_json(report: dict[str, Any], target: str) -> None:
    text = json.dumps(report, ensure_ascii=False, allow_nan=False)
    if target == "-":
        typer.echo(text)
        return
    from ..artifacts.files import write_whole

    # A file's name may be no UTF-8; JSON's escapes spell it.
    write_whole(Path(target), text.encode(errors="backslashreplace") + b"\n")
