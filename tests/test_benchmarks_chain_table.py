"""The driver of the table of backbones: its stages, and what it prints of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import chain_table

RUN = "--data d.h5 --backbone tiny --weights random --tags weak --masks train"


def scores(miou: float, **more: Any) -> str:
    point = {"miou": miou, "threshold": 0.3, "miou_interval": [miou - 0.1, miou + 0.1]}
    precise = {"background_precision": 0.9, "foreground_precision": 0.7, "coverage": 0.5}
    kinds = ("oracle", "chosen", "labels")
    return json.dumps({"scores": {kind: {**point, **precise, **more} for kind in kinds}})


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is called, each writing what it should; the stage aff.pt fails once."""
    called: list[str] = []

    def call(words: list[str], cwd: Path, **_: Any) -> subprocess.CompletedProcess:
        called.append(" ".join(words[3:-1]))
        name = words[-2]
        if name == "aff.pt" and not any("-o aff.pt" in command for command in called[:-1]):
            return subprocess.CompletedProcess(words, 3)
        (cwd / name).write_text(scores(0.4) if name.endswith("json") else "")
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(subprocess, "run", call)
    return called


def test_thresholds_come_from_the_split_that_nothing_learns_from(
    tmp_path: Path, commands: list[str]
) -> None:
    asked = chain_table.arguments(["run", "--out", str(tmp_path / "r-0"), *RUN.split()])
    with pytest.raises(SystemExit) as failed:
        chain_table.carry_out(chain_table.chain(asked), asked)
    assert failed.value.code == 3
    done = len(commands)
    chain_table.carry_out(chain_table.chain(asked), asked)
    assert commands[done].startswith("train-aff --seeds seeds.h5")  # what was done is kept
    splits = {command.partition(" ")[0]: command for command in commands}
    assert "--split weak" in splits["train-cls"]
    assert (
        "eval cam.h5 --split train --bootstrap 2000 --threshold-from cam-choose.json"
        in " ".join(commands)
    )
    assert "--fg 0.4 " in splits["make-seeds"]  # 0.1 above the maps' 0.3
    assert splits["random-walk"].startswith("random-walk --weights aff.pt --cam cam.h5 --threshold")
    predicted = [command for command in commands if command.startswith("predict")]
    assert len(predicted) == 4
    assert all("--split val" in command for command in predicted)
    assert not any("--split dev" in command for command in commands if "train-" in command)


def test_a_network_on_other_labels_is_scored_alike(tmp_path: Path, commands: list[str]) -> None:
    given = [*RUN.split()[:6], "--labels", "true.h5", "--out", str(tmp_path / "r-full-0")]
    asked = chain_table.arguments(["full", *given])
    chain_table.carry_out(chain_table.full(asked), asked)
    assert [command.split()[0] for command in commands] == [
        *("train-seg", "predict", "eval", "predict", "eval")
    ]
    assert f"--labels {Path('true.h5').absolute()}" in commands[0]


def test_seeds_of_one_run_make_one_row(tmp_path: Path) -> None:
    for seed, miou in enumerate((0.40, 0.44)):
        folder = tmp_path / f"lite0-{seed}"
        folder.mkdir()
        (folder / "times.json").write_text(json.dumps({"cls.pt": 60.0, "cam.h5": 120.0 * seed}))
        for name in ("cam", "seeds"):
            (folder / f"{name}.json").write_text(scores(miou))
    (alone := tmp_path / "other-0").mkdir()
    (alone / "times.json").write_text(json.dumps({"cls.pt": 30.0}))
    (alone / "dsrg-1.json").write_text(scores(0.5))
    rows = [chain_table.row_of(group) for group in chain_table.groups(sorted(tmp_path.glob("*-*")))]
    assert [row["run"] for row in rows] == ["lite0", "other"]
    assert rows[0]["maps"] == "42.0 ± 2.8"
    assert rows[0]["seeds: background / classes right, labelled"] == "90.0 / 70.0 / 50.0"
    assert (rows[0]["trainings"], rows[0]["CPU minutes"]) == ("2", "2")
    assert rows[1]["dsrg, 1"] == "50.0 [40.0, 60.0]"
    assert rows[1]["maps"] == ""
