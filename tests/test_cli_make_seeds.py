"""make-seeds: exit code, what is said, and the labels, which are those of core.seeds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import CLASSES, SIZE
from dying import kill_after
from made import contents, random_cams, same, write_cam, write_data, write_sloping_cam, wsss

from wsss_cli.artifacts import CAM, LABEL, create, open_artifact, open_dataset
from wsss_cli.core.cam import dequantise
from wsss_cli.core.crf import PRESETS, CrfParams
from wsss_cli.core.grid import upsample_grid
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.seeds.defaults import IRN_BG, IRN_FG, PSA_ALPHA_HIGH, PSA_ALPHA_LOW
from wsss_cli.core.seeds.irn import irn_seeds
from wsss_cli.core.seeds.psa import psa_seeds
from wsss_cli.core.seeds.threshold import threshold_seeds


@pytest.fixture
def cam(tiny_data: Path) -> Path:
    return write_sloping_cam(tiny_data.with_name("cam.h5"), tiny_data)


def pixels_of(cam: Path, image_id: str, field: str = "cam") -> np.ndarray:
    with open_artifact(cam, CAM) as maps:
        item, stride = maps[image_id], maps.params["stride"]
    size = (int(item["size"][0]), int(item["size"][1]))
    return upsample_grid(dequantise(item[field]), size, stride).numpy()


def test_irn_is_the_default(tiny_data: Path, cam: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_data.parent)
    result = wsss("make-seeds")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == "make-seeds: 6 items -> seeds.h5\n"
    with open_artifact("seeds.h5", LABEL) as seeds, open_dataset(tiny_data) as data:
        assert seeds.classes == CLASSES
        assert seeds.params["method"] == "irn"
        assert (seeds.params["fg"], seeds.params["bg"]) == (IRN_FG, IRN_BG)
        assert CrfParams(**seeds.params["crf"]) == PRESETS["irn"]
        assert seeds.inputs[0]["kind"] == "wsss/dataset"
        assert seeds.inputs[1]["file"] == "cam.h5"
        for image_id in data.ids:
            item = seeds[image_id]
            expected = irn_seeds(
                data.image(image_id), pixels_of(cam, image_id), data.tags(image_id)
            )
            assert np.array_equal(item["label"], expected)
            assert np.array_equal(item["present"], data.tags(image_id))
            assert set(np.unique(expected)) <= {0, 255, *(data.tags(image_id) + 1)}
        assert (seeds["a/5"]["label"] == 0).all()  # the image without tags
        assert {0, 1, 255} <= set(np.unique(seeds["a/0"]["label"]))


def test_psa(tiny_data: Path, cam: Path) -> None:
    out = tiny_data.with_name("psa.h5")
    result = wsss("make-seeds", "--cam", cam, "-o", out, "--method", "psa", "--alpha-low", 2)
    assert result.exit_code == 0, result.stderr
    with open_artifact(out, LABEL) as seeds, open_dataset(tiny_data) as data:
        assert seeds.params["alpha_low"] == 2
        assert seeds.params["alpha_high"] == PSA_ALPHA_HIGH
        assert CrfParams(**seeds.params["crf"]) == PRESETS["psa"]
        for image_id in data.ids:
            maps = pixels_of(cam, image_id)
            expected = psa_seeds(data.image(image_id), maps, data.tags(image_id), alpha_low=2)
            assert np.array_equal(seeds[image_id]["label"], expected)


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ([], {}),
        (["--low", "0.1", "--high", "0.7"], {"low": 0.1, "high": 0.7}),
        (["--mode", "fraction-of-max"], {"mode": "fraction-of-max"}),
        (["--mode", "quantile", "--high", "0.4"], {"mode": "quantile", "high": 0.4}),
        (["--overlap", "smallest-first"], {"overlap": "smallest-first"}),
    ],
)
def test_thresholds(
    tiny_data: Path, cam: Path, options: list[str], settings: dict[str, str | float]
) -> None:
    out = tiny_data.with_name("seeds.h5")
    result = wsss("make-seeds", "--cam", cam, "-o", out, "--method", "threshold", *options, "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    with open_artifact(out, LABEL) as seeds:
        assert seeds.params["crf"] is None
        assert seeds.params.items() >= settings.items()
        for image_id in seeds.ids:
            item = seeds[image_id]
            expected = threshold_seeds(pixels_of(cam, image_id), item["present"], **settings)
            assert np.array_equal(item["label"], expected)


def test_maps_choose_the_same_threshold_for_each_shard_and_list(
    tiny_data: Path, cam: Path, tmp_path: Path
) -> None:
    command = ["make-seeds", "--cam", cam, "--method", "threshold", "--low", "auto", "--high"]
    whole, parts = tmp_path / "whole.h5", [tmp_path / f"{number}.h5" for number in (1, 2)]
    result = wsss(*command, "auto", "-o", whole)
    assert result.exit_code == 0
    said = re.match(
        r"make-seeds: the maps' threshold is (0\.\d+): --low \1, --high \1$",
        result.stderr.splitlines()[0],
    )
    assert said is not None
    threshold = float(said[1])
    for number, part in enumerate(parts, 1):
        assert wsss(*command, "auto", "-o", part, "--shard", f"{number}/2", "-q").exit_code == 0
    assert wsss("merge", *parts, "-o", tmp_path / "merged.h5").exit_code == 0
    same(tmp_path / "merged.h5", whole)
    (tmp_path / "ids").write_text("a/2\n")
    one = tmp_path / "one.h5"
    assert wsss(*command, "auto", "-o", one, "--ids", tmp_path / "ids", "-q").exit_code == 0
    for path in (whole, one, *parts):
        with open_artifact(path, LABEL) as seeds:
            found = {key: seeds.params[key] for key in ("low", "high", "maps_threshold")}
            assert found == dict.fromkeys(found, threshold)
            assert not (seeds[seeds.ids[0]]["label"] == IGNORE).any()

    shard = write_cam(tmp_path / "c.1.h5", tiny_data, random_cams(tiny_data), shard="1/2")
    refused = wsss("make-seeds", "--cam", shard, "-o", tmp_path / "no.h5", "--fg", "auto")
    assert refused.exit_code == 3
    assert refused.stderr.splitlines()[1:] == ["wsss: hint: `wsss merge` joins the shards"]
    wrong = wsss("make-seeds", "--cam", cam, "-o", tmp_path / "no.h5", "--fg", "none")
    assert wrong.exit_code == 2
    assert "none: needs a number, or auto" in wrong.stderr


def test_maps_with_a_background_of_their_own(tiny_data: Path) -> None:
    """random-walk --scores: shares against the background, even at 0.5 unless said otherwise."""
    walk = write_sloping_cam(tiny_data.with_name("walk.h5"), tiny_data, stride=8, background=True)
    out = tiny_data.with_name("seeds.h5")
    command = ["make-seeds", "--cam", walk, "-o", out, "--method", "threshold", "--force"]
    assert wsss(*command).exit_code == 0
    with open_artifact(out, LABEL) as seeds:
        assert (seeds.params["low"], seeds.params["high"]) == (0.5, 0.5)
        for image_id in seeds.ids:
            item = seeds[image_id]
            stack = np.concatenate(
                [pixels_of(walk, image_id, "background")[None], pixels_of(walk, image_id)]
            )
            if not len(item["present"]):
                assert (item["label"] == 0).all()
                continue
            clear = np.abs(stack[1:].max(0) - stack[0]) > 1e-6
            winner = np.array([0, *(item["present"] + 1)])[stack.argmax(axis=0)]
            assert np.array_equal(item["label"][clear], winner[clear])
    assert wsss(*command, "--low", "0.3", "--high", "0.7").exit_code == 0
    with open_artifact(out, LABEL) as seeds:
        item = seeds["a/3"]
        best = pixels_of(walk, "a/3").max(axis=0)
        total = best + pixels_of(walk, "a/3", "background")
        share = np.divide(best, total, out=np.zeros_like(best), where=total > 0)
        expected = np.where(share >= 0.7, 1, np.where(share < 0.3, 0, 255))
        kind = np.where(item["label"] == 255, 255, np.minimum(item["label"], 1))
        assert np.array_equal(kind, expected)


@pytest.mark.parametrize(("dtype", "stride"), [("uint8", 4), ("float16", 5), ("uint8", 16)])
def test_any_stride_and_either_dtype(tiny_data: Path, dtype: str, stride: int) -> None:
    cam = write_sloping_cam(tiny_data.with_name("cam.h5"), tiny_data, dtype=dtype, stride=stride)
    out = tiny_data.with_name("seeds.h5")
    assert wsss("make-seeds", "--cam", cam, "-o", out, "--crf", "none").exit_code == 0
    with open_artifact(out, LABEL) as seeds, open_dataset(tiny_data) as data:
        assert seeds["a/0"]["label"].shape == SIZE
        maps = pixels_of(cam, "a/3")
        expected = irn_seeds(data.image("a/3"), maps, data.tags("a/3"), crf=None)
        assert np.array_equal(seeds["a/3"]["label"], expected)


def test_an_image_of_one_pixel(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data.h5", ["dot"], (1, 1), ["one"])
    cam = write_sloping_cam(tmp_path / "cam.h5", data, classes=["one"])
    for method in ("irn", "psa", "threshold"):
        seeds = tmp_path / f"{method}.h5"
        result = wsss("make-seeds", "--cam", cam, "-o", seeds, "--method", method)
        assert result.exit_code == 0, result.stderr
        assert contents(seeds)["dot"]["label"].tolist() == [[1]]


def test_crf_options(tiny_data: Path, cam: Path) -> None:
    out = tiny_data.with_name("seeds.h5")
    changes = ["--crf", "deeplab-v2", "--crf-iterations", "3", "--crf-bilateral-srgb", "7.5"]
    assert wsss("make-seeds", "--cam", cam, "-o", out, *changes).exit_code == 0
    expected = CrfParams(1, 3, 67, 7.5, 4, 3)
    with open_artifact(out, LABEL) as seeds, open_dataset(tiny_data) as data:
        assert CrfParams(**seeds.params["crf"]) == expected
        maps = pixels_of(cam, "a/4")
        label = irn_seeds(data.image("a/4"), maps, data.tags("a/4"), crf=expected)
        assert np.array_equal(seeds["a/4"]["label"], label)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--low", "0.1"], "--low: is of --method threshold, not irn"),
        (["--mode", "fixed"], "--mode: is of --method threshold, not irn"),
        (["--alpha-high", "9"], "--alpha-high: is of --method psa, not irn"),
        (["--method", "psa", "--fg", "0.5"], "--fg: is of --method irn, not psa"),
        (["--method", "threshold", "--bg", "0"], "--bg: is of --method irn, not threshold"),
        (["--method", "threshold", "--crf", "psa"], "--crf psa: --method threshold has no CRF"),
        (["--method", "threshold", "--crf-iterations", "3"], "--crf-iterations: there is no CRF"),
        (["--crf", "none", "--crf-bilateral-sxy", "9"], "--crf-bilateral-sxy: there is no CRF"),
        (["--crf", "pretty"], "--crf pretty: unknown"),
        (["--crf-gaussian-sxy", "nan"], "--crf-gaussian-sxy nan: must be finite"),
        (["--crf-gaussian-sxy", "0"], "CRF standard deviations must be 0.1 or more"),
        (["--crf-bilateral-compat", "-1"], "CRF weights must lie in 0..1e+06"),
        (["--fg", "0.1", "--bg", "0.2"], "need 0 <= bg <= fg <= 1"),
        (["--method", "psa", "--alpha-low", "0"], "need 0 < low <= high"),
        (["--method", "threshold", "--low", "0.9"], "low 0.9 is above high 0.3"),
        (["--method", "threshold", "--high", "nan"], "--high nan: must be finite"),
        (["--method", "threshold", "--high", "1.1"], "must lie in 0..1"),
        (["--method", "psa", "--alpha-high", "inf"], "--alpha-high inf: must be finite"),
        (["--shard", "3/2"], "--shard 3/2"),
    ],
)
def test_options_that_make_no_sense(cam: Path, options: list[str], message: str) -> None:
    out = cam.with_name("seeds.h5")
    result = wsss("make-seeds", "--cam", cam, "-o", out, *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr.splitlines()[0]
    assert [path.name for path in sorted(cam.parent.iterdir())] == ["cam.h5", "data.h5"]


def test_workers_and_shards_make_no_difference(cam: Path) -> None:
    folder = cam.parent
    command = ["make-seeds", "--cam", cam, "--crf-iterations", "2"]
    assert wsss(*command, "-o", folder / "one.h5", "--workers", 1).exit_code == 0
    assert wsss(*command, "-o", folder / "two.h5", "--workers", 2).exit_code == 0
    same(folder / "one.h5", folder / "two.h5")
    parts = [folder / f"part{index}.h5" for index in (1, 2, 3, 4)]
    for index, part in enumerate(parts, 1):
        assert wsss(*command, "-o", part, "--shard", f"{index}/4").exit_code == 0
    assert wsss("merge", *reversed(parts), "-o", folder / "merged.h5").exit_code == 0
    same(folder / "one.h5", folder / "merged.h5")


def test_killed_and_run_again(cam: Path) -> None:
    folder = cam.parent
    command = ["make-seeds", "--cam", cam, "--crf-iterations", "2"]
    assert wsss(*command, "-o", folder / "whole.h5").exit_code == 0
    kill_after(4, *command, "-o", folder / "seeds.h5", "--workers", 2)
    assert not (folder / "seeds.h5").exists()
    assert (folder / "seeds.h5.partial").exists()
    other = wsss(*command, "-o", folder / "seeds.h5", "--fg", "0.5")
    assert other.exit_code == 3
    assert "unfinished work of another run" in other.stderr
    result = wsss(*command, "-o", folder / "seeds.h5")
    assert (result.exit_code, result.stderr) == (0, f"make-seeds: 6 items -> {folder}/seeds.h5\n")
    same(folder / "whole.h5", folder / "seeds.h5")
    assert not (folder / "seeds.h5.partial").exists()


def test_chosen_ids(cam: Path) -> None:
    out, listed = cam.with_name("seeds.h5"), cam.with_name("ids.txt")
    listed.write_text("a/4\na/1\n")
    command = ["make-seeds", "--cam", cam, "-o", out, "--crf", "none", "--ids", listed]
    assert wsss(*command).exit_code == 0
    assert list(contents(out)) == ["a/1", "a/4"]
    listed.write_text("a/4\nb/1\n")
    result = wsss(*command, "--force")
    assert result.exit_code == 3
    assert "1 of 2 ids are not in" in result.stderr
    assert list(contents(out)) == ["a/1", "a/4"]


def test_another_data_set(cam: Path) -> None:
    folder = cam.parent
    ids = [f"a/{index}" for index in range(6)]
    cases = {
        "names": (ids, SIZE, ["red", "green", "teal"], "class names differ (first 'teal'"),
        "ids": (ids[:4], SIZE, CLASSES, "lacks 2 of the 6 images in"),
        "sizes": (ids, (32, 47), CLASSES, "a/0: is 32x47 in"),
    }
    for name, (held, size, classes, message) in cases.items():
        data = write_data(folder / f"{name}.h5", held, size, classes)
        result = wsss("make-seeds", "--cam", cam, "--data", data, "-o", folder / "seeds.h5")
        assert (result.exit_code, result.stdout) == (3, "")
        assert message in result.stderr
        assert not (folder / "seeds.h5").exists()


def test_an_error_in_a_worker_reads_as_in_this_process(cam: Path) -> None:
    folder = cam.parent
    data = write_data(folder / "other.h5", [f"a/{i}" for i in range(6)], (32, 47), CLASSES)
    command = ["make-seeds", "--cam", cam, "--data", data, "-o", folder / "seeds.h5"]
    here = wsss(*command, "--workers", 0)
    there = wsss(*command, "--workers", 2)
    assert here.exit_code == there.exit_code == 3
    line, hint = there.stderr.splitlines()
    assert "is 32x47 in" in line
    named = "name the data set that cam.h5 was made from with --data"
    assert hint == here.stderr.splitlines()[1] == f"wsss: hint: {named}"


def test_maps_that_do_not_fit(tiny_data: Path, cam: Path) -> None:
    folder = tiny_data.parent
    bad = write_sloping_cam(folder / "bad.h5", tiny_data, stride=4)
    with open_artifact(bad) as maps:
        kept, ids = {image_id: maps[image_id] for image_id in maps.ids}, maps.ids
    for params, message, hint in (
        ({"stride": 8}, "is not on the image's grid of stride 8", "rerun `wsss make-cam`"),
        ({}, "does not record its stride", "make the maps again"),
    ):
        with open_dataset(tiny_data) as data:
            broken = create(
                bad, CAM, classes=CLASSES, params=params, inputs=[data], ids=ids, force=True
            )
            with broken as out:
                for image_id, item in kept.items():
                    out.put(image_id, **item)
        result = wsss("make-seeds", "--cam", bad, "-o", folder / "seeds.h5", "--force")
        assert result.exit_code == 3
        assert message in result.stderr
        assert f"hint: {hint}" in result.stderr
    wrong = wsss("make-seeds", "--cam", tiny_data, "-o", folder / "seeds.h5")
    assert wrong.exit_code == 3
    assert "holds wsss/dataset, not wsss/cam" in wrong.stderr


def test_more_classes_than_labels(tiny_data: Path) -> None:
    names = [f"class {index}" for index in range(255)]
    data = write_data(tiny_data.with_name("many.h5"), ["x"], (8, 8), names)
    cam = write_sloping_cam(tiny_data.with_name("cam.h5"), data, classes=names)
    result = wsss("make-seeds", "--cam", cam, "-o", tiny_data.with_name("seeds.h5"))
    assert result.exit_code == 3
    assert "has 255 classes; label maps hold 254 at most" in result.stderr


def test_an_existing_output_is_kept(cam: Path) -> None:
    out = cam.with_name("seeds.h5")
    command = ["make-seeds", "--cam", cam, "-o", out, "--crf", "none"]
    assert wsss(*command).exit_code == 0
    before = out.read_bytes()
    refused = wsss(*command, "--fg", "0.6")
    assert refused.exit_code == 2
    assert "exists already" in refused.stderr
    assert out.read_bytes() == before
    assert wsss(*command, "--fg", "0.6", "--force").exit_code == 0
    assert json.loads(wsss("info", out, "--json").stdout)["params"]["fg"] == 0.6


def test_help_tells_the_defaults() -> None:
    text = " ".join(wsss("make-seeds", "--help").stdout.split())
    for option, default in (
        ("--fg SCORE|auto", IRN_FG),
        ("--bg SCORE|auto", IRN_BG),
        ("--alpha-low <float>", PSA_ALPHA_LOW),
        ("--alpha-high <float>", PSA_ALPHA_HIGH),
    ):
        own = text[text.index(option) :]
        assert own[own.index("Default: ") :].startswith(f"Default: {default:g}.")
    assert "Example: wsss make-seeds" in text


def test_a_crf_too_narrow_for_an_image_is_one_line(tiny_data: Path, cam: Path) -> None:
    """It used to write past its memory, and to crash."""
    data = write_data(tiny_data.with_name("wide.h5"), ["long"], (1, 1500), CLASSES)
    maps = write_sloping_cam(cam.with_name("wide_cam.h5"), data)
    out = cam.with_name("seeds.h5")
    options = ("--crf-gaussian-sxy", "0.1", "--crf-bilateral-compat", "0")
    for workers in (0, 2):
        result = wsss("make-seeds", "--cam", maps, "-o", out, "--workers", str(workers), *options)
        assert result.exit_code == 3
        assert result.stderr.startswith(
            "wsss: error: long: a CRF of gaussian sxy 0.1 cannot work on 1500 pixels"
        )
    assert not out.exists()


def spoil(name: str, values: Callable[[np.ndarray], np.ndarray]) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[f"{name}/values"][:] = values(file[f"{name}/values"][:])

    return change


def restride(file: h5py.File) -> None:
    file.attrs["params"] = json.dumps({"stride": 10**6})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (spoil("cam", lambda v: np.where(v > 0.5, np.nan, v)), "cam has scores outside 0..1"),
        (spoil("cam", lambda v: np.where(v > 0.5, np.inf, v)), "cam has scores outside 0..1"),
        (spoil("cam", lambda v: -v), "cam has scores outside 0..1"),
        (spoil("background", lambda v: v + 1), "background has scores outside 0..1"),
        (spoil("classes", lambda v: v + 50), "classes do not rise, or are of no class"),
        (spoil("classes", lambda v: v * 0 + 1), "classes do not rise, or are of no class"),
        (spoil("size", lambda v: v * 0), "no size of an image"),
        (restride, "does not record its stride"),
    ],
)
@pytest.mark.parametrize("command", ["make-seeds", "eval", "export", "view"])
def test_maps_that_are_none_are_refused_by_every_reader(
    tiny_data: Path, tmp_path: Path, change: Callable[[h5py.File], None], said: str, command: str
) -> None:
    cam = write_sloping_cam(tmp_path / "bad.h5", tiny_data, background=True)
    with h5py.File(cam, "r+") as file:
        change(file)
    options = {
        "make-seeds": ("--cam", cam, "--method", "threshold", "-o", tmp_path / "out"),
        "eval": (cam,),
        "export": (cam, "--format", "psa-npy", "-o", tmp_path / "out"),
        "view": (cam, "-o", tmp_path / "out"),
    }
    result = wsss(command, *options[command])
    assert (result.exit_code, result.stdout) == (3, "")
    assert said in result.stderr
    assert "bad.h5" in result.stderr.splitlines()[0]
    assert not (tmp_path / "out").is_file()
