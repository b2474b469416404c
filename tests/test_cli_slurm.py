"""slurm: what the scripts submit, in which order, and what they do when killed.

Slurm's programs are stand-ins here that note what they are told; tests/slurm/check.py has the
real ones.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from bsd import bsd_tools
from made import masks_of, write_labels, wsss

STAND_INS = {
    "sbatch": 'echo "$@" >> "$NOTES"; echo "$(( $(wc -l < "$NOTES") + 100 ))"',
    "squeue": "exit 1",
    "scontrol": 'echo "scontrol $*" >> "$NOTES"',
    "sleep": "exit 0",
}


class Slurm:
    """Stand-ins for Slurm's programs, and what they were told."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "notes"
        self.notes.write_text("")
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.others = bsd_tools(folder / "bsd")
        for name, body in STAND_INS.items():
            self.program(name, body)

    def program(self, name: str, body: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    def run(self, script: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.programs}:{self.others}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "NOTES": str(self.notes), **variables}
        return subprocess.run(["bash", script], env=environment, capture_output=True, text=True)

    def told(self) -> list[str]:
        """What was noted since the last call."""
        lines = self.notes.read_text().splitlines()
        self.notes.write_text("")
        return lines


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    folder = tmp_path / "slurm stand-ins"
    folder.mkdir()
    return Slurm(folder)


@pytest.fixture
def run(tiny_data: Path, tmp_path: Path) -> Path:
    """The scripts of a chain, in a folder whose name needs quotes."""
    out = tmp_path / "my 'run'"
    result = wsss(
        *("slurm", "--data", tiny_data, "-o", out, "--shards", 3, "--at-once", 2),
        *("--flags", "make-cam=--scales 0.5,1", "--flags", "eval=--average all"),
        *("--sbatch=--partition=gpu", "--sbatch", "train-cls,predict=--gres=gpu:2"),
        *("--setup", "module load python", "--train-processes", 2),
    )
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"slurm: 7 stages -> bash {out / 'slurm' / 'submit.sh'}\n"
    return out


def touch(run: Path, *names: str) -> None:
    (run / "shards").mkdir(exist_ok=True)
    for name in names:
        (run / name).write_text("")


DEPENDENCY = "--dependency=afterok:"
FIRST = f"""\
--parsable --kill-on-invalid-dep=yes slurm/train-cls.sbatch
--parsable {DEPENDENCY}101 --kill-on-invalid-dep=yes --array=1-3%2 slurm/make-cam.sbatch
--parsable {DEPENDENCY}102 --kill-on-invalid-dep=yes slurm/merge-cam.sbatch
--parsable {DEPENDENCY}103 --kill-on-invalid-dep=yes --array=1-3%2 slurm/make-seeds.sbatch
--parsable {DEPENDENCY}104 --kill-on-invalid-dep=yes slurm/merge-seeds.sbatch
--parsable {DEPENDENCY}105 --kill-on-invalid-dep=yes slurm/train-aff.sbatch
--parsable {DEPENDENCY}103:106 --kill-on-invalid-dep=yes --array=1-3%2 slurm/random-walk.sbatch
--parsable {DEPENDENCY}107 --kill-on-invalid-dep=yes slurm/merge-pseudo.sbatch
--parsable {DEPENDENCY}108 --kill-on-invalid-dep=yes slurm/train-seg.sbatch
--parsable {DEPENDENCY}109 --kill-on-invalid-dep=yes --array=1-3%2 slurm/predict.sbatch
--parsable {DEPENDENCY}110 --kill-on-invalid-dep=yes slurm/merge-pred.sbatch
--parsable {DEPENDENCY}103:105:108:111 --kill-on-invalid-dep=yes --array=1-4%2 slurm/eval.sbatch
--parsable {DEPENDENCY}112 --kill-on-invalid-dep=yes slurm/scores.sbatch
"""


