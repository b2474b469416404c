"""plan: the time, memory and disk that the chain will take on a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..options.shared import FirstData, Quiet, Split
from ..options.training import ValSplit
from ..planning.chain import EVAL, NAMES, StageFlags, Until, stage_flags, until

NAME = "plan"


def run(
    data: FirstData = Path("data.h5"),
    split: Split = None,
    val_split: ValSplit = None,
    until_stage: Until = NAMES[-1],
    flags: StageFlags = None,
    shards: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of parts that image-by-image stages are split into, each on a machine "
            "or GPU of its own.",
        ),
    ] = 1,
    measured: Annotated[
        bool,
        typer.Option(
            "--measure/--no-measure",
            help="Measure time and memory by running the stages on four images.",
        ),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON in place of the table.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Reckon the time, memory and disk that each stage of the chain will take.

    Disk follows from the images' sizes and tags. Time and memory are measured: each stage runs on
    four of the images, on this machine, and time is taken to grow with pixels, epochs and images.
    Memory is the machine's, not that of a GPU. Nothing is kept.

    Example: wsss plan --data data.h5 --flags train-cls='--backbone resnet50'
    """
    from ..artifacts import open_dataset
    from ..planning.measure import measure
    from ..planning.reckoning import rows_of, work_of
    from ..planning.table import print_plan, report_of

    stages = until(until_stage)
    own = stage_flags(flags or [], [*NAMES, EVAL])
    with open_dataset(data) as reader:
        predicts = any(stage.name == "predict" for stage in stages)
        work = work_of(reader, split, val_split, predicts)
        rates = measure(stages, reader, work.ids, own, quiet) if measured else {}
        rows = rows_of(stages, work, own, rates, shards)
        report = report_of(reader, work, rows, rates, shards)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        print_plan(work, rows, measured, shards)
