"""What OAA and integral attention share: defaults, the network, where a crop lies."""

from __future__ import annotations

import pytest
import torch

from wsss_cli.nets.oaa import AttentionNet
from wsss_cli.options.cards import due
from wsss_cli.training.attentive import (
    Layers,
    placing_of,
    probes_shallow,
    published_recipe,
    rebuilt,
    usual,
)
from wsss_cli.training.augment import Augment
from wsss_cli.training.data import sample_generator
from wsss_cli.training.schedule import Drop

CONFIG = {"backbone": "tiny", "output_stride": 16, "dilated": False}


def test_defaults_are_the_published_ones_with_layers_and_the_plain_ones_without() -> None:
    rates = usual(1e-3)
    names = ("output_stride", "epochs", "batch_size", "lr", "head_multiplier", "crop")
    deep = [due(rates[name], {"layers": 3}) for name in names]
    probed = [due(rates[name], {"layers": 0}) for name in names]
    assert deep == [8, 15, 5, 1e-3, 10.0, 320]
    assert probed == [16, 5, 16, 3e-3, 100.0, 500]
    assert str(rates["epochs"]) == "15 if --layers, else 5"
    assert Layers().layers == 0


def test_a_head_behind_layers_is_no_probe() -> None:
    given = {"weights": "imagenet", "probe": None}
    assert probes_shallow({**given, "layers": 0})
    assert not probes_shallow({**given, "layers": 1})


@pytest.mark.parametrize(("method", "dense"), [("oaa", False), ("iam", True)])
def test_weights_say_which_network_they_hold(method: str, dense: bool) -> None:
    model = rebuilt({**CONFIG, "method": method, "layers": 2}, 3)
    assert isinstance(model, AttentionNet)
    assert model.dense is dense
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in model.extra) == 2
    with pytest.raises(ValueError, match="lacks layers"):
        rebuilt({**CONFIG, "method": method}, 3)


def test_the_optimisation_is_the_codes() -> None:
    assert published_recipe() == {
        "schedule": Drop,
        "nesterov": True,
        "grouping": {"bias_decay": True},
    }


def test_a_windows_placing_holds_its_numbers() -> None:
    augment = Augment(32, long_side=(40, 40))
    window = augment.window((30, 48), sample_generator(0, 0, 0))
    placing = placing_of((30, 48), window)
    assert (placing.height, placing.width) == (30, 48)
    assert (placing.scaled_height, placing.scaled_width) == window.scaled == (25, 40)
    assert (placing.top, placing.left) == window.start
    assert (placing.part_height, placing.part_width) == window.size
    assert (placing.y, placing.x) == window.place
    assert placing.mirrored == int(window.mirrored)
