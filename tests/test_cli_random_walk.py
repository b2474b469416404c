"""random-walk: what it says, what it writes, and that nothing but its inputs decides it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CLASSES, SIZE, encode_png
from dying import kill_after, kill_after_files
from made import contents, same, write_data, write_sloping_cam, wsss

from wsss_cli.artifacts import (
    CAM,
    DATASET,
    LABEL,
    create,
    load_weights,
    open_artifact,
    open_dataset,
    save_weights,
)
from wsss_cli.commands import random_walk
from wsss_cli.core import pseudo
from wsss_cli.core.cam import View, dequantise, fuse_views, quantise
from wsss_cli.core.crf import PRESETS, CrfParams
from wsss_cli.core.grid import grid_size, pad_to_multiple
from wsss_cli.core.images import to_input
from wsss_cli.core.views import resize_image
from wsss_cli.core.walk_defaults import IRN_THRESHOLD
from wsss_cli.methods.rebuild import rebuild_affinity
from wsss_cli.nets.affinity import AffinityNet, IRNet
from wsss_cli.nets.backbones import build_backbone


def write_weights(
    path: Path,
    method: str,
    data: Path,
    changes: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
) -> Path:
    """A tiny network of random weights, loud enough for affinities to differ."""
    torch.manual_seed(5)
    backbone = build_backbone("tiny", 16)
    with torch.no_grad():  # batch norms see something, so that features differ
        for _ in range(30):
            backbone(torch.randn(2, 3, 64, 64))
    model = AffinityNet(backbone) if method == "psa" else IRNet(backbone)
    state = model.state_dict()
    if method == "irn":
        state["edge.out.weight"] = state["edge.out.weight"] * 6
        state["edge.out.bias"] = state["edge.out.bias"] + 1
    config = {"method": method, "backbone": "tiny", "output_stride": 16, "dilated": False}
    config |= {"group_norm": False} if method == "psa" else {}
    with open_dataset(data) as reader:
        save_weights(
            path,
            kind="wsss/aff",
            config={**config, **(changes or {})},
            classes=reader.classes,
            params=params or {},
            seed=5,
            inputs=[reader],
            state_dict=state,
        )
    return path


@pytest.fixture(scope="module")
def network_files(tiny_data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    for method in ("psa", "irn"):
        write_weights(folder / f"{method}.pt", method, tiny_data_file)
    return folder


@pytest.fixture
def folder(tiny_data: Path, network_files: Path) -> Path:
    """Holds data.h5, cam.h5, irn.pt and psa.pt."""
    write_sloping_cam(tiny_data.with_name("cam.h5"), tiny_data)
    for weights in network_files.iterdir():
        tiny_data.with_name(weights.name).write_bytes(weights.read_bytes())
    return tiny_data.parent


def walk(folder: Path, method: str, out: str, *options: str | Path | int) -> Any:
    return wsss(
        "random-walk",
        *("--cam", folder / "cam.h5", "--weights", folder / f"{method}.pt"),
        *("-o", folder / out, "--data", folder / "data.h5"),
        *options,
    )


def inputs_of(folder: Path, method: str, image_id: str) -> tuple[Any, ...]:
    """(model, padded image (1, 3, H', W'), cam, tags, (H, W))."""
    weights = load_weights(folder / f"{method}.pt")
    model = rebuild_affinity(weights.config, weights.state_dict)
    with open_dataset(folder / "data.h5") as data:
        x = pad_to_multiple(to_input(data.image(image_id)), 16)[None]
        tags, size = data.tags(image_id), data.size(image_id)
    cam = dequantise(contents(folder / "cam.h5")[image_id]["cam"])
    return model, x, cam, tags, size


def test_irn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    Path("irn.pt").rename("aff.pt")
    result = wsss("random-walk", "--scores", "walk.h5")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert result.stderr == (
        "random-walk: 6 items -> pseudo.h5\nrandom-walk: walked maps -> walk.h5\n"
    )
    Path("aff.pt").rename("irn.pt")
    labels, walked = contents(Path("pseudo.h5")), contents(Path("walk.h5"))
    for image_id in ("a/0", "a/3"):
        model, x, cam, tags, size = inputs_of(folder, "irn", image_id)
        with torch.no_grad():
            logits = (model(x)[0] + model(x.flip(-1))[0].flip(-1)) / 2
        scores = pseudo.walk_irn(cam, logits[0, 0].sigmoid(), size, 4)
        stack = pseudo.score_stack(scores, size, 4, IRN_THRESHOLD)
        clear = np.abs(stack[1:].max(axis=0) - 0.25) > 1e-4
        expected = pseudo.stack_labels(stack, tags)
        assert np.array_equal(labels[image_id]["label"][clear], expected[clear])
        assert {0, tags[0] + 1} <= set(np.unique(expected)) <= {0, *(tags + 1)}
        np.testing.assert_allclose(walked[image_id]["cam"], scores.clamp(max=1), atol=1e-3)
        assert np.array_equal(labels[image_id]["present"], tags)
        assert np.array_equal(walked[image_id]["classes"], tags)
        assert "background" not in walked[image_id]
    assert (labels["a/5"]["label"] == 0).all()
    assert walked["a/5"]["cam"].shape == (0, *grid_size(*SIZE, 4))
    with open_artifact("pseudo.h5", LABEL) as masks, open_artifact("walk.h5", CAM) as maps:
        own = {"method": "irn", "stride": 4, "beta": 10, "steps": "auto", "radius": 5, "flip": True}
        own["pad_to"] = 0  # the weights do not say what they were trained on
        assert maps.params == {**own, "max_side": 1024, "precision": "f32"}
        expected_params = {"threshold": 0.25, "crf": None, "crf_unary": None}
        assert masks.params == {**maps.params, **expected_params}
        assert [source["kind"] for source in masks.inputs] == [
            "wsss/dataset",
            "wsss/cam",
            "wsss/aff",
        ]
        assert masks.classes == maps.classes == CLASSES


def test_psa(folder: Path) -> None:
    result = walk(folder, "psa", "pseudo.h5", "--scores", folder / "walk.h5", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    labels, walked = contents(folder / "pseudo.h5"), contents(folder / "walk.h5")
    for image_id in ("a/1", "a/4"):
        model, x, cam, tags, size = inputs_of(folder, "psa", image_id)
        with torch.no_grad():
            scores = pseudo.walk_psa(cam, model(x)[0], size, 4)
        stack = pseudo.score_stack(scores, size, 8)
        ranked = np.sort(stack, axis=0)
        clear = ranked[-1] - ranked[-2] > 1e-4
        expected = pseudo.stack_labels(stack, tags)
        assert np.array_equal(labels[image_id]["label"][clear], expected[clear])
        assert {0, tags[0] + 1} <= set(np.unique(expected)) <= {0, *(tags + 1)}
        np.testing.assert_allclose(walked[image_id]["cam"], scores[1:], atol=1e-3)
        np.testing.assert_allclose(walked[image_id]["background"], scores[0], atol=1e-3)
    assert (walked["a/5"]["background"] == 1).all()
    with open_artifact(folder / "walk.h5", CAM) as maps:
        assert maps.params == {
            **{"method": "psa", "stride": 8, "beta": 8, "steps": "auto", "radius": 5},
            **{"alpha": 16, "border": "full", "max_side": 1024, "precision": "f32"},
        }


@pytest.mark.parametrize(
    ("method", "threshold"), [("irn", ["--low", "0.25", "--high", "0.25"]), ("psa", [])]
)
def test_thresholds_can_change_without_walking_again(
    folder: Path, method: str, threshold: list[str]
) -> None:
    """make-seeds on the walked maps gives the walk's own labels, but for rounding to float16."""
    scores = folder / "walk.h5"
    assert walk(folder, method, "pseudo.h5", "--scores", scores).exit_code == 0
    command = ["make-seeds", "--cam", scores, "-o", folder / "seeds.h5", "--method", "threshold"]
    assert wsss(*command, *threshold).exit_code == 0
    masks, seeds = contents(folder / "pseudo.h5"), contents(folder / "seeds.h5")
    for image_id, item in masks.items():
        agree = (item["label"] == seeds[image_id]["label"]).mean()
        assert agree > 0.98, image_id


