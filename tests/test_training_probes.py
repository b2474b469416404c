"""Heads that start as linear probes: when they do, of which cells, of which tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from made import masks_of, write_labels
from torch import Tensor, nn

from wsss_cli.artifacts import LABEL, open_artifact, open_dataset
from wsss_cli.core.images import batch_to_input
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.probe import linear_probe, pixel_probe
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.options.training import Body
from wsss_cli.training import probes
from wsss_cli.training.compute import Compute
from wsss_cli.training.probes import (
    CellProbe,
    check_decay,
    probe_tags,
    probes_head,
    seen_by,
    start_from_cells,
    start_head,
    starts_as_probe,
)

COMPUTE = Compute(torch.device("cpu"))
IMAGENET = Body(backbone="resnet50", weights="imagenet")


@pytest.mark.parametrize(
    ("probe", "weights", "usual", "expected"),
    [
        (None, "imagenet", True, True),
        (None, "cls.pt", True, True),
        (None, "imagenet", False, False),
        (None, "random", True, False),
        (True, "random", False, True),
        (False, "imagenet", True, False),
    ],
)
def test_what_is_said_stands_and_else_features_must_be_pretrained(
    probe: bool | None, weights: str, usual: bool, expected: bool
) -> None:
    assert starts_as_probe({"probe": probe, "weights": weights}, usual) is expected


@pytest.mark.parametrize(
    ("model", "backbone", "expected"),
    [
        ("deeplabv2", "resnet50", True),
        ("fcn8s", "resnet50", True),
        ("deeplabv2", "vgg16", False),
        ("unet", "resnet50", False),
    ],
)
def test_heads_of_one_layer_start_so(model: str, backbone: str, expected: bool) -> None:
    given = {"model": model, "backbone": backbone, "weights": "imagenet", "probe": None}
    assert probes_head(given) is expected


def test_the_decay_is_none_where_there_is_no_probe() -> None:
    assert CellProbe().probe_decay == 0.3
    assert CellProbe().decay("deeplabv2", IMAGENET, True) == 0.3
    assert CellProbe(probe_decay=2.0).decay("deeplabv2", IMAGENET, True) == 2.0
    assert CellProbe().decay("deeplabv2", IMAGENET, False) is None
    assert CellProbe(probe=True).decay("deeplabv2", IMAGENET, False) == 0.3
    assert CellProbe(probe=False).decay("deeplabv2", IMAGENET, True) is None
    assert CellProbe().decay("unet", IMAGENET, True) is None


@pytest.mark.parametrize(
    ("options", "model", "said"),
    [
        ({"probe": True}, "unet", "--probe: the head of unet on resnet50 has several layers"),
        ({"probe": False, "probe_decay": 1.0}, "deeplabv2", "--probe-decay: there is no probe"),
        ({"probe_decay": 0.0}, "deeplabv2", "--probe-decay: must be above 0"),
        ({"probe_decay": float("nan")}, "unet", "--probe-decay: must be above 0"),
    ],
)
def test_probes_that_cannot_be(options: dict[str, Any], model: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        CellProbe(**options).decay(model, IMAGENET, True)
    assert str(caught.value) == said


def test_a_decay_determines_something() -> None:
    check_decay(1e-9)
    for decay in (0.0, -1.0, float("inf")):
        with pytest.raises(UsageError, match="--probe-decay: must be above 0"):
            check_decay(decay)


class Colours(nn.Module):
    """A backbone whose features are the mean colours of cells of 4 pixels."""

    output_stride = 4

    def forward(self, x: Tensor) -> list[Tensor]:
        return [F.avg_pool2d(x, 4, ceil_mode=True)]


class Started(nn.Module):
    """A network that keeps what its head is started from."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.started = Colours(), None
        self.head = self

    def start_from(self, weight: Tensor, bias: Tensor) -> None:
        self.started = weight, bias


def noise(seed: int, *size: int) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (3, *size), np.uint8))


IMAGES = {"a": noise(0, 8, 12), "b": noise(1, 8, 12)}
# (h, w) labels of the cells of each; a map of another size has its own centres
CELLS = {
    "a": torch.tensor([[0, 1, IGNORE], [2, IGNORE, 0]]),
    "b": torch.tensor([[IGNORE, 1, 1], [0, 2, 2]]),
}


def load(image_id: str, rng: Any) -> dict[str, Tensor]:
    large = CELLS[image_id].repeat_interleave(8, 0).repeat_interleave(8, 1)
    return {"image": IMAGES[image_id], "label": large.to(torch.uint8)}


def features(image_id: str) -> Tensor:
    """(6, 3), in the precision that is kept."""
    cells = Colours()(batch_to_input(IMAGES[image_id][None]))[-1]
    return cells[0].flatten(1).T.half().float()


