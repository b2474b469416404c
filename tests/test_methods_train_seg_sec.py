"""train-seg --loss sec: seeds that stay, classes that cover, a CRF that constrains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from teaching import chosen, options, seg_task

from wsss_cli.core.crf import PRESETS
from wsss_cli.core.labels import IGNORE
from wsss_cli.errors import UsageError
from wsss_cli.methods.train_seg.sec import CARD, Sec

CELLS = np.array([[0.2, 1.0, -1.0], [0.5, 0.0, 0.25]])  # logits of two cells


def batch(seeds: list[int], present: list[bool]) -> dict[str, torch.Tensor]:
    """An image of 8 x 16, of cells of 8 pixels."""
    return {
        "image": torch.zeros(1, 3, 8, 16),
        "label": torch.tensor([[seeds]], dtype=torch.uint8),
        "seen": torch.ones(1, 1, len(seeds), dtype=torch.bool),
        "tags": torch.tensor([present]).float(),
        "thumb": torch.zeros(1, 3, 1, len(seeds), dtype=torch.uint8),
    }


def logits() -> torch.Tensor:
    cells = torch.tensor(CELLS.T, dtype=torch.float32)[None, :, None]
    return cells.repeat_interleave(8, 2).repeat_interleave(8, 3)


def probabilities() -> np.ndarray:
    """(2, 3) in float64, each raised by 0.0001."""
    raised = np.exp(CELLS) / np.exp(CELLS).sum(1, keepdims=True) + 1e-4
    return raised / raised.sum(1, keepdims=True)


def share(text: str, seeds: list[int], present: list[bool]) -> float:
    method = chosen(f"--loss sec --grid-stride 8 {text}")
    loss = Sec(seg_task(Path()), method.options).loss()
    return float(loss.share(logits(), *loss.prepare(batch(seeds, present))))


def test_defaults_are_the_published_ones() -> None:
    found, method = options("--loss sec"), chosen("--loss sec")
    assert method.card is CARD
    seeded = Sec(seg_task(Path()), method.options).seeded
    assert (seeded.terms, seeded.grow) == (("seed", "expand", "constrain"), False)
    assert (seeded.decay_fg, seeded.decay_bg) == (0.996, 0.999)
    assert seeded.crf == PRESETS["sec-train"]
    assert (seeded.crf.bilateral_sxy * 12, seeded.crf.bilateral_srgb) == (80, 13)  # type: ignore[union-attr]
    assert (seeded.unary, seeded.stride) == ("log", 8)
    assert (found["lr"], found["rescale"], found["probe"]) == (1e-3, None, None)


def test_seeds_and_expansion_by_hand() -> None:
    """With decays of 0 and 1 a class is pooled by its maximum, the background by its mean."""
    f = probabilities()
    seed = -np.log(f[0, 1])
    expand = -np.log(f[:, 1].max()) - np.log(1 - f[:, 2].max()) - np.log(f[:, 0].mean())
    terms = "--terms seed,expand --crf none --decay-fg 0 --decay-bg 1"
    assert share(terms, [1, IGNORE], [True, False]) == pytest.approx(seed + expand, rel=1e-5)
    only = share("--terms seed --crf none", [1, 2], [True, True])
    assert only == pytest.approx(seed / 2 - np.log(f[1, 2]) / 2, rel=1e-5)


def test_a_crf_that_follows_the_network_constrains_nothing() -> None:
    """Without iterations its probabilities are the network's own."""
    without = share("--terms seed", [1, IGNORE], [True, False])
    still = share("--terms seed,constrain --crf-iterations 0", [1, IGNORE], [True, False])
    usual = share("--terms seed,constrain", [1, IGNORE], [True, False])
    assert still == pytest.approx(without, abs=1e-6)
    assert usual > without + 1e-3  # two cells of one colour should agree


def test_seeds_stay_as_they_are() -> None:
    method = chosen("--loss sec --grid-stride 8")
    seeded = Sec(seg_task(Path()), method.options).seeded
    shown = seeded.supervision(logits(), batch([1, IGNORE], [True, True]))
    assert shown.tolist() == [[[1, IGNORE]]]


def test_what_is_recorded_and_when_it_starts_as_a_probe() -> None:
    method = Sec(seg_task(Path()), chosen("--loss sec").options)
    assert (Sec.name, method.decay) == ("sec", None)
    assert method.params()["crf"]["iterations"] == 10
    given = {"weights": "imagenet", "model": "deeplabv2", "backbone": "resnet50"}
    assert not CARD.probes({**given, "probe": None})
    assert CARD.probes({**given, "probe": True})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--crf none", "--terms constrain: needs a CRF"),
        ("--grow-fg 0.5", "--grow-fg: nothing grows"),
        ("--decay-fg 2", r"--decay-fg 2\.0: must lie in 0\.\.1"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Sec(seg_task(Path()), chosen(f"--loss sec {text}").options)
