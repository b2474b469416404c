"""plan: what it reckons from sizes, tags and rates, and that it measures the real stages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import pack_like, random_cams, write_cam, wsss

from wsss_cli.artifacts import open_dataset
from wsss_cli.planning.chain import STAGES, Stage
from wsss_cli.planning.measure import Probe, Rate

NET = "--backbone tiny --backbone-weights random --crop 32"
TRAIN, VAL = 4, 2  # images of tiny_data's splits, each of 32 x 48
MEGAPIXELS = 32 * 48 / 1e6
CHAIN = ["train-cls", "make-cam", "eval cam.h5", "make-seeds", "eval seeds.h5", "train-aff"]
CHAIN += ["random-walk", "eval pseudo.h5", "train-seg", "predict", "eval pred.h5"]


def plan(data: Path, *options: object) -> dict[str, Any]:
    result = wsss("plan", "--data", data, "--json", "-q", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def stage(name: str) -> Stage:
    return next(stage for stage in STAGES if stage.name == name)


def rows(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["stage"]: row for row in found["stages"]}


@pytest.fixture
def known_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 s to start, 2 s a training image, 1,000 s a megapixel; 5 GB, and 1 GB a further image."""

    def training(self: Probe, stage: Any, parallel: int) -> Rate:
        return Rate(10, 2, 5e9 + 1e9 * (parallel - 4), 1e9, weights=100)

    rate = Rate(10, 1000, 5e9)
    monkeypatch.setattr(Probe, "training", training)
    monkeypatch.setattr(Probe, "image_stage", lambda self, stage: rate)
    monkeypatch.setattr(Probe, "scoring", lambda self, out: rate)


def test_disk_follows_from_sizes_and_tags(tiny_data: Path) -> None:
    found = plan(tiny_data, "--no-measure", "--flags", "make-cam=--stride 5 --dtype uint8")
    assert list(rows(found)) == CHAIN
    cells = 7 * 10  # 32 and 48 over 5, rounded up; 1 + 1 + 2 + 2 tags in train
    assert rows(found)["make-cam"]["disk"] == pytest.approx(0.69 * 6 * cells)
    assert rows(found)["random-walk"]["disk"] == pytest.approx(0.07 * TRAIN * 32 * 48)
    assert rows(found)["predict"]["disk"] == pytest.approx(0.07 * VAL * 32 * 48)
    assert rows(found)["make-cam"]["disk_at_peak"] == pytest.approx(2 * 0.69 * 6 * cells)
    assert all(row["seconds"] is None and row["memory"] is None for row in found["stages"])
    assert found["total"]["seconds"] is None
    assert found["images"] == {
        "train": {"count": TRAIN, "megapixels": pytest.approx(TRAIN * MEGAPIXELS)},
        "val": {"count": VAL, "megapixels": pytest.approx(VAL * MEGAPIXELS)},
    }


@pytest.mark.usefixtures("known_rates")
def test_time_grows_with_epochs_images_pixels_and_falls_with_shards(tiny_data: Path) -> None:
    options = ["--flags", "train-cls=--epochs 6 --val-every 4 --batch-size 8 --accumulate 2"]
    options += ["--flags", "train-seg=--epochs 3 --val-every 0"]
    options += ["--flags", "make-cam=--max-side 24", "--flags", "make-seeds=--method threshold"]
    found = rows(plan(tiny_data, "--shards", 2, *options))
    assert found["train-cls"]["seconds"] == pytest.approx(
        10 + 2 * (6 * TRAIN + 2 * VAL / 3 + TRAIN / 3)  # validated twice, probed once
    )
    assert found["train-cls"]["memory"] == 5e9  # 4 images at a time
    assert found["train-cls"]["disk_at_peak"] == 300
    assert found["train-aff"]["seconds"] == 10 + 2 * 8 * TRAIN  # epochs by default
    assert found["train-aff"]["memory"] == 5e9 + 1e9 * (16 - 4)
    assert found["train-seg"]["seconds"] == pytest.approx(10 + 2 * (3 * TRAIN + TRAIN / 3))
    one_image = 1000 * MEGAPIXELS
    assert found["make-cam"]["seconds"] == pytest.approx(10 + TRAIN * one_image / 4 / 2)
    assert found["make-seeds"]["seconds"] == pytest.approx(10 + TRAIN * one_image / 2)
    assert found["predict"]["seconds"] == pytest.approx(10 + VAL * one_image / 2)
    assert found["eval pred.h5"]["seconds"] == pytest.approx(10 + VAL * one_image)


@pytest.mark.usefixtures("known_rates")
def test_the_probe_alone(tiny_data: Path) -> None:
    found = rows(plan(tiny_data, "--flags", "train-cls=--epochs 0"))
    assert found["train-cls"]["seconds"] == pytest.approx(10 + 2 * TRAIN / 3)
    random = ["--flags", "train-cls=--epochs 1 --val-every 0 --backbone-weights random"]
    assert rows(plan(tiny_data, *random))["train-cls"]["seconds"] == 10 + 2 * TRAIN


