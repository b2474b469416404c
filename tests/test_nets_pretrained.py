"""Weights from files and from the network: what is taken, what is refused, what never runs."""

from __future__ import annotations

import hashlib
import pickle
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor
from torchvision.models import _api, resnet18

from wsss_cli.errors import WsssError
from wsss_cli.nets.backbones import build_backbone, load_backbone_weights


def filled(name: str = "tiny") -> dict[str, Tensor]:
    """A state dict unlike any initialisation, exact in half precision."""
    state = build_backbone(name).state_dict()
    return {k: torch.full_like(v, 0.25) if v.is_floating_point() else v for k, v in state.items()}


def assert_filled(backbone: torch.nn.Module) -> None:
    for key, value in backbone.state_dict().items():
        if value.is_floating_point():
            assert value.dtype == torch.float32, key
            assert bool((value == 0.25).all()), key


def test_a_torchvision_file_in_half_precision(tmp_path: Path) -> None:
    state = filled("mobilenet_v2")
    state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    state |= {"classifier.1.weight": torch.zeros(1000, 1280), "classifier.1.bias": torch.zeros(9)}
    torch.save(state, tmp_path / "m.pth")
    backbone = build_backbone("mobilenet_v2", 8, dilated=True)
    load_backbone_weights(backbone, tmp_path / "m.pth")
    assert_filled(backbone)


def test_a_resnet_of_torchvisions_loads_but_for_its_classifier() -> None:
    net, backbone = resnet18(weights=None), build_backbone("resnet18")
    load_backbone_weights(backbone, net.state_dict())
    assert torch.equal(backbone.layer3[1].conv2.weight, net.layer3[1].conv2.weight)


def test_files_without_batch_counters_are_old_but_fine() -> None:
    state = {k: v for k, v in filled("resnet18").items() if not k.endswith("batches_tracked")}
    backbone = build_backbone("resnet18")
    load_backbone_weights(backbone, state)
    assert_filled(backbone)


def test_the_backbone_of_a_network_of_ours(tmp_path: Path) -> None:
    state = {f"backbone.{k}": v for k, v in filled().items()} | {"head.weight": torch.ones(2)}
    torch.save({"kind": "wsss/cls", "state_dict": state}, tmp_path / "cls.pt")
    for source in (state, str(tmp_path / "cls.pt")):
        backbone = build_backbone("tiny")
        load_backbone_weights(backbone, source)
        assert_filled(backbone)


def test_random_changes_nothing() -> None:
    backbone = build_backbone("tiny")
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    load_backbone_weights(backbone, "random")
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())


def test_what_does_not_fit_is_named_and_counted(tmp_path: Path) -> None:
    state = filled()
    del state["stem.0.weight"], state["stem.1.weight"]
    state["stage9.weight"] = torch.zeros(1)
    state["stem.1.bias"] = torch.zeros(3)
    state["stage1.norm1.bias"] = torch.zeros(32, dtype=torch.uint8)
    path = tmp_path / "w.pth"
    torch.save(state, path)
    backbone = build_backbone("tiny")
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    with pytest.raises(WsssError) as caught:
        load_backbone_weights(backbone, path)
    total = len(before)
    assert str(caught.value) == (
        f"{path}: does not fit tiny, which has {total} tensors: 2 missing, first stem.0.weight; "
        "1 unexpected, first stage9.weight; 2 of other shape or type, first stem.1.bias"
    )
    assert caught.value.exit_code == 3
    assert "another network than tiny" in str(caught.value.hint)
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())


class Bomb:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_file_runs_no_code(tmp_path: Path, zipped: bool) -> None:
    path, proof = tmp_path / "evil.pth", tmp_path / "it_ran"
    if zipped:
        torch.save({"conv1.weight": Bomb(proof)}, path)
    else:
        path.write_bytes(pickle.dumps({"conv1.weight": Bomb(proof)}, protocol=2))
    with pytest.raises(WsssError, match=r"evil.pth: holds more than tensors.*was not read"):
        load_backbone_weights(build_backbone("tiny"), path)
    assert not proof.exists()


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    backbone = build_backbone("tiny")
    with pytest.raises(WsssError, match=r"none\.pth: no such file"):
        load_backbone_weights(backbone, tmp_path / "none.pth")
    with pytest.raises(WsssError, match="is a folder"):
        load_backbone_weights(backbone, tmp_path)
    cut = tmp_path / "cut.pth"
    torch.save(filled(), cut)
    cut.write_bytes(cut.read_bytes()[:5000])
    for path, content, reason in (
        (cut, None, "not a weights file"),
        (tmp_path / "t.pth", b"hello", "not a weights file"),
        (tmp_path / "e.pth", b"", "empty"),
    ):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(WsssError, match=reason):
            load_backbone_weights(backbone, path)
    for value in ([1, 2], {1: torch.ones(1)}, torch.ones(2)):
        torch.save(value, tmp_path / "other.pth")
        with pytest.raises(WsssError, match="holds no state dict"):
            load_backbone_weights(backbone, tmp_path / "other.pth")


