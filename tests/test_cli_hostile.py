"""What nobody means to do: outputs that are inputs, odd streams and locales, forged reports."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made import masks_of, pack_like, random_cams, write_cam, write_labels, wsss
from PIL import Image

from wsss_cli.artifacts import open_dataset, save_weights
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.classifier import Classifier

IDS = ["a.b", "ü 猫", "x/y"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    images = {one: np.full((6, 8, 3), 7, np.uint8) for one in IDS}
    masks = {one: np.ones((6, 8), np.uint8) for one in IDS}
    path = tmp_path / "data.h5"
    return pack_like(
        path, images, masks, {one: [0] for one in IDS}, ["cät"], {"train": IDS, "no": []}
    )


@pytest.fixture
def cam(data: Path, tmp_path: Path) -> Path:
    return write_cam(tmp_path / "cam.h5", data, random_cams(data))


def run(
    *arguments: object, stdin: bytes | None = None, close: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """A process of its own; `close` is a shell's redirection, such as 2>&-."""
    command = [sys.executable, "-m", "wsss_cli", *map(str, arguments)]
    if close:
        command = ["sh", "-c", f'exec "$@" {close}', "sh", *command]
    environment = {**os.environ, "WSSS_DATA": "", "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, capture_output=True, input=stdin, env=environment, timeout=600)


# Outputs that are inputs


def test_outputs_never_take_an_inputs_place(data: Path, cam: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in (data, cam)}
    report = tmp_path / "report.json"
    assert wsss("eval", cam, "--json", report, "-q").exit_code == 0
    earlier = report.read_bytes()
    for arguments in (
        ("make-seeds", "--cam", cam, "--method", "threshold", "-o", cam),
        ("make-seeds", "--cam", cam, "--method", "threshold", "-o", data),
        ("eval", cam, "--json", cam),
        ("eval", cam, "--json", data),
        ("eval", cam, "--threshold-from", report, "--json", report),
        ("view", cam, "-o", cam),
        ("view", cam, "-o", data),
    ):
        result = wsss(*arguments, "--force", "-q")
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert "is an input" in result.stderr
    assert {path.name: path.read_bytes() for path in (data, cam)} == before
    assert report.read_bytes() == earlier


def test_a_pack_never_takes_its_sources_place(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    table, names, listed = tmp_path / "t.csv", tmp_path / "names.txt", tmp_path / "ids.txt"
    table.write_text("filename,labels\na.png,cat\n")
    names.write_text("cat\n")
    listed.write_text("a\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    options = ("--csv", table, "--classes", names, "--ids", listed, "--split", f"s={listed}")
    for out in (table, names, listed, tmp_path / "a.png"):
        result = wsss("pack", *options, "-o", out, "--force")
        assert result.exit_code == 2, out
        assert "is an input" in result.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# Streams and locales


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_ids_pass_from_command_to_command_in_any_locale(
    data: Path, cam: Path, tmp_path: Path, encoding: str
) -> None:
    listed = run("info", "--ids", cam, PYTHONIOENCODING=encoding)
    assert listed.stdout.decode().splitlines() == sorted(IDS)
    out = tmp_path / "files"
    options = ("export", cam, "--format", "psa-npy", "-o", out, "--ids", "-", "-q")
    done = run(*options, stdin=listed.stdout, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(str(p.relative_to(out))[:-4] for p in out.rglob("*.npy")) == sorted(IDS)


def test_lists_of_ids_with_a_mark_in_front_or_of_other_bytes(cam: Path, tmp_path: Path) -> None:
    listed, out = tmp_path / "ids.txt", tmp_path / "out"
    listed.write_bytes("\ufeffa.b\r\n".encode())  # as Windows editors write it
    assert wsss("export", cam, "--format", "psa-npy", "-o", out, "--ids", listed).exit_code == 0
    listed.write_bytes(b"\xff\n")
    result = wsss("export", cam, "-o", out, "--ids", listed)
    assert result.exit_code == 3
    assert (
        result.stderr
        == f"wsss: error: {listed}: cannot be read as a list of ids (not UTF-8 text)\n"
    )


def test_closed_streams(cam: Path, tmp_path: Path) -> None:
    done = run("export", cam, "-o", tmp_path / "x", "--ids", "-", close="<&-")
    assert done.returncode == 3
    assert done.stderr == b"wsss: error: --ids -: there is no stdin\n"
    out = tmp_path / "seeds.h5"
    options = ("--cam", cam, "--method", "threshold", "-o", out)
    assert run("make-seeds", *options, close="2>&-").returncode == 0
    assert out.is_file()


def test_file_names_of_any_bytes(data: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.h5"))
    write_cam(odd, data, random_cams(data))
    seeds, report = odd.with_name("seeds.h5"), odd.with_name("report.json")
    options = ("--cam", odd, "--method", "threshold", "-o", seeds)
    assert run("make-seeds", *options).returncode == 0
    assert run("eval", odd, "--json", report).returncode == 0
    assert os.fsencode(json.loads(report.read_text())["predictions"]["file"]) == b"\xe9.h5"
    shown = run("info", seeds, "--json")
    assert os.fsencode(json.loads(shown.stdout)["inputs"][1]["file"]) == b"\xe9.h5"


# Reports and figures


def test_json_holds_no_number_that_json_has_not(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    with open_dataset(data) as reader:
        save_weights(
            path, kind="wsss/cls", config={}, classes=["cät"], params={}, seed=0, inputs=[reader],
            state_dict={"w": torch.zeros(1)}, history=[{"loss": math.nan, "map": math.inf}],
        )  # fmt: skip
    shown = wsss("info", path, "--json").stdout

    def refuse(word: str) -> float:
        raise AssertionError(word)

    assert json.loads(shown, parse_constant=refuse)["history"] == [{"loss": None, "map": None}]


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "[]", '{"format": "wsss/eval"}', "\xff"])
def test_reports_that_are_none(cam: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text, encoding="latin-1")
    for arguments in (("info", path), ("eval", cam, "--threshold-from", path)):
        result = wsss(*arguments)
        assert (result.exit_code, result.stdout) == (3, "")
        assert result.stderr.startswith(f"wsss: error: {path}: ")


def test_reports_with_words_for_numbers(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    report = {
        "format": "wsss/eval",
        "version": 1,
        "miou": "much",
        "predictions": {"file": "x"},
        "protocol": {"split": None, "images_counted": 1},
        "scores": {"labels": {"pixel_accuracy": None}},
    }
    path.write_text(json.dumps(report))
    result = wsss("info", path)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "scores with parts missing" in result.stderr


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        *((number, f"not JSON (it holds {number})") for number in ("NaN", "Infinity")),
        *((number, "holds no best threshold of maps") for number in ("-1", "1.5", "null")),
    ],
)
def test_thresholds_of_a_report_out_of_range(
    cam: Path, tmp_path: Path, threshold: str, said: str
) -> None:
    path = tmp_path / "r.json"
    oracle = f'{{"threshold": {threshold}, "miou": 0.5}}'
    path.write_text(
        f'{{"format": "wsss/eval", "version": 1, "ids": [], "scores": {{"oracle": {oracle}}}}}'
    )
    result = wsss("eval", cam, "--threshold-from", path)
    assert result.exit_code == 3
    assert said in result.stderr


def test_masks_that_are_void_throughout_choose_no_threshold(tmp_path: Path) -> None:
    images = {one: np.zeros((4, 4, 3), np.uint8) for one in ("a", "b")}
    masks = {"a": np.full((4, 4), 255, np.uint8), "b": np.ones((4, 4), np.uint8)}
    splits = {"void": ["a"], "good": ["b"]}
    data = pack_like(tmp_path / "d.h5", images, masks, {"a": [0], "b": [0]}, ["x"], splits)
    cam = write_cam(tmp_path / "c.h5", data, random_cams(data))
    report = tmp_path / "r.json"
    result = wsss("eval", cam, "--split", "void", "--json", report)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no pixel of the truth holds a class" in result.stderr
    assert "hold only 255, which is not counted" in result.stderr
    assert not report.exists()
    result = wsss("eval", cam, "--split", "good", "--calibrate-split", "void")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no pixel of the truth holds a class" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [["info", "data.h5"], ["--help"]])
def test_a_full_standard_output_is_one_line(data: Path, words: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "wsss_cli", *words]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, cwd=data.parent, timeout=600
        )
    assert done.returncode == 3
    assert done.stderr == b"wsss: error: standard output: No space left on device\n"


# Empty splits, strides beyond reason


def test_a_split_of_no_image_and_a_stride_beyond_reason(data: Path, tmp_path: Path) -> None:
    model = Classifier(build_backbone("tiny"), 1, 0.0)
    weights = tmp_path / "cls.pt"
    with open_dataset(data) as reader:
        save_weights(
            weights, kind="wsss/cls", classes=["cät"], params={}, seed=0, inputs=[reader],
            config={"backbone": "tiny", "output_stride": 16, "dilated": False, "dropout": 0.0},
            state_dict=model.state_dict(),
        )  # fmt: skip
    out = tmp_path / "cam.h5"
    result = wsss("make-cam", "--weights", weights, "-o", out, "--split", "no", "-q")
    assert (result.exit_code, result.stderr) == (
        3,
        f"wsss: error: {data}: split 'no' holds no image\n",
    )
    result = wsss("make-cam", "--weights", weights, "-o", out, "--stride", "100000")
    assert result.exit_code == 2
    assert not out.exists()
    result = wsss("make-cam", "--weights", weights, "-o", out, "--stride", "256", "-q")
    assert result.exit_code == 0, result.stderr
    seeds = ("make-seeds", "--cam", out, "--method", "threshold", "-o", tmp_path / "seeds.h5", "-q")
    assert wsss(*seeds).exit_code == 0
    assert wsss("eval", write_labels(tmp_path / "l.h5", data, masks_of(data))).exit_code == 0
