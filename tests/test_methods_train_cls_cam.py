"""train-cls --method cam: its own options, what weights keep of them, and what make-cam does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import CAM, DATASET, create, load_weights, open_artifact, open_dataset
from wsss_cli.cli import app
from wsss_cli.core.images import to_input
from wsss_cli.core.pooling import pooled
from wsss_cli.core.probe import pixel_probe
from wsss_cli.core.views import resize_image, scaled_size
from wsss_cli.methods.rebuild import rebuild_classifier
from wsss_cli.methods.train_cls.cam import CARD, Pool, softmax_loss, top1
from wsss_cli.options.cards import due

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
    rate = {"head_multiplier": 10.0 if kept else 100.0}
    assert weights.config == {**usual.config, **kept}
    assert weights.params == {**usual.params, **kept, **rate}
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


@pytest.mark.parametrize("pool", list(Pool))
def test_only_means_have_a_probe_to_start_from(pool: Pool) -> None:
    given = {"weights": "imagenet", "probe": None, "pool": pool}
    usual = CARD.usual
    found = CARD.probes(given), due(usual["epochs"], given), due(usual["head_multiplier"], given)
    assert found == ((True, 3, 100.0) if pool is Pool.gap else (False, 5, 10.0))
    assert not CARD.probes({**given, "weights": "random"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pool", "max", "--probe"], "--probe: needs --pool gap"),
        (["--pool", "max", "--probe-decay", "0.5"], "--probe-decay: there is no probe"),
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


# --loss


@pytest.fixture
def one_tag(folder: Path) -> None:
    """splits.h5, with splits of images that have one tag (one), none or two (others), and val."""
    with open_dataset("data.h5") as data:
        ids = data.ids
        splits = {"one": [ids[0], ids[1], ids[2]], "mixed": list(ids[:5]), "val": list(ids)}
        splits["two"] = [ids[3], ids[4]]
        with create(
            "splits.h5", DATASET, classes=data.classes, params={}, ids=ids, splits=splits
        ) as out:
            for image_id in ids:
                out.put(
                    image_id,
                    image=np.frombuffer(data.encoded_image(image_id), np.uint8),
                    tags=data.tags(image_id),
                    size=np.array(data.size(image_id), np.int32),
                )


def softmax(*options: str, expect: int = 0) -> Result:
    return train("--data", "splits.h5", "--loss", "softmax", *options, expect=expect)


def test_softmax_says_itself_and_top_1(one_tag: None) -> None:
    said = softmax("--split", "one").stderr
    weights = load_weights("cls.pt", "wsss/cls")
    assert weights.config["loss"] == weights.params["loss"] == "softmax"
    assert "one_tag_only" not in weights.params
    assert [sorted(row) for row in weights.history] == [
        ["epoch", "loss", "val_map", "val_top1"]
    ] * 2
    row = weights.history[-1]
    assert f"val mAP {row['val_map']:.3f}, top-1 {row['val_top1']:.3f}" in said
    model = rebuild_classifier(weights.config, 3, weights.state_dict)
    assert model.exclusive


def test_margin_says_nothing_of_it(one_tag: None) -> None:
    said = train("--data", "splits.h5", "--split", "one", "--loss", "margin").stderr
    weights = load_weights("cls.pt", "wsss/cls")
    assert not {"loss", "one_tag_only"} & (weights.config.keys() | weights.params.keys())
    assert not any("val_top1" in row for row in weights.history)
    assert "top-1" not in said


def test_images_without_exactly_one_tag_are_refused_or_left_out(one_tag: None) -> None:
    refused = softmax("--split", "mixed", expect=3).stderr
    assert refused.splitlines() == [
        "wsss: error: splits.h5: 2 of 5 training images do not have exactly one tag, first "
        "a/3, a/4",
        "wsss: hint: --one-tag-only leaves them out, --loss margin takes any number of tags",
    ]
    assert not Path("cls.pt").exists()
    said = softmax("--split", "mixed", "--one-tag-only").stderr
    assert "train-cls: left out: 2 of 5 images, without exactly one tag" in said
    assert "3 images, 2 epochs" in said
    assert load_weights("cls.pt").params["one_tag_only"] is True
    none = softmax("--split", "two", "--one-tag-only", "-o", "none.pt", expect=3).stderr
    assert "none of the 2 training images has exactly one tag" in none


def test_many_are_counted_and_three_are_named(one_tag: None) -> None:
    said = softmax("--split", "val", "--val-split", "one", expect=3).stderr
    assert "3 of 6 training images do not have exactly one tag, first a/3, a/4, a/5" in said


def test_margin_may_leave_them_out_too(one_tag: None) -> None:
    said = train("--data", "splits.h5", "--split", "mixed", "--one-tag-only").stderr
    assert "3 images, 2 epochs" in said
    weights = load_weights("cls.pt")
    assert weights.params["one_tag_only"] is True
    assert "loss" not in weights.params


def test_the_loss_against_a_plain_one() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, generator=generator).double().requires_grad_()
    tags = torch.eye(3)[[2, 0, 1, 1]]
    whole = softmax_loss(logits, {"tags": tags}, torch.tensor([4]))
    p = np.exp(logits.detach().numpy())
    p /= p.sum(1, keepdims=True)
    assert float(whole.detach()) == pytest.approx(-np.log(p[range(4), [2, 0, 1, 1]]).mean())
    halves = (slice(0, 1), slice(1, 4))
    parts = [softmax_loss(logits[h], {"tags": tags[h]}, torch.tensor([4])) for h in halves]
    assert torch.allclose(torch.stack(parts).sum(), whole)
    assert torch.autograd.gradcheck(
        lambda x: softmax_loss(x, {"tags": tags}, torch.tensor([4])), logits
    )


def test_top_1_by_hand() -> None:
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [0.9, 0.1]])
    tags = np.array([[0, 1], [0, 1], [1, 1], [0, 0]])
    assert top1(scores, tags) == 0.5  # the last two have no one class to be right about
    assert np.isnan(top1(scores[2:], tags[2:]))


def test_the_head_starts_as_a_softmax_probe(one_tag: None) -> None:
    softmax("--split", "one", "--probe", "--epochs", "0", "--probe-decay", "0.5")
    weights = load_weights("cls.pt")
    assert [sorted(row) for row in weights.history] == [["epoch", "val_map", "val_top1"]]
    model = rebuild_classifier(weights.config, 3, weights.state_dict)
    features, shown = [], []
    with open_dataset("splits.h5") as data:
        for image_id in data.split("one"):
            image = data.image(image_id)
            image = resize_image(image, scaled_size(image.shape[:2], 1.25 * 32 / 48))
            with torch.inference_mode():
                features.append(model.backbone(to_input(image)[None])[-1].mean((2, 3))[0])
            shown.append(int(data.tags(image_id)[0]))
    expected, _ = pixel_probe(torch.stack(features).double(), torch.tensor(shown), 3, 0.5)
    assert torch.allclose(model.head.weight.flatten(1), expected, rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("method", ["cam", "gradcam"])
def test_make_cam_takes_the_softmaxs_probability(method: str, one_tag: None) -> None:
    softmax("--split", "one", "-q")
    weights = load_weights("cls.pt")
    model = rebuild_classifier(weights.config, 3, weights.state_dict)
    with open_dataset("splits.h5") as data, torch.no_grad():
        logits = {i: model(to_input(data.image(i))[None])[0].double() for i in data.ids}
    between = 0.4
    look = ["--scales", "1", "--no-flip", "--method", method, "-q"]
    run("make-cam", "--tags", "predicted", "--tag-threshold", str(between), *look)
    with open_artifact("cam.h5", CAM) as maps:
        for image_id, z in logits.items():
            expected = (z.softmax(0) >= between).nonzero().flatten().tolist()
            assert maps[image_id]["classes"].tolist() == expected
    by_sigmoid = [(z.sigmoid() >= between).sum() for z in logits.values()]
    assert by_sigmoid != [(z.softmax(0) >= between).sum() for z in logits.values()]


def test_it_learns_and_goes_with_any_pool(one_tag: None) -> None:
    options = ["--split", "one", "--pool", "lse", "--epochs", "25", "--lr", "0.02", "-q"]
    softmax(*options)
    weights = load_weights("cls.pt")
    assert {k: weights.config[k] for k in ("loss", "pool", "lse_sharpness")} == {
        "loss": "softmax",
        "pool": "lse",
        "lse_sharpness": 5.0,
    }
    assert weights.history[-1]["loss"] < 0.6 * weights.history[0]["loss"]


@pytest.mark.parametrize("method", ["seam", "oaa", "iam"])
@pytest.mark.parametrize("option", [["--loss", "softmax"], ["--one-tag-only"]])
def test_other_methods_have_no_such_loss(method: str, option: list[str]) -> None:
    said = train("--method", method, *option, expect=2).stderr
    assert f"{option[0]}: --method {method} has no such thing" in said
