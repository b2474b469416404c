"""slurm: the chain, or the scoring of many runs, as job scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import log, warn
from ..errors import UsageError, WsssError
from ..options.files import Reads, Writes
from ..options.shared import Data, Force, Quiet, Split
from ..options.training import ValSplit
from ..planning.chain import (
    EVAL,
    NAMES,
    StageFlags,
    Until,
    choose_splits,
    parse,
    stage_flags,
    until,
)
from ..planning.chain import by_stage as values_by_stage

if TYPE_CHECKING:
    from ..artifacts import DatasetReader
    from ..planning.chain import Stage
    from ..planning.scripts import Score

NAME = "slurm"
JOBS = (*NAMES, "merge", EVAL, "scores")


def run(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Labels or maps of any runs: score these instead."),
        Reads(),
    ] = None,
    data: Data = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="The run's folder."),
        Writes(folder=True),
    ] = Path("run"),
    shards: Annotated[
        int, typer.Option("--shards", min=1, metavar="N", help="Tasks of each array job.")
    ] = 8,
    at_once: Annotated[
        int | None,
        typer.Option("--at-once", min=1, metavar="N", help="Tasks of an array that run at a time."),
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
            help="An option of sbatch, for all jobs or some: stages, merge, eval. Repeatable.",
        ),
    ] = None,
    setup: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE", help="Shell line at each job's start. Repeatable."),
    ] = None,
    train_processes: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Processes of a training job, under torchrun."),
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
    from ..artifacts.files import write_whole
    from ..planning.scripts import Plan, scripts

    stages = () if files else until(until_stage)
    own = stage_flags(flags or [], [*NAMES, EVAL])
    options = values_by_stage("--sbatch", sbatch or [], JOBS)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file, --out names a folder")
    folder = out / "slurm"
    if folder.exists() and not force:
        raise UsageError(f"{folder}: exists already", "add --force to write its scripts anew")
    if data is None and not files:
        data = Path("data.h5")
    train, val, scores = _what_to_score(files or [], data, stages, split, val_split)
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
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise WsssError(f"{folder}: cannot be made ({err.strerror or err})") from None
    for name, text in scripts(plan).items():
        path, content = folder / name, text.encode()
        if not path.exists() or path.read_bytes() != content:  # else its date stays
            write_whole(path, content)
    undecided = [stage.name for stage in stages if _takes_what_suits(stage, own[stage.name])]
    if undecided:
        warn(
            f"--precision auto of {', '.join(undecided)}: each node takes what suits it, and what "
            "nodes of several types make does not fit together; f32 or bf16 is the same on all"
        )
    what = f"{len(stages)} stages" if stages else f"{len(scores)} files to score"
    log(f"{NAME}: {what} -> bash {folder / 'submit.sh'}", quiet)


def _what_to_score(
    files: Sequence[Path],
    data: Path | None,
    stages: Sequence[Stage],
    split: str | None,
    val_split: str | None,
) -> tuple[str | None, str | None, list[Score]]:
    """The splits of the chain, and the files that `eval` is run on.

    Raises:
        WsssError: a file, a data set or a split that is not there.
    """
    from ..artifacts import CAM, LABEL, open_artifact, open_dataset
    from ..planning.scripts import Score

    if files:
        found = [open_artifact(path, LABEL, CAM).path.resolve() for path in files]
        return split, val_split, [Score(str(p), str(p.with_suffix(".json")), split) for p in found]
    with open_dataset(data) as reader:
        train, val = choose_splits(reader, split, val_split)
        scored = []
        for stage in stages:
            chosen = val if stage.name == "predict" else train
            if not stage.trains and _has_masks(reader, chosen):
                json = Path(stage.out).with_suffix(".json").name
                scored.append(Score(stage.out, json, chosen))
    return train, val, scored


def _takes_what_suits(stage: Stage, flags: str) -> bool:
    precision = parse(stage, flags).get("precision")
    return precision is not None and precision.value == "auto"


def _has_masks(data: DatasetReader, split: str | None) -> bool:
    return any(data.has_mask(image_id) for image_id in data.split(split))
