"""eval: score labels or maps against the data set's masks."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ..console import log, warn
from ..errors import UsageError
from ..options.files import Reads, Writes
from ..options.groups import grouped
from ..options.outlines import OutlineOptions
from ..options.shared import Data, Force, Ids, Quiet, Seed, Split

NAME = "eval"
OUTLINES = OutlineOptions()


SWEEP = "0:0.6:0.01"  # thresholds of published code
SWEEP_OF_BOXES = "0:1:0.01"  # shares of a map's maximum


class Average(str, enum.Enum):
    """Which labels the mean IoU averages."""

    union = "union"
    truth = "truth"
    all = "all"


class Unlabelled(str, enum.Enum):
    """What a predicted 255 counts as."""

    error = "error"
    background = "background"


class Boxes(str, enum.Enum):
    """Which boxes are the true ones."""

    annotated = "annotated"
    masks = "masks"


@grouped()
def run(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="File of labels or maps, from any stage."),
        Reads(),
    ],
    data: Data = None,
    split: Split = None,
    ids: Ids = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing", help="Score the images that FILE has, even if some are missing."
        ),
    ] = False,
    average: Annotated[
        Average,
        typer.Option(
            help="Labels that mIoU is the mean of: those that masks or predictions hold (union), "
            "that masks hold (truth), or all."
        ),
    ] = Average.union,
    unlabelled: Annotated[
        Unlabelled,
        typer.Option(
            help="What a pixel of 255 (no label) in FILE counts as: a missed pixel (error), or "
            "background."
        ),
    ] = Unlabelled.error,
    boxes: Annotated[
        Boxes | None,
        typer.Option(
            help="Maps: score how well boxes around them meet the true ones: those that people "
            "drew (annotated), or around the parts of masks (masks). Thresholds are then shares "
            "of each map's maximum."
        ),
    ] = None,
    without_difficult: Annotated[
        bool,
        typer.Option(
            "--without-difficult", help="With --boxes annotated: leave out boxes marked difficult."
        ),
    ] = False,
    thresholds: Annotated[
        str | None,
        typer.Option(
            metavar="A:B:STEP",
            help="Maps: thresholds to try, from A up to but not B, STEP apart; or a list such as "
            "0.1,0.2. Default: 0:0.6:0.01, with --boxes 0:1:0.01.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Maps: a threshold chosen beforehand, to score at."),
    ] = None,
    threshold_from: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON",
            help="Maps: score at the best threshold of another eval, read from its --json file.",
        ),
        Reads(),
    ] = None,
    calibrate_split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Maps: score at the threshold that is best on this other split."
        ),
    ] = None,
    outlines: OutlineOptions = OUTLINES,
    bootstrap: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Draw the images anew N times (2000 or more) for 95 % intervals of mIoU and of "
            "each label's IoU. 0 gives none.",
        ),
    ] = 0,
    seed: Seed = 0,
    clusters: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="File with the columns image and cluster: images that resemble each other, such "
            "as frames of one video, are drawn together.",
        ),
        Reads(),
    ] = None,
    per_image: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="File to write a row of scores for each image to, as a table."
        ),
        Writes(),
    ] = None,
    json_out: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="File to write the scores to as JSON; - prints them in place of the tables.",
        ),
        Writes(but=("-",)),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Score labels or maps against the data set's masks.

    Maps are scored at all --thresholds in one pass. The best is an oracle, chosen with the very
    masks that it is scored on. Beside it stands the score at a threshold chosen without them:
    --threshold, --threshold-from or --calibrate-split; else the file's own background scores;
    else IRN's published constants, 0.15 for maps and 0.25 for walked ones. With --boxes it is 0.2
    of a map's maximum, the published constant of CAM.

    --boundary and --sizes score outlines, and objects by size, as well; for maps at that point.

    Example: wsss eval cam.h5 --split train --json cam.json
    """
    from ..artifacts import CAM, LABEL, open_artifact, open_dataset
    from ..artifacts.writer import check_target
    from ..report.localisation import print_localisation
    from ..report.outlines import print_outlines
    from ..report.scores import print_report
    from ..scoring.intervals import add_intervals, doubts, resampling
    from ..scoring.localisation import BoxTruth, localise
    from ..scoring.localisation_report import doubts as doubts_of_boxes
    from ..scoring.per_image import write_table
    from ..scoring.protocol import Rules, ThresholdChoice, parse_thresholds, score, select_images
    from ..scoring.report import Asked, as_json, report_of, warnings, write_report

    _check(boxes, without_difficult, average, unlabelled)
    usual = SWEEP if boxes is None else SWEEP_OF_BOXES
    sweep = parse_thresholds(usual if thresholds is None else thresholds)
    choice = ThresholdChoice(threshold, threshold_from, calibrate_split)
    rules = Rules(average.value, unlabelled.value, sweep, choice, outlines)
    how = resampling(bootstrap, seed, clusters)
    target = None if json_out in (None, "-") else Path(str(json_out))
    if target is not None and target == per_image:
        raise UsageError(f"{target}: named by --json and by --per-image")
    for output in (target, per_image):
        if output is not None:
            check_target(output, force)
    with open_artifact(file, LABEL, CAM) as found, open_dataset(data, found) as truth:
        if (choice.is_made or boxes is not None) and found.schema is LABEL:
            what = "threshold" if choice.is_made else "boxes, which only maps are scored by"
            raise UsageError(f"{file}: holds labels, which have no {what}")
        true = None if boxes is None else BoxTruth(truth, boxes.value, not without_difficult)
        counts = None if true is None else true.has
        images, missing = select_images(found, truth, split, ids, allow_missing, counts)
        asked = Asked(split, ids, missing, rules)
        if true is not None:
            report = localise(found, true, images, asked, quiet)
        else:
            report = report_of(found, truth, asked, score(found, truth, images, rules, quiet))
    if true is None and how is not None:
        add_intervals(report, how)
    for text in doubts_of_boxes(report) if true else [*warnings(report), *doubts(report)]:
        warn(text)
    if per_image is not None:
        write_table(report, per_image)
    if target is not None:
        write_report(report, target)
    if json_out == "-":
        typer.echo(as_json(report))
        return
    (print_report if true is None else print_localisation)(report)
    print_outlines(report)
    if target is not None:
        log(f"{NAME}: {len(report['ids'])} images -> {json_out}", quiet)


def _check(
    boxes: Boxes | None, without_difficult: bool, average: Average, unlabelled: Unlabelled
) -> None:
    """
    Raises:
        UsageError: options that do not go together.
    """
    if without_difficult and boxes is not Boxes.annotated:
        raise UsageError("--without-difficult needs --boxes annotated")
    if boxes is not None and (average, unlabelled) != (Average.union, Unlabelled.error):
        raise UsageError("--average and --unlabelled are of pixels: they do not go with --boxes")