def test_each_job_is_submitted_behind_the_one_before(run: Path, slurm: Slurm) -> None:
    done = slurm.run(run / "slurm" / "submit.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert slurm.told() == FIRST.splitlines()
    assert done.stdout.splitlines()[:2] == ["train-cls: job 101", "make-cam: job 102 after 101"]
    assert "random-walk: job 107 after 103 106" in done.stdout.splitlines()
    for name in (line.split()[-1] for line in FIRST.splitlines()):
        assert (run / name).exists()


def test_submitted_again_only_what_is_missing_is_done(run: Path, slurm: Slurm) -> None:
    touch(run, "cls.pt", "shards/cam.2-of-3.h5")
    assert slurm.run(run / "slurm" / "submit.sh").returncode == 0
    first = slurm.told()
    assert first[0] == "--parsable --kill-on-invalid-dep=yes --array=1,3%2 slurm/make-cam.sbatch"
    assert (
        first[1] == f"--parsable {DEPENDENCY}101 --kill-on-invalid-dep=yes slurm/merge-cam.sbatch"
    )
    touch(run, *(f"shards/cam.{i}-of-3.h5" for i in (1, 3)))
    slurm.run(run / "slurm" / "submit.sh")
    assert slurm.told()[0] == "--parsable --kill-on-invalid-dep=yes slurm/merge-cam.sbatch"
    touch(run, "cam.h5", "seeds.h5", "aff.pt", "pseudo.h5", "seg.pt", "pred.h5", "cam.json")
    slurm.run(run / "slurm" / "submit.sh")
    assert [line.split()[-1] for line in slurm.told()] == [
        "slurm/eval.sbatch",
        "slurm/scores.sbatch",
    ]
    touch(run, "seeds.json", "pseudo.json", "pred.json", "scores.txt")
    done = slurm.run(run / "slurm" / "submit.sh")
    assert (done.returncode, done.stdout, slurm.told()) == (0, "", [])


def test_what_is_older_than_its_input_is_pointed_out(run: Path, slurm: Slurm) -> None:
    touch(run, "cam.h5", "shards/seeds.1-of-3.h5")
    said = slurm.run(run / "slurm" / "submit.sh").stderr
    old = "what they are made from is made anew: delete what is old\n"
    assert said == f"warning: cam.h5 stays, but {old}"
    (run / "cam.h5").unlink()
    said = slurm.run(run / "slurm" / "submit.sh").stderr
    assert said == f"warning: parts of seeds.h5 stay, but {old}"


def test_a_file_in_the_middle_is_waited_for_by_all_that_read_it(run: Path, slurm: Slurm) -> None:
    whole = ["cls.pt", "cam.h5", "seeds.h5", "aff.pt", "pseudo.h5", "seg.pt", "pred.h5"]
    touch(run, *whole, "cam.json", "seeds.json", "pseudo.json", "pred.json")
    (run / "pseudo.h5").unlink()  # and its score stays, for now
    slurm.run(run / "slurm" / "submit.sh")
    walk, merge, score, _ = slurm.told()
    assert walk == "--parsable --kill-on-invalid-dep=yes --array=1-3%2 slurm/random-walk.sbatch"
    assert merge.startswith(f"--parsable {DEPENDENCY}101 ")
    assert score == (
        f"--parsable {DEPENDENCY}102 --kill-on-invalid-dep=yes --array=3%2 slurm/eval.sbatch"
    )
    assert (run / "cam.json").exists()
    (run / "cam.h5").unlink()  # which the walk reads beside aff.pt
    slurm.run(run / "slurm" / "submit.sh")
    told = slurm.told()
    assert told[1].startswith(f"--parsable {DEPENDENCY}101 ")  # merge-cam
    assert told[2].endswith("slurm/random-walk.sbatch")
    assert told[2].startswith(f"--parsable {DEPENDENCY}102 ")
    assert told[4].startswith(f"--parsable {DEPENDENCY}102:104 ")
    assert told[4].endswith("--array=1,3%2 slurm/eval.sbatch")


def test_jobs_still_in_the_queue_are_not_submitted_twice(run: Path, slurm: Slurm) -> None:
    slurm.run(run / "slurm" / "submit.sh")
    slurm.told()
    slurm.program("squeue", 'echo "$*"')
    done = slurm.run(run / "slurm" / "submit.sh")
    assert done.returncode == 1
    assert "these are still in the queue" in done.stderr
    assert "--jobs=101,102,103" in done.stdout
    assert slurm.told() == []


def test_the_jobs_say_what_was_asked_for(run: Path) -> None:
    scripts = run / "slurm"
    for path in scripts.glob("*s[hc]*"):
        assert subprocess.run(["bash", "-n", path], check=False).returncode == 0, path
    cam = (scripts / "make-cam.sbatch").read_text()
    assert "#SBATCH --partition=gpu\n" in cam
    assert "--gres" not in cam
    assert "make-cam --weights cls.pt --split train --scales 0.5,1 \\\n" in cam
    assert '-o "$shard" --shard "$SLURM_ARRAY_TASK_ID/3"' in cam
    for name in ("train-cls", "predict"):
        assert "#SBATCH --gres=gpu:2\n" in (scripts / f"{name}.sbatch").read_text()
    common = (scripts / "common.sh").read_text()
    assert "module load python" in common
    assert "torch.distributed.run --standalone --nproc-per-node=2 -m wsss_cli)" in common
    assert '"${TRAIN[@]}" train-aff --seeds seeds.h5 ' in (scripts / "train-aff.sbatch").read_text()
    assert "--average all --json" in (scripts / "eval.sbatch").read_text()
    table = [line.split("\t") for line in (scripts / "scores.tsv").read_text().splitlines()]
    assert table[0] == ["cam.h5", "cam.json", "train"]
    assert table[-1] == ["pred.h5", "pred.json", "val"]


ATTEMPT = """\
set -euo pipefail
source "{run}/slurm/common.sh"
once result bash -c '{command}'
echo after
"""


@pytest.mark.parametrize(
    ("command", "restarts", "requeued", "code", "said"),
    [
        ("echo made > result", "0", False, 0, "after\n"),
        ("kill -KILL $$", "0", True, 137, "killed; restarts so far: 0\n"),
        ("kill -KILL $$", "10", False, 137, "killed; restarts so far: 10\n"),
        ("kill -USR1 $PPID; exec /bin/sleep 60", "2", True, 137, "time is nearly up; "),
        ("kill -TERM $$", "0", False, 143, ""),
        ("exit 3", "0", False, 3, ""),
    ],
    ids=["done", "killed", "killed too often", "out of time", "cancelled", "wrong input"],
)
def test_a_killed_job_puts_itself_back(
    run: Path, slurm: Slurm, command: str, restarts: str, requeued: bool, code: int, said: str
) -> None:
    slurm.program("module", "exit 0")
    script = run / "attempt.sh"
    script.write_text(ATTEMPT.format(run=run, command=command))
    done = slurm.run(script, SLURM_JOB_ID="77", SLURM_RESTART_COUNT=restarts)
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith(said)
    assert slurm.told() == (["scontrol requeue 77"] if requeued else [])


def test_the_lines_of_setup_may_read_what_is_not_set(tiny_data: Path, tmp_path: Path) -> None:
    """Conda's activation scripts do, and fail on their way; the job itself stops at a failure."""
    conda = tmp_path / "conda.sh"
    conda.write_text("conda() { export KEPT=$NOT_SET; false; export ACTIVE=$2; }\n")
    lines = ["--setup", f"source {conda}", "--setup", "conda activate wsss"]
    run = tmp_path / "run"
    assert wsss("slurm", "--data", tiny_data, "-o", run, *lines, "-q").exit_code == 0
    job = f'source {run}/slurm/common.sh\necho "$ACTIVE"\nfalse\necho after\n'
    done = subprocess.run(["bash", "-c", job], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "wsss\n", "")


def test_options_of_several_words_reach_slurm_whole(tiny_data: Path, tmp_path: Path) -> None:
    options = ["--sbatch", "train-cls=--comment=two words", "--sbatch=--mail-type='END, FAIL'"]
    run = tmp_path / "run"
    assert wsss("slurm", "--data", tiny_data, "-o", run, *options, "-q").exit_code == 0
    given = (run / "slurm" / "train-cls.sbatch").read_text()
    assert '#SBATCH --comment="two words"\n' in given
    assert "#SBATCH --mail-type='END, FAIL'\n" in given


TEAM = """\
set -euo pipefail
source "{run}/slurm/common.sh"
TRAIN=(bash -c '{command}; exit {code}')  # in torchrun's place
echo kept > cls.pt.partial
once cls.pt {start} train-cls -o cls.pt
"""


@pytest.mark.parametrize(
    ("command", "code", "start", "requeued"),
    [
        ("echo further >> cls.pt.partial", 1, '"${TRAIN[@]}"', True),
        ("mv cls.pt.partial old; cp old cls.pt.partial", 1, '"${TRAIN[@]}"', True),
        ("true", 1, '"${TRAIN[@]}"', False),
        ("echo further >> cls.pt.partial", 3, '"${TRAIN[@]}"', False),
        ("true", 1, "bash -c 'echo further >> cls.pt.partial; exit 1'", False),
    ],
    ids=["further", "saved anew", "no further", "not by torchrun", "another command"],
)
def test_torchruns_job_puts_itself_back_where_it_got_further(
    run: Path, slurm: Slurm, command: str, code: int, start: str, requeued: bool
) -> None:
    slurm.program("module", "exit 0")
    script = run / "attempt.sh"
    script.write_text(TEAM.format(run=run, command=command, code=code, start=start))
    done = slurm.run(script, SLURM_JOB_ID="77", SLURM_RESTART_COUNT="1")
    assert done.returncode == (137 if requeued else code), done.stderr
    assert slurm.told() == (["scontrol requeue 77"] if requeued else [])
    said = "one of the processes failed or was killed; restarts so far: 1\n"
    assert done.stdout == (said if requeued else "")


def test_what_is_there_is_not_made_again(run: Path, slurm: Slurm) -> None:
    slurm.program("module", "exit 0")
    touch(run, "shards/cam.2-of-3.h5")
    done = slurm.run(run / "slurm" / "make-cam.sbatch", SLURM_ARRAY_TASK_ID="2")
    assert (done.returncode, done.stdout) == (0, "shards/cam.2-of-3.h5: is there\n")


def test_files_of_many_runs_are_scored_into_one_table(
    tiny_data: Path, tmp_path: Path, slurm: Slurm
) -> None:
    files = []
    for name in ("a b", "c"):
        (tmp_path / name).mkdir()
        files.append(write_labels(tmp_path / name / "p.h5", tiny_data, masks_of(tiny_data)))
    out = tmp_path / "scores"
    result = wsss("slurm", *files, "-o", out, "--split", "train")
    assert (result.exit_code, result.stdout) == (0, "")
    assert not (out / "slurm" / "make-cam.sbatch").exists()
    assert slurm.run(out / "slurm" / "submit.sh").returncode == 0
    told = slurm.told()
    assert told[0] == "--parsable --kill-on-invalid-dep=yes --array=1-2 slurm/eval.sbatch"
    for task in ("1", "2"):
        done = slurm.run(out / "slurm" / "eval.sbatch", SLURM_ARRAY_TASK_ID=task)
        assert done.returncode == 0, done.stderr
    assert slurm.run(out / "slurm" / "scores.sbatch").returncode == 0
    lines = (out / "scores.txt").read_text().splitlines()
    assert lines[1].startswith(f"{tmp_path}/a b/p.json")
    assert lines[2].split()[-4:] == ["train", "4", "100.0", "100.0"]


def test_what_is_scored_otherwise_or_newer_is_scored_again(
    tiny_data: Path, tmp_path: Path, slurm: Slurm
) -> None:
    m, n = (write_labels(tmp_path / f"{x}.h5", tiny_data, masks_of(tiny_data)) for x in "mn")
    out = tmp_path / "scores"

    def ask(*options: object) -> list[str]:
        """The jobs of another round, once they are done."""
        assert wsss("slurm", *options, "-o", out, "--force", "-q").exit_code == 0
        done = slurm.run(out / "slurm" / "submit.sh")
        assert (done.returncode, done.stderr) == (0, "")
        jobs = [" ".join(line.split()[-2:]) for line in slurm.told()]
        for path in (m.with_suffix(".json"), n.with_suffix(".json"), out / "scores.txt"):
            if not path.exists():
                path.touch()
        return jobs

    def scored(tasks: str) -> list[str]:
        return [
            f"--array={tasks} slurm/eval.sbatch",
            "--kill-on-invalid-dep=yes slurm/scores.sbatch",
        ]

    m.with_suffix(".json").touch()  # whatever it says, it was not asked for here
    assert ask(m, "--split", "val") == scored("1")
    assert ask(m, "--split", "val") == []
    n.with_suffix(".json").unlink()
    assert ask(m, n, "--split", "val") == scored("2")  # m's stays
    assert ask(m, n, "--split", "train") == scored("1-2")
    assert ask(m, n, "--split", "train", "--flags", "eval=--average all") == scored("1-2")
    later = m.with_suffix(".json").stat().st_mtime + 5
    os.utime(n, (later, later))
    assert ask(m, n, "--split", "train", "--flags", "eval=--average all") == scored("2")


def test_one_shard_and_a_shorter_chain(tiny_data: Path, tmp_path: Path, slurm: Slurm) -> None:
    out = tmp_path / "run"
    made = wsss(
        *("slurm", "--data", tiny_data, "-o", out, "--shards", 1, "--until", "make-cam", "-q")
    )
    assert (made.exit_code, made.stderr) == (0, "")
    slurm.run(out / "slurm" / "submit.sh")
    jobs = ["train-cls", "make-cam", "merge-cam", "eval", "scores"]
    assert [line.split()[-1] for line in slurm.told()] == [f"slurm/{n}.sbatch" for n in jobs]


def test_the_data_set_is_the_one_here_where_none_is_named(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_data.parent)
    assert wsss("slurm", "-q").exit_code == 0
    common = (tiny_data.parent / "run" / "slurm" / "common.sh").read_text()
    assert f"export WSSS_DATA={tiny_data}\n" in common


def test_files_in_flags_are_those_that_are_found_from_here(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tiny_data.parent
    monkeypatch.chdir(here)
    for name in ("list.txt", "my list.txt", "net.pth", "train", "x.json"):
        (here / name).touch()
    flags = {
        "make-cam": "--method layercam --ids list.txt --scales '0.5,1' --layer train",
        "train-cls": '--backbone-weights=net.pth --long-side "64,96"',
        "random-walk": "--ids='my list.txt'",
        "train-aff": "--backbone-weights cls.pt",  # of the run: none such is here
        "eval": "--threshold-from x.json",
    }
    given = [word for name, text in flags.items() for word in ("--flags", f"{name}={text}")]
    assert wsss("slurm", "--data", "data.h5", *given, "-q").exit_code == 0
    jobs = {name: (here / f"run/slurm/{name}.sbatch").read_text() for name in flags}
    assert f" --ids {here}/list.txt --scales '0.5,1' --layer train \\\n" in jobs["make-cam"]
    assert f' --backbone-weights={here}/net.pth --long-side "64,96" -o' in jobs["train-cls"]
    assert f" '--ids={here}/my list.txt' \\\n" in jobs["random-walk"]
    assert " --backbone-weights cls.pt -o" in jobs["train-aff"]
    assert f" --threshold-from {here}/x.json --json" in jobs["eval"]


def test_precision_that_each_node_chooses_is_warned_of(tiny_data: Path, tmp_path: Path) -> None:
    flags = ["--flags", "make-cam=--precision auto", "--flags", "train-aff=--precision bf16"]
    flags += ["--flags", "train-seg=--precision auto"]
    result = wsss("slurm", "--data", tiny_data, "-o", tmp_path / "run", "-q", *flags)
    assert result.exit_code == 0
    assert len(result.stderr.splitlines()) == 1
    assert "--precision auto of make-cam, train-seg: each node takes what suits it" in result.stderr


def test_quotes_in_the_folders_name_reach_slurm(tiny_data: Path, tmp_path: Path) -> None:
    out = tmp_path / 'a "b"'
    assert wsss("slurm", "--data", tiny_data, "-o", out, "-q").exit_code == 0
    (line,) = (
        line
        for line in (out / "slurm" / "make-cam.sbatch").read_text().splitlines()
        if "--output" in line
    )
    assert line == f'#SBATCH --output="{tmp_path}/a \\"b\\"/slurm/logs/%x.%A_%a.log"'


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--flags", "make-cam=--scale 1"], 2, "make-cam: No such option: --scale"),
        (["--flags", "make-cam=--shard 1/2"], 2, "--flags make-cam: --shard is not yours"),
        (["--flags", "random-walk=--scores w.h5"], 2, "--scores is not yours"),
        (["--flags", "--scales 1"], 2, "needs STAGE=OPTIONS"),
        (["--flags", "make-cams=--scales 1"], 2, "no stage 'make-cams'"),
        (["--flags", "make-cam=--scales '1"], 2, "No closing quotation"),
        (["--flags", "eval=--averages all"], 2, "eval: No such option: --averages"),
        (["--flags", "eval=--average 'all"], 2, "No closing quotation"),
        (["--sbatch", "train=--time=1"], 2, "no stage 'train'"),
        (["--sbatch=--comment=a\n--hold"], 2, "must stand in one line"),
        (["--until", "eval"], 2, "--until eval: is not a stage"),
        (["--split", "test"], 3, "has no split 'test'"),
        (["--out", "data.h5"], 2, "is a file"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tiny_data.parent)
    result = wsss("slurm", "--data", "data.h5", *options)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert os.listdir() == ["data.h5"]


def test_scripts_are_replaced_only_when_forced(run: Path, tiny_data: Path) -> None:
    edited = run / "slurm" / "common.sh"
    edited.write_text("mine")
    assert wsss("slurm", "--data", tiny_data, "-o", run).exit_code == 2
    assert edited.read_text() == "mine"
    assert wsss("slurm", "--data", tiny_data, "-o", run, "--force", "-q").exit_code == 0
    assert edited.read_text() != "mine"
