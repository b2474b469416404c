"""train-seg: label maps in, a network out; what does not fit is refused."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CLASSES, tiny_scene
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import DATASET, LABEL, create, load_weights, open_artifact, open_dataset
from wsss_cli.cli import app
from wsss_cli.core.images import to_input
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.probe import pixel_probe
from wsss_cli.methods.rebuild import rebuild_segmenter
from wsss_cli.methods.train_seg import CARDS
from wsss_cli.methods.train_seg import ce as _from_labels
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.training import lesson as training_job

ARGUMENTS = "--backbone tiny --backbone-weights random --crop 32 --freeze-stages 0 --workers 0"
SHORT = f"{ARGUMENTS} --model deeplabv3 --epochs 2 --batch-size 2 --lr 0.005".split()
Labels = dict[str, np.ndarray]


def train(*options: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, ["train-seg", "--labels", "labels.h5", *SHORT, *options])
    assert result.exit_code == expect, result.output
    assert result.stdout == ""
    return result


def talk(result: Result) -> list[str]:
    """What was said, without the counts that a slow machine shows in between."""
    return [line for line in result.stderr.splitlines() if not re.search(r": \d+/\d+$", line)]


def write_labels(
    path: Path, labels: Labels, data: Path | None = None, classes: list[str] = CLASSES
) -> None:
    inputs = [] if data is None else [open_dataset(data)]
    with create(
        path, LABEL, classes=classes, params={}, ids=list(labels), inputs=inputs, force=True
    ) as out:
        for image_id, label in labels.items():
            out.put(image_id, label=label, present=np.zeros(0, np.uint16))


@pytest.fixture(autouse=True)
def folder(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own folder: data.h5, and labels.h5 that are its masks."""
    monkeypatch.chdir(tiny_data.parent)
    monkeypatch.delenv("WSSS_DATA", raising=False)
    masks = {f"a/{index}": tiny_scene(index)[1] for index in range(6)}
    write_labels(tiny_data.parent / "labels.h5", masks, tiny_data)
    return tiny_data.parent


def test_a_run_finds_its_data_and_leaves_validation_images_out(folder: Path) -> None:
    lines = talk(train())
    assert "epoch 1/2: loss " in lines[0]
    assert ", val mIoU 0." in lines[0]
    assert lines[2] == "train-seg: 4 images, 2 epochs -> seg.pt"
    weights = load_weights("seg.pt", "wsss/seg")
    assert weights.config == {
        "backbone": "tiny",
        "output_stride": 16,
        "dilated": True,
        "model": "deeplabv3",
        "norm": "group",
    }
    assert weights.classes == CLASSES
    assert [source["kind"] for source in weights.inputs] == ["wsss/dataset", "wsss/label"]
    assert set(weights.history[0]) == {"epoch", "loss", "val_miou", "val_pixel_accuracy"}
    assert sorted(os.listdir()) == ["data.h5", "labels.h5", "seg.pt"]
    train("--split", "val", "--force", "-q")  # unless asked for


@pytest.mark.parametrize(
    "options",
    [
        ["--model", "unet", "--output-stride", "32", "--no-dilated"],
        ["--model", "fcn", "--head-norm", "batch", "--aux-weight", "0"],
        ["--precision", "bf16", "--rescale", "0.5,2", "--max-side", "40", "--accumulate", "2"],
    ],
    ids=["unet", "fcn", "bf16"],
)
def test_other_networks_give_labels_at_image_size(options: list[str]) -> None:
    train("--epochs", "1", "-q", *options)
    weights = load_weights("seg.pt")
    model = rebuild_segmenter(weights.config, 4, weights.state_dict)
    assert model(torch.zeros(1, 3, 33, 45)).shape == (1, 4, 33, 45)
    assert all(t.isfinite().all() for t in weights.state_dict.values() if t.is_floating_point())