def test_checkpoints_of_other_programs(tmp_path: Path) -> None:
    state = {f"model.{key}": value for key, value in filled().items()}
    torch.save({"state_dict": state, "args": Namespace(lr=1)}, tmp_path / "last.ckpt")
    backbone = build_backbone("tiny")
    load_backbone_weights(backbone, tmp_path / "last.ckpt")
    assert_filled(backbone)
    assert backbone.origin == "its 'state_dict' is read; 'model.' taken off the names"


def test_of_plain_files_and_of_ours_nothing_is_said(tmp_path: Path) -> None:
    state = {f"backbone.{k}": v for k, v in filled().items()} | {"head.weight": torch.ones(2)}
    for source in (filled(), {"kind": "wsss/cls", "state_dict": state}):
        backbone = build_backbone("tiny")
        load_backbone_weights(backbone, source)
        assert backbone.origin == ""


def test_imagenet_comes_from_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(url: str, **options: object) -> Mapping[str, Tensor]:
        asked.append((url, options["weights_only"], options["check_hash"]))
        return filled("resnet18") | {"fc.weight": torch.zeros(1000, 512)}

    monkeypatch.setattr(_api, "load_state_dict_from_url", download)
    backbone = build_backbone("resnet18")
    load_backbone_weights(backbone, "imagenet")
    assert_filled(backbone)
    assert asked == [("https://download.pytorch.org/models/resnet18-f37072fd.pth", True, True)]
    (one,) = backbone.taught
    assert (one.what, one.use, one.images) == ("tags", "pretraining", 1_281_167)
    assert one.of == "resnet18, torchvision's IMAGENET1K_V1"


def test_a_backbone_knows_what_taught_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = build_backbone("resnet18")
    load_backbone_weights(backbone, "random")
    assert backbone.taught == ()
    file = tmp_path / "net.pth"
    torch.save(filled("resnet18"), file)
    load_backbone_weights(backbone, file)
    assert [one.of for one in backbone.taught] == ["file net.pth, not ours"]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    member = Namespace(url=f"https://x.org/resnet18-{digest[:8]}.pth", name="IMAGENET1K_V7")
    monkeypatch.setattr("torchvision.models.get_model_weights", lambda name: [member])
    load_backbone_weights(backbone, file)  # told by its checksum, whatever it is called
    assert [one.of for one in backbone.taught] == [
        "resnet18, torchvision's IMAGENET1K_V7 (file net.pth)"
    ]
    ours = {"kind": "wsss/cls", "run": "r", "state_dict": filled("resnet18"), "config": {}}
    torch.save({**ours, "supervision": [{"what": "tags", "images": 3}]}, file)
    load_backbone_weights(backbone, file)
    assert [(one.what, one.images) for one in backbone.taught] == [("tags", 3)]
    torch.save({**ours, "supervision": [{"what": 3}]}, file)
    with pytest.raises(WsssError, match=r"net\.pth: damaged \(supervision is no record"):
        load_backbone_weights(backbone, file)


def test_without_a_network_the_hint_names_the_file_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, **options: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(_api, "load_state_dict_from_url", refuse)
    with pytest.raises(WsssError, match=r"ImageNet weights of resnet34 .*no route") as e:
        load_backbone_weights(build_backbone("resnet34"), "imagenet")
    assert "--backbone-weights FILE" in str(e.value.hint)
    with pytest.raises(WsssError, match="tiny: there are no ImageNet weights"):
        load_backbone_weights(build_backbone("tiny"), "imagenet")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    state = filled()
    name = next(iter(state))
    for value in (torch.nan, torch.inf):
        torch.save({**state, name: state[name] * value}, tmp_path / "lost.pth")
        with pytest.raises(WsssError, match=rf"lost\.pth: 1 tensors hold NaN or inf.* {name}"):
            load_backbone_weights(build_backbone("tiny"), tmp_path / "lost.pth")
