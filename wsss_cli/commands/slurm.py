"""slurm: the chain, or the scoring of many runs, as job scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import log, warn
from ..errors import UsageError
from ..options.files import Reads, Writes
from ..options.shared import Data, Force, Quiet, Split
from ..options.training import ValSplit
from ..planning.chain import EVAL, NAMES, StageFlags, Until, by_stage, stage_flags, until

NAME = "slurm"
JOBS = (*NAMES, "merge", EVAL, "scores")


def run(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Files of labels or maps of any runs; the scripts then score these, and run no "
            "chain.",
        ),
        Reads(),
    ] = None,
    data: Data = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the run."),
        Writes(folder=True),
    ] = Path("run"),
    shards: Annotated[
        int, typer.Option("--shards", min=1, metavar="N", help="Number of tasks of each array job.")
    ] = 8,
    at_once: Annotated[
        int | None,
        typer.Option(
            "--at-once",
            min=1,
            metavar="N",
            help="Largest number of an array's tasks that run at the same time.",
        ),
    ] = None,
    split: Split = None,
    val_split: ValSplit = None,
    until_stage: Until = NAMES[-1],
    flags: StageFlags = None,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(
            "--sbatch",
            metavar="[JOB,...=]OPTION",
            help="Option of sbatch, for all jobs or only for those named: stages, merge, eval. "
            "Repeatable.",
        ),
    ] = None,
    setup: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LINE", help="Shell line that is run at the start of each job. Repeatable."
        ),
    ] = None,
    train_processes: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Number of processes of a training job, started by torchrun."
        ),
    ] = 1,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Write Slurm scripts that run the chain on a cluster, or score many files.

    `bash DIR/slurm/submit.sh` submits them: training as one job, image-by-image stages as array
    jobs with a job that joins the shards, each behind the one before. Submitted again, only what
    is missing is done; a job that was killed, preempted or out of time goes on where it stopped.

    Example: wsss slurm --data data.h5 -o runs/voc --shards 16 --sbatch=--partition=gpu
    """
    from ..planning.run import Plan, undecided, what_to_score
    from ..planning.scripts import write_scripts

    stages = () if files else until(until_stage)
    own = stage_flags(flags or [], [*NAMES, EVAL])
    options = by_stage("--sbatch", sbatch or [], JOBS)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file, --out names a folder")
    folder = out / "slurm"
    if data is None and not files:
        data = Path("data.h5")
    train, val, scores = what_to_score(files or [], data, stages, split, val_split)
    plan = Plan(
        run=out.resolve(),
        stages=stages,
        scores=scores,
        train=train,
        val=val,
        shards=shards,
        at_once=at_once,
        flags=own,
        sbatch=options,
        setup=setup or [],
        data=data.resolve() if data else None,
        processes=train_processes,
    )
    write_scripts(plan, folder, force)
    if doubtful := undecided(plan):
        warn(
            f"--precision auto of {', '.join(doubtful)}: each node takes what suits it, and what "
            "nodes of several types make does not fit together; f32 or bf16 is the same on all"
        )
    what = f"{len(stages)} stages" if stages else f"{len(scores)} files to score"
    log(f"{NAME}: {what} -> bash {folder / 'submit.sh'}", quiet)
