"""Class maps by gradients at a layer: what is recorded of it, and which networks serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made import contents, same, wsss
from test_cli_make_cam import write_classifier
from torch import Tensor, nn

from wsss_cli.inference.gradients import Gradients, gradient_card, look
from wsss_cli.inference.maps import CamCard
from wsss_cli.options.cards import Due

# Two features of 2 x 2 cells, and what two classes make of their squares
FEATURES = torch.tensor([[[1.0, 2.0], [0.0, 1.0]], [[2.0, 0.0], [1.0, 1.0]]])
WEIGHTS = torch.tensor([[1.0, -1.0], [0.5, 1.0]])


class Squares(nn.Module):
    """Scores that are sums over features k of weights times the mean of A_k squared.

    So the gradient at a cell is half of weight times feature, there being four cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.whole = nn.AvgPool2d(1)
        self.cells = nn.AvgPool2d(2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.cells(self.whole(x)[:, :2]).pow(2).mean((2, 3)) @ WEIGHTS.T


def image() -> Tensor:
    """(1, 3, 4, 4) whose cells of 2 x 2 pixels have the features."""
    pixels = FEATURES.repeat_interleave(2, 1).repeat_interleave(2, 2)
    return torch.cat([pixels, torch.full((1, 4, 4), 9.0)])[None]


def maps_of(card: CamCard, classes: Tensor | None = None) -> np.ndarray:
    """(K, 2, 2) of the image and the scores above."""
    model, record = card.look(Squares().eval(), None, card.options())
    assert record == {"method": card.name, "layer": "cells"}
    return model.seen(image(), classes)[0][0].numpy()


@pytest.fixture
def weights(tiny_data: Path) -> Path:
    return write_classifier(tiny_data)


@pytest.mark.parametrize("method", ["gradcam++", "layercam"])
def test_an_earlier_layer_and_shards(weights: Path, tiny_data: Path, method: str) -> None:
    folder = tiny_data.parent
    command = ["make-cam", "-w", weights, "--method", method, "--layer", "backbone.stage3"]
    assert wsss(*command, "-o", folder / "all.h5").exit_code == 0
    parts = []
    for part in (1, 2):
        parts.append(folder / f"{part}.h5")
        result = wsss(*command, "-o", parts[-1], "--shard", f"{part}/2", "--workers", part)
        assert result.exit_code == 0, result.stderr
    assert wsss("merge", *parts, "-o", folder / "merged.h5").exit_code == 0
    same(folder / "all.h5", folder / "merged.h5")
    assert contents(folder / "all.h5")["a/3"]["cam"].max() > 0.9


def test_a_card_says_all_of_its_method() -> None:
    card = gradient_card("layercam", "words", "a paper")
    assert (card.name, card.said, card.source, card.page) == (
        *("layercam", "words", "a paper"),
        "gradcam",
    )
    assert card.any_network
    assert card.options is Gradients
    assert isinstance(card.own["layer"], Due)
    assert str(card.own["layer"]) == "the last"
    assert card.options().layer is None


def test_the_layer_that_is_named_is_looked_at() -> None:
    network = Squares().eval()
    model, record = look("gradcam", network, [[1], [0, 1]], Gradients(layer="whole"))
    assert record == {"method": "gradcam", "layer": "whole"}
    assert (model.stride, model.outputs) == (1, [[1], [0, 1]])
    maps, logits = model.seen(image())
    scores = network(image())[0]
    assert logits[0].tolist() == [scores[1], scores.max()]
    assert maps.shape == (1, 2, 4, 4)


def test_a_layer_without_cells_and_a_network_of_one_size() -> None:
    with pytest.raises(ValueError, match="its layer 'head' gives no map of cells; whole, cells do"):
        look("gradcam", Squares().eval(), None, Gradients(layer="head"))
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2)).eval()
    with pytest.raises(ValueError, match="it takes images of one size only"):
        look("gradcam", flat, None, Gradients())
