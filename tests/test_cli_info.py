"""info: what files say of themselves, and that no file can do more than that."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from made import masks_of, random_cams, write_cam, write_labels, wsss

from wsss_cli.artifacts import open_dataset, save_weights


@pytest.fixture
def weights(tiny_data: Path, tmp_path: Path) -> Path:
    path = tmp_path / "cls.pt"
    with open_dataset(tiny_data) as data:
        save_weights(
            path,
            kind="wsss/cls",
            config={"backbone": "tiny"},
            classes=data.classes,
            params={"epochs": 2, "lr": 0.01},
            seed=7,
            inputs=[data],
            state_dict={"w": torch.zeros(2, 3), "b": torch.zeros(2)},
            history=[{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}],
        )
    return path


def facts_of(path: Path) -> dict[str, Any]:
    result = wsss("info", path, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_a_data_set(tiny_data: Path) -> None:
    result = wsss("info", tiny_data)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    for line in ("kind: wsss/dataset", "version: 2", "items: 6", "classes: red, green, blue"):
        assert line in lines
    assert lines[lines.index("splits:") + 1 :][:2] == ["  train: 4", "  val: 2"]
    facts = facts_of(tiny_data)
    assert facts["splits"] == {"train": 4, "val": 2}
    assert facts["fields"]["mask"] == "uint8, 1 axes, 6 items"
    assert "path" not in facts["fields"]
    assert facts["bytes"] == tiny_data.stat().st_size


def test_an_artifact_tells_where_it_comes_from(tiny_data: Path, tmp_path: Path) -> None:
    path = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data), shard="2/4")
    facts = facts_of(path)
    assert (facts["kind"], facts["items"], facts["shard"]) == ("wsss/cam", 2, "2/4")
    assert facts["params"] == {"stride": 4}
    (source,) = facts["inputs"]
    assert source == {"file": "data.h5", "kind": "wsss/dataset", "run": facts_of(tiny_data)["run"]}
    assert Path(facts["data"]["path"]) == tiny_data.resolve()
    assert facts["fields"]["cam"] == "float16, 3 axes, 2 items"
    text = wsss("info", path).stdout
    assert "  file data.h5, kind wsss/dataset, run " in text
    assert f"run: {facts['run']}\n" in text


def test_weights(weights: Path) -> None:
    facts = facts_of(weights)
    assert (facts["kind"], facts["tensors"], facts["parameters"]) == ("wsss/cls", 2, 8)
    assert facts["config"] == {"backbone": "tiny"}
    assert facts["history"][1] == {"epoch": 2, "loss": 0.25}
    assert facts["seed"] == 7
    text = wsss("info", weights).stdout
    assert "  epoch 2, loss 0.2500\n" in text
    refused = wsss("info", weights, "--ids")
    assert refused.exit_code == 2
    assert "weights hold no images" in refused.stderr


def test_ids_are_printed_as_ids_options_read_them(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    path = write_labels(tmp_path / "p.h5", tiny_data, masks, shard="2/2")
    result = wsss("info", path, "--ids")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "a/1\na/3\na/5\n", "")
    whole = write_labels(tmp_path / "w.h5", tiny_data, masks)
    scored = wsss("eval", whole, "--ids", "-", "--json", "-", stdin=result.stdout)
    assert json.loads(scored.stdout)["ids"] == ["a/1", "a/3", "a/5"]
    none = write_labels(tmp_path / "n.h5", tiny_data, {"a/0": masks["a/0"]}, shard="2/2")
    assert wsss("info", none, "--ids").stdout == ""
    assert facts_of(none)["items"] == 0


# Files that are not what they should be


def test_missing_folders_foreign_and_cut_short(tiny_data: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file["x"] = np.zeros(3)
    text = tmp_path / "text.h5"
    text.write_text("hello")
    empty = tmp_path / "empty.h5"
    empty.write_bytes(b"")
    short = tmp_path / "short.h5"
    short.write_bytes(tiny_data.read_bytes()[:-10])
    for path, words in {
        tmp_path / "no.h5": "no such file",
        tmp_path / "no.pt": "no such file",
        tmp_path: "is a folder",
        foreign: "an HDF5 file, but not one of wsss's",
        text: "not an HDF5 file",
        empty: "not an HDF5 file",
        short: "cut short",
    }.items():
        for options in ([], ["--json"], ["--ids"]):
            result = wsss("info", path, *options)
            assert (result.exit_code, result.stdout) == (3, "")
            assert result.stderr.startswith(f"wsss: error: {path}: {words}")
            assert len(result.stderr.splitlines()) <= 2


def set_attribute(name: str, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file.attrs[name] = json.dumps(value)

    return change


def remove(name: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if name in file.attrs:
            del file.attrs[name]
        else:
            del file[name]

    return change


def raw(name: str, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file.attrs[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_attribute("schema_version", 2), "wsss/cam version 2, this wsss reads 1"),
        (set_attribute("schema", "wsss/later"), "holds wsss/later, not"),
        (set_attribute("schema", ["wsss/cam"]), "damaged"),
        (set_attribute("schema", 5), "damaged ("),
        (set_attribute("schema_version", "2"), "damaged ("),
        (set_attribute("schema_version", None), "damaged ("),
        (set_attribute("n_items", 7), "damaged (ids and n_items disagree)"),
        (set_attribute("shard", "3/2"), "damaged ("),
        (set_attribute("shard", 1), "damaged ("),
        (set_attribute("shard", "x"), "damaged ("),
        (set_attribute("classes", 3), "damaged ("),
        (set_attribute("classes", [1, None]), "damaged ("),
        (set_attribute("params", []), "damaged ("),
        (set_attribute("inputs", "x"), "damaged ("),
        (set_attribute("data", "x"), "damaged ("),
        (raw("params", "{not json"), "damaged"),
        (raw("params", 5), "damaged"),
        (raw("run", b"\xff\xfe"), "damaged"),
        (remove("run"), "damaged (no attribute run)"),
        (remove("ids"), "damaged"),
        (remove("cam"), "damaged"),
        (remove("cam/values"), "damaged"),
    ],
)
def test_forged_headers_are_refused(
    tiny_data: Path, tmp_path: Path, change: Callable[[h5py.File], None], words: str
) -> None:
    path = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    with h5py.File(path, "r+") as file:
        change(file)
    for arguments in (("info", path), ("info", path, "--json"), ("eval", path, "-q")):
        result = wsss(*arguments)
        assert result.exit_code == 3, (arguments, result.exception)
        assert words in result.stderr
        assert len(result.stderr.splitlines()) <= 2


class Touch:
    """Unpickled by a careless reader, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def hostile_torch(path: Path, mark: Path) -> None:
    torch.save({"kind": "wsss/cls", "version": 1, "state_dict": Touch(mark)}, path)


