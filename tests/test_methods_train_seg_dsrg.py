"""train-seg --loss dsrg: seeds that grow over cells that the scores are sure of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from teaching import chosen, options, seg_task

from wsss_cli.core.crf import PRESETS
from wsss_cli.core.labels import IGNORE
from wsss_cli.errors import UsageError
from wsss_cli.methods.train_seg.dsrg import CARD, Dsrg

# Logits of five cells: background, background, between, the class, the class
CELLS = np.array([[3.0, 0.0], [3.0, 0.0], [0.0, 0.0], [0.0, 2.0], [0.0, 3.0]])
OWN = "--loss dsrg --terms balanced --crf none --grow-fg 0.8 --grow-bg 0.9 --grid-stride 8"
BATCH = {
    "image": torch.zeros(1, 3, 8, 40),
    "label": torch.tensor([[[0, IGNORE, IGNORE, IGNORE, 1]]], dtype=torch.uint8),
    "seen": torch.ones(1, 1, 5, dtype=torch.bool),
    "tags": torch.ones(1, 1),
    "thumb": torch.zeros(1, 3, 1, 5, dtype=torch.uint8),
}


def logits() -> torch.Tensor:
    cells = torch.tensor(CELLS.T, dtype=torch.float32)[None, :, None]
    return cells.repeat_interleave(8, 2).repeat_interleave(8, 3)


def share(text: str) -> float:
    loss = Dsrg(seg_task(Path()), chosen(text).options).loss()
    return float(loss.share(logits(), *loss.prepare(BATCH)))


def probabilities() -> np.ndarray:
    raised = np.exp(CELLS) / np.exp(CELLS).sum(1, keepdims=True) + 1e-4
    return raised / raised.sum(1, keepdims=True)


def test_defaults_are_the_published_ones() -> None:
    found, method = options("--loss dsrg"), chosen("--loss dsrg")
    assert method.card is CARD
    seeded = Dsrg(seg_task(Path()), method.options).seeded
    assert (seeded.terms, seeded.grow) == (("balanced", "boundary"), True)
    assert (seeded.grow_fg, seeded.grow_bg, seeded.grow_scores) == (0.85, 0.99, "crf")
    assert (seeded.crf, seeded.unary) == (PRESETS["sec-train"], "log")
    assert found["lr"] == 5e-4
    assert options("--loss dsrg --backbone mobilenet_v2")["lr"] == 1e-4


def test_seeds_grow_by_hand() -> None:
    """Of sigmoid(3) = 0.95 and sigmoid(2) = 0.88 both exceed 0.8, and 0.95 exceeds 0.9."""
    seeded = Dsrg(seg_task(Path()), chosen(OWN).options).seeded
    assert seeded.supervision(logits(), BATCH).tolist() == [[[0, 0, IGNORE, 1, 1]]]
    still = Dsrg(seg_task(Path()), chosen("--loss dsrg --no-grow").options).seeded
    assert still.supervision(logits(), BATCH).tolist() == BATCH["label"].tolist()
    less = chosen(OWN.replace("0.8", "0.9").replace("bg 0.9", "bg 0.96"))
    found = Dsrg(seg_task(Path()), less.options).seeded.supervision(logits(), BATCH)
    assert found.tolist() == BATCH["label"].tolist()


def test_grown_seeds_are_learned_background_and_classes_alike() -> None:
    f = probabilities()
    grown = -np.log(f[:2, 0]).mean() - np.log(f[3:, 1]).mean()
    assert share(OWN) == pytest.approx(grown, rel=1e-5)
    own = -np.log(f[0, 0]) - np.log(f[4, 1])
    still = OWN.replace("--grow-fg 0.8 --grow-bg 0.9", "--no-grow")
    assert share(still) == pytest.approx(own, rel=1e-5)


def test_seeds_grow_by_the_crfs_scores_where_there_is_one() -> None:
    """Without iterations these are the network's."""
    crf = OWN.replace("--crf none", "--crf-iterations 0")
    seeded = Dsrg(seg_task(Path()), chosen(crf).options).seeded
    assert seeded.grow_scores == "crf"
    assert seeded.supervision(logits(), BATCH).tolist() == [[[0, 0, IGNORE, 1, 1]]]
    # a CRF in which all cells have one colour gives the one between to the background
    usual = Dsrg(seg_task(Path()), chosen(OWN.replace("--crf none", "")).options).seeded
    assert usual.supervision(logits(), BATCH).tolist() == [[[0, 0, 0, 1, 1]]]


def test_what_is_recorded() -> None:
    method = Dsrg(seg_task(Path()), chosen("--loss dsrg").options)
    assert (Dsrg.name, method.decay) == ("dsrg", None)
    params = method.params()
    assert (params["grow"], params["grow_fg"], params["terms"]) == (
        *(True, 0.85),
        ("balanced", "boundary"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--crf none", "--terms boundary: needs a CRF"),
        ("--no-grow --grow-bg 0.5", "--grow-bg: nothing grows"),
        ("--decay-fg 0.5", "--decay-fg: no term is expand"),
        ("--grow-bg nan", r"--grow-bg nan: must lie in 0\.\.1"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Dsrg(seg_task(Path()), chosen(f"--loss dsrg {text}").options)
