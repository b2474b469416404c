"""predict: exit code, what it says, and what it writes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CLASSES, encode_png
from dying import die_in_turn
from made import contents, same, wsss
from PIL import Image

from wsss_cli.artifacts import (
    DATASET,
    LABEL,
    create,
    load_weights,
    open_artifact,
    open_dataset,
    save_weights,
)
from wsss_cli.core.crf import PRESETS, dense_crf, unary_from_scores
from wsss_cli.core.images import decode_mask, to_input
from wsss_cli.core.pamr import PamrParams
from wsss_cli.core.refine import Refinement, refine_scores
from wsss_cli.core.views import scaled_copies
from wsss_cli.methods.rebuild import rebuild_segmenter
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.inference import label_probabilities
from wsss_cli.nets.segmentation import build_segmenter

CONFIG = {
    "backbone": "tiny",
    "output_stride": 16,
    "dilated": False,
    "model": "unet",
    "norm": "group",
}
FAST = ("--scales", "1", "--no-flip")


def write_segmenter(data: Path, name: str = "seg.pt", **changes: object) -> Path:
    torch.manual_seed(2)
    model = build_segmenter("unet", build_backbone("tiny"), len(CLASSES) + 1, aux=True)
    for parameter in model.head.out.parameters():
        parameter.data *= 4  # labels that vary over the image
    path = data.with_name(name)
    with open_dataset(data) as reader:
        values = {
            "kind": "wsss/seg",
            "config": CONFIG,
            "classes": reader.classes,
            "params": {},
            "seed": 2,
            "inputs": [reader],
            "state_dict": model.state_dict(),
            **changes,
        }
        save_weights(path, **values)  # type: ignore[arg-type]
    return path


@pytest.fixture
def weights(tiny_data: Path) -> Path:
    return write_segmenter(tiny_data)


def probabilities(
    weights: Path, image: np.ndarray, scales: tuple[float, ...], flip: bool, labels: list[int]
) -> np.ndarray:
    trained = load_weights(weights)
    model = rebuild_segmenter(trained.config, len(trained.classes) + 1, trained.state_dict)
    copies = [to_input(copy)[None] for copy in scaled_copies(image, scales, 0)]
    with torch.inference_mode():
        (found,) = label_probabilities(model, copies, flip, image.shape[:2], [torch.tensor(labels)])
    return found.numpy()


def test_labels_are_those_of_the_mean_logits(weights: Path, tiny_data: Path) -> None:
    out = tiny_data.with_name("pred.h5")
    result = wsss("predict", "--weights", weights, "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"predict: 6 items -> {out}\n"
    found = contents(out)
    seen = set()
    with open_dataset(tiny_data) as reader:
        assert list(found) == reader.ids
        for image_id, item in found.items():
            scales = (0.5, 0.75, 1, 1.25, 1.5, 1.75)
            chance = probabilities(weights, reader.image(image_id), scales, True, [0, 1, 2, 3])
            assert np.array_equal(item["label"], chance.argmax(0))
            assert item["present"].tolist() == [0, 1, 2]
            seen |= set(item["label"].ravel().tolist())
    assert len(seen) > 1


def test_what_the_artifact_says_of_itself(weights: Path, tiny_data: Path) -> None:
    out = tiny_data.with_name("pred.h5")
    assert wsss("predict", "-w", weights, "-o", out, *FAST).exit_code == 0
    with open_artifact(out, LABEL) as labels, open_dataset(None, labels) as reader:
        assert labels.classes == CLASSES
        assert labels.params == {
            "scales": [1.0],
            "flip": False,
            "fusion": "mean of logits",
            "max_side": 1024,
            "restrict_to_tags": False,
            "min_confidence": 0.0,
            "crf": None,
            "precision": "f32",
        }
        assert [source["file"] for source in labels.inputs] == ["data.h5", "seg.pt"]
        assert labels.inputs[0]["run"] == reader.run


def test_bare_command_finds_all_it_needs(
    weights: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_data.parent)
    result = wsss("predict", *FAST)
    assert (result.exit_code, result.stderr) == (0, "predict: 6 items -> pred.h5\n")
    again = wsss("predict")
    assert again.exit_code == 2
    assert again.stderr.splitlines()[0] == "wsss: error: pred.h5: exists already"
    assert wsss("predict", *FAST, "--force", "--quiet", "--split", "val").stderr == ""
    assert list(contents(Path("pred.h5"))) == ["a/2", "a/5"]


def test_restriction_and_confidence(weights: Path, tiny_data: Path) -> None:
    out = tiny_data.with_name("pred.h5")
    command = ["predict", "-w", weights, "-o", out, *FAST, "--restrict-to-tags"]
    assert wsss(*command, "--min-confidence", "0.6").exit_code == 0
    unsure = 0
    with open_dataset(tiny_data) as reader:
        for image_id, item in contents(out).items():
            tags = reader.tags(image_id)
            assert np.array_equal(item["present"], tags)
            labels = [0, *(tags + 1).tolist()]
            chance = probabilities(weights, reader.image(image_id), (1.0,), False, labels)
            expected = np.array(labels)[chance.argmax(0)]
            expected[chance.max(0) < 0.6] = 255
            clear = np.abs(chance.max(0) - 0.6) > 1e-5
            assert np.array_equal(item["label"][clear], expected[clear])
            assert clear.mean() > 0.99
            unsure += (expected == 255).sum()
    assert unsure > 0
    assert not contents(out)["a/5"]["label"].any()  # no tags: background


def restricted(weights: Path, image: np.ndarray, labels: list[int]) -> np.ndarray:
    """(n, H, W) float64, by a plain loop: softmax over `labels` of the mean logits of 4 views."""
    trained = load_weights(weights)
    model = rebuild_segmenter(trained.config, len(trained.classes) + 1, trained.state_dict)
    total = np.zeros((len(labels), *image.shape[:2]))
    for copy in scaled_copies(image, (0.5, 1.0), 0):
        for mirrored in (False, True):
            seen = to_input(copy[:, ::-1].copy() if mirrored else copy)[None]
            with torch.inference_mode():
                logits = model(seen)
            logits = logits.flip(-1) if mirrored else logits
            large = torch.nn.functional.interpolate(
                logits.double(), size=image.shape[:2], mode="bilinear", align_corners=False
            )
            total += large[0, labels].numpy() / 4
    powers = np.exp(total)
    return powers / powers.sum(axis=0)


@pytest.mark.parametrize(
    ("refine", "by", "low"),
    [
        (["none"], None, 0.7),
        (["pamr", "--pamr-stride", "1"], PamrParams(stride=1, device="cpu"), 0.7),
        (["crf", "--crf-iterations", "1"], replace(PRESETS["psa"], iterations=1), 0.99),
    ],
)
def test_labels_to_train_on_again(
    weights: Path, tiny_data: Path, refine: list[str], by: Refinement | None, low: float
) -> None:
    out = tiny_data.with_name("round1.h5")
    command = ["predict", "-w", weights, "-o", out, "--split", "train", "--scales", "0.5,1"]
    asked = ["--restrict-to-tags", "--min-confidence", low, "--refine", *refine]
    result = wsss(*command, *asked, "--workers", 0, "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    kept = cut = 0
    with open_dataset(tiny_data) as reader, open_artifact(out, LABEL) as found:
        assert found.ids == reader.split("train")
        assert found.params["restrict_to_tags"] is True
        assert found.params["min_confidence"] == low
        for image_id in found.ids:
            item, image, tags = found[image_id], reader.image(image_id), reader.tags(image_id)
            assert item["present"].tolist() == tags.tolist()
            allowed = [0, *(tags + 1).tolist()]
            assert set(np.unique(item["label"])) <= {*allowed, 255}
            chance = restricted(weights, image, allowed)
            if by is not None:
                chance = refine_scores(image, [chance.astype(np.float32)], by)[0]
            best, second = np.sort(chance, axis=0)[-1], np.sort(chance, axis=0)[-2]
            expected = np.where(best < low, 255, np.array(allowed)[chance.argmax(axis=0)])
            clear = (np.abs(best - low) > 1e-6) & (best - second > 1e-4)
            assert clear.mean() > 0.98
            assert np.array_equal(item["label"][clear], expected[clear])
            cut += (expected == 255).sum()
            kept += (expected != 255).sum()
    assert kept > 0
    assert cut > 0


def test_a_round_of_self_training(weights: Path, tiny_data: Path) -> None:
    folder = tiny_data.parent
    labels, trained = folder / "round1.h5", folder / "round1.pt"
    cut = ["--restrict-to-tags", "--min-confidence", "0.5", "--split", "train"]
    assert wsss("predict", "-w", weights, "-o", labels, *FAST, *cut).exit_code == 0
    net = "--backbone tiny --backbone-weights random --model fcn --freeze-stages 0 --crop 32"
    short = "--epochs 1 --workers 0 --val-split val"
    result = wsss("train-seg", "--labels", labels, "-o", trained, *net.split(), *short.split())
    assert result.exit_code == 0, result.stderr
    found = load_weights(trained, "wsss/seg")
    assert found.classes == CLASSES
    with open_artifact(labels) as source:
        assert source.run in [given["run"] for given in found.inputs]
        assert source.inputs[1]["file"] == "seg.pt"


def test_crf_in_any_number_of_processes(weights: Path, tiny_data: Path) -> None:
    folder = tiny_data.parent
    command = ["predict", "-w", weights, *FAST, "--crf", "irn", "--crf-iterations", "3"]
    for workers in (0, 2):
        out = folder / f"workers{workers}.h5"
        result = wsss(*command, "-o", out, "--workers", workers)
        assert result.exit_code == 0, result.stderr
    same(folder / "workers0.h5", folder / "workers2.h5")
    with open_dataset(tiny_data) as reader:
        image = reader.image("a/3")
    params = replace(PRESETS["irn"], iterations=3)
    chance = probabilities(weights, image, (1.0,), False, [0, 1, 2, 3])
    refined = dense_crf(image, unary_from_scores(chance), params)
    found = contents(folder / "workers2.h5")["a/3"]["label"]
    assert np.array_equal(found, refined.argmax(0))
    assert not np.array_equal(found, chance.argmax(0))
    with open_artifact(folder / "workers0.h5") as labels:
        assert labels.params["crf"]["iterations"] == 3
        assert labels.params["crf"]["bilateral_sxy"] == 50


def test_shards_make_no_difference(weights: Path, tiny_data: Path) -> None:
    folder = tiny_data.parent
    command = ["predict", "-w", weights, *FAST]
    assert wsss(*command, "-o", folder / "one.h5", "--workers", 2).exit_code == 0
    parts = [folder / f"part{index}.h5" for index in (1, 2, 3)]
    for index, part in enumerate(parts, 1):
        assert wsss(*command, "-o", part, "--shard", f"{index}/3").exit_code == 0
    assert wsss("merge", *reversed(parts), "-o", folder / "merged.h5").exit_code == 0
    same(folder / "one.h5", folder / "merged.h5")


def test_batches_make_no_difference(weights: Path, tiny_data: Path, photos: Path) -> None:
    folder = tiny_data.parent
    command = ["predict", "-w", weights, "--scales", "0.5,1", "--restrict-to-tags"]
    assert wsss(*command, "-o", folder / "one.h5").exit_code == 0
    assert wsss(*command, "-o", folder / "four.h5", "--batch-size", 4).exit_code == 0
    same(folder / "one.h5", folder / "four.h5")
    command = ["predict", photos, "-w", weights, "--scales", "0.5,1"]
    assert wsss(*command, "-o", folder / "files.h5").exit_code == 0
    assert wsss(*command, "-o", folder / "together.h5", "--batch-size", 3).exit_code == 0
    same(folder / "files.h5", folder / "together.h5")


@pytest.fixture
def photos(tiny_data: Path) -> Path:
    """Files of several formats in a folder with subfolders, beside what is no image."""
    root = tiny_data.with_name("photos")
    (root / "sub dir").mkdir(parents=True)
    with open_dataset(tiny_data) as reader:
        (root / "a.b.png").write_bytes(reader.encoded_image("a/0"))
        Image.fromarray(reader.image("a/1")).save(root / "sub dir" / "é.bmp")
        Image.fromarray(reader.image("a/2")).convert("L").save(root / "grey.JPG")
    (root / "notes.txt").write_text("no image")
    (root / ".hidden.png").write_bytes(b"no image either")
    return root


def test_files_and_folders(weights: Path, tiny_data: Path, photos: Path) -> None:
    folder = tiny_data.parent
    out = folder / "pred.h5"
    lone = folder / "lone.png"
    shutil.copy(photos / "a.b.png", lone)
    result = wsss("predict", photos, lone, "-w", weights, "-o", out, *FAST)
    assert (result.exit_code, result.stderr) == (0, f"predict: 4 items -> {out}\n")
    found = contents(out)
    assert list(found) == ["a.b", "grey", "lone", "sub dir/é"]
    assert wsss("predict", "-w", weights, "-o", folder / "set.h5", *FAST).exit_code == 0
    of_set = contents(folder / "set.h5")
    for image_id, other in (("a.b", "a/0"), ("lone", "a/0"), ("sub dir/é", "a/1")):
        assert np.array_equal(found[image_id]["label"], of_set[other]["label"])
        assert found[image_id]["present"].tolist() == [0, 1, 2]
    with open_artifact(out) as labels:
        assert labels.inputs[0]["file"] == "photos"
        assert labels.inputs[0]["kind"] == "images"


def test_pngs(weights: Path, tiny_data: Path, photos: Path) -> None:
    folder = tiny_data.parent
    masks = folder / "masks"
    command = ["predict", photos, "-w", weights, *FAST]
    result = wsss(*command, "--png", masks)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"predict: 3 items -> {masks}\n"
    assert wsss(*command, "-o", folder / "pred.h5").exit_code == 0
    expected = contents(folder / "pred.h5")
    written = sorted(path for path in masks.rglob("*") if path.is_file())
    assert [str(p.relative_to(masks)) for p in written] == ["a.b.png", "grey.png", "sub dir/é.png"]
    for path in written:
        assert Image.open(path).mode == "P"
        image_id = str(path.relative_to(masks))[: -len(".png")]
        assert np.array_equal(decode_mask(path.read_bytes()), expected[image_id]["label"])
    assert not list(masks.glob(".*"))
    again = wsss(*command, "--png", masks)
    assert again.exit_code == 2
    assert "masks: 3 of 3 files exist already, first 'a.b.png'" in again.stderr
    written[0].write_bytes(b"")
    assert wsss(*command, "--png", masks, "--force").exit_code == 0
    assert decode_mask(written[0].read_bytes()).shape == (32, 48)


def test_png_shards_fill_one_folder(weights: Path, tiny_data: Path) -> None:
    folder = tiny_data.parent
    command = ["predict", "-w", weights, *FAST, "--png", folder / "masks"]
    for shard in ("1/2", "2/2"):
        assert wsss(*command, "--shard", shard).exit_code == 0
    assert len(list((folder / "masks" / "a").iterdir())) == 6


@pytest.mark.parametrize("bad", ["../out", "/tmp/out", "a/../../out", ""])
def test_never_outside_of_the_folder(weights: Path, tmp_path: Path, bad: str) -> None:
    data = tmp_path / "hostile.h5"
    image = encode_png(np.zeros((8, 9, 3), np.uint8))
    with create(data, DATASET, classes=CLASSES, params={}, ids=["fine", bad]) as out:
        for image_id in ("fine", bad):
            out.put(
                image_id,
                image=image,
                tags=np.zeros(0, np.uint16),
                size=np.array([8, 9], np.int32),
            )
    before = sorted(tmp_path.rglob("*"))
    result = wsss("predict", "-w", weights, "--data", data, "--png", tmp_path / "masks", *FAST)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "does not name a file inside the folder" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_killed_at_several_points_and_run_again(
    weights: Path, tiny_data: Path, photos: Path
) -> None:
    folder = tiny_data.parent
    labels = ["predict", "-w", weights, *FAST, "-o", folder / "pred.h5"]
    pngs = ["predict", photos, "-w", weights, *FAST, "--png", folder / "masks"]
    assert wsss("predict", "-w", weights, *FAST, "-o", folder / "whole.h5").exit_code == 0
    assert wsss("predict", photos, "-w", weights, *FAST, "--png", folder / "whole").exit_code == 0
    die_in_turn(
        ([("torn", 2), ("noted", 2), ("placing", 0)], labels),
        ([("torn", 0), ("torn", 2), ("noted", 1)], pngs),
    )
    assert not (folder / "pred.h5").exists()
    assert (folder / "masks" / ".wsss.png.partial").exists()
    assert len(list((folder / "masks").rglob("*.png"))) == 1  # the second was noted, not placed
    other = wsss(*pngs, "--max-side", 40)
    assert other.exit_code == 3
    assert "unfinished work of another run" in other.stderr
    assert wsss(*labels).stderr == f"predict: 6 items -> {folder}/pred.h5\n"
    assert wsss(*pngs).stderr == f"predict: 3 items -> {folder}/masks\n"
    same(folder / "whole.h5", folder / "pred.h5")
    for path in (folder / "whole").rglob("*.png"):
        twin = folder / "masks" / path.relative_to(folder / "whole")
        assert twin.read_bytes() == path.read_bytes()
    assert not [path for path in folder.rglob("*") if "partial" in path.name]


def test_changed_files_are_another_run(weights: Path, tiny_data: Path, photos: Path) -> None:
    out = tiny_data.with_name("pred.h5")
    assert wsss("predict", photos, "-w", weights, "-o", out, *FAST).exit_code == 0
    runs = [open_artifact(out).run]
    Image.new("RGB", (9, 8)).save(photos / "a.b.png")
    assert wsss("predict", photos, "-w", weights, "-o", out, *FAST, "--force").exit_code == 0
    assert open_artifact(out).run not in runs


def test_large_images_are_looked_at_smaller(weights: Path, tmp_path: Path) -> None:
    image = np.zeros((60, 6000, 3), np.uint8)
    image[:, 3000:] = (220, 40, 40)
    Image.fromarray(image).save(tmp_path / "wide.png")
    Image.fromarray(image[:1, :1]).save(tmp_path / "dot.png")
    out = tmp_path / "pred.h5"
    command = ["predict", tmp_path / "wide.png", tmp_path / "dot.png", "-w", weights, "-o", out]
    result = wsss(*command, "--scales", "0.25,1", "--max-side", "600", "--crf", "psa")
    assert result.exit_code == 0, result.stderr
    found = contents(out)
    assert found["wide"]["label"].shape == (60, 6000)
    assert found["dot"]["label"].shape == (1, 1)


def test_faulty_files(weights: Path, tmp_path: Path, photos: Path) -> None:
    out = tmp_path / "pred.h5"
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    empty = tmp_path / "empty"
    empty.mkdir()
    png = (photos / "a.b.png").read_bytes()
    torn = tmp_path / "torn.png"
    torn.write_bytes(png[: len(png) // 2])
    twin = tmp_path / "twin"
    twin.mkdir()
    (twin / "grey.png").write_bytes(png)
    odd = tmp_path / "line\nbreak.png"
    odd.write_bytes(png)
    cases: list[tuple[list[Path], str]] = [
        ([tmp_path / "nowhere.jpg"], "nowhere.jpg: no such file"),
        ([text], "text.jpg: not an image of a known format"),
        ([photos, text, weights], "2 of 5 images cannot be read, first"),
        ([empty], "empty: holds no images"),
        ([torn], "torn.png: cannot decode"),
        ([photos, twin], "both would be image 'grey'"),
        ([odd], "a control character"),
    ]
    for named, message in cases:
        result = wsss("predict", *named, "-w", weights, "-o", out, *FAST, "--force")
        assert (result.exit_code, result.stdout) == (3, ""), named
        first = result.stderr.splitlines()[0]
        assert first.startswith("wsss: error: ")
        assert message in result.stderr
        assert not out.exists()


def test_one_file_named_twice_counts_once(weights: Path, photos: Path) -> None:
    out = weights.with_name("pred.h5")
    command = ["predict", photos / "grey.JPG", photos / "grey.JPG", "-w", weights, "-o", out]
    assert wsss(*command, *FAST).exit_code == 0
    assert list(contents(out)) == ["grey"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scales", "0"], "--scales 0: need numbers above 0"),
        (["--out", "a.h5", "--png", "b"], "--out and --png: give one"),
        (["--crf", "magic"], "--crf magic: unknown"),
        (["--crf-iterations", "3"], "--crf-iterations: there is no CRF"),
        (["PHOTOS", "--data", "data.h5"], "--data: needs a data set, and image files are named"),
        (["PHOTOS", "--split", "val"], "--split: needs a data set"),
        (["PHOTOS", "--restrict-to-tags"], "--restrict-to-tags: needs a data set"),
        (["--png", "data.h5"], "data.h5: is a file, --png names a folder"),
    ],
)
def test_wrong_options(
    weights: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(weights.parent)
    before = sorted(weights.parent.iterdir())
    named = [str(photos) if option == "PHOTOS" else option for option in options]
    result = wsss("predict", *named)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[0].startswith(f"wsss: error: {message}")
    assert sorted(weights.parent.iterdir()) == before


def test_data_set_in_the_environment_is_no_contradiction(weights: Path, photos: Path) -> None:
    from typer.testing import CliRunner

    from wsss_cli.cli import app

    out = weights.with_name("pred.h5")
    arguments = ["predict", str(photos), "-w", str(weights), "-o", str(out), *FAST]
    result = CliRunner().invoke(app, arguments, env={"WSSS_DATA": str(out.with_name("data.h5"))})
    assert result.exit_code == 0, result.stderr
    assert list(contents(out)) == ["a.b", "grey", "sub dir/é"]


def test_weights_of_no_use(tiny_data: Path) -> None:
    state = build_segmenter("unet", build_backbone("tiny"), 4).state_dict()
    huge = {k: torch.full_like(t, 3e38) for k, t in state.items() if t.is_floating_point()}
    broken = {**state, **huge}
    cases = {
        "cls.pt": ({"kind": "wsss/cls"}, "holds wsss/cls, not wsss/seg"),
        "fcn.pt": ({"config": {**CONFIG, "model": "fcn"}}, "damaged ("),
        "odd.pt": ({"config": {**CONFIG, "model": "x"}}, "damaged (unknown model 'x'"),
        "side.pt": ({"params": {"max_side": "wide"}}, "damaged (max_side 'wide')"),
        "teal.pt": ({"classes": ["red", "green", "teal"]}, "class names differ"),
        "inf.pt": ({"state_dict": broken}, "gives probabilities of 'a/0' that are not finite"),
        "many.pt": ({"classes": [str(i) for i in range(255)]}, "label maps hold 254 at most"),
    }
    for name, (changes, message) in cases.items():
        path = write_segmenter(tiny_data, name, **changes)
        out = tiny_data.with_name(f"{name}.h5")
        result = wsss("predict", "-w", path, "-o", out, *FAST)
        assert (result.exit_code, result.stdout) == (3, ""), name
        assert message in result.stderr.splitlines()[0]
        assert not out.exists()


def test_help_shows_an_example() -> None:
    result = wsss("predict", "--help")
    assert result.exit_code == 0
    assert "wsss predict photos/ --weights seg.pt --png masks" in result.stdout


def test_pngs_here_and_never_in_place_of_the_photographs(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / "a.png")
    before = (folder / "a.png").read_bytes()
    monkeypatch.chdir(folder)
    for where in (".", folder):
        options = ("--weights", weights, "--png", str(where), "--force", *FAST)
        result = wsss("predict", "a.png", *options)
        assert result.exit_code == 2
        assert "a.png: is an input" in result.stderr
    result = wsss("predict", "a.png", "--weights", weights, "-o", "a.png", "--force", *FAST)
    assert result.exit_code == 2
    assert "a.png: is an input" in result.stderr
    assert (folder / "a.png").read_bytes() == before
    Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / "b.jpg")
    result = wsss("predict", "b.jpg", "--weights", weights, "--png", ".", *FAST)
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.jpg", "b.png"]