@pytest.mark.parametrize(
    ("model", "backbone", "stride"),
    [
        ("deeplabv1", "tiny", 8),
        ("deeplabv2", "vgg16", 8),
        ("deeplabv3plus", "tiny", 16),
        ("fcn32s", "vgg16", 32),
        ("fcn8s", "tiny", 32),
    ],
)
@pytest.mark.usefixtures("thin_vgg")
def test_published_networks_train_and_predict(model: str, backbone: str, stride: int) -> None:
    said = train("--epochs", "1", "--model", model, "--backbone", backbone).stderr
    assert "at random" not in said  # asked for
    weights = load_weights("seg.pt")
    assert weights.config["output_stride"] == stride
    assert not any(key.startswith("aux_head.") for key in weights.state_dict)
    command = ["predict", "--scales", "1", "--no-flip", "--workers", "0", "-q"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    with open_artifact("pred.h5", LABEL) as found:
        assert found["a/1"]["label"].shape == tiny_scene(1)[1].shape
        assert found["a/1"]["label"].max() < 4
    result = CliRunner().invoke(app, ["eval", "pred.h5"])
    assert result.exit_code == 0, result.output


@pytest.mark.usefixtures("thin_vgg")
def test_what_of_the_head_is_pretrained_trains_at_the_backbones_rate(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = build_backbone("vgg16")
    torch.save(backbone.state_dict(), folder / "features.pth")
    classifier = {
        "classifier.0.weight": torch.randn(16, 6 * 49),
        "classifier.3.weight": torch.randn(16, 16),
        "classifier.0.bias": torch.randn(16),
        "classifier.3.bias": torch.randn(16),
    }
    torch.save({**backbone.state_dict(), **classifier}, folder / "vgg16.pth")
    rates: list[dict[tuple[int, ...], float]] = []

    def spying(job: Any, *arguments: Any) -> None:
        groups = job.groups(arguments[0])
        rates.append({tuple(p.shape): g["lr"] for g in groups for p in g["params"]})

    monkeypatch.setattr(training_job, "train", spying)
    model = ["--model", "deeplabv1", "--backbone", "vgg16", "--backbone-weights"]
    assert "at random" not in train(*model, "vgg16.pth").stderr
    assert "features.pth holds no classifier of VGG-16" in train(*model, "features.pth").stderr
    fc6, fc8 = (8, 6, 3, 3), (4, 8, 1, 1)
    assert [found[fc6] for found in rates] == pytest.approx([0.005, 0.05])
    assert [found[fc8] for found in rates] == pytest.approx([0.05, 0.05])


@pytest.mark.usefixtures("thin_vgg")
def test_fcn8s_goes_on_from_fcn32s(folder: Path) -> None:
    """Trained at a rate of next to nothing, it keeps what the first stage learned."""
    vgg = ["--backbone", "vgg16", "--epochs", "1", "-q"]
    train(*vgg, "--model", "fcn32s", "--lr", "0.01")
    slow = ["--lr", "1e-9", "--aux-weight", "0.5"]
    said = train(*vgg, *slow, "--model", "fcn8s", "--backbone-weights", "seg.pt", "-o", "8.pt")
    assert said.stderr == ""
    first, second = load_weights("seg.pt").state_dict, load_weights("8.pt").state_dict
    assert first["head.score.weight"].abs().max() > 1e-6
    for name in first:
        torch.testing.assert_close(second[name], first[name], atol=1e-6, rtol=1e-5)
    assert any(name.startswith("aux_head.") for name in second)


@pytest.mark.parametrize(
    ("options", "own"),
    [
        (["--model", "unet"], {}),
        (["--model", "unet", "--decoder-stride", "1"], {"decoder_stride": 1}),
        (["--model", "unet", "--decoder-stride", "4"], {"decoder_stride": 4}),
        (["--backbone", "resnet18", "--multi-grid", "1,2"], {"multi_grid": [1, 2]}),
        (["--backbone", "resnet18"], {}),
    ],
)
def test_rates_of_units_and_strides_of_decoders_are_kept_with_the_weights(
    options: list[str], own: dict[str, Any]
) -> None:
    train("--epochs", "1", "--val-every", "0", "-q", *options)
    weights = load_weights("seg.pt")
    plain = {"backbone", "output_stride", "dilated", "model", "norm"}
    assert {k: v for k, v in weights.config.items() if k not in plain} == own
    model = rebuild_segmenter(weights.config, 4, weights.state_dict)
    assert model.backbone.multi_grid == tuple(own.get("multi_grid", ()))
    if "decoder_stride" in own:
        assert model.head.stride == own["decoder_stride"]
    assert model(torch.zeros(1, 3, 33, 45)).shape == (1, 4, 33, 45)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--multi-grid", "1,2,4"], "tiny has no last stage of residual units"),
        (["--multi-grid", "1,2,4", "--backbone", "resnet18"], "resnet18 takes 2 whole numbers"),
        (["--multi-grid", "on", "--backbone", "resnet50"], "resnet50 takes 3 whole numbers"),
        (["--decoder-stride", "2"], "deeplabv3 has no decoder whose stride could be chosen"),
        (["--decoder-stride", "3", "--model", "unet"], "--decoder-stride"),
    ],
)
def test_rates_and_strides_that_a_network_cannot_have(options: list[str], said: str) -> None:
    assert said in " ".join(train(*options, expect=2).stderr.split())
    assert not Path("seg.pt").exists()
    assert not Path("seg.pt.partial").exists()


