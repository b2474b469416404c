"""train-cls --method seam: its loss is core.seam's, its network what weights say."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from wsss_cli.core.seam import PairWeights, seam_loss
from wsss_cli.methods.train_cls.seam import CARD, Seam, network, pair_loss
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.seam import SeamNet, small_size
from wsss_cli.options.cards import due

CONFIG = {"backbone": "tiny", "output_stride": 8, "dilated": False}


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (2.0, 0.0, 0.0), (0.0, 3.0, 0.5)])
def test_options_weigh_the_losses(weights: tuple[float, float, float]) -> None:
    torch.manual_seed(0)
    names = ("er_weight", "ecr_weight", "min_weight")
    seam = Seam(**dict(zip(names, weights, strict=True)), pair_scale=0.5)
    model = SeamNet(build_backbone("tiny", 8), 3, pair_scale=0.5).train()
    image, tags = torch.randn(2, 3, 32, 48), torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    with torch.no_grad():
        outputs = model(image)
    found = pair_loss(seam, outputs, {"image": image, "tags": tags}, torch.tensor([2, 6]))
    expected = seam_loss(
        outputs["cams"],
        outputs["refined"],
        tags,
        ((32, 48), small_size((32, 48), 0.5)),
        PairWeights(*weights),
        torch.tensor([2, 6]),
    )
    assert torch.equal(found, expected)


@pytest.mark.parametrize("suppress", [True, False])
def test_weights_say_whether_to_suppress(suppress: bool) -> None:
    model = network({**CONFIG, "suppress": suppress}, 3)
    assert model.suppress is suppress
    assert model.spreads
    with pytest.raises(ValueError, match="lacks suppress"):
        network(CONFIG, 3)


def test_a_probes_head_has_no_dropout_and_a_higher_rate() -> None:
    given = {"weights": "imagenet", "probe": None}
    for weights, dropout, multiplier in (("imagenet", 0.0, 100.0), ("random", 0.5, 10.0)):
        options = {**given, "weights": weights}
        assert due(CARD.usual["dropout"], options) == dropout
        assert due(CARD.usual["head_multiplier"], options) == multiplier


def test_own_options_are_the_codes() -> None:
    assert asdict(Seam()) == {
        "pair_scale": 0.3,
        "er_weight": 1.0,
        "ecr_weight": 1.0,
        "min_weight": 1.0,
        "suppress": True,
        "detach": True,
    }
