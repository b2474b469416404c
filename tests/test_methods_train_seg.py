"""The cards of train-seg: what options are when nothing is said, and what is refused first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import wsss_cli.cli  # tells planning of the commands
from wsss_cli.errors import UsageError
from wsss_cli.methods.rebuild import presence_tellers, rebuild_segmenter
from wsss_cli.methods.train_seg import CARDS
from wsss_cli.planning.chain import STAGES, card_of, settled

STAGE = next(stage for stage in STAGES if stage.name == "train-seg")
PAGES = Path(wsss_cli.cli.__file__).parent.parent / "docs" / "methods"


def options(text: str) -> dict[str, Any]:
    return settled(STAGE, text)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_says_where_its_method_is_from(card: Any) -> None:
    assert card.source
    assert (PAGES / f"{card.page}.md").exists()
    text = f"--loss {card.name}" if card.by == "loss" else f"--method {card.name}"
    assert card_of(STAGE, options(text)) is card


def test_defaults_follow_from_the_choice_and_from_other_options() -> None:
    ce = options("")
    assert (ce["method"], ce["loss"], ce["labels"]) == ("labels", "ce", Path("pseudo.h5"))
    assert (ce["rescale"], options("--long-side 9,9")["rescale"]) == ("0.5,1.5", None)
    assert ce["grow"] is None  # no such thing
    sec, dsrg = options("--loss sec"), options("--loss dsrg")
    assert (sec["grow"], sec["grow_fg"], sec["grow_scores"]) == (False, None, None)
    assert (sec["decay_fg"], sec["decay_bg"], sec["crf"]) == (0.996, 0.999, "sec-train")
    assert (dsrg["grow"], dsrg["grow_fg"], dsrg["grow_bg"]) == (True, 0.85, 0.99)
    assert (dsrg["decay_fg"], dsrg["grow_scores"].value, dsrg["lr"]) == (None, "crf", 5e-4)
    assert options("--loss dsrg --crf none")["grow_scores"] is None
    assert options("--loss dsrg --terms balanced,expand")["decay_fg"] == 0.996
    assert options("--method rrm")["crf"] == "rrm-train"
    single = options("--method single-stage")
    assert (single["model"], single["gate"], single["area"]) == ("gated", 0.3, "0.9,1")
    assert options("--method single-stage --model deeplabv1")["gate"] is None
    assert options("--method single-stage --rescale 1,1")["area"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--terms seed --gate 0.2", "--gate: --method labels has no such thing"),
        ("--grid-stride 4", "--grid-stride: --loss ce has no such thing"),
        ("--loss sec --mine-top 0.5", "--mine-top: --method labels has no such thing"),
        ("--method rrm --loss ce", "--loss: --method rrm has no such thing"),
        ("--method rrm --labels a.h5", "--labels: --method rrm has no such thing"),
    ],
)
def test_what_another_method_has_is_refused_before_what_another_loss_has(
    text: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        options(text)


def test_networks_are_rebuilt_by_their_cards() -> None:
    assert presence_tellers() == ["single-stage"]
    config: dict[str, Any] = {"backbone": "tiny", "output_stride": 8, "dilated": True}
    config |= {"model": "deeplabv1", "norm": "group"}
    net = CARDS[0].network(config, 3).eval()
    state = {**net.state_dict(), "tag_head.weight": torch.zeros(2, 160, 1, 1)}
    again = rebuild_segmenter(config, 3, state)
    x = torch.rand(1, 3, 16, 16)
    assert torch.equal(again(x), net(x))
    with pytest.raises(ValueError, match="unknown method 'magic'"):
        rebuild_segmenter({**config, "method": "magic"}, 3, state)
    with pytest.raises(ValueError, match="focal_power"):
        rebuild_segmenter({**config, "method": "single-stage"}, 3, state)
