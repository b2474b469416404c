"""The scripts of `wsss slurm` on a real Slurm: killed, requeued, submitted again; then compared.

    python tests/slurm/check.py [--keep FOLDER]

Needs root, slurm-wlm and munge (see cluster.py); takes some minutes, and is no part of the suite.
Draws scenes, runs the chain without shards, then as array jobs with three tasks of make-cam
disturbed in three ways, and compares every file of the two item by item.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from cluster import Cluster, wait_for

from wsss_cli.artifacts import load_weights, open_artifact

SHARDS = 3
NET = "--backbone tiny --backbone-weights random --workers 0 --epochs 1 --crop 64 --batch-size 4"
FLAGS = {
    "train-cls": f"{NET} --freeze-stages 0 --output-stride 8",
    "make-cam": "--scales 1,2,3,4,5,6,7,8 --max-side 0 --workers 0",  # slow enough to be caught at
    "make-seeds": "--method threshold",
    "train-aff": f"{NET} --radius 3",
    "random-walk": "--steps 8",
    "train-seg": f"{NET} --model unet --freeze-stages 0",
    "predict": "--scales 1 --workers 0",
}
CHAIN = {
    "train-cls": ("cls.pt", "--split train --val-split val"),
    "make-cam": ("cam.h5", "--weights cls.pt --split train"),
    "make-seeds": ("seeds.h5", "--cam cam.h5"),
    "train-aff": ("aff.pt", "--seeds seeds.h5"),
    "random-walk": ("pseudo.h5", "--cam cam.h5 --weights aff.pt"),
    "train-seg": ("seg.pt", "--labels pseudo.h5 --val-split val"),
    "predict": ("pred.h5", "--weights seg.pt --split val"),
}


def wsss(*words: object, cwd: Path) -> str:
    command = [sys.executable, "-m", "wsss_cli", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def say(text: str) -> None:
    print(f"{time.monotonic() - START:5.0f} s  {text}", flush=True)


def unsharded(folder: Path) -> None:
    """The chain by hand, in one process a stage."""
    for name, (out, inputs) in CHAIN.items():
        words = [*inputs.split(), *FLAGS[name].split(), "-q", "-o", out]
        wsss(name, "--data", "../data.h5", *words, cwd=folder)
    for stage, split in (
        ("cam", "train"),
        ("seeds", "train"),
        ("pseudo", "train"),
        ("pred", "val"),
    ):
        wsss("eval", f"{stage}.h5", "--split", split, "--json", f"{stage}.json", "-q", cwd=folder)


def submit(cluster: Cluster, run: Path) -> dict[str, str]:
    """Job ids by name, of what submit.sh submits."""
    command = ["bash", str(run / "slurm" / "submit.sh")]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        print(f"          {line}")
    lines = [line.partition(": job ") for line in done.stdout.splitlines()]
    return {name: rest.split()[0] for name, _, rest in lines}


def task_process(part: Path) -> int:
    """The process that is making `part`."""
    name = part.name.encode()
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            here = (folder / "cwd").resolve() == part.parent.parent
        except (OSError, ValueError):
            continue
        if here and b"make-cam" in words and any(word.endswith(name) for word in words):
            return int(folder.name)
    raise AssertionError(f"nobody is making {part}")


def half_done(part: Path) -> bytes:
    """Wait until a shard has a finished item or more, and is not complete; its journal."""
    journal = part.with_name(part.name + ".partial")
    wait_for(lambda: journal.exists() and journal.stat().st_size > 4000, f"items in {journal}", 300)
    assert not part.exists(), f"{part} was done before it could be disturbed"
    return journal.read_bytes()


def go_on(befores: dict[Path, bytes]) -> None:
    """Wait until journals have grown, and check that nothing in them was done again."""
    left = dict(befores)
    while left:
        for part, before in list(left.items()):
            journal = part.with_name(part.name + ".partial")
            try:
                now = journal.read_bytes()
            except FileNotFoundError:
                raise AssertionError(f"{part} was done too fast to be watched") from None
            assert now[: len(before)] == before, f"{part} was begun anew"
            if len(now) > len(before):
                say(f"{part.name}: goes on behind the {len(before):,} bytes it had")
                del left[part]
        time.sleep(0.05)


def start_now(cluster: Cluster, tasks: list[str]) -> None:
    """Slurm lets a requeued job wait for two minutes, here only until it has ended for sure."""
    for task in tasks:
        pending = ("squeue", "-h", "-j", task, "-o", "%t")
        wait_for(lambda told=pending: "PD" in cluster.run(*told), f"{task} in the queue again")
    time.sleep(5)
    for task in tasks:
        cluster.run("scontrol", "update", f"JobId={task}", "StartTime=now")


def disturb(cluster: Cluster, run: Path, job: str) -> None:
    """Kill task 1's program, requeue task 2, cancel task 3 with SIGKILL."""
    one, two, three = (run / "shards" / f"cam.{i}-of-{SHARDS}.h5" for i in range(1, SHARDS + 1))
    for part in (one, two, three):
        half_done(part)
    os.kill(task_process(one), 9)
    say(f"{job}_1: its program killed; requeues itself")
    cluster.run("scontrol", "requeue", f"{job}_2")
    say(f"{job}_2: scontrol requeue")
    cluster.run("scancel", "--signal=KILL", f"{job}_3")
    say(f"{job}_3: scancel --signal=KILL")
    time.sleep(4)  # KillWait
    befores = {part: half_done(part) for part in (one, two, three)}
    start_now(cluster, [f"{job}_1", f"{job}_2"])
    go_on({one: befores[one], two: befores[two]})
    wait_for(lambda: not cluster.run("squeue", "-h"), "the queue to empty", 180)
    assert half_done(three) == befores[three]
    assert one.exists()
    assert two.exists()
    assert not (run / "cam.h5").exists()
    say("shards 1 and 2 are complete, 3 is half done; Slurm cancelled what depends on it")


