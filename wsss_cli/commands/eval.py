"""eval: score labels or maps against the data set's masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import log, warn
from ..errors import UsageError
from ..inference.faithfulness import inquiry
from ..methods.rebuild import classifier
from ..options.boxes import BoxOptions
from ..options.counting import Counting
from ..options.faithfulness import Faithfulness
from ..options.files import Reads, Writes
from ..options.groups import Without, grouped
from ..options.intervals import Intervals
from ..options.machine import Machine
from ..options.outlines import OutlineOptions
from ..options.shared import Data, Force, Ids, Quiet, Seed, Split
from ..options.thresholds import ThresholdChoice

NAME = "eval"
COUNTING, CHOICE, BOXES, INTERVALS = Counting(), ThresholdChoice(), BoxOptions(), Intervals()
OUTLINES, FAITHFULNESS, MACHINE = OutlineOptions(), Faithfulness(), Machine()
SWEEP = "0:0.6:0.01"  # thresholds of published code
SWEEP_OF_BOXES = "0:1:0.01"  # shares of a map's maximum
OF_PIXELS = (  # what does not go with --boxes
    "--average, --unlabelled",
    "--bootstrap, --clusters",
    "--boundary, --sizes",
    "--pointing, --faithfulness",
    "--per-image",
)


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
    counting: Counting = COUNTING,
    thresholds: Annotated[
        str | None,
        typer.Option(
            metavar="A:B:STEP",
            help="Maps: thresholds to try, from A up to but not B, STEP apart; or a list such as "
            f"0.1,0.2. Default: {SWEEP}; with --boxes {SWEEP_OF_BOXES}.",
        ),
    ] = None,
    choice: ThresholdChoice = CHOICE,
    intervals: Intervals = INTERVALS,
    outlines: OutlineOptions = OUTLINES,
    boxes: BoxOptions = BOXES,
    faithfulness: Faithfulness = FAITHFULNESS,
    seed: Seed = 0,
    machine: Annotated[Machine, Without("workers")] = MACHINE,
    per_image: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="File to write a table of scores to, a row for each image."
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
    masks that it is scored on. Beside it stands the score at a threshold chosen without them, by
    one of --threshold, --threshold-from, --calibrate-split, --calibrate and --calibrate-ids. Else
    the file's own background scores decide, else IRN's published constants, 0.15 for maps and 0.25
    for walked ones. With --boxes it is 0.2 of a map's maximum, the published constant of CAM.

    --bootstrap adds intervals, --boundary scores of outlines, --sizes scores of objects by size.
    --boxes scores maps by boxes in place of pixels. --pointing tells whether maps point at their
    class, --faithfulness also whether they show what the classifier looked at.

    Example: wsss eval cam.h5 --split train --json cam.json
    """
    from ..artifacts import CAM, LABEL, open_artifact, open_dataset
    from ..scoring.intervals import add_intervals, resampling
    from ..scoring.localisation import BoxTruth, localise
    from ..scoring.protocol import Rules, parse_thresholds, score, select_images
    from ..scoring.report import Asked, report_of
    from ..scoring.supervision import supervision_of

    groups = (counting, intervals, outlines, faithfulness, per_image)
    boxes.check(choice, dict(zip(OF_PIXELS, groups, strict=True)))
    if ids == choice.calibrate_ids == "-":
        raise UsageError("--ids - and --calibrate-ids -: stdin is one list", "name a file for one")
    usual = SWEEP if boxes.boxes is None else SWEEP_OF_BOXES
    sweep = parse_thresholds(usual if thresholds is None else thresholds)
    rules = Rules(counting.average.value, counting.unlabelled.value, sweep, choice, outlines, seed)
    how = resampling(intervals.bootstrap, seed, intervals.clusters)
    target = targets(json_out, per_image, force)
    with open_artifact(file, LABEL, CAM) as found, open_dataset(data, found) as truth:
        if (choice.is_made or boxes.boxes is not None) and found.schema is LABEL:
            what = "threshold" if choice.is_made else "boxes, which only maps are scored by"
            raise UsageError(f"{file}: holds labels, which have no {what}")
        asking = inquiry(faithfulness, found, truth, machine, classifier, seed)
        true = BoxTruth.asked(truth, boxes)
        counts = None if true is None else true.has
        images, missing = select_images(found, truth, split, ids, allow_missing, counts)
        asked = Asked(split, ids, missing, rules)
        if true is not None:
            report = localise(found, true, images, asked, quiet)
        else:
            report = report_of(found, truth, asked, score(found, truth, images, rules, quiet))
            if how is not None:
                add_intervals(report, how)
        left_out = set(report.get("left_out", ()))
        report |= supervision_of(report, found, truth, choice)
        report |= asking.report([i for i in images if i not in left_out], quiet)
    deliver(report, json_out, target, per_image)
    if target is not None:
        log(f"{NAME}: {len(report['ids'])} images -> {json_out}", quiet)


def deliver(
    report: dict[str, Any], json_out: str | None, target: Path | None, per_image: Path | None
) -> None:
    """Warn of what is doubtful, write what was asked for, and print the tables or the JSON."""
    from ..report.evaluation import print_evaluation
    from ..scoring.doubts import doubts
    from ..scoring.per_image import write_table
    from ..scoring.report import as_json, write_report

    for text in doubts(report):
        warn(text)
    if per_image is not None:
        write_table(report, per_image)
    if target is not None:
        write_report(report, target)
    if json_out == "-":
        typer.echo(as_json(report))
    else:
        print_evaluation(report)


def targets(json_out: str | None, per_image: Path | None, force: bool) -> Path | None:
    """Where the JSON goes, if to a file.

    Raises:
        UsageError, WsssError: one of the outputs may not be written.
    """
    from ..artifacts.writer import check_target

    target = None if json_out in (None, "-") else Path(str(json_out))
    for output in (target, per_image):
        if output is not None:
            check_target(output, force)
    return target