@pytest.mark.usefixtures("known_rates")
@pytest.mark.parametrize(
    ("masks", "splits"), [(True, ["train"]), (False, ["train", "val"]), (False, ["val"])]
)
def test_only_validation_that_happens_counts(
    tmp_path: Path, masks: bool, splits: list[str]
) -> None:
    """Of a held-out split, on which nothing trains; of train-seg, with masks."""
    ids = [f"{number}" for number in range(6)]
    pixels = np.zeros((8, 8), np.uint8)
    data = pack_like(
        tmp_path / "data.h5",
        {name: np.zeros((8, 8, 3), np.uint8) for name in ids},
        dict.fromkeys(ids if masks else [], pixels),
        {name: [0] for name in ids},
        ["a"],
        {name: {"train": ids[:4], "val": ids[4:]}[name] for name in splits},
    )
    options = ["--flags", "train-cls=--epochs 3 --no-probe", "--flags", "train-seg=--epochs 3"]
    options += ["--flags", "train-seg=--no-probe"]
    found = rows(plan(data, *options))
    validated = 3 * 2 / 3 if "val" in splits else 0
    assert found["train-cls"]["seconds"] == pytest.approx(10 + 2 * (3 * 4 + validated))
    assert found["train-seg"]["seconds"] == pytest.approx(10 + 2 * 3 * 4)


@pytest.mark.usefixtures("known_rates")
def test_a_crf_is_shared_by_workers(tiny_data: Path) -> None:
    found = rows(plan(tiny_data, "--flags", "make-seeds=--method irn --workers 3"))
    assert found["make-seeds"]["seconds"] == pytest.approx(10 + 1000 * TRAIN * MEGAPIXELS / 3)
    assert found["make-seeds"]["memory"] == 15e9


@pytest.mark.usefixtures("known_rates")
def test_the_table(tiny_data: Path) -> None:
    flags = "train-cls=--epochs 14 --val-every 0 --batch-size 16 --no-probe"
    result = wsss("plan", "--data", tiny_data, "--until", "make-cam", "-q", "--flags", flags)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["stage", "makes", "disk", "at", "its", "peak", "memory", "time"]
    assert lines[1][:2] == ["train-cls", "cls.pt"]
    assert lines[1][-4:] == ["17.0", "GB", "2", "min"]  # 10 + 2 * 14 * 4 s
    assert lines[4][0] == "all"
    assert "train: 4 images, 0.0 megapixels" in result.stdout
    assert "memory: of the machine; what a GPU holds of its own is not counted" in result.stdout


def test_the_stages_are_run(tiny_data: Path, tmp_path: Path) -> None:
    """For real; two stages, to be quick."""
    before = sorted(path.name for path in tmp_path.iterdir())
    flags = [f"train-cls={NET} --epochs 3 --workers 0 --freeze-stages 0", "make-cam=--workers 0"]
    options = [word for text in flags for word in ("--flags", text)]
    found = plan(tiny_data, "--until", "make-cam", *options)
    cls, cam = rows(found)["train-cls"], rows(found)["make-cam"]
    assert 1e6 < cls["disk"] < 1e7
    for row in (cls, cam):
        assert 50e6 < row["memory"] < 5e9
        assert 0.5 < row["seconds"] < 300
    assert found["rates"]["make-cam"]["work"] >= 0
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_stage_that_fails_gives_its_reason(tiny_data: Path, tmp_path: Path) -> None:
    command = [["make-cam", "--weights", "none.pt", "--data", str(tiny_data), "-q"]]
    script = [sys.executable, "-m", "wsss_cli.timed", json.dumps(command)]
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(done.stdout) == {"error": "none.pt: no such file"}


def test_files_in_flags_are_found_where_stages_are_measured(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cam(tmp_path / "maps.h5", tiny_data, random_cams(tiny_data))
    flags = f"train-cls={NET} --method iam --targets maps.h5 --layers 0 --epochs 1 --workers 0"
    found = plan(tiny_data, "--until", "train-cls", "--flags", flags)
    assert rows(found)["train-cls"]["seconds"] > 0


def test_a_split_without_images_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    with open_dataset(tiny_data) as data:
        images = {image_id: data.image(image_id) for image_id in data.ids}
    splits = {"none": [], "train": list(images)}
    empty = pack_like(tmp_path / "empty.h5", images, {}, {}, ["a"], splits)
    for option in ("--split", "--val-split"):
        refused = wsss("plan", "--data", empty, option, "none")
        assert refused.exit_code == 3
        assert refused.stderr == f"wsss: error: {empty}: split 'none' holds no image\n"
    assert wsss("slurm", "--data", empty, "--split", "none", "-o", tmp_path / "r").exit_code == 3


def test_wrong_options_are_refused(tiny_data: Path) -> None:
    refused = wsss("plan", "--data", tiny_data, "--flags", "make-cam=--nonsense")
    assert refused.exit_code == 2
    assert "make-cam: No such option: --nonsense" in refused.stderr
    assert wsss("plan", "--data", tiny_data, "--split", "test").exit_code == 3
    assert wsss("plan", "--data", "none.h5").exit_code == 3
