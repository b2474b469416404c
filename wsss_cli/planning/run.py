"""A run on a cluster: its stages, its splits, the files that it scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .chain import Stage, choose_splits, parse, plain

if TYPE_CHECKING:
    from ..artifacts import DatasetReader

SCORES, MERGE = "scores", "merge"  # jobs beside the stages' and eval's


@dataclass(frozen=True)
class Score:
    """A file to score: what `wsss eval` is told."""

    file: str
    json: str
    split: str | None


@dataclass(frozen=True)
class Plan:
    """All that the scripts depend on.

    Attributes:
        run: absolute path of the folder that results go to.
        stages: of the chain; none where files are scored only.
        scores: files to score, and where to.
        train, val: splits.
        shards: tasks of an array job.
        at_once: how many of them run at a time; None for any number.
        flags: by stage, options of its command.
        sbatch: by job, options of sbatch.
        setup: lines of shell at each job's start.
        data: absolute path of the data set; None to take what each file records.
        processes: of a training job.
    """

    run: Path
    stages: Sequence[Stage]
    scores: Sequence[Score]
    train: str | None
    val: str | None
    shards: int
    at_once: int | None
    flags: Mapping[str, str] = field(default_factory=dict)
    sbatch: Mapping[str, Sequence[str]] = field(default_factory=dict)
    setup: Sequence[str] = ()
    data: Path | None = None
    processes: int = 1

    @property
    def folder(self) -> Path:
        return self.run / "slurm"


def what_to_score(
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


def undecided(plan: Plan) -> list[str]:
    """The stages whose precision is left to each node, which may choose differently."""
    options = {stage.name: parse(stage, plan.flags[stage.name]) for stage in plan.stages}
    return [name for name, found in options.items() if plain(found.get("precision")) == "auto"]


def _has_masks(data: DatasetReader, split: str | None) -> bool:
    return any(data.has_mask(image_id) for image_id in data.split(split))
