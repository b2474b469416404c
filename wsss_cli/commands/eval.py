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
from ..options.shared import Data, Force, Ids, Quiet, Split
from ..options.thresholds import ThresholdChoice

NAME, CHOICE = "eval", ThresholdChoice()


class Average(str, enum.Enum):
    """Which labels the mean IoU averages."""

    union = "union"
    truth = "truth"
    all = "all"


class Unlabelled(str, enum.Enum):
    """What a predicted 255 counts as."""

    error = "error"
    background = "background"


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
    thresholds: Annotated[
        str,
        typer.Option(
            metavar="A:B:STEP",
            help="Maps: thresholds to try, from A up to but not B, STEP apart; or a list such as "
            "0.1,0.2.",
        ),
    ] = "0:0.6:0.01",
    choice: ThresholdChoice = CHOICE,
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
    --threshold, --threshold-from or --calibrate-split; or with those of a few images alone, which
    are not scored: --calibrate or --calibrate-ids. Else the file's own background scores decide,
    else IRN's published constants, 0.15 for maps and 0.25 for walked ones.

    Example: wsss eval cam.h5 --split train --json cam.json
    """
    from ..artifacts import CAM, LABEL, open_artifact, open_dataset
    from ..artifacts.writer import check_target
    from ..report.scores import print_report
    from ..scoring.protocol import Rules, parse_thresholds, score, select_images
    from ..scoring.report import Asked, as_json, report_of, warnings, write_report

    sweep = parse_thresholds(thresholds)
    rules = Rules(average.value, unlabelled.value, sweep, choice)
    target = None if json_out in (None, "-") else Path(str(json_out))
    if target is not None:
        check_target(target, force)
    with open_artifact(file, LABEL, CAM) as found, open_dataset(data, found) as truth:
        if choice.is_made and found.schema is LABEL:
            raise UsageError(f"{file}: holds labels, which have no threshold")
        images, missing = select_images(found, truth, split, ids, allow_missing)
        outcome = score(found, truth, images, rules, quiet)
        report = report_of(found, truth, Asked(split, ids, missing, rules), outcome)
    for text in warnings(report):
        warn(text)
    if target is not None:
        write_report(report, target)
    if json_out == "-":
        typer.echo(as_json(report))
        return
    print_report(report)
    if target is not None:
        log(f"{NAME}: {len(outcome.counted)} images -> {json_out}", quiet)