def test_every_option_matters_and_is_recorded(folder: Path) -> None:
    options = {
        "irn": {"beta": "2", "steps": "3", "radius": "2", "threshold": "0.6"},
        "psa": {"beta": "2", "steps": "3", "radius": "2", "alpha": "3", "border": "reference"},
    }
    options["irn"] |= {"pad-to": "96", "no-flip": None}
    for method, changes in options.items():
        assert walk(folder, method, f"{method}.h5", "--scores", folder / "plain.h5").exit_code == 0
        plain = contents(folder / "plain.h5")["a/4"]
        label = contents(folder / f"{method}.h5")
        for name, value in changes.items():
            option = [f"--{name}"] if value is None else [f"--{name}", value]
            command = [*option, "--scores", folder / "other.h5", "--force"]
            assert walk(folder, method, "other-labels.h5", *command).exit_code == 0
            other = contents(folder / "other.h5")["a/4"]
            if name == "threshold":
                changed = contents(folder / "other-labels.h5")
                assert any((changed[i]["label"] != label[i]["label"]).any() for i in label)
                assert np.array_equal(other["cam"], plain["cam"])
            else:
                assert not all(np.array_equal(other[key], plain[key]) for key in plain), name
            with open_artifact(folder / "other-labels.h5") as masks:
                key = name.replace("-", "_")
                key, expected = (key, value) if value is not None else ("flip", False)
                number = isinstance(masks.params[key], int | float)
                assert masks.params[key] == (float(expected) if number else expected)
        (folder / "plain.h5").unlink()


