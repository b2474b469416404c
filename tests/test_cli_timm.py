"""A backbone of timm's through the chain: only the first commands are told of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from made import masks_of, write_labels, wsss
from torch.nn import functional as F
from torchvision.transforms.functional import normalize

from wsss_cli.artifacts import load_weights, open_dataset
from wsss_cli.core.images import as_tensor, to_input
from wsss_cli.methods.rebuild import rebuild_classifier
from wsss_cli.nets import timm_zoo

timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'wsss-cli[timm]'")

NAME = "tf_mobilenetv3_small_minimal_100"
MEAN = STD = (0.5, 0.5, 0.5)
SHORT = ["--crop", "32", "--epochs", "1", "--batch-size", "3", "--workers", "0", "--quiet"]
RANDOM = ["--backbone-weights", "random", *SHORT]


def done(*arguments: object) -> None:
    result = wsss(*arguments)
    assert result.exit_code == 0, result.output


@pytest.fixture
def other_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm says another normalisation of the network, as it does of EfficientNet-Lite."""
    create = timm_zoo._create

    def changed(name: str, **options: object) -> object:
        net = create(name, **options)
        net.pretrained_cfg = {**net.pretrained_cfg, "mean": MEAN, "std": STD}
        return net

    monkeypatch.setattr(timm_zoo, "_create", changed)
    timm_zoo.timm_facts.cache_clear()


def test_every_later_stage_takes_the_backbone_from_the_file(
    tiny_data: Path, other_constants: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_data.parent)
    body = ("--backbone", f"timm:{NAME}")
    done("train-cls", "--data", tiny_data, *body, *RANDOM, "-o", "cls.pt")
    config = load_weights("cls.pt").config
    assert config["backbone"] == f"timm:{NAME}"
    assert (config["mean"], config["std"]) == (list(MEAN), list(STD))
    assert config["timm"] == timm.__version__
    done("make-cam", "--weights", "cls.pt", "-o", "cam.h5")
    done("make-seeds", "--cam", "cam.h5", "-o", "seeds.h5")
    start = (*body, "--backbone-weights", "cls.pt", *SHORT)
    for method in ("psa", "irn"):
        command = ("train-aff", "--method", method, "--seeds", "seeds.h5", *start)
        done(*command, "-o", "aff.pt", "--force")
        done("random-walk", "--cam", "cam.h5", "--weights", "aff.pt", "-o", "walked.h5", "--force")
    for model in ("deeplabv2", "unet"):
        command = ("train-seg", "--model", model, "--labels", "walked.h5", *start)
        done(*command, "-o", f"{model}.pt")
    timm_zoo.timm_facts.cache_clear()
    monkeypatch.undo()  # what timm says by now counts no more
    monkeypatch.chdir(tiny_data.parent)
    for model in ("deeplabv2", "unet"):
        done(
            "predict", "--weights", f"{model}.pt", "--data", tiny_data, "-o", "masks.h5", "--force"
        )
    assert f"backbone: timm:{NAME}" in wsss("info", "unet.pt").stdout


def test_what_is_seen_is_what_timm_says(
    tiny_data: Path, other_constants: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network of the file gives the features of timm's network, of timm's normalisation."""
    monkeypatch.chdir(tiny_data.parent)
    done("train-cls", "--data", tiny_data, "--backbone", f"timm:{NAME}", *RANDOM, "-o", "cls.pt")
    weights = load_weights("cls.pt")
    config = {**weights.config, "output_stride": 32}  # the only one that timm has of it
    model = rebuild_classifier(config, len(weights.classes), weights.state_dict)
    net = timm.create_model(NAME, pretrained=False, num_classes=0).eval()
    state = {k.removeprefix("backbone."): t for k, t in weights.state_dict.items()}
    net.load_state_dict({k: state.get(k, t) for k, t in net.state_dict().items()})
    with open_dataset(tiny_data) as data, torch.no_grad():
        image = data.image(data.ids[0])
        pixels = normalize(as_tensor(image)[None] / 255, MEAN, STD)
        head = weights.state_dict["head.weight"]
        wanted = F.conv2d(net.forward_features(pixels), head).mean((2, 3))
        found = model(to_input(image)[None])
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-5)


def test_a_head_that_a_backbone_has_no_maps_for(tiny_data: Path) -> None:
    labels = write_labels(tiny_data.with_name("labels.h5"), tiny_data, masks_of(tiny_data))
    command = ("train-seg", "--labels", labels, "--model", "fcn8s", *RANDOM)
    out = tiny_data.with_name("seg.pt")
    result = wsss(*command, "--backbone", "timm:test_vit", "-o", out)
    assert result.exit_code == 2
    assert "--model fcn8s: timm:test_vit has no maps of strides 16 and 8" in result.stderr
    assert not out.exists()


def test_names_that_make_no_backbone(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("train-cls", "--data", tiny_data, *RANDOM, "-o", tiny_data.with_name("w.pt"))
    for name, said in (("timm:nothing", "has no network 'nothing'"), ("timm:vgg11", "is a VGG")):
        result = wsss(*command, "--backbone", name)
        assert result.exit_code == 2
        assert said in result.stderr
    timm_zoo.timm_facts.cache_clear()
    monkeypatch.setitem(sys.modules, "timm", None)
    result = wsss(*command, "--backbone", f"timm:{NAME}")
    assert result.exit_code == 2
    assert "need timm, which is not installed" in result.stderr
    assert "pip install 'wsss-cli[timm]'" in result.stderr


def test_a_file_is_not_damaged_where_timm_is_lacking(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_data.parent)
    done("train-cls", "--data", tiny_data, "--backbone", f"timm:{NAME}", *RANDOM, "-o", "cls.pt")
    timm_zoo.timm_facts.cache_clear()
    monkeypatch.setitem(sys.modules, "timm", None)
    result = wsss("make-cam", "--weights", "cls.pt", "-o", "cam.h5")
    assert result.exit_code == 2
    assert "damaged" not in result.stderr
    assert "pip install 'wsss-cli[timm]'" in result.stderr
    assert wsss("info", "cls.pt").exit_code == 0
    assert not Path("cam.h5").exists()
