"""Which classifier make-cam looks through: one of ours, or one of torchvision's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.models as zoo
from conftest import CLASSES
from made import contents, wsss
from test_cli_make_cam import write_classifier

from wsss_cli.artifacts import CAM, open_artifact, open_dataset
from wsss_cli.core.cam import View, fuse_views
from wsss_cli.core.gradcam import gradient_maps
from wsss_cli.core.images import to_input
from wsss_cli.errors import WsssError
from wsss_cli.inference.classifiers import Network

ONE = ("--scales", "1", "--no-flip")


@pytest.fixture
def weights(tiny_data: Path) -> Path:
    return write_classifier(tiny_data)


@pytest.fixture(scope="module")
def foreign_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of five outputs and a head of two layers."""
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("foreign") / "net.pth"
    torch.save({"model": zoo.mobilenet_v3_small(num_classes=5).state_dict()}, path)
    return path


@pytest.fixture
def foreign(foreign_file: Path, tiny_data: Path) -> Path:
    path = tiny_data.with_name("net.pth")
    path.write_bytes(foreign_file.read_bytes())
    return path


def names(folder: Path, *lines: str) -> Path:
    path = folder / "names.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_torchvisions_classifier_by_hand(foreign: Path, tiny_data: Path) -> None:
    out = tiny_data.with_name("cam.h5")
    listed = names(tiny_data.parent, "blue", "green", "red", "sky", "")
    command = ["make-cam", "-w", foreign, "--network", "mobilenet_v3_small", "--outputs", listed]
    result = wsss(*command, "--data", tiny_data, "-o", out, *ONE)
    assert result.exit_code == 0, result.stderr
    read = f"make-cam: {foreign}: its 'model' is read"
    assert result.stderr == f"{read}\nmake-cam: 6 items -> {out}\n"
    model = zoo.mobilenet_v3_small(num_classes=5).eval()
    model.load_state_dict(torch.load(foreign, weights_only=True)["model"])
    with open_dataset(tiny_data) as reader:
        image = reader.image("a/4")
    features = model.features(to_input(image)[None]).detach().requires_grad_()
    scores = model.classifier(model.avgpool(features).flatten(1))[0]
    item = contents(out)["a/4"]
    assert item["classes"].tolist() == [1, 2]
    for found, output in zip(item["cam"], (1, 0), strict=True):
        (gradients,) = torch.autograd.grad(scores[output], features, retain_graph=True)
        maps = gradient_maps(features.detach(), gradients, "gradcam")
        expected = fuse_views([View(maps, (32, 48), 32)], (32, 48), 4)[0]
        np.testing.assert_allclose(found, expected / (expected.max() + 1e-5), atol=2e-3)
    with open_artifact(out, CAM) as cam:
        assert cam.params["network"] == "mobilenet_v3_small"
        assert cam.params["outputs"] == [[2], [1], [0]]
        assert (cam.params["method"], cam.params["layer"]) == ("gradcam", "features")
        assert [(s["file"], s["kind"]) for s in cam.inputs] == [
            ("data.h5", "wsss/dataset"),
            ("net.pth", "torch/state-dict"),
        ]
    assert "net.pth" in wsss("info", out).stdout
    seeds = tiny_data.with_name("seeds.h5")  # the data set is the one that the maps record
    assert wsss("make-seeds", "--cam", out, "-o", seeds, "--crf", "none").exit_code == 0