def test_boundaries_see_images_padded_as_in_training(folder: Path) -> None:
    """As `--pad-to` of that many pixels does by hand; more padding changes what is seen."""
    write_weights(folder / "crop.pt", "irn", folder / "data.h5", params={"crop": 96})
    assert walk(folder, "crop", "crop.h5").exit_code == 0
    assert walk(folder, "irn", "hand.h5", "--pad-to", 96).exit_code == 0
    with open_artifact(folder / "crop.h5") as masks, open_artifact(folder / "hand.h5") as hand:
        assert masks.params["pad_to"] == hand.params["pad_to"] == 96
        for image_id in masks.ids:
            assert np.array_equal(masks[image_id]["label"], hand[image_id]["label"])
    result = walk(folder, "psa", "other.h5", "--pad-to", 96)
    assert result.exit_code == 2
    assert "--pad-to: is of irn weights" in result.stderr


def test_the_mirrored_image_gives_the_mirrored_mask(folder: Path) -> None:
    mirrored = folder / "mirrored"
    mirrored.mkdir()
    with open_dataset(folder / "data.h5") as data:
        ids = data.ids
        with create(
            mirrored / "data.h5", DATASET, classes=CLASSES, params={"mirrored": True}, ids=ids
        ) as out:
            for image_id in ids:
                out.put(
                    image_id,
                    image=encode_png(data.image(image_id)[:, ::-1]),
                    tags=data.tags(image_id),
                    size=np.array(data.size(image_id), np.int32),
                )
    write_sloping_cam(mirrored / "cam.h5", mirrored / "data.h5", mirror=True)
    (mirrored / "irn.pt").write_bytes((folder / "irn.pt").read_bytes())
    assert walk(folder, "irn", "pseudo.h5", "--scores", folder / "walk.h5").exit_code == 0
    assert walk(mirrored, "irn", "pseudo.h5", "--scores", mirrored / "walk.h5").exit_code == 0
    for image_id, item in contents(folder / "walk.h5").items():
        other = contents(mirrored / "walk.h5")[image_id]["cam"][:, :, ::-1]
        np.testing.assert_allclose(item["cam"], other, atol=2e-3)


