"""The chain as Make rules: complete, then up to date; a change rebuilds what hangs on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wsss_cli.artifacts import LABEL, open_artifact

ROOT = Path(__file__).resolve().parent.parent
WSSS = Path(sys.executable).with_name("wsss")
NET = "--backbone tiny --backbone-weights random --workers 0 --epochs 1 --crop 32"


@pytest.mark.skipif(not WSSS.exists() or not shutil.which("make"), reason="needs make and wsss")
def test_the_chain_by_make(tiny_data: Path) -> None:
    run = tiny_data.parent / "run"
    variables = {
        "WSSS": WSSS,
        "RUN": run,
        "DATA": tiny_data,
        "FLAGS_cls": f"{NET} --freeze-stages 0",
        "FLAGS_cam": "--scales 1 --workers 0",
        "FLAGS_seeds": "--method threshold",
        "FLAGS_aff": f"{NET} --radius 3",
        "FLAGS_walk": "--steps 4",
        "FLAGS_seg": f"{NET} --model fcn --freeze-stages 0",
        "FLAGS_pred": "--scales 1 --no-flip",
        "FLAGS_view": "--limit 1",
    }

    def make(*options: str, **changed: str) -> tuple[int, list[str]]:
        """Exit code, and the stages that ran, in order."""
        settings = [f"{name}={value}" for name, value in {**variables, **changed}.items()]
        # shards that run at a time share the cores, and sums must not depend on their number
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        words = ["make", "-C", str(ROOT), *options, *settings]
        done = subprocess.run(words, capture_output=True, text=True, env=env)
        command = rf"^(?:\w+=\S+ )*{re.escape(str(WSSS))} ([a-z-]+) "
        ran = re.findall(command, done.stdout, re.MULTILINE)
        assert done.returncode == 0 or "-q" in options, done.stdout[-2000:] + done.stderr[-2000:]
        return done.returncode, [name for name in ran if name not in ("eval", "view", "info")]

    _, ran = make()
    chain = "train-cls make-cam make-seeds train-aff random-walk train-seg predict"
    assert ran == chain.split()
    with open_artifact(run / "pred.h5", LABEL) as masks:
        assert masks.ids == ["a/2", "a/5"]
    names = ("cam", "seeds", "pseudo", "pred")
    assert all((run / f"{name}.json").stat().st_size > 0 for name in names)
    assert make()[1] == []
    # nothing but the summary, which has no file, is left to do
    assert make("-q", str(run / "pred.json"), str(run / "sheet.png"))[0] == 0

    (run / "pseudo.h5").unlink()
    assert make()[1] == ["random-walk", "train-seg", "predict"]
    assert make(FLAGS_pred="--scales 1 --flip")[1] == ["predict"]
    variables["FLAGS_pred"] = "--scales 1 --flip"

    with open_artifact(run / "pseudo.h5", LABEL) as masks:
        before = {image_id: masks[image_id]["label"].tobytes() for image_id in masks.ids}
        identity = masks.run
    (run / "pseudo.h5").unlink()
    _, ran = make("-j2", str(run / "pseudo.h5"), SHARDS="2")
    assert sorted(ran) == ["merge", "random-walk", "random-walk"]
    with open_artifact(run / "pseudo.h5", LABEL) as masks:
        assert {image_id: masks[image_id]["label"].tobytes() for image_id in masks.ids} == before
        assert masks.run == identity


NOTING = """#!/usr/bin/env bash
# In wsss' place: notes the command and leaves an empty file where it was told to write.
echo "$*" >> "${0%/*}/log"
while (($#)); do
  if [[ $1 == -o || $1 == --json ]]; then touch "$2"; fi
  shift
done
"""


Make = Callable[..., list[str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Runs make with `NOTING` for wsss, and options of its own for the network."""
    (tmp_path / "wsss").write_text(NOTING)
    (tmp_path / "wsss").chmod(0o755)
    (tmp_path / "data.h5").touch()
    log = tmp_path / "log"

    def run(*settings: str) -> list[str]:
        """The commands that ran, without the folder's name and --force; no pictures, no table."""
        log.write_text("")
        names = {"WSSS": "wsss", "DATA": "data.h5", "RUN": "run"}
        given = [f"{name}={tmp_path / file}" for name, file in names.items()]
        command = ["make", "-C", str(ROOT), *given, "FLAGS_seg=--lr 1", *settings]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        ran = log.read_text().replace(f"{tmp_path}/", "").replace(" --force", "")
        lines = [" ".join(line.split()) for line in ran.splitlines()]
        return [line for line in lines if line.split()[0] not in ("view", "info")]

    return run


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_best_learns_from_seeds_then_from_its_sure_pixels(make: Make) -> None:
    def stages(ran: list[str]) -> list[str]:
        return [line.split()[0] for line in ran if not line.startswith("eval")]

    maps = ["train-cls", "make-cam", "make-seeds"]
    first, labels, second = "train-seg predict", "predict", "train-seg predict"
    assert stages(make("best", "ROUNDS=0")) == [*maps, *first.split()]  # one network alone
    ran = make("best")
    assert stages(ran) == [labels, *second.split()]
    (relabel, *_), (learns,) = ran, [line for line in ran if line.startswith("train-seg")]
    assert relabel.startswith("predict --weights run/seg.pt --data data.h5 --split train ")
    assert "--restrict-to-tags" in relabel
    assert "--min-confidence 0.8" in relabel
    assert learns.startswith("train-seg --labels run/round1.h5 --data data.h5 --val-split val ")
    assert "--model deeplabv2" in learns
    assert "--loss" not in learns
    assert learns.endswith(" --lr 1 -o run/round1.pt")
    assert make("best") == []

    ran = make("best", "FLAGS_seg=--lr 2", "FLAGS_retrain=--lr 3", "FLAGS_relabel=--scales 1")
    first_net, second_net = (line for line in ran if line.startswith("train-seg"))
    assert first_net.startswith("train-seg --labels run/seeds.h5 --data data.h5 --val-split val ")
    assert " --loss dsrg --probe " in first_net
    # the user's own options come last, and count
    assert first_net.endswith(" --lr 2 -o run/seg.pt")
    assert second_net.endswith(" --lr 3 -o run/round1.pt")
    (relabel,) = (line for line in ran if "--restrict-to-tags" in line)
    assert relabel.endswith("--min-confidence 0.8 --scales 1 -o run/round1.h5")
    # the plain chain in the same folder: all that was missing, and its own network
    assert stages(make()) == ["train-aff", "random-walk", "train-seg", "predict"]


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_rounds_of_self_training(make: Make, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def table() -> str:
        return log.read_text().splitlines()[-1].replace(f"{tmp_path}/run/", "")

    def round_of(n: int, before: str, look: str = "", learn: str = " --lr 1") -> list[str]:
        on, name = "--data data.h5 --split", f"run/round{n}"
        scored = "--data data.h5 --bootstrap 2000"
        return [
            f"predict --weights {before} {on} train --restrict-to-tags{look} -o {name}.h5",
            f"eval {name}.h5 --split train {scored} --json {name}.json",
            f"train-seg --labels {name}.h5 --data data.h5 --val-split val{learn} -o {name}.pt",
            f"predict --weights {name}.pt {on} val -o {name}-pred.h5",
            f"eval {name}-pred.h5 --split val {scored} --json {name}-pred.json",
        ]

    def names(ran: list[str]) -> list[str]:
        return [re.split(r" (?:-o|--json) ", line)[1].split()[0] for line in ran]

    plain = make()
    assert not any("round" in line for line in plain)
    assert table() == "info cam.json seeds.json pseudo.json pred.json"
    assert make("ROUNDS=1") == round_of(1, "run/seg.pt")
    assert make("ROUNDS=2") == round_of(2, "run/round1.pt")
    scores = "round1.json round1-pred.json round2.json round2-pred.json"
    assert table() == f"info cam.json seeds.json pseudo.json pred.json {scores}"
    assert make("ROUNDS=2") == []

    # each round hangs on its own options, on those of the round before, and on the first network
    cut = "--min-confidence 0.7"
    both = [*round_of(1, "run/seg.pt", f" {cut}"), *round_of(2, "run/round1.pt", f" {cut}")]
    assert make("ROUNDS=2", f"FLAGS_relabel={cut}") == both
    again = make("ROUNDS=2", f"FLAGS_relabel={cut}", "FLAGS_retrain=--lr 2")
    assert again[0] == round_of(1, "run/seg.pt", learn=" --lr 2")[2]
    assert again[3:] == round_of(2, "run/round1.pt", f" {cut}", " --lr 2")
    (tmp_path / "run" / "round2.h5").unlink()
    kept = ("ROUNDS=2", f"FLAGS_relabel={cut}", "FLAGS_retrain=--lr 2")
    assert make(*kept) == round_of(2, "run/round1.pt", f" {cut}", " --lr 2")
    (tmp_path / "run" / "seg.pt").unlink()
    rebuilt = ["seg.pt", "pred.h5", "pred.json"]
    for name in ("round1", "round2"):
        ends = (".h5", ".json", ".pt", "-pred.h5", "-pred.json")
        rebuilt += [name + end for end in ends]
    assert names(make(*kept)) == [f"run/{name}" for name in rebuilt]

    # shards of what a round looks at
    (tmp_path / "run" / "round2.h5").unlink()
    ran = names(make(*kept, "SHARDS=2"))
    assert ran[:3] == ["run/round2.1-of-2.h5", "run/round2.2-of-2.h5", "run/round2.h5"]
    assert ran[3:7] == [
        "run/round2.json",
        "run/round2.pt",
        "run/round2-pred.1-of-2.h5",
        "run/round2-pred.2-of-2.h5",
    ]


PLACES = """#!/usr/bin/env bash
# In wsss' place: notes what a shard is given to compute on.
echo "${CUDA_VISIBLE_DEVICES-all} ${OMP_NUM_THREADS-all} ${WSSS_CORES-all} $1" >> "${0%/*}/log"
while (($#)); do
  if [[ $1 == -o ]]; then touch "$2"; fi
  shift
done
"""


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize(
    ("options", "given", "places"),
    [
        (["SHARDS=4"], {}, ["all all all"] * 4),  # one after the other
        (["SHARDS=4", "-j2"], {}, ["all 8 8"] * 4),
        (["SHARDS=3", "-j9"], {}, ["all 5 5"] * 3),
        (["SHARDS=2", "-j", "CORES=1"], {}, ["all 1 1"] * 2),
        (["SHARDS=2", "-j2"], {"OMP_NUM_THREADS": "3"}, ["all 3 8"] * 2),
        (["SHARDS=3", "GPUS=2"], {}, ["0 all all", "0 all all", "1 all all"]),
        (
            ["SHARDS=3", "GPUS=2", "-j2"],
            {"CUDA_VISIBLE_DEVICES": "6,7"},
            ["6 8 8", "6 8 8", "7 8 8"],
        ),
    ],
)
def test_shards_share_what_the_user_has(
    tmp_path: Path, options: list[str], given: dict[str, str], places: list[str]
) -> None:
    done = make_cam(tmp_path, options, given)
    assert (done.returncode, done.stderr) == (0, "")
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(line for line in lines if line.endswith("make-cam")) == [
        f"{place} make-cam" for place in places
    ]


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_more_gpus_than_the_user_has_are_refused(tmp_path: Path) -> None:
    done = make_cam(tmp_path, ["SHARDS=3", "GPUS=3"], {"CUDA_VISIBLE_DEVICES": "6,7"})
    assert done.returncode == 2
    assert "GPUS=3: only 6 7 may be used" in done.stderr


def make_cam(
    folder: Path, options: list[str], given: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Make maps on 16 cores, as far as `PLACES` does."""
    (folder / "wsss").write_text(PLACES)
    (folder / "wsss").chmod(0o755)
    (folder / "data.h5").touch()
    names = {"WSSS": "wsss", "DATA": "data.h5", "RUN": "run"}
    words = [f"{name}={folder / file}" for name, file in names.items()]
    usual = {"MAKEFLAGS", "OMP_NUM_THREADS", "WSSS_CORES", "CUDA_VISIBLE_DEVICES"}
    kept = {name: value for name, value in os.environ.items() if name not in usual}
    return subprocess.run(
        ["make", "-C", str(ROOT), *words, "CORES=16", *options, str(folder / "run" / "cam.h5")],
        env={**kept, **given},
        capture_output=True,
        text=True,
    )
