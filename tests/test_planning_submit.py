"""The script that hands the jobs to Slurm; test_cli_slurm runs it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from wsss_cli.planning.chain import STAGES
from wsss_cli.planning.run import Plan, Score
from wsss_cli.planning.submit import submit

SCORES = [Score("cam.h5", "cam.json", "train"), Score("pred.h5", "pred.json", "val")]
PLAN = Plan(Path("/data/my run"), STAGES, SCORES, "train", "val", shards=3, at_once=None)


def calls(text: str) -> list[str]:
    """The lines that submit something."""
    return [line for line in text.splitlines() if line.startswith(("job ", "array "))]


def test_each_job_names_its_file_and_what_it_waits_for() -> None:
    assert calls(submit(PLAN)) == [
        'job train-cls cls.pt ""',
        'array make-cam cam.h5 "train-cls" shards/cam.{1..3}-of-3.h5',
        "job merge-cam cam.h5 make-cam",
        'array make-seeds seeds.h5 "merge-cam" shards/seeds.{1..3}-of-3.h5',
        "job merge-seeds seeds.h5 make-seeds",
        'job train-aff aff.pt "merge-seeds"',
        'array random-walk pseudo.h5 "merge-cam train-aff" shards/pseudo.{1..3}-of-3.h5',
        "job merge-pseudo pseudo.h5 random-walk",
        'job train-seg seg.pt "merge-pseudo"',
        'array predict pred.h5 "train-seg" shards/pred.{1..3}-of-3.h5',
        "job merge-pred pred.h5 predict",
        'array eval "" "merge-cam merge-pred" "${scores[@]}"',
        "job scores scores.txt eval",
    ]


def test_files_that_no_stage_makes_are_waited_for_by_nobody() -> None:
    text = submit(replace(PLAN, stages=(), scores=[Score("/x/p.h5", "/x/p.json", None)]))
    assert calls(text) == ['array eval "" "" "${scores[@]}"', "job scores scores.txt eval"]


def test_nothing_is_scored_where_nothing_has_masks() -> None:
    text = submit(replace(PLAN, stages=STAGES[:1], scores=()))
    assert calls(text) == ['job train-cls cls.pt ""']
    assert "scores.tsv" not in text


def test_so_many_tasks_run_at_once() -> None:
    assert '--array="${list#,}"\n' in submit(PLAN)
    assert '--array="${list#,}%2"\n' in submit(replace(PLAN, at_once=2))


def test_it_is_a_script_in_the_runs_folder() -> None:
    text = submit(PLAN)
    assert text.startswith("#!/bin/bash\n")
    assert "\ncd '/data/my run'\n" in text
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
