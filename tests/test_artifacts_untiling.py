"""Labels and maps of tiles as those of whole images; merge --tiles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from large_scenes import SIZE, SMALL, collection, masks, packed, shapes, with_masks
from made import random_cams, write_cam, write_labels, wsss

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.artifacts.untiling import stored
from wsss_cli.core.joining import join_maps


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    return packed(with_masks(collection()), tmp_path / "t.h5")


def cut_labels(cut: Path, path: Path, wholes: dict[str, np.ndarray]) -> Path:
    """The tiles of whole label maps."""
    labels = {}
    with open_dataset(cut) as tiles:
        for name in tiles.ids:
            (height, width), tile = tiles.size(name), tiles.field(name, "tile")
            y, x = (0, 0) if tile is None else tile[:2].tolist()
            whole = name if tile is None else "sub/big"
            labels[name] = wholes[whole][y : y + height, x : x + width]
    return write_labels(path, cut, labels)


def test_labels_come_back_and_score_as_those_of_whole_images(cut: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wholes = {
        name: np.where(rng.random(label.shape) > 0.3, label, rng.integers(0, 4, label.shape))
        for name, label in masks().items()
    }
    wholes = {name: label.astype(np.uint8) for name, label in wholes.items()}
    made = cut_labels(cut, tmp_path / "l.h5", wholes)
    out = tmp_path / "whole.h5"
    result = wsss("merge", "--tiles", made, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stderr == f"merge: 25 items of tiles, 2 whole images -> {out}\n"
    with open_artifact(out) as found, open_artifact(made) as tiles:
        assert found.ids == ["small", "sub/big"]
        for name in found.ids:
            assert (found[name]["label"] == wholes[name]).all()
        assert found.data is not None
        assert (found.data["view"], found.data["run"]) == ("whole", tiles.data["run"])  # type: ignore[index]
        assert (found.params["tile"], found.params["overlap"]) == (16, 5)
    plain = packed(with_masks(collection()), tmp_path / "w.h5", None)
    whole = write_labels(tmp_path / "wl.h5", plain, wholes)
    scores = []
    for file in (out, whole):
        told = wsss(
            "eval", file, "--split", "train", "--boundary", "--sizes", "64,256", "--json", "-", "-q"
        )
        assert told.exit_code == 0, told.output
        scores.append(json.loads(told.stdout))
    for name in ("miou", "scores", "per_image", "ids", "boundary", "object_sizes"):
        assert scores[0][name] == scores[1][name]
    assert wsss("view", out, "-o", tmp_path / "v.png", "-q").exit_code == 0
    assert wsss("export", out, "-o", tmp_path / "png", "-q").exit_code == 0
    assert (tmp_path / "png" / "sub" / "big.png").exists()


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
@pytest.mark.parametrize("background", [False, True])
def test_maps_are_blended(cut: Path, tmp_path: Path, dtype: str, background: bool) -> None:
    cams = random_cams(cut)
    for item in cams.values():
        cam = np.asarray(item["cam"], np.float32)
        if background:
            item["background"] = 1 - (cam.max(axis=0) if len(cam) else np.zeros(cam.shape[1:]))
        for name in ("cam", "background"):
            if name in item:
                values = np.asarray(item[name], np.float32)
                item[name] = stored(values * (255 if dtype == "uint8" else 1), np.dtype(dtype))
    made, out = write_cam(tmp_path / "c.h5", cut, cams), tmp_path / "whole.h5"
    result = wsss("merge", "--tiles", made, "-o", out, "-q")
    assert (result.exit_code, result.output) == (0, "")
    from large_scenes import TILING

    with open_artifact(out) as found, open_dataset(None, found) as data:
        assert data.view == "whole"
        item = found["sub/big"]
        assert item["classes"].tolist() == [1, 2]
        assert item["cam"].dtype == dtype
        assert item["size"].tolist() == list(SIZE)
        names = data.groups["sub/big"]  # type: ignore[attr-defined]
        parts = [(cams[name]["classes"], np.asarray(cams[name]["cam"])) for name in names]
        whole = join_maps(SIZE, TILING, 4, parts, np.array([1, 2], np.uint16))
        assert (item["cam"] == stored(whole, np.dtype(dtype))).all()
        assert ("background" in item) == background
        assert (found["small"]["cam"] == cams["small"]["cam"]).all()
    assert wsss("eval", out, "-q").exit_code == 0
    seeds = wsss("make-seeds", "--cam", out, "--method", "threshold", "-o", tmp_path / "s.h5", "-q")
    assert seeds.exit_code == 0, seeds.output
    with open_artifact(tmp_path / "s.h5") as labels, open_dataset(None, labels) as data:
        assert labels["sub/big"]["label"].shape == SIZE
        assert data.view == "whole"  # the record goes along


def test_some_of_an_images_tiles_are_refused(cut: Path, tmp_path: Path) -> None:
    cams = random_cams(cut)
    del cams["sub/big@y00000x00011"]
    made = write_cam(tmp_path / "c.h5", cut, cams)
    result = wsss("merge", "--tiles", made, "-o", tmp_path / "w.h5")
    assert result.exit_code == 3
    assert "holds some tiles, and not all, of 1 images, first 'sub/big'" in result.stderr
    assert not (tmp_path / "w.h5").exists()


def test_images_of_which_no_tile_is_there_are_left_out(cut: Path, tmp_path: Path) -> None:
    made = write_cam(tmp_path / "c.h5", cut, {"small": random_cams(cut)["small"]})
    assert wsss("merge", "--tiles", made, "-o", tmp_path / "w.h5", "-q").exit_code == 0
    with open_artifact(tmp_path / "w.h5") as found:
        assert found.ids == ["small"]


def test_wrong_commands(cut: Path, tmp_path: Path) -> None:
    made = cut_labels(cut, tmp_path / "l.h5", masks())
    out = tmp_path / "w.h5"
    assert wsss("merge", "--tiles", made, "-o", out, "-q").exit_code == 0
    for words, code, reason in (
        (("--tiles", made, made, "-o", tmp_path / "x.h5"), 2, "--tiles: takes one file"),
        ((made, "--data", cut, "-o", tmp_path / "x.h5"), 2, "--data: needs --tiles"),
        (("--tiles", made, "-o", out), 2, "exists"),
        (("--tiles", made, "-o", made, "--force"), 2, "is an input"),
        (("--tiles", out, "-o", tmp_path / "x.h5"), 3, "is of whole images"),
        (("--tiles", cut, "-o", tmp_path / "x.h5"), 3, "holds wsss/dataset"),
    ):
        result = wsss("merge", *words)
        assert result.exit_code == code, result.output
        assert reason in result.stderr
    assert not (tmp_path / "x.h5").exists()


def test_objects_of_wholes_are_scored_alike(tmp_path: Path) -> None:
    """Masks painted from outlines: the score of the whole is that of an uncut pack."""
    found = collection(drawn=shapes())
    cut, plain = packed(found, tmp_path / "t.h5"), packed(found, tmp_path / "w.h5", None)
    with open_dataset(plain) as data:
        truth = data.mask("sub/big")
    assert truth is not None
    wholes = {"sub/big": np.roll(truth, 2, axis=1), "small": np.zeros(SMALL, np.uint8)}
    made = cut_labels(cut, tmp_path / "l.h5", wholes)
    assert wsss("merge", "--tiles", made, "-o", tmp_path / "m.h5", "-q").exit_code == 0
    one = wsss("eval", tmp_path / "m.h5", "--json", "-", "-q")
    other = wsss("eval", write_labels(tmp_path / "wl.h5", plain, wholes), "--json", "-", "-q")
    assert json.loads(one.stdout)["scores"] == json.loads(other.stdout)["scores"]
