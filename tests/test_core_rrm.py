"""Reliable labels against the published rule written out cell by cell; its edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from wsss_cli.core.crf import PRESETS, CrfParams
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.meanfield import mean_field, mean_field_each
from wsss_cli.core.rrm import Mining, reliable_labels, sure_of_maps

NO_CRF = CrfParams(iterations=0)
CRF = PRESETS["rrm-train"].shrunk(8)


def scene(seed: int, k: int = 2, size: tuple[int, int] = (8, 10)) -> tuple[Tensor, Tensor]:
    """Maps of k classes, each a bump of its own, and an image that shows them."""
    generator = torch.Generator().manual_seed(seed)
    cam = torch.rand(k, *size, generator=generator)
    rows, columns = torch.meshgrid(*map(torch.arange, size), indexing="ij")
    for one in cam:
        y, x = (torch.rand(2, generator=generator) * torch.tensor(size)).tolist()
        one *= torch.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8)
    image = torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
    return cam, image


def brute(cam: np.ndarray, image: Tensor, labels: list[int], mining: Mining) -> np.ndarray:
    """The rule, written out: see the source's compute_seg_label."""
    cam = cam / (cam.max(axis=(1, 2), keepdims=True) + 1e-5)
    strongest = cam.max(axis=0)
    both = {}
    for alpha in (mining.alpha_low, mining.alpha_high):
        scores = np.concatenate([(1 - strongest)[None] ** alpha, cam])
        logits = torch.from_numpy(np.log(np.clip(scores, 1e-5, 1)))
        both[alpha] = scores, mean_field(image, logits, mining.crf).numpy()
    (_, low), (scores, high) = both[mining.alpha_low], both[mining.alpha_high]
    winner, sure = low.argmax(0), np.zeros(image.shape[1:], bool)
    for number in np.unique(winner):
        own = scores.argmax(0) == number
        if number == 0:
            sure |= own & (scores[0] > mining.sure_bg)
            continue
        values = np.sort([v for v in scores[number][own] if v > mining.floor])
        if len(values):
            sure |= own & (scores[number] > values[int(len(values) * 0.6)])
    result = np.full(winner.shape, IGNORE, np.uint8)
    for y, x in np.ndindex(winner.shape):
        label = 0 if high[:, y, x].argmax() == 0 else winner[y, x] or IGNORE
        certain = max(high[0, y, x], *low[1:, y, x]) >= mining.sure
        if sure[y, x] and certain and label != IGNORE:
            result[y, x] = [0, *labels][label]
    return result


@given(st.integers(0, 40), st.sampled_from([1, 2, 3]))
def test_equals_the_rule_written_out(seed: int, k: int) -> None:
    cam, image = scene(seed, k)
    labels = [2, 5, 9][:k]
    mining = Mining(crf=CRF, sure=0.6)
    found = reliable_labels(cam, image, torch.tensor(labels, dtype=torch.uint8), mining)
    assert np.array_equal(found.numpy(), brute(cam.double().numpy(), image, labels, mining))


def test_only_present_labels_and_nothing_outside() -> None:
    cam, image = scene(0, 2, (12, 12))
    seen = torch.ones(12, 12, dtype=torch.bool)
    seen[8:] = False
    labels = torch.tensor([3, 7], dtype=torch.uint8)
    found = reliable_labels(cam, image, labels, Mining(crf=CRF), seen)
    assert (found[~seen] == IGNORE).all()
    assert set(found.unique().tolist()) <= {0, 3, 7, IGNORE}
    wild = cam.clone()
    wild[:, ~seen] = 100  # what lies outside does not even scale the maps
    assert torch.equal(reliable_labels(wild, image, labels, Mining(crf=CRF), seen), found)


def test_without_classes_all_is_background() -> None:
    image = torch.zeros(3, 4, 5, dtype=torch.uint8)
    none = torch.zeros(0, dtype=torch.uint8)
    found = reliable_labels(torch.zeros(0, 4, 5), image, none, Mining(crf=CRF))
    assert found.shape == (4, 5)
    assert (found == 0).all()


def test_a_class_without_response_breaks_nothing() -> None:
    cam, image = scene(1)
    cam[1] = 0
    labels = torch.tensor([1, 2], dtype=torch.uint8)
    found = reliable_labels(cam, image, labels, Mining(crf=CRF))
    assert 2 not in found
    empty = reliable_labels(cam * 0, image, labels, Mining(crf=CRF))
    assert (empty == 0).all()  # as of an image without classes


def test_the_strongest_two_fifths_of_a_class() -> None:
    """Ten cells above the floor: the sixth from below parts them, and four are above it."""
    cam = torch.linspace(0.5, 0.95, 10)[None, None]
    background, winner = torch.zeros(1, 10), torch.ones(1, 10, dtype=torch.int64)
    seen = torch.ones(1, 10, dtype=torch.bool)
    sure = sure_of_maps(cam, background, winner, Mining(), seen)
    assert sure[0].tolist() == [False] * 7 + [True] * 3  # place 6 itself is not above itself
    more = sure_of_maps(cam, background, winner, Mining(top=1), seen)
    assert more[0].tolist() == [False] + [True] * 9
    assert not sure_of_maps(cam * 0.1, background, winner, Mining(), seen).any()
    assert not sure_of_maps(cam, background, winner * 0, Mining(), seen).any()


@given(st.integers(0, 20))
def test_the_stricter_the_fewer(seed: int) -> None:
    cam, image = scene(seed)
    labels = torch.tensor([1, 2], dtype=torch.uint8)

    def kept(**changes: float) -> Tensor:
        found = reliable_labels(cam, image, labels, Mining(crf=CRF, **changes))
        return found != IGNORE

    usual = kept(sure=0.7)
    assert not (kept(sure=0.9) & ~usual).any()
    assert not (kept(sure=0.7, top=0.2) & ~usual).any()
    assert not (kept(sure=0.7, sure_bg=0.95) & ~usual).any()


def test_maps_scaled_by_a_factor_give_the_same() -> None:
    cam, image = scene(2)
    labels = torch.tensor([1, 2], dtype=torch.uint8)
    found = reliable_labels(cam * 100, image, labels, Mining(crf=CRF))
    assert torch.equal(reliable_labels(cam * 1000, image, labels, Mining(crf=CRF)), found)


def test_starts_that_share_kernels_are_as_each_alone() -> None:
    cam, image = scene(3, 3)
    logits = torch.stack([cam.clamp(0.01).log(), cam.clamp(0.1).log() * 2])
    shared = mean_field_each(image, logits, CRF)
    for one, alone in zip(shared, logits, strict=True):
        torch.testing.assert_close(one, mean_field(image, alone, CRF))
    plain = mean_field_each(image, logits, NO_CRF)
    torch.testing.assert_close(plain, logits.softmax(1))


@pytest.mark.parametrize("changes", [{"top": 1.5}, {"alpha_low": 0.0}, {"alpha_low": 40.0}])
def test_what_is_no_rule(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"alpha|0\.\.1"):
        Mining(**changes)


def test_shapes_must_agree() -> None:
    cam, image = scene(4)
    with pytest.raises(ValueError, match="labels"):
        reliable_labels(cam, image, torch.zeros(3, dtype=torch.uint8), Mining())
