"""SEAM's network: shapes, what trains what, its maps through make-cam, and its training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import CAM, load_weights, open_artifact
from wsss_cli.cli import app
from wsss_cli.core.seam import seam_loss
from wsss_cli.methods.rebuild import rebuild_classifier
from wsss_cli.methods.train_cls import seam as train_cls
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.seam import SeamNet, small_size

TINY = "--backbone tiny --backbone-weights random --crop 48 --freeze-stages 0 --workers 0"
SHORT = ["train-cls", "--method", "seam", *TINY.split(), "--epochs", "2", "--batch-size", "2"]


@pytest.fixture(autouse=True)
def folder(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_data.parent)
    monkeypatch.delenv("WSSS_DATA", raising=False)


def command(*arguments: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == expect, result.output
    return result


def network(**options: object) -> SeamNet:
    torch.manual_seed(0)
    return SeamNet(build_backbone("tiny", 8, True), 3, **options)  # type: ignore[arg-type]


def test_two_views_in_training_and_logits_otherwise() -> None:
    model = network().train()
    x = torch.randn(2, 3, 40, 52)
    outputs = model(x)
    assert [tuple(t.shape) for t in outputs["cams"]] == [(2, 3, 5, 7), (2, 3, 2, 2)]
    assert [tuple(t.shape) for t in outputs["refined"]] == [(2, 4, 5, 7), (2, 4, 2, 2)]
    assert small_size((40, 52), 0.3) == (12, 15)
    assert all(bool(((t >= 0) & (t <= 1)).all()) for t in outputs["refined"])
    model.eval()
    logits = model(x)
    maps, again = model.seen(x, torch.tensor([2, 0]))
    assert torch.allclose(logits, again)
    assert torch.allclose(maps, model.maps(x)[1][:, [3, 1]], atol=1e-6)  # but for rounding
    mixed, plain = network(detach=False).eval(), network().eval()
    assert torch.equal(mixed.seen(x)[0], plain.seen(x)[0])


@pytest.mark.parametrize("detach", [True, False])
def test_what_each_loss_trains(detach: bool) -> None:
    model = network(detach=detach).train()
    refined = model(torch.randn(1, 3, 48, 48))["refined"]
    sum(t.square().sum() for t in refined).backward()
    reached = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert reached == {"low", "middle", "project"} | (set() if detach else {"backbone"})
    model.zero_grad()
    outputs = model(torch.randn(1, 3, 48, 48))
    tags = torch.tensor([[1.0, 0, 1]])
    seam_loss(outputs["cams"], outputs["refined"], tags, ((48, 48), (14, 14))).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_bfloat16_changes_little() -> None:
    model = network().eval()
    x = torch.randn(1, 3, 48, 48)
    with torch.inference_mode():
        plain = model.seen(x)[0]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model.seen(x)[0]
    assert half.dtype == torch.float32
    assert float((half - plain).abs().mean()) < 0.02


def test_trained_by_the_command_its_refined_maps_come_through_make_cam() -> None:
    said = command(*SHORT, "-o", "seam.pt").stderr
    assert "epoch 2/2: loss" in said
    weights = load_weights("seam.pt", "wsss/cls")
    assert weights.config["method"] == "seam"
    wanted = {
        "method": "seam",
        "output_stride": 8,
        "dropout": 0.5,
        "head_multiplier": 10,
        "lr": 1e-3,
        "weight_decay": 5e-4,
        "long_side": (48, 82),
        "jitter": (0.3, 0.3, 0.3, 0.1),
        "pair_scale": 0.3,
        "min_weight": 1.0,
    }
    assert {name: weights.params[name] for name in wanted} == wanted
    model = rebuild_classifier(weights.config, 3, weights.state_dict)
    assert isinstance(model, SeamNet)
    command("make-cam", "-w", "seam.pt", "--scales", "1", "--no-flip", "--stride", "8", "-q")
    with open_artifact("cam.h5", CAM) as cam:
        item = cam["a/3"]
        assert item["cam"].shape == (2, 4, 6)
        assert item["cam"].min() >= 0
        for maps in item["cam"].astype(np.float32):  # spread from the minimum to the maximum
            assert maps.min() == 0
            assert maps.max() == 0 or maps.max() > 0.99
    command("make-cam", "-w", "seam.pt", "--tags", "predicted", "--force", "-q")


def test_after_a_probe_it_drops_nothing_and_has_the_head_find_its_offset() -> None:
    command(*SHORT, "--epochs", "0", "--probe", "-o", "seam.pt", "-q")
    params = load_weights("seam.pt", "wsss/cls").params
    assert (params["dropout"], params["head_multiplier"]) == (0, 100)


def test_it_resumes(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import signal
    from typing import Any

    command(*SHORT, "-o", "whole.pt", "-q")
    loss, calls = train_cls.pair_loss, []

    def interrupting(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train_cls, "pair_loss", interrupting)
        command(*SHORT, "-o", "parts.pt", "-q", expect=130)
    command(*SHORT, "-o", "parts.pt", "-q")
    one, other = load_weights("whole.pt"), load_weights("parts.pt")
    assert one.history == other.history
    assert all(torch.equal(t, other.state_dict[name]) for name, t in one.state_dict.items())


@pytest.mark.trains
def test_it_learns() -> None:
    """What would hide it in so few steps is switched off."""
    calm = ["--jitter", "0,0,0,0", "--dropout", "0", "--batchnorm", "train"]
    command(*SHORT, *calm, "--lr", "0.02", "--epochs", "12", "-o", "long.pt", "-q")
    losses = [row["loss"] for row in load_weights("long.pt").history]
    assert min(losses) < 0.9 * losses[0]


def test_the_methods_switches() -> None:
    command(*SHORT, "--no-suppress", "--no-detach", "--min-weight", "0", "-o", "s.pt", "-q")
    weights = load_weights("s.pt")
    assert weights.config["suppress"] is False
    assert weights.params["min_weight"] == 0
    assert not rebuild_classifier(weights.config, 3, weights.state_dict).suppress
    broken = {**weights.config, "method": "seem"}
    with pytest.raises(ValueError, match="unknown method 'seem'"):
        rebuild_classifier(broken, 3, weights.state_dict)
