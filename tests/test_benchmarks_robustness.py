"""The driver that scores a network on corrupted copies: its commands and its table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from conftest import CLASSES
from made import wsss
from test_benchmarks_corrupt import write_devkit

from wsss_cli.artifacts import open_artifact, save_weights
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.segmentation import build_segmenter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import robustness


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The driver on the tiny devkit, in this process; the commands that it calls."""
    torch.manual_seed(2)
    model = build_segmenter("unet", build_backbone("tiny"), len(CLASSES) + 1)
    for parameter in model.head.out.parameters():
        parameter.data *= 4  # labels that vary over the image
    save_weights(
        tmp_path / "seg.pt",
        kind="wsss/seg",
        config={
            "backbone": "tiny",
            "output_stride": 16,
            "dilated": False,
            "model": "unet",
            "norm": "group",
        },
        classes=CLASSES,
        params={},
        seed=2,
        inputs=[],
        state_dict=model.state_dict(),
    )
    write_devkit(tmp_path / "voc")
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    called: list[str] = []

    def here(*arguments: object) -> None:
        called.append(str(arguments[0]))
        result = wsss(*arguments)
        if result.exit_code:
            raise SystemExit(result.exit_code)

    monkeypatch.setattr(robustness, "wsss", here)
    monkeypatch.setattr(robustness, "has_option", lambda command, option: False)
    monkeypatch.chdir(tmp_path)
    options = "robustness.py --weights seg.pt --voc voc -o out --json table.json"
    flags = ["--pack-flags", "--labels-from mask --classes classes.txt"]
    monkeypatch.setattr(
        sys, "argv", [*options.split(), *flags, "--corruptions", "dark5,small2,blur5"]
    )
    return called


def test_a_row_for_clean_images_and_each_corruption(run: list[str], tmp_path: Path) -> None:
    robustness.main()
    assert run == ["pack", "predict", "eval"] * 4
    rows = json.loads((tmp_path / "table.json").read_text())
    found = [(row["corruption"], row["severity"], row["value"], row["images"]) for row in rows]
    expected = [("clean", None, None, 5), ("dark", 5, 0.15, 5), ("small", 2, 0.5, 5)]
    assert found == [*expected, ("blur", 5, 6, 5)]
    scores = json.loads((tmp_path / "out" / "blur5-val.json").read_text())
    clean = json.loads((tmp_path / "out" / "clean-val.json").read_text())
    assert rows[3]["mIoU %"] == round(100 * scores["miou"], 1)
    assert rows[0]["of clean %"] == 100
    assert rows[0]["95 % interval"] is None
    assert rows[3]["of clean %"] == round(100 * scores["miou"] / clean["miou"], 1)
    with open_artifact(tmp_path / "out" / "small2-val-pred.h5") as labels:
        assert {labels[name]["label"].shape for name in labels.ids} == {(16, 24)}


def test_intervals_have_a_column(
    run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robustness, "has_option", lambda command, option: True)
    monkeypatch.setattr(sys, "argv", [*sys.argv[:-1], "dark5", "--bootstrap", "100"])
    robustness.main()
    rows = json.loads((tmp_path / "table.json").read_text())
    for row, name in zip(rows, ("clean", "dark5"), strict=True):
        scores = json.loads((tmp_path / "out" / f"{name}-val.json").read_text())
        low, high = scores["scores"]["labels"]["miou_interval"]
        assert scores["bootstrap"]["draws"] == 100
        assert row["95 % interval"] == f"[{100 * low:.2f}, {100 * high:.2f}]"


def test_a_rerun_goes_on_and_says_the_same(run: list[str], tmp_path: Path) -> None:
    robustness.main()
    first = (tmp_path / "table.json").read_text()
    run.clear()
    (tmp_path / "out" / "small2-val-pred.h5").unlink()
    robustness.main()
    assert run == ["eval", "eval", "predict", "eval", "eval"]
    assert (tmp_path / "table.json").read_text() == first


def test_labels_of_other_weights_are_not_taken_for_these(
    run: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    robustness.main()
    (tmp_path / "seg.pt").write_bytes(b"others")
    with pytest.raises(SystemExit) as raised:
        robustness.main()
    assert raised.value.code == 2
    assert "out: holds something else" in capsys.readouterr().err


def test_a_command_that_fails_ends_the_run(run: list[str], tmp_path: Path) -> None:
    (tmp_path / "seg.pt").write_bytes(b"no weights")
    with pytest.raises(SystemExit) as raised:
        robustness.main()
    assert raised.value.code == 3
    assert run == ["pack", "predict"]


def test_an_unknown_corruption_is_said(
    run: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [*sys.argv[:-1], "fog2"])
    with pytest.raises(SystemExit) as raised:
        robustness.main()
    assert raised.value.code == 2
    assert "fog2: need one of blur" in capsys.readouterr().err
    assert run == []