def test_strides_at_which_there_is_no_such_network_are_refused() -> None:
    said = train("--model", "fcn8s", "--output-stride", "16", expect=2).stderr
    assert "--output-stride 16: fcn8s is a network of stride 32" in said
    said = train("--model", "deeplabv2", "--output-stride", "32", expect=2).stderr
    assert "--output-stride 32: deeplabv2 is a network of stride 8 or 16" in said
    said = train("--output-stride", "12", expect=2).stderr
    assert "--output-stride 12: deeplabv3 is a network of stride 8 or 16 or 32" in said


@pytest.mark.trains
def test_it_learns(folder: Path) -> None:
    """All background is worth 0.18."""
    splits = ["--split", "train", "--val-split", "train", "--val-every", "20"]
    train("--model", "unet", "--epochs", "20", "--rescale", "1,1", "-q", *splits)
    history = load_weights("seg.pt").history
    assert min(row["loss"] for row in history) < 0.7 * history[0]["loss"]
    assert history[-1]["val_miou"] > 0.35


def test_an_interrupted_run_ends_in_the_same_weights(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train("-o", "whole.pt", "--workers", "2")
    loss, calls = _from_labels.label_loss, []

    def interrupting(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(*arguments)

    monkeypatch.setattr(_from_labels, "label_loss", interrupting)
    train(expect=130)
    assert "going on at step 2/4, epoch 2" in train().stderr  # the third was undone
    one, other = load_weights("whole.pt"), load_weights("seg.pt")
    assert one.history == other.history
    assert one.run == other.run
    assert all(torch.equal(t, other.state_dict[name]) for name, t in one.state_dict.items())


def test_labels_that_teach_nothing_change_only_by_decay(folder: Path) -> None:
    nothing = {f"a/{index}": np.full((32, 48), IGNORE, np.uint8) for index in range(6)}
    write_labels(folder / "labels.h5", nothing, folder / "data.h5")
    train("--weight-decay", "0")
    weights = load_weights("seg.pt")
    assert [row["loss"] for row in weights.history] == [0, 0]
    torch.manual_seed(0)
    train("--weight-decay", "0", "--epochs", "1", "-o", "other.pt")
    other = load_weights("other.pt").state_dict
    assert all(torch.equal(t, other[name]) for name, t in weights.state_dict.items())


def refused(*options: str, said: str, code: int = 3) -> None:
    before = sorted(os.listdir())
    result = train(*options, expect=code)
    errors = [line for line in result.stderr.splitlines() if line.startswith("wsss: error")]
    assert len(errors) == 1
    assert said in errors[0]
    assert "Traceback" not in result.stderr
    assert sorted(os.listdir()) == before


def test_labels_that_do_not_fit_the_data_are_refused(folder: Path) -> None:
    data, mask = folder / "data.h5", tiny_scene(0)[1]
    write_labels(folder / "labels.h5", {"a/0": mask, "b/0": mask, "b/1": mask}, data)
    refused(said="2 of its 3 images are not in")
    write_labels(folder / "labels.h5", {"a/0": mask[:30]}, data)
    refused(said="a/0: is 32x48 in ")
    write_labels(folder / "labels.h5", {"a/0": np.where(mask == 1, 4, mask).astype(np.uint8)}, data)
    refused(said="'a/0' has labels of no class")
    write_labels(folder / "labels.h5", {"a/2": mask}, data)
    refused(said="no images to train on outside split 'val'")
    write_labels(folder / "labels.h5", {"a/0": mask}, classes=["red", "green", "violet"])
    refused("--data", "data.h5", said="class names differ (first 'blue' against 'violet')")
    refused(said="no data set given")
    refused("--labels", "data.h5", said="holds wsss/dataset, not wsss/label")
    refused("--labels", "labels.h5", "--data", "labels.h5", said="not wsss/dataset")


def test_unknown_models_and_impossible_numbers(folder: Path) -> None:
    assert "'segformer' is not one of" in train("--model", "segformer", expect=2).stderr
    assert "need 0 < LO <= HI" in train("--rescale", "2,1", expect=2).stderr
    assert "--aux-weight" in train("--aux-weight", "-1", expect=2).stderr


def test_without_masks_it_trains_without_validation(folder: Path) -> None:
    with (
        open_dataset(folder / "data.h5") as data,
        create(
            folder / "bare.h5",
            DATASET,
            classes=CLASSES,
            params={},
            ids=data.ids,
            splits={"val": ["a/1"]},
        ) as out,
    ):
        for image_id in data.ids:
            item = data[image_id]
            out.put(image_id, **{name: item[name] for name in ("image", "tags", "size")})
    result = train("--data", "bare.h5")
    assert "no image of split 'val' has a mask" in result.stderr
    assert "5 images" in result.stderr
    assert "mIoU" not in result.stderr


PROBED = ("--model", "deeplabv2", "--backbone-weights")


def backbone_file(folder: Path) -> str:
    torch.manual_seed(0)
    state = {f"backbone.{name}": t for name, t in build_backbone("tiny").state_dict().items()}
    torch.save({"state_dict": state}, folder / "backbone.pt")
    return str(folder / "backbone.pt")


def test_a_one_layer_head_starts_as_a_probe_of_cells(folder: Path) -> None:
    """The probe, refitted from what `predict` sees of the training images."""
    file = backbone_file(folder)
    result = train(*PROBED, file, "--epochs", "0", "--probe-decay", "0.2")
    assert "epoch 0/0, val mIoU 0." in result.stderr
    weights = load_weights("seg.pt", "wsss/seg")
    assert weights.params["probe_decay"] == 0.2
    net = rebuild_segmenter(weights.config, len(CLASSES) + 1, weights.state_dict)
    cells, labels = [], []
    with torch.no_grad():
        for index in (0, 1, 3, 4):  # split train
            image, mask = tiny_scene(index)
            features = net.backbone(to_input(image)[None])[-1][0]
            h, w = features.shape[1:]
            stride = 8  # deeplabv2's
            rows = np.minimum(np.arange(h) * stride + stride // 2, mask.shape[0] - 1)
            columns = np.minimum(np.arange(w) * stride + stride // 2, mask.shape[1] - 1)
            labels.append(torch.from_numpy(mask[rows][:, columns].astype(np.int64)).flatten())
            cells.append(features.flatten(1).T.half().float())
    target = torch.cat(labels)
    known = target != IGNORE
    weight, bias = pixel_probe(torch.cat(cells)[known], target[known], len(CLASSES) + 1, 0.2)
    head = net.head.branches
    found = sum(branch[-1].weight for branch in head)
    assert torch.allclose(found[:, :, 1, 1], weight, atol=2e-2 * float(weight.abs().max()))
    assert found.flatten(2)[:, :, [0, 1, 2, 3, 5, 6, 7, 8]].abs().max() == 0
    assert torch.allclose(
        sum(branch[-1].bias for branch in head), bias, atol=2e-2 * float(bias.abs().max())
    )


def test_an_fcn_starts_as_a_probe_unless_its_head_has_learned(folder: Path) -> None:
    file = backbone_file(folder)
    train("--model", "fcn32s", "--backbone-weights", file, "--epochs", "0")
    first = load_weights("seg.pt", "wsss/seg")
    assert first.params["probe_decay"] == 0.3
    score = first.state_dict["head.score.weight"]
    assert score.any()
    finer = ["--model", "fcn8s", "--epochs", "0", "-o", "8.pt", "--force", "--backbone-weights"]
    train(*finer, file)
    probed = load_weights("8.pt", "wsss/seg").state_dict
    assert torch.allclose(probed["head.score.weight"], score)
    assert not probed["head.skips.0.weight"].any()
    torch.save({**torch.load("seg.pt"), "state_dict": doubled(first.state_dict)}, "learned.pt")
    train(*finer, "learned.pt")
    second = load_weights("8.pt", "wsss/seg")
    assert second.params["probe_decay"] is None
    assert torch.equal(second.state_dict["head.score.weight"], 2 * score)
    said = train(*finer, "learned.pt", "--probe-decay", "2", expect=2).stderr
    assert "--probe-decay: the head has learned already" in said
    train(*finer, "learned.pt", "--probe")
    again = load_weights("8.pt", "wsss/seg")
    assert again.params["probe_decay"] == 0.3
    assert torch.allclose(again.state_dict["head.score.weight"], score)


def doubled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: 2 * t if name.startswith("head.") else t for name, t in state.items()}


def test_a_probe_that_was_interrupted_ends_in_the_same_weights(folder: Path) -> None:
    file = backbone_file(folder)
    train(*PROBED, file)
    whole = load_weights("seg.pt", "wsss/seg").state_dict
    train(*PROBED, file, "-o", "again.pt")
    again = load_weights("again.pt", "wsss/seg").state_dict
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_heads_without_a_linear_start(folder: Path) -> None:
    refused("--probe", said="--probe: the head of deeplabv3 on tiny has several layers", code=2)
    refused("--probe-decay", "0", said="--probe-decay: must be above 0", code=2)
    refused("--epochs", "0", said="--epochs: must be at least 1", code=2)
    train("--model", "deeplabv2", "--no-probe")
    assert load_weights("seg.pt", "wsss/seg").params["probe_decay"] is None


def test_labels_of_no_cell_leave_the_head_as_it_was(folder: Path) -> None:
    empty = {f"a/{i}": np.full(tiny_scene(i)[1].shape, IGNORE, np.uint8) for i in range(6)}
    write_labels(folder / "labels.h5", empty, folder / "data.h5")
    train(*PROBED, backbone_file(folder), "--epochs", "0")
    weights = load_weights("seg.pt", "wsss/seg")
    head = rebuild_segmenter(weights.config, len(CLASSES) + 1, weights.state_dict).head
    assert head.branches[0][-1].weight.abs().max() > 0


def test_the_rate_follows_from_network_and_loss() -> None:
    def rate(model: str, backbone: str, loss: str = "ce") -> float:
        return rates[loss]({"model": model, "backbone": backbone})

    rates = {card.name: card.usual["lr"].of for card in CARDS if card.name != "rrm"}

    assert rate("deeplabv2", "resnet50") == rate("deeplabv3", "mobilenet_v2") == 1e-3
    assert rate("deeplabv2", "resnet50", "dsrg") == 5e-4
    assert rate("deeplabv2", "mobilenet_v2") == rate("deeplabv1", "mobilenet_v2", "dsrg") == 1e-4
    assert rate("fcn8s", "mobilenet_v2") == 1e-3
    single = rates["single-stage"]
    assert single({"model": "deeplabv1", "backbone": "mobilenet_v2"}) == 1e-4
    assert single({"model": "gated", "backbone": "mobilenet_v2"}) == 1e-3
    assert single({"model": "deeplabv1", "backbone": "resnet50"}) == 1e-3
