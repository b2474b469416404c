"""make-cam: exit code, what it says, and what it writes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CLASSES, encode_png
from dying import die_in_turn
from made import contents, same, wsss

from wsss_cli.artifacts import (
    CAM,
    DATASET,
    create,
    load_weights,
    open_artifact,
    open_dataset,
    save_weights,
)
from wsss_cli.core.cam import View, fuse_views
from wsss_cli.core.images import to_input
from wsss_cli.core.views import scaled_copies
from wsss_cli.methods.rebuild import rebuild_classifier
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.classifier import Classifier

CONFIG = {"backbone": "tiny", "output_stride": 16, "dilated": False, "dropout": 0.0}


def write_classifier(data: Path, name: str = "cls.pt", **changes: object) -> Path:
    torch.manual_seed(5)
    model = Classifier(build_backbone("tiny"), len(CLASSES))
    path = data.with_name(name)
    with open_dataset(data) as reader:
        values = {
            "kind": "wsss/cls",
            "config": CONFIG,
            "classes": reader.classes,
            "params": {},
            "seed": 5,
            "inputs": [reader],
            "state_dict": model.state_dict(),
            **changes,
        }
        save_weights(path, **values)  # type: ignore[arg-type]
    return path


@pytest.fixture
def weights(tiny_data: Path) -> Path:
    return write_classifier(tiny_data)


def maps_by_hand(weights: Path, image: np.ndarray, tags: np.ndarray, stride: int) -> np.ndarray:
    """One image's maps in float64, view by view, each from a pass of its own."""
    trained = load_weights(weights)
    model = rebuild_classifier(trained.config, len(trained.classes), trained.state_dict)
    views = []
    for copy in scaled_copies(image, (0.5, 1, 1.5, 2), 0):
        for mirrored in (False, True):
            pixels = np.ascontiguousarray(copy[:, ::-1]) if mirrored else copy
            with torch.inference_mode():
                maps = model.cam_logits(to_input(pixels)[None])[0][tags.astype(int)]
            views.append(View(maps, copy.shape[:2], 16, mirrored))
    total = fuse_views(views, image.shape[:2], stride).double().numpy()
    return total / (total.max((1, 2), keepdims=True) + 1e-5)


