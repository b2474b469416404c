"""The text of the scripts that slurm writes; test_cli_slurm runs them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from wsss_cli.errors import UsageError, WsssError
from wsss_cli.planning.chain import NAMES, STAGES
from wsss_cli.planning.run import Plan, Score
from wsss_cli.planning.scripts import (
    common,
    job,
    score_jobs,
    score_table,
    scoring,
    scripts,
    stage_jobs,
    write_scripts,
)

PLAN = Plan(
    run=Path("/data/my run"),
    stages=STAGES[:2],
    scores=[Score("cam.h5", "cam.json", "train"), Score("/x/p.h5", "/x/p.json", None)],
    train="train",
    val="val",
    shards=3,
    at_once=None,
    flags={"train-cls": "--epochs 2", "make-cam": "--scales 1", "eval": "--average all"},
    sbatch={"make-cam": ["--gres=gpu:1", "--time=60"], "merge": ["--mem=4G"]},
    data=Path("/data/d e.h5"),
)


def test_a_job_says_its_name_its_log_and_its_options() -> None:
    lines = job(PLAN, "make-cam", "echo work\n").splitlines()
    assert lines == [
        "#!/bin/bash",
        "#SBATCH --job-name=make-cam",
        '#SBATCH --output="/data/my run/slurm/logs/%x.%j.log"',
        "#SBATCH --open-mode=append",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:USR1@120",
        "#SBATCH --gres=gpu:1",
        "#SBATCH --time=60",
        "source '/data/my run/slurm/common.sh'",
        "",
        "echo work",
    ]


def test_the_log_of_an_array_has_the_tasks_number_and_percents_are_doubled() -> None:
    plan = replace(PLAN, run=Path('/data/50%"'))
    text = job(plan, "x", "echo $SLURM_ARRAY_TASK_ID\n")
    assert '#SBATCH --output="/data/50%%\\"/slurm/logs/%x.%A_%a.log"\n' in text


def test_a_training_is_one_job() -> None:
    found = stage_jobs(PLAN, STAGES[0])
    assert list(found) == ["train-cls"]
    assert found["train-cls"].splitlines()[-1] == (
        'once cls.pt "${TRAIN[@]}" train-cls --split train --val-split val --epochs 2 -o cls.pt'
    )


def test_an_image_stage_is_an_array_and_a_merge() -> None:
    found = stage_jobs(PLAN, STAGES[1])
    assert list(found) == ["make-cam", "merge-cam"]
    assert found["make-cam"].splitlines()[-4:] == [
        "shard=shards/cam.$SLURM_ARRAY_TASK_ID-of-3.h5",
        "mkdir -p shards",
        'once "$shard" "${WSSS[@]}" make-cam --weights cls.pt --split train --scales 1 \\',
        '    -o "$shard" --shard "$SLURM_ARRAY_TASK_ID/3"',
    ]
    assert found["merge-cam"].splitlines()[-1] == (
        'once cam.h5 "${WSSS[@]}" merge shards/cam.{1..3}-of-3.h5 -o cam.h5'
    )
    assert "#SBATCH --mem=4G" in found["merge-cam"]  # by what merge is given, not merge-cam
    assert "--gres" not in found["merge-cam"]


def test_scores_have_a_line_a_file() -> None:
    assert score_table(PLAN) == "cam.h5\tcam.json\ttrain\n/x/p.h5\t/x/p.json\t\n"
    assert scoring(PLAN) == "data: /data/d e.h5\nsplits: train all\noptions: --average all\n"
    assert scoring(replace(PLAN, data=None, flags={})) == (
        "data: as each file records it\nsplits: train all\noptions: \n"
    )
    found = score_jobs(PLAN)
    assert list(found) == ["eval", "scores"]
    assert '--average all --json "$json"' in found["eval"]
    assert "p\" '/data/my run/slurm/scores.tsv')" in found["eval"]
    assert (
        'eval "$file" ${split:+--split "$split"} --json'
        in (score_jobs(replace(PLAN, flags={}))["eval"])
    )


def test_what_all_jobs_begin_with() -> None:
    python = shlex.quote(sys.executable)
    text = common(replace(PLAN, setup=["module load x", "export A=1"]))
    lines = text.splitlines()
    assert lines[1] == "cd '/data/my run' || exit"
    # what conda and modules run reads variables that are not set
    assert lines[3:6] == ["module load x", "export A=1", "set -euo pipefail"]
    assert lines[6:8] == [f"{name}=({python} -m wsss_cli)" for name in ("WSSS", "TRAIN")]
    assert lines[9] == "export WSSS_DATA='/data/d e.h5'"
    assert common(PLAN).splitlines()[2] == "set -euo pipefail"
    several = common(replace(PLAN, processes=4, data=None))
    assert "WSSS_DATA" not in several
    words = f"TRAIN=({python} -m torch.distributed.run --standalone --nproc-per-node=4 -m wsss_cli)"
    assert words in several.splitlines()


def test_every_script_is_one_of_bashs(tmp_path: Path) -> None:
    plan = replace(PLAN, stages=STAGES, flags=dict.fromkeys(NAMES, ""), run=tmp_path / "it's")
    found = scripts(plan)
    assert {"submit.sh", "common.sh", "scores.tsv", "scoring"} < set(found)
    assert len(found) == 4 + 7 + 4 + 2  # stages, merges of four, eval and scores
    text = "\n".join(text for name, text in found.items() if name.endswith(("sh", "sbatch")))
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(scripts(replace(plan, scores=[]))) == set(found) - {
        *("scores.tsv", "scoring", "eval.sbatch", "scores.sbatch"),
    }


def test_only_what_changes_gets_a_new_date(tmp_path: Path) -> None:
    """What is scored hangs on the date of `scoring`."""
    folder = tmp_path / "slurm"
    write_scripts(PLAN, folder, False)
    assert (folder / "logs").is_dir()
    for path in folder.iterdir():
        os.utime(path, (9, 9))
    write_scripts(replace(PLAN, flags={**PLAN.flags, "eval": ""}), folder, True)
    new = {path.name for path in folder.iterdir() if path.stat().st_mtime != 9}
    assert new == {"scoring", "eval.sbatch"}
    assert {path.name for path in folder.iterdir()} == {*scripts(PLAN), "logs"}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WsssError, match=r"file/slurm: cannot be made \(Not a directory\)"):
        write_scripts(PLAN, tmp_path / "file" / "slurm", False)


def test_what_a_killed_attempt_has_begun_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "slurm"
    write_scripts(PLAN, folder, False)
    with pytest.raises(UsageError, match=r"slurm: exists already"):
        write_scripts(PLAN, folder, False)
    (folder / "submit.sh").unlink()  # which comes last
    (folder / "eval.sbatch").unlink()
    (folder / "mine").touch()
    for path in folder.iterdir():
        os.utime(path, (9, 9))
    write_scripts(PLAN, folder, False)
    new = {path.name for path in folder.iterdir() if path.stat().st_mtime != 9}
    assert new == {"submit.sh", "eval.sbatch"}


def test_a_script_that_is_another_is_kept_unless_forced(tmp_path: Path) -> None:
    folder = tmp_path / "slurm"
    folder.mkdir()
    (folder / "common.sh").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        write_scripts(PLAN, folder, False)
    assert [path.name for path in folder.iterdir()] == ["common.sh"]
    write_scripts(PLAN, folder, True)
    assert (folder / "common.sh").read_text() == scripts(PLAN)["common.sh"]
