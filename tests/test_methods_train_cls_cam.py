"""train-cls --method cam: its own options, what weights keep of them, and what make-cam does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import CAM, load_weights, open_artifact
from wsss_cli.cli import app
from wsss_cli.core.pooling import pooled
from wsss_cli.methods.rebuild import rebuild_classifier

TINY = "--backbone tiny --backbone-weights random --crop 32 --freeze-stages 0 --workers 0"
SHORT = [*TINY.split(), "--epochs", "2", "--batch-size", "2"]


@pytest.fixture(autouse=True)
def folder(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own folder, with data.h5 in it."""
    monkeypatch.chdir(tiny_data.parent)
    monkeypatch.delenv("WSSS_DATA", raising=False)
    return tiny_data.parent


def run(command: str, *options: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, [command, *options])
    assert result.exit_code == expect, result.output
    return result


def train(*options: str, expect: int = 0) -> Result:
    return run("train-cls", *SHORT, *options, expect=expect)


# --pool


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--pool", "gap"], {}),
        (["--pool", "max"], {"pool": "max"}),
        (["--pool", "lse"], {"pool": "lse", "lse_sharpness": 5.0}),
        (["--pool", "lse", "--lse-sharpness", "2"], {"pool": "lse", "lse_sharpness": 2.0}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_weights_keep_how_they_pool_and_nothing_where_it_is_usual(
    options: list[str], kept: dict[str, object]
) -> None:
    train("-o", "usual.pt", "-q")
    train(*options, "-q")
    usual, weights = load_weights("usual.pt", "wsss/cls"), load_weights("cls.pt", "wsss/cls")
    assert weights.config == {**usual.config, **kept}
    assert weights.params == {**usual.params, **kept}
    assert (weights.run == usual.run) is (not kept)
    model = rebuild_classifier(weights.config, 3, weights.state_dict)
    x = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        pool = str(kept.get("pool", "gap"))
        expected = pooled(model.cam_logits(x), pool, float(kept.get("lse_sharpness", 5.0)))  # type: ignore[arg-type]
        assert torch.allclose(model(x), expected, atol=1e-5)


@pytest.mark.parametrize("pool", ["max", "lse"])
def test_make_cam_draws_the_map_whatever_the_pool(pool: str) -> None:
    """The map is the 1 x 1 convolution of the features, so weights alone decide it."""
    train("--pool", pool, "-q")
    weights = load_weights("cls.pt")
    run("make-cam", "-o", f"{pool}.h5", "--scales", "1", "--no-flip", "-q")
    found = torch.load("cls.pt", weights_only=True)
    found["config"].pop("pool")
    found["config"].pop("lse_sharpness", None)
    torch.save(found, "as-gap.pt")
    run("make-cam", "-w", "as-gap.pt", "-o", "gap.h5", "--scales", "1", "--no-flip", "-q")
    with open_artifact(f"{pool}.h5", CAM) as one, open_artifact("gap.h5", CAM) as other:
        assert one.ids == other.ids
        for image_id in one.ids:
            assert (one[image_id]["cam"] == other[image_id]["cam"]).all()
    assert weights.config["pool"] == pool


@pytest.mark.parametrize("pool", ["max", "lse"])
def test_gradients_of_these_weights_give_the_same_maps(pool: str) -> None:
    """A channel's mean gradient is its weight over the number of cells with every pool."""
    train("--pool", pool, "-q")
    for method in ("cam", "gradcam"):
        run("make-cam", "--method", method, "-o", f"{method}.h5", "--scales", "1", "-q")
    with open_artifact("cam.h5", CAM) as one, open_artifact("gradcam.h5", CAM) as other:
        assert one.ids == other.ids
        for image_id in one.ids:
            assert abs(one[image_id]["cam"] - other[image_id]["cam"]).max(initial=0) < 5e-3


@pytest.mark.parametrize("method", ["seam", "oaa", "iam"])
def test_other_methods_have_no_pool(method: str) -> None:
    said = train("--method", method, "--pool", "max", expect=2).stderr
    assert f"--pool: --method {method} has no such thing" in said
    assert "--method cam and --pool go together" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--lse-sharpness", "2"], "--lse-sharpness: needs --pool lse"),
        (["--pool", "max", "--lse-sharpness", "2"], "--lse-sharpness: needs --pool lse"),
        (["--pool", "lse", "--lse-sharpness", "nan"], "--lse-sharpness"),
        (["--pool", "lse", "--lse-sharpness", "inf"], "--lse-sharpness: must be a number"),
        (["--pool", "lse", "--lse-sharpness", "0"], "--lse-sharpness"),
        (["--pool", "mean"], "'mean' is not one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_options_that_contradict(options: list[str], said: str) -> None:
    assert said in train(*options, expect=2).stderr
    assert not Path("cls.pt").exists()


def test_damaged_weights_are_one_clear_line() -> None:
    train("--pool", "max", "-q")
    found = torch.load("cls.pt", weights_only=True)
    found["config"]["pool"] = "min"
    torch.save(found, "odd.pt")
    said = run("make-cam", "-w", "odd.pt", expect=3).stderr
    assert "odd.pt: damaged (unknown pool 'min'" in said