def test_maps_are_those_made_by_hand(weights: Path, tiny_data: Path) -> None:
    out = tiny_data.with_name("cam.h5")
    result = wsss("make-cam", "--weights", weights, "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"make-cam: 6 items -> {out}\n"
    found = contents(out)
    assert sorted(tiny_data.parent.iterdir()) == [out, weights, tiny_data]
    with open_dataset(tiny_data) as reader:
        assert list(found) == reader.ids
        for image_id, item in found.items():
            tags = reader.tags(image_id)
            assert np.array_equal(item["classes"], tags)
            assert item["cam"].dtype == np.float16
            assert item["cam"].shape == (len(tags), 8, 12)
            assert item["size"].tolist() == [32, 48]
            assert "background" not in item
            if len(tags):
                expected = maps_by_hand(weights, reader.image(image_id), tags, 4)
                np.testing.assert_allclose(item["cam"], expected, atol=1e-3)
                for one in item["cam"]:
                    assert one.max() in (0, 1) or 0.99 < one.max() < 1


def test_what_the_artifact_says_of_itself(weights: Path, tiny_data: Path) -> None:
    out = tiny_data.with_name("cam.h5")
    assert wsss("make-cam", "-w", weights, "-o", out, "--stride", 8).exit_code == 0
    with open_artifact(out, CAM) as cam, open_dataset(None, cam) as reader:
        trained = load_weights(weights)
        assert cam.classes == CLASSES
        assert cam.params == {
            "scales": [0.5, 1, 1.5, 2],
            "flip": True,
            "max_side": 1024,
            "stride": 8,
            "dtype": "float16",
            "tags": "data",
            "tag_threshold": None,
            "precision": "f32",
        }
        assert cam.inputs == [
            {"file": "data.h5", "kind": "wsss/dataset", "run": reader.run},
            {"file": "cls.pt", "kind": "wsss/cls", "run": trained.run},
        ]
        assert cam["a/0"]["cam"].shape == (1, 4, 6)


def test_bare_command_finds_all_it_needs(
    weights: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_data.parent)
    result = wsss("make-cam")
    assert (result.exit_code, result.stderr) == (0, "make-cam: 6 items -> cam.h5\n")
    again = wsss("make-cam")
    assert again.exit_code == 2
    assert again.stderr.splitlines()[0] == "wsss: error: cam.h5: exists already"
    assert wsss("make-cam", "--force", "--quiet").stderr == ""


def test_bytes_hold_the_same_as_floats(weights: Path, tiny_data: Path) -> None:
    folder = tiny_data.parent
    assert wsss("make-cam", "-w", weights, "-o", folder / "f.h5").exit_code == 0
    assert wsss("make-cam", "-w", weights, "-o", folder / "u.h5", "--dtype", "uint8").exit_code == 0
    floats, ints = contents(folder / "f.h5"), contents(folder / "u.h5")
    assert ints["a/3"]["cam"].dtype == np.uint8
    for image_id, item in floats.items():
        np.testing.assert_allclose(ints[image_id]["cam"] / 255, item["cam"], atol=0.0025)


def test_split_and_ids_choose_images(weights: Path, tiny_data: Path) -> None:
    out, listed = tiny_data.with_name("cam.h5"), tiny_data.with_name("ids.txt")
    assert wsss("make-cam", "-w", weights, "-o", out, "--split", "train").exit_code == 0
    assert list(contents(out)) == ["a/0", "a/1", "a/3", "a/4"]
    listed.write_text("a/4\na/0\n")
    command = ["make-cam", "-w", weights, "-o", out, "--force", "--ids", listed]
    assert wsss(*command, "--split", "train").exit_code == 0
    assert list(contents(out)) == ["a/0", "a/4"]
    result = wsss(*command, "--split", "val")
    assert result.exit_code == 3
    assert "2 of 2 ids are not in" in result.stderr
    result = wsss("make-cam", "-w", weights, "-o", out, "--force", "--split", "test")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[1] == "wsss: hint: it has: train, val"
    assert list(contents(out)) == ["a/0", "a/4"]


def test_fewer_views(weights: Path, tiny_data: Path) -> None:
    out = tiny_data.with_name("cam.h5")
    command = ["make-cam", "-w", weights, "-o", out, "--scales", "1", "--no-flip", "--stride", 16]
    assert wsss(*command).exit_code == 0
    trained = load_weights(weights)
    model = rebuild_classifier(trained.config, 3, trained.state_dict)
    with open_dataset(tiny_data) as reader, torch.inference_mode():
        x = to_input(reader.image("a/4"))[None]
        maps = model.cam_logits(x)[0, 1:].relu()  # its own grid: nothing is resampled
        expected = maps / (maps.amax((1, 2), keepdim=True) + 1e-5)
    np.testing.assert_allclose(contents(out)["a/4"]["cam"], expected, atol=6e-4)


def test_predicted_tags_are_those_that_the_classifier_finds(weights: Path, tiny_data: Path) -> None:
    out = tiny_data.with_name("cam.h5")
    trained = load_weights(weights)
    model = rebuild_classifier(trained.config, 3, trained.state_dict)
    with open_dataset(tiny_data) as reader, torch.inference_mode():
        chances = {
            image_id: torch.cat(
                [
                    model(to_input(pixels)[None])
                    for copy in scaled_copies(reader.image(image_id), (0.5, 1, 1.5, 2), 0)
                    for pixels in (copy, np.ascontiguousarray(copy[:, ::-1]))
                ]
            )
            .mean(0)
            .sigmoid()
            .numpy()
            for image_id in reader.ids
        }
    threshold = float(np.median(np.stack(list(chances.values())))) + 1e-4
    command = ["make-cam", "-w", weights, "-o", out, "--tags", "predicted"]
    assert wsss(*command, "--tag-threshold", threshold).exit_code == 0
    found = contents(out)
    for image_id, chance in chances.items():
        assert found[image_id]["classes"].tolist() == np.flatnonzero(chance >= threshold).tolist()
        assert len(found[image_id]["cam"]) == len(found[image_id]["classes"])
    assert 0 < sum(len(item["classes"]) for item in found.values()) < 18
    result = wsss(*command, "--tag-threshold", 1, "--force")
    assert result.exit_code == 0
    assert all(item["cam"].shape == (0, 8, 12) for item in contents(out).values())


def test_maps_do_not_depend_on_whence_the_classes_are_known(weights: Path, tiny_data: Path) -> None:
    folder = tiny_data.parent
    assert wsss("make-cam", "-w", weights, "-o", folder / "tags.h5").exit_code == 0
    command = ["make-cam", "-w", weights, "--tags", "predicted", "--tag-threshold", "0"]
    assert wsss(*command, "-o", folder / "all.h5").exit_code == 0
    tagged, every = contents(folder / "tags.h5"), contents(folder / "all.h5")
    for image_id, item in tagged.items():
        assert every[image_id]["classes"].tolist() == [0, 1, 2]
        np.testing.assert_allclose(every[image_id]["cam"][item["classes"]], item["cam"], atol=1e-3)


def test_workers_and_shards_make_no_difference(weights: Path, tiny_data: Path) -> None:
    folder = tiny_data.parent
    command = ["make-cam", "-w", weights]
    for workers in (0, 1, 2):
        out = folder / f"workers{workers}.h5"
        assert wsss(*command, "-o", out, "--workers", workers).exit_code == 0
        same(folder / "workers0.h5", out)
    parts = [folder / f"part{index}.h5" for index in (1, 2, 3, 4)]
    for index, part in enumerate(parts, 1):
        assert wsss(*command, "-o", part, "--shard", f"{index}/4").exit_code == 0
    assert wsss("merge", *reversed(parts), "-o", folder / "merged.h5").exit_code == 0
    same(folder / "workers0.h5", folder / "merged.h5")


def test_killed_at_several_points_and_run_again(weights: Path, tiny_data: Path) -> None:
    folder = tiny_data.parent
    out = folder / "cam.h5"
    command = ["make-cam", "-w", weights, "-o", out]
    assert wsss("make-cam", "-w", weights, "-o", folder / "whole.h5").exit_code == 0
    deaths = [("torn", 0), ("noted", 1), ("torn", 2), ("noted", 2), ("placing", 0)]
    die_in_turn((deaths, command))
    assert not out.exists()
    assert out.with_name("cam.h5.partial").exists()
    other = wsss(*command, "--stride", 8)
    assert other.exit_code == 3
    assert "unfinished work of another run" in other.stderr
    result = wsss(*command)
    assert (result.exit_code, result.stderr) == (0, f"make-cam: 6 items -> {out}\n")
    same(folder / "whole.h5", out)
    assert [path.name for path in folder.iterdir() if path.name.startswith((".", "cam.h5."))] == []


def write_images(path: Path, images: dict[str, np.ndarray]) -> Path:
    with create(path, DATASET, classes=CLASSES, params={}, ids=list(images)) as out:
        for image_id, image in images.items():
            out.put(
                image_id,
                image=encode_png(image),
                tags=np.array([0, 2], np.uint16),
                size=np.array(image.shape[:2], np.int32),
            )
    return path


def mixed(folder: Path) -> tuple[Path, Path]:
    """A data set of three sizes in no order, one image without tags, and a classifier."""
    sizes = {"a": (20, 30), "b": (30, 20), "c": (20, 30), "d": (24, 24), "e": (30, 20)}
    sizes |= {"f": (20, 30), "g": (20, 30), "h": (20, 30)}
    rng = np.random.default_rng(1)
    data = folder / "mixed.h5"
    with create(data, DATASET, classes=CLASSES, params={}, ids=list(sizes)) as out:
        for index, (image_id, size) in enumerate(sizes.items()):
            tags = [[0], [1, 2], [0, 1, 2]][index % 3] if image_id != "f" else []
            out.put(
                image_id,
                image=encode_png(rng.integers(0, 256, (*size, 3)).astype(np.uint8)),
                tags=np.array(tags, np.uint16),
                size=np.array(size, np.int32),
            )
    return data, write_classifier(data)


def near(first: Path, second: Path) -> None:
    """The same items, but for rounding."""
    expected, found = contents(first), contents(second)
    assert list(expected) == list(found)
    for image_id, item in expected.items():
        assert found[image_id]["classes"].tolist() == item["classes"].tolist()
        assert found[image_id]["size"].tolist() == item["size"].tolist()
        np.testing.assert_allclose(found[image_id]["cam"], item["cam"], rtol=1e-3, atol=1e-4)


def test_batches_give_what_single_images_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, weights = mixed(tmp_path)
    command = ["make-cam", "-w", weights, "--data", data, "--scales", "0.5,1"]
    assert wsss(*command, "-o", tmp_path / "one.h5").exit_code == 0
    passes = []
    seen = Classifier.seen

    def noted(self: Classifier, x: torch.Tensor, classes: torch.Tensor | None = None) -> object:
        passes.append(tuple(x.shape))
        return seen(self, x, classes)

    monkeypatch.setattr(Classifier, "seen", noted)
    assert wsss(*command, "-o", tmp_path / "three.h5", "--batch-size", 3).exit_code == 0
    # of 20x30: a, c; then f, which is not looked at, g and h
    whole = [shape for shape in passes if max(shape[2:]) > 20]
    assert sorted(whole) == sorted([(4, 3, 20, 30), (4, 3, 20, 30), (2, 3, 24, 24), (4, 3, 30, 20)])
    near(tmp_path / "one.h5", tmp_path / "three.h5")
    predicted = [*command, "--tags", "predicted", "--tag-threshold", "0.5"]
    assert wsss(*predicted, "-o", tmp_path / "p1.h5").exit_code == 0
    assert wsss(*predicted, "-o", tmp_path / "p8.h5", "--batch-size", 8).exit_code == 0
    near(tmp_path / "p1.h5", tmp_path / "p8.h5")


def test_batches_in_shards_killed_and_run_again(tmp_path: Path) -> None:
    data, weights = mixed(tmp_path)
    command = ["make-cam", "-w", weights, "--data", data, "--scales", "1"]
    assert wsss(*command, "-o", tmp_path / "one.h5").exit_code == 0
    parts = [tmp_path / f"part{index}.h5" for index in (1, 2)]
    command += ["--batch-size", 2]
    for index, part in enumerate(parts, 1):
        sharded = [*command, "-o", part, "--shard", f"{index}/2"]
        die_in_turn(([("torn", 0), ("noted", 1), ("torn", 1)], sharded))
        assert wsss(*sharded, "--batch-size", 3).exit_code == 0  # no other run than with 2
    assert wsss("merge", *parts, "-o", tmp_path / "merged.h5").exit_code == 0
    near(tmp_path / "one.h5", tmp_path / "merged.h5")


def test_no_memory_for_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, weights = mixed(tmp_path)

    def full(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Classifier, "seen", full)
    command = ["make-cam", "-w", weights, "--data", data, "-o", tmp_path / "cam.h5"]
    result = wsss(*command, "--batch-size", 3)
    assert result.exit_code == 3
    assert "a: not enough memory for it and 1 more at once" in result.stderr
    assert "a lower --batch-size needs less" in result.stderr
    result = wsss(*command)
    assert "a: not enough memory for it\n" in result.stderr
    assert "a lower --max-side needs less" in result.stderr


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu(tmp_path: Path) -> None:
    data, weights = mixed(tmp_path)
    command = ["make-cam", "-w", weights, "--data", data, "--scales", "0.5,1"]
    assert wsss(*command, "--device", "cpu", "-o", tmp_path / "cpu.h5").exit_code == 0
    for options in ([], ["--batch-size", 1], ["--batch-size", 2, "--workers", 0]):
        assert wsss(*command, "--force", "-o", tmp_path / "gpu.h5", *options).exit_code == 0
        for image_id, item in contents(tmp_path / "cpu.h5").items():
            found = contents(tmp_path / "gpu.h5")[image_id]["cam"]
            np.testing.assert_allclose(found, item["cam"], atol=0.01)


def test_smallest_and_widest_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wide = np.repeat(rng.integers(0, 256, (20, 600, 3)), 10, 1).astype(np.uint8)
    images = {"dot": np.full((1, 1, 3), 9, np.uint8), "wide": wide, "thin": wide[:1]}
    data = write_images(tmp_path / "data.h5", images)
    weights = write_classifier(data)
    result = wsss("make-cam", "-w", weights, "-o", tmp_path / "cam.h5", "--scales", "0.1,1")
    assert result.exit_code == 0, result.stderr
    found = contents(tmp_path / "cam.h5")
    shapes = {image_id: item["cam"].shape for image_id, item in found.items()}
    assert shapes == {"dot": (2, 1, 1), "wide": (2, 5, 1500), "thin": (2, 1, 1500)}
    unlimited = tmp_path / "unlimited.h5"
    command = ["make-cam", "-w", weights, "-o", unlimited, "--scales", "1", "--max-side", "0"]
    assert wsss(*command).exit_code == 0
    assert contents(unlimited)["wide"]["cam"].shape == (2, 5, 1500)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scales", "0.5,x"], "--scales 0.5,x: need numbers above 0, at most 16"),
        (["--scales", "0,1"], "--scales 0,1: need numbers above 0"),
        (["--scales", "nan"], "--scales nan: need numbers above 0"),
        (["--scales", ""], "--scales : need numbers above 0"),
        (["--scales", "1,1.0"], "--scales 1,1.0: names one twice"),
        (["--tag-threshold", "0.3"], "--tag-threshold: needs --tags predicted"),
        (["--shard", "3/2"], "--shard 3/2: I must lie in 1..N"),
        (["--device", "abacus"], "--device abacus: unknown"),
    ],
)
def test_wrong_options(weights: Path, options: list[str], message: str) -> None:
    result = wsss("make-cam", "-w", weights, "-o", weights.with_name("cam.h5"), *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[0].startswith(f"wsss: error: {message}")
    assert len(list(weights.parent.iterdir())) == 2


def damaged_weights(data: Path) -> dict[str, tuple[Path, str]]:
    """Weights that make no use, by fault, with what is said of each."""
    state = Classifier(build_backbone("tiny"), 3).state_dict()
    small = {key: t for key, t in state.items() if key != "head.weight"}
    huge = {k: torch.full_like(t, 3e38) for k, t in state.items() if t.is_floating_point()}
    broken = {**state, **huge}
    nameless = {key: value for key, value in CONFIG.items() if key != "dilated"}
    foreign = data.with_name("foreign.pt")
    torch.save({"weights": [1]}, foreign)
    return {
        "kind": (write_classifier(data, "seg.pt", kind="wsss/seg"), "holds wsss/seg, not wsss/cls"),
        "tensors": (
            write_classifier(data, "small.pt", state_dict=small),
            "damaged (1 tensors do not fit its config, first head.weight)",
        ),
        "config": (
            write_classifier(data, "nameless.pt", config=nameless),
            "damaged (its config lacks dilated)",
        ),
        "classes": (
            write_classifier(data, "teal.pt", classes=["red", "green", "teal"]),
            "class names differ (first 'blue' against 'teal')",
        ),
        "foreign": (foreign, "not weights of wsss's"),
        "missing": (data.with_name("nowhere.pt"), "no such file"),
        "nan": (
            write_classifier(data, "nan.pt", state_dict=broken),
            "gives maps of 'a/0' that are not finite",
        ),
    }


def test_weights_of_no_use(tiny_data: Path) -> None:
    for fault, (path, message) in damaged_weights(tiny_data).items():
        out = tiny_data.with_name(f"{fault}.h5")
        result = wsss("make-cam", "-w", path, "-o", out)
        assert (result.exit_code, result.stdout) == (3, ""), fault
        first = result.stderr.splitlines()[0]
        assert first.startswith("wsss: error: ")
        assert path.name in first
        assert message in first
        assert not out.exists()


def test_image_that_cannot_be_decoded(tiny_data: Path, tmp_path: Path) -> None:
    ids = ["b", "c"]
    data = tmp_path / "broken.h5"
    with create(data, DATASET, classes=CLASSES, params={}, ids=ids) as out:
        good = encode_png(np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8))
        for image_id, image in zip(ids, [good, good[:150]], strict=True):
            out.put(
                image_id,
                image=image,
                tags=np.array([1], np.uint16),
                size=np.array([8, 9], np.int32),
            )
    weights = write_classifier(tiny_data)
    result = wsss("make-cam", "-w", weights, "--data", data, "-o", tmp_path / "cam.h5")
    assert (result.exit_code, result.stdout) == (3, "")
    assert re.match(r"wsss: error: .*broken\.h5: image 'c': cannot decode", result.stderr)
    assert not (tmp_path / "cam.h5").exists()


def test_bf16_is_near(weights: Path, tiny_data: Path) -> None:
    folder = tiny_data.parent
    assert wsss("make-cam", "-w", weights, "-o", folder / "f.h5").exit_code == 0
    command = ["make-cam", "-w", weights, "-o", folder / "b.h5", "--precision", "bf16"]
    assert wsss(*command).exit_code == 0
    exact, rough = contents(folder / "f.h5"), contents(folder / "b.h5")
    off = [np.abs(rough[i]["cam"] - item["cam"]).max(initial=0) for i, item in exact.items()]
    assert 0 < max(off) < 0.15


def test_help_shows_an_example() -> None:
    result = wsss("make-cam", "--help")
    assert result.exit_code == 0
    assert "wsss make-cam --weights cls.pt -o cam.h5" in result.stdout