def same(one: Path, other: Path) -> int:
    """Compare two files, item by item or tensor by tensor; how many."""
    if one.suffix == ".pt":
        a, b = load_weights(one), load_weights(other)
        assert a.run == b.run, one.name
        assert a.state_dict.keys() == b.state_dict.keys()
        assert all(torch.equal(t, b.state_dict[name]) for name, t in a.state_dict.items()), one.name
        return len(a.state_dict)
    with open_artifact(one) as a, open_artifact(other) as b:
        assert (a.ids, a.run, str(a.shard)) == (b.ids, b.run, str(b.shard)), one.name
        for image_id in a.ids:
            first, second = a[image_id], b[image_id]
            assert first.keys() == second.keys()
            for name, array in first.items():
                assert array.dtype == second[name].dtype, (one.name, image_id, name)
                assert np.array_equal(array, second[name]), (one.name, image_id, name)
        return len(a)


def check(folder: Path) -> None:
    wsss("pack", "--demo", "18", "-o", "data.h5", "-q", cwd=folder)
    plain, run = folder / "plain", folder / 'the "run"'
    plain.mkdir()
    unsharded(plain)
    say("the chain without shards: done")
    flags = [word for name, text in FLAGS.items() for word in ("--flags", f"{name}={text}")]
    threads = ["--setup", "export OMP_NUM_THREADS=1"]  # as here: sums depend on their number
    common = ["--shards", SHARDS, *flags, *threads]
    wsss("slurm", "--data", "data.h5", "-o", run, *common, cwd=folder)
    state = folder / "cluster"
    state.mkdir()
    with Cluster(state, slots=SHARDS) as cluster:
        say(f"submitting to {cluster.run('sinfo', '--version')}")
        ids = submit(cluster, run)
        disturb(cluster, run, ids["make-cam"])
        finished = {path: path.stat().st_mtime_ns for path in (run / "shards").glob("*.h5")}
        say("submitting again")
        again = submit(cluster, run)
        assert "train-cls" not in again
        wait_for(lambda: not cluster.run("squeue", "-h"), "the chain", 400)
        for path, written in finished.items():
            assert path.stat().st_mtime_ns == written, f"{path} was done again"
        for name in (out for out, _ in CHAIN.values()):
            say(f"{name}: {same(plain / name, run / name)} items equal")
        print((run / "scores.txt").read_text())
        wsss("slurm", plain / "pred.h5", run / "pseudo.h5", "-o", "scores", cwd=folder)
        say("scoring files of two runs, on all of their images")
        assert list(submit(cluster, folder / "scores")) == ["eval", "scores"]
        wait_for(lambda: not cluster.run("squeue", "-h"), "the scores", 120)
        print((folder / "scores" / "scores.txt").read_text())
        assert not submit(cluster, folder / "scores"), "scored again"
    say("all equal")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="work in this new folder, and leave it")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    START = time.monotonic()
    if options.keep:
        options.keep.mkdir(parents=True)
        check(options.keep.resolve())
    else:
        with tempfile.TemporaryDirectory(prefix="wsss-slurm-") as name:
            check(Path(name))