def test_outputs_in_the_classes_order(tiny_data: Path) -> None:
    torch.manual_seed(4)
    path, out = tiny_data.with_name("net.pth"), tiny_data.with_name("cam.h5")
    torch.save(zoo.shufflenet_v2_x0_5(num_classes=len(CLASSES)).state_dict(), path)
    command = ["make-cam", "-w", path, "--network", "shufflenet_v2_x0_5", "--data", tiny_data]
    result = wsss(*command, "-o", out, *ONE, "--tags", "predicted", "--tag-threshold", "0")
    assert result.exit_code == 0, result.stderr
    found = contents(out)["a/5"]
    assert found["classes"].tolist() == [0, 1, 2]
    assert found["cam"].shape == (3, 8, 12)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--method", "cam"], 2, "--method cam: needs weights of train-cls"),
        (["--network", "resnet19"], 2, "--network resnet19: torchvision has no such classifier"),
        (["--network", "resnet18"], 3, "net.pth: does not fit resnet18: no tensor of its last"),
        (["--network", "resnet18"], 3, "names of the tensors are torchvision's: rename those"),
        ([], 3, "has 5 outputs, and"),
        (["--outputs", "nowhere.txt"], 3, "nowhere.txt: No such file"),
        (["--method", "gradcam", "--outputs", "."], 3, ".: Is a directory"),
    ],
)
def test_what_does_not_fit(
    foreign: Path, tiny_data: Path, options: list[str], code: int, message: str
) -> None:
    out = tiny_data.with_name("cam.h5")
    command = ["make-cam", "-w", foreign, "--network", "mobilenet_v3_small", "--data", tiny_data]
    result = wsss(*command, "-o", out, *options)
    assert result.exit_code == code, result.stderr
    assert message in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["red", "green", "blue"], "names 3 outputs, and"),
        (["red", "", "Blue", "x", "y"], "names no output for 2 of 3 classes, first 'green'"),
    ],
)
def test_names_that_do_not_fit(
    foreign: Path, tiny_data: Path, lines: list[str], message: str
) -> None:
    command = ["make-cam", "-w", foreign, "--network", "mobilenet_v3_small", "--data", tiny_data]
    listed = names(tiny_data.parent, *lines)
    result = wsss(*command, "-o", tiny_data.with_name("cam.h5"), "--outputs", listed)
    assert result.exit_code == 3
    assert message in result.stderr


def test_options_of_the_other_kind(weights: Path, foreign: Path, tiny_data: Path) -> None:
    out = tiny_data.with_name("cam.h5")
    for options, code, message in (
        (["-w", weights, "--layer", "backbone"], 2, "--layer: --method cam has no use for it"),
        (["-w", weights, "--outputs", "n.txt"], 2, "--outputs: needs --network"),
        (["-w", weights, "--network", "resnet18"], 3, "cls.pt: holds wsss/cls"),
        (["-w", foreign], 3, "hint: --network NAME takes a state dict"),
        (["-w", weights, "--method", "gradcam", "--layer", "head"], 3, "its layer 'head' gives no"),
    ):
        result = wsss("make-cam", "--data", tiny_data, "-o", out, *options)
        assert result.exit_code == code, result.stderr
        assert message in result.stderr


def test_where_weights_were_found_is_recorded(foreign: Path, tiny_data: Path) -> None:
    out = tiny_data.with_name("cam.h5")
    listed = names(tiny_data.parent, "blue", "green", "red", "sky", "")
    command = ["make-cam", "-w", foreign, "--network", "mobilenet_v3_small", "--outputs", listed]
    assert wsss(*command, "--data", tiny_data, "-o", out, *ONE).exit_code == 0
    with open_artifact(out, CAM) as found:
        assert found.params["found"] == "its 'model' is read"


def test_a_misspelled_network_lists_the_nearest(foreign: Path, tiny_data: Path) -> None:
    command = ["make-cam", "-w", foreign, "--data", tiny_data, "--network", "mobilenet_v3smal"]
    result = wsss(*command)
    assert result.exit_code == 2
    assert "torchvision has no such classifier" in result.stderr
    assert "hint: mobilenet_v3_small, " in result.stderr


def test_a_network_of_one_image_size_says_what_works(foreign: Path, tiny_data: Path) -> None:
    """As a plain ViT is, without its 86 million parameters."""

    class Card:
        def look(self, *args: object) -> None:
            raise ValueError("it takes images of one size only")

    chosen: Any = SimpleNamespace(card=Card(), options=None)
    trained: Any = SimpleNamespace(path=Path("w.pth"))
    with pytest.raises(WsssError, match=r"w\.pth: it takes images of one size only") as caught:
        Network().model(trained, chosen, None, None, lambda *_: None)
    assert "plain ViT" in str(caught.value.hint)
    assert "swin_t, convnext_tiny, resnet50" in str(caught.value.hint)