def shown_to(model: Any) -> list[tuple[int, int]]:
    """Where a network notes the sizes of what it sees."""
    sizes: list[tuple[int, int]] = []
    model.backbone.register_forward_pre_hook(
        lambda module, inputs: sizes.append(tuple(inputs[0].shape[-2:]))
    )
    return sizes


@pytest.mark.parametrize("method", ["irn", "psa"])
def test_large_images_are_walked_over_smaller(
    tmp_path: Path, network_files: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (96, 160)
    data = write_data(tmp_path / "data.h5", ["one"], size, CLASSES)
    write_sloping_cam(tmp_path / "cam.h5", data)
    (tmp_path / f"{method}.pt").write_bytes((network_files / f"{method}.pt").read_bytes())
    seen: list[tuple[int, int]] = []
    network = random_walk.network

    def noted(*arguments: Any) -> Any:
        nonlocal seen
        model = network(*arguments)
        seen = shown_to(model)
        return model

    monkeypatch.setattr(random_walk, "network", noted)
    outputs = {}
    for side in (0, 160, 80):
        options = ["--scores", tmp_path / f"walk{side}.h5", "--max-side", side]
        result = walk(tmp_path, method, f"{side}.h5", *options)
        assert result.exit_code == 0, result.stderr
        assert set(seen) == {(48, 80) if side == 80 else (96, 160)}
        outputs[side] = (
            contents(tmp_path / f"walk{side}.h5")["one"],
            contents(tmp_path / f"{side}.h5")["one"],
        )
    for limited, whole in zip(outputs[160], outputs[0], strict=True):
        assert all(np.array_equal(limited[name], whole[name]) for name in whole)
    scores, label = outputs[80]
    stride = 8 if method == "psa" else 4
    assert scores["cam"].shape == (1, *grid_size(*size, stride))
    assert label["label"].shape == size
    # The same walk over a half-size image whose cells are twice as large, by hand
    trained = load_weights(tmp_path / f"{method}.pt")
    model = rebuild_affinity(trained.config, trained.state_dict)
    with open_dataset(data) as reader:
        small = resize_image(reader.image("one"), (48, 80))
    cam = dequantise(contents(tmp_path / "cam.h5")["one"]["cam"])
    half = fuse_views([View(cam, size, 4)], (48, 80), 4)
    assert half.shape == (1, 12, 20)
    torch.testing.assert_close(half[:, 4, 7], cam[:, 8:10, 14:16].mean((1, 2)))
    x = to_input(small)[None]
    with torch.no_grad():
        if method == "irn":
            logits = (model(x)[0] + model(x.flip(-1))[0].flip(-1)) / 2
            walked = pseudo.walk_irn(half, logits[0, 0].sigmoid(), (48, 80), 4)
        else:
            walked = pseudo.walk_psa(half, model(x)[0], (48, 80), 4)[1:]
    expected = fuse_views([View(walked, (48, 80), stride)], size, stride).clamp(max=1)
    np.testing.assert_allclose(scores["cam"], expected, atol=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("method", ["irn", "psa"])
def test_on_a_gpu(folder: Path, method: str) -> None:
    for device in ("cpu", "cuda"):
        scores = folder / f"{device}-walk.h5"
        options = ["--device", device, "--scores", scores]
        assert walk(folder, method, f"{device}.h5", *options).exit_code == 0
    found = contents(folder / "cuda-walk.h5")
    for image_id, item in contents(folder / "cpu-walk.h5").items():
        np.testing.assert_allclose(found[image_id]["cam"], item["cam"], atol=0.01)


@pytest.mark.parametrize("method", ["irn", "psa"])
@pytest.mark.parametrize("size", [(1, 1), (3, 50), (37, 5), (20, 530)])
def test_any_size(tmp_path: Path, network_files: Path, method: str, size: tuple[int, int]) -> None:
    data = write_data(tmp_path / "data.h5", ["one", "two"], size, CLASSES)
    write_sloping_cam(tmp_path / "cam.h5", data, stride=5)
    weights = tmp_path / f"{method}.pt"
    weights.write_bytes((network_files / weights.name).read_bytes())
    result = walk(tmp_path, method, "pseudo.h5", "--scores", tmp_path / "walk.h5")
    assert result.exit_code == 0, result.stderr
    for item in contents(tmp_path / "pseudo.h5").values():
        assert item["label"].shape == size
        assert set(np.unique(item["label"])) <= {0, 1}
        assert (item["label"] == 1).any()
    for item in contents(tmp_path / "walk.h5").values():
        assert item["cam"].shape == (1, *grid_size(*size, 8 if method == "psa" else 4))
        assert np.isfinite(item["cam"]).all()


def test_workers_and_shards_make_no_difference(folder: Path) -> None:
    crf = ["--crf", "psa", "--crf-iterations", "2", "--steps", "20"]

    def both(name: str, *options: str) -> None:
        scores = folder / f"{name}-walk.h5"
        result = walk(folder, "irn", f"{name}.h5", "--scores", scores, *crf, *options)
        assert result.exit_code == 0, result.stderr

    both("one", "--workers", "1")
    both("two", "--workers", "2")
    parts = ["part1", "part2", "part3", "part4"]
    for index, part in enumerate(parts, 1):
        both(part, "--shard", f"{index}/4")
    for kind in ("", "-walk"):
        same(folder / f"one{kind}.h5", folder / f"two{kind}.h5")
        files = [folder / f"{part}{kind}.h5" for part in parts]
        assert wsss("merge", *files, "-o", folder / f"merged{kind}.h5").exit_code == 0
        same(folder / f"one{kind}.h5", folder / f"merged{kind}.h5")


def test_killed_between_its_two_outputs_and_run_again(folder: Path) -> None:
    common = ["--cam", folder / "cam.h5", "--weights", folder / "psa.pt", "--steps", "20"]
    command = ["random-walk", *common, "-o", folder / "pseudo.h5", "--scores", folder / "walk.h5"]
    whole = ["-o", folder / "whole.h5", "--scores", folder / "whole-walk.h5"]
    assert wsss("random-walk", *common, *whole).exit_code == 0

    kill_after(3, *command)  # the first image's two, and one of the second's
    assert not (folder / "pseudo.h5").exists()
    assert not (folder / "walk.h5").exists()
    kill_after_files(1, *command)  # all images done, one output in place
    assert [(folder / name).exists() for name in ("walk.h5", "pseudo.h5")] == [True, False]
    done = (folder / "walk.h5").read_bytes()
    result = wsss(*command)
    assert result.exit_code == 0, result.stderr
    assert (folder / "walk.h5").read_bytes() == done
    same(folder / "pseudo.h5", folder / "whole.h5")
    same(folder / "walk.h5", folder / "whole-walk.h5")
    assert not list(folder.glob("*.partial"))

    again = wsss(*command)
    assert again.exit_code == 2
    assert "pseudo.h5: exists already" in again.stderr


def test_a_crf_at_the_end(folder: Path) -> None:
    assert walk(folder, "irn", "plain.h5").exit_code == 0
    labels = {}
    for unary in ("scores", "labels"):
        options = ["--crf", "psa", "--crf-bilateral-srgb", "30", "--crf-unary", unary]
        assert walk(folder, "irn", f"{unary}.h5", *options).exit_code == 0
        with open_artifact(folder / f"{unary}.h5", LABEL) as masks:
            assert CrfParams(**masks.params["crf"]) == CrfParams(3, 3, 80, 30, 10, 10)
            assert masks.params["crf_unary"] == unary
        labels[unary] = contents(folder / f"{unary}.h5")
    assert walk(folder, "irn", "default.h5", "--crf", "irn").exit_code == 0
    with open_artifact(folder / "default.h5", LABEL) as masks:
        assert CrfParams(**masks.params["crf"]) == PRESETS["irn"]
        assert masks.params["crf_unary"] == "scores"

    plain = contents(folder / "plain.h5")["a/3"]["label"]
    model, x, cam, tags, size = inputs_of(folder, "irn", "a/3")
    with torch.no_grad():
        logits = (model(x)[0] + model(x.flip(-1))[0].flip(-1)) / 2
    scores = pseudo.walk_irn(cam, logits[0, 0].sigmoid(), size, 4)
    stack = pseudo.score_stack(scores, size, 4, 0.25)
    with open_dataset(folder / "data.h5") as data:
        image = data.image("a/3")
    for unary in ("scores", "labels"):
        crf = CrfParams(bilateral_srgb=30)
        expected = pseudo.stack_labels(stack, tags, image=image, crf=crf, unary=unary)
        assert (labels[unary]["a/3"]["label"] == expected).mean() > 0.99
        assert (plain != expected).any()
        assert set(np.unique(labels[unary]["a/3"]["label"])) <= {0, *(tags + 1)}


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("irn", ["--alpha", "4"], "--alpha: is of psa weights, and these are irn"),
        ("irn", ["--border", "full"], "--border: is of psa weights, and these are irn"),
        ("psa", ["--threshold", "0.3"], "--threshold: is of irn weights, and these are psa"),
        ("psa", ["--no-flip"], "--flip: is of irn weights, and these are psa"),
        ("psa", ["--alpha", "0"], "--alpha 0.0: must be above 0"),
        ("psa", ["--alpha", "inf"], "--alpha inf: must be above 0"),
        ("irn", ["--threshold", "1.5"], "--threshold 1.5: must lie in 0..1"),
        ("irn", ["--beta", "-1"], "beta -1.0: must be 0 or more"),
        ("irn", ["--radius", "0"], "radius 0: must lie in 1..32"),
        ("irn", ["--radius", "3000"], "radius 3000: must lie in 1..32"),
        ("irn", ["--steps", "-1"], "steps -1: must lie in 0..65536, or be auto"),
        ("irn", ["--steps", "1000000000"], "steps 1000000000: must lie in 0..65536"),
        ("irn", ["--steps", "many"], "--steps many: needs a number of steps, or auto"),
        ("irn", ["--crf-unary", "labels"], "--crf-unary: there is no CRF"),
        ("irn", ["--crf", "best"], "--crf best: unknown"),
        ("irn", ["--crf-iterations", "2"], "--crf-iterations: there is no CRF"),
        ("irn", ["--shard", "0/2"], "--shard 0/2"),
        ("irn", ["--device", "abacus"], "--device abacus"),
    ],
)
def test_options_that_make_no_sense(
    folder: Path, method: str, options: list[str], message: str
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    result = walk(folder, method, "pseudo.h5", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == before


def test_outputs_in_the_way(folder: Path) -> None:
    taken = folder / "walk.h5"
    taken.write_bytes(b"mine")
    for scores, message in (
        (taken, "walk.h5: exists already"),
        (folder / "pseudo.h5", "named by --out and by --scores"),
    ):
        result = walk(folder, "irn", "pseudo.h5", "--scores", scores)
        assert result.exit_code == 2
        assert message in result.stderr
    assert taken.read_bytes() == b"mine"
    assert not list(folder.glob("*.partial"))


def test_inputs_that_do_not_fit(folder: Path, tiny_data_file: Path) -> None:
    ids = [f"a/{index}" for index in range(6)]
    cases: dict[str, tuple[list[str], tuple[int, int], list[str]]] = {
        "class names differ": (ids, SIZE, ["red", "green", "teal"]),
        "lacks 3 of the 6 images in": (ids[:3], SIZE, CLASSES),
        "a/0: is 32x47 in": (ids, (32, 47), CLASSES),
    }
    for number, (message, data) in enumerate(cases.items()):
        other = write_data(folder / f"other{number}.h5", *data)
        result = walk(folder, "irn", "pseudo.h5", "--data", other)
        assert (result.exit_code, result.stdout) == (3, "")
        assert message in result.stderr
        assert not (folder / "pseudo.h5").exists()


def test_weights_of_other_classes(folder: Path) -> None:
    other = write_data(folder / "other.h5", ["x"], SIZE, ["red", "green", "teal"])
    write_weights(folder / "irn.pt", "irn", other)
    result = walk(folder, "irn", "pseudo.h5")
    assert result.exit_code == 3
    assert "class names differ" in result.stderr
    assert "irn.pt" in result.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "magic"}, "a method 'magic' that random-walk does not know"),
        ({"backbone": "resnet18"}, "irn.pt: damaged ("),
        ({"output_stride": 5}, "irn.pt: damaged ("),
    ],
)
def test_weights_that_make_no_network(folder: Path, changes: dict[str, Any], message: str) -> None:
    write_weights(folder / "irn.pt", "irn", folder / "data.h5", changes)
    result = walk(folder, "irn", "pseudo.h5")
    assert (result.exit_code, result.stdout) == (3, "")
    assert message in result.stderr