def hostile_old_torch(path: Path, mark: Path) -> None:
    torch.save(
        {"kind": "wsss/cls", "config": Touch(mark)}, path, _use_new_zipfile_serialization=False
    )


def hostile_pickle(path: Path, mark: Path) -> None:
    path.write_bytes(pickle.dumps({"kind": "wsss/cls", "config": Touch(mark)}))


def hostile_zip(path: Path, mark: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Touch(mark)))
        archive.writestr("archive/version", "3")


@pytest.mark.parametrize(
    "forge",
    [hostile_torch, hostile_old_torch, hostile_pickle, hostile_zip],
    ids=lambda f: f.__name__,
)
def test_a_hostile_weights_file_runs_no_code(
    tmp_path: Path, forge: Callable[[Path, Path], None]
) -> None:
    path, mark = tmp_path / "evil.pt", tmp_path / "touched"
    forge(path, mark)
    for arguments in (("info", path), ("info", path, "--json"), ("make-cam", "--weights", path)):
        result = wsss(*arguments)
        assert result.exit_code == 3
        assert result.stderr.startswith(f"wsss: error: {path}: ")
        assert not mark.exists()
    pickle.loads(pickle.dumps(Touch(mark)))  # the trap itself works
    assert mark.exists()


def test_weights_that_are_not_ours_newer_or_damaged(weights: Path, tmp_path: Path) -> None:
    ours = torch.load(weights, weights_only=True)
    path = tmp_path / "other.pt"
    for forged, words in (
        ({"w": torch.zeros(2)}, "not weights of wsss's"),
        ([1, 2], "not weights of wsss's"),
        (torch.zeros(3), "not weights of wsss's"),
        ({**ours, "kind": "wsss/cam"}, "not weights of wsss's"),
        ({**ours, "version": 2}, "wsss/cls version 2, this wsss reads 1"),
        ({name: value for name, value in ours.items() if name != "run"}, "damaged"),
        ({**ours, "more": 1}, "damaged"),
        ({**ours, "kind": ["wsss/cls"]}, "not weights of wsss's"),
        ({**ours, "version": "1"}, "damaged ("),
        ({**ours, "version": None}, "damaged ("),
        ({**ours, "state_dict": [1]}, "damaged ("),
        ({**ours, "state_dict": {"w": 1}}, "damaged ("),
    ):
        torch.save(forged, path)
        result = wsss("info", path)
        assert result.exit_code == 3, (words, result.exception)
        assert result.stderr.startswith(f"wsss: error: {path}: {words}")
    for content in (b"", b"PK", weights.read_bytes()[:-200], b"\x80\x02."):
        path.write_bytes(content)
        result = wsss("info", path)
        assert result.exit_code == 3
        assert len(result.stderr.splitlines()) <= 2


def test_info_does_not_load_torch_for_an_artifact(tiny_data: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from wsss_cli.cli import app\n"
        "try: app(['info', sys.argv[1]])\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_data)], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("\nFalse\n")


def test_scores_of_several_evals_are_one_table(tmp_path: Path) -> None:
    def report(name: str, points: dict[str, object]) -> str:
        path = tmp_path / f"{name}.json"
        facts = {
            "format": "wsss/eval",
            "version": 1,
            "miou": 0.5,
            "predictions": {"file": f"{name}.h5"},
            "protocol": {"split": "val", "images_counted": 7},
            "scores": points,
        }
        path.write_text(json.dumps(facts))
        return str(path)

    chosen, oracle = {"pixel_accuracy": 0.75}, {"miou": 0.625, "threshold": 0.25}
    files = [
        report("cam", {"chosen": chosen, "oracle": oracle}),
        report("pseudo", {"labels": {"pixel_accuracy": 1.0}}),
    ]
    shown = wsss("info", *files)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert [line.split() for line in shown.stdout.splitlines()[1:]] == [
        ["cam.h5", "val", "7", "50.0", "75.0", "62.5", "at", "0.25"],
        ["pseudo.h5", "val", "7", "50.0", "100.0"],
    ]
    refused = wsss("info", report("x", {}))
    assert refused.exit_code == 3
    assert "x.json: scores with parts missing" in refused.stderr
    refused = wsss("info", report("x", {"chosen": chosen, "oracle": {"miou": 0.5}}))
    assert refused.exit_code == 3
    assert "x.json: scores with parts missing" in refused.stderr
    (tmp_path / "y.json").write_text("[1]")
    refused = wsss("info", str(tmp_path / "y.json"))
    assert refused.exit_code == 3
    assert "y.json: not scores of wsss's" in refused.stderr