def started(n_labels: int = 4) -> tuple[Tensor, Tensor]:
    model: Any = Started()
    start_from_cells(load, lambda batch: batch["label"], ["a", "b"], n_labels, 0.3, model, COMPUTE)
    assert model.started is not None
    return model.started


def test_a_head_starts_as_the_probe_of_all_labelled_cells() -> None:
    """Labels are twice as large as the image, and count where the cells' centres lie."""
    pairs = [
        (features(image_id)[index], label)
        for image_id in "ab"
        for index, label in enumerate(CELLS[image_id].flatten().tolist())
        if label != IGNORE
    ]
    rows, labels = torch.stack([row for row, _ in pairs]), torch.tensor([one for _, one in pairs])
    weight, bias = started()
    expected = pixel_probe(rows, labels, 4, 0.3)
    assert torch.equal(weight, expected[0])
    assert torch.equal(bias, expected[1])
    assert not weight[3].any()  # a label that no cell has


def test_each_image_gives_as_many_cells_spread_over_those_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probes, "CELLS", 6)  # 3 of the 4 and 5
    rows, labels = [], []
    for image_id in "ab":
        own = CELLS[image_id].flatten()
        known = (own != IGNORE).nonzero()[:, 0]
        kept = known[[0, len(known) // 3, 2 * len(known) // 3]]
        rows.append(features(image_id)[kept])
        labels.append(own[kept])
    expected = pixel_probe(torch.cat(rows), torch.cat(labels), 4, 0.3)
    assert torch.equal(started()[0], expected[0])


def test_without_a_labelled_cell_a_head_stays_as_it_is() -> None:
    model: Any = Started()
    nothing = lambda batch: torch.full_like(batch["label"], IGNORE)  # noqa: E731
    start_from_cells(load, nothing, ["a"], 4, 0.3, model, COMPUTE)
    assert model.started is None


def test_a_head_starts_from_the_files_that_it_learns_from(tiny_data: Path) -> None:
    labels = write_labels(tiny_data.with_name("labels.h5"), tiny_data, masks_of(tiny_data))
    model: Any = Started()
    with open_dataset(tiny_data) as data, open_artifact(labels, LABEL) as target:
        start_head(data, target, ["a/3", "a/4"], 0, 0.3, model, COMPUTE)
        rows, found = [], []
        for image_id in ("a/3", "a/4"):
            pixels = torch.from_numpy(data.image(image_id)).permute(2, 0, 1)[None].contiguous()
            cells = Colours()(batch_to_input(pixels))[-1][0].flatten(1).T
            label = torch.from_numpy(target[image_id]["label"])[2::4, 2::4].flatten().long()
            rows.append(cells[label != IGNORE].half().float())
            found.append(label[label != IGNORE])
    expected = pixel_probe(torch.cat(rows), torch.cat(found), 4, 0.3)
    assert model.started is not None
    torch.testing.assert_close(model.started[0], expected[0])
    assert set(torch.cat(found).tolist()) == {0, 1, 2, 3}


def test_what_is_taken_comes_in_order() -> None:
    taken = seen_by(Colours(), load, ["b", "a"], lambda maps, _: (maps.sum(),), COMPUTE)
    means = [Colours()(batch_to_input(IMAGES[one][None]))[-1].sum() for one in "ba"]
    torch.testing.assert_close(torch.stack([one for (one,) in taken]), torch.stack(means))


TAGS = {"a": [1.0, 0.0], "b": [0.0, 1.0]}


def load_tags(image_id: str, rng: Any) -> dict[str, Tensor]:
    return {"image": IMAGES[image_id], "tags": torch.tensor(TAGS[image_id])}


def test_tags_are_probed_by_means_over_whole_images() -> None:
    found = probe_tags(load_tags, ["a", "b"], 0.5, Colours(), COMPUTE)
    means = torch.stack([batch_to_input(IMAGES[one][None])[0].mean((1, 2)) for one in "ab"])
    expected = linear_probe(means, torch.tensor([TAGS["a"], TAGS["b"]]), 0.5)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


class Broken(Colours):
    def forward(self, x: Tensor) -> list[Tensor]:
        return [super().forward(x)[0] * float("nan")]


def test_features_that_are_not_finite() -> None:
    with pytest.raises(WsssError, match="features are not finite"):
        probe_tags(load_tags, ["a", "b"], 0.5, Broken(), COMPUTE)
    model: Any = Started()
    model.backbone = Broken()
    with pytest.raises(WsssError, match="features are not finite"):
        start_from_cells(load, lambda batch: batch["label"], ["a"], 4, 0.3, model, COMPUTE)