def test_weights_that_are_not_finite(folder: Path) -> None:
    weights = load_weights(folder / "irn.pt")
    for tensor in weights.state_dict.values():
        if tensor.is_floating_point():
            tensor[:] = 3e38
    save_weights(
        folder / "irn.pt",
        **{
            name: getattr(weights, name) for name in ("kind", "config", "classes", "params", "seed")
        },
        inputs=[],
        state_dict=weights.state_dict,
    )
    result = walk(folder, "irn", "pseudo.h5")
    assert result.exit_code == 3
    assert "irn.pt: gives values of 'a/0' that are not finite" in result.stderr


def test_bf16_stays_close(folder: Path) -> None:
    assert walk(folder, "psa", "a.h5", "--scores", folder / "f32.h5").exit_code == 0
    scores = ["--scores", folder / "bf16.h5", "--precision", "bf16"]
    assert walk(folder, "psa", "b.h5", *scores).exit_code == 0
    one, other = contents(folder / "f32.h5"), contents(folder / "bf16.h5")
    for image_id in one:
        np.testing.assert_allclose(one[image_id]["cam"], other[image_id]["cam"], atol=0.05)


def test_chosen_ids(folder: Path) -> None:
    (folder / "ids.txt").write_text("a/3\n")
    assert walk(folder, "psa", "pseudo.h5", "--ids", folder / "ids.txt").exit_code == 0
    assert list(contents(folder / "pseudo.h5")) == ["a/3"]


def test_help_tells_the_defaults() -> None:
    text = " ".join(wsss("random-walk", "--help").stdout.split())
    psa, irn = pseudo.WALKS["psa"], pseudo.WALKS["irn"]
    assert f"Default: {psa.beta:g} (psa), {irn.beta:g} (irn)." in text
    assert psa.steps == irn.steps
    assert f"Steps of the walk; auto: 256 at 500x375, by area. Default: {irn.steps}." in text
    assert psa.radius == irn.radius
    assert f"in cells. Default: {irn.radius}." in text
    assert f"background score. Default: {pseudo.PSA_ALPHA:g}." in text
    assert f"exceeds. Default: {IRN_THRESHOLD:g}." in text


def test_stored_scores_round_trip() -> None:
    """What --scores keeps is within float16 of what the labels were made from."""
    scores = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(0))
    assert (dequantise(quantise(scores, "float16")) - scores).abs().max() < 2.5e-4
