"""Labels that masks make for themselves, and the loss they teach by, against loops in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from wsss_cli.core.grid import upsample_grid
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.pamr import pamr
from wsss_cli.core.single_stage_labels import (
    SelfLabels,
    balanced_losses,
    self_labels,
    sure_channels,
)

RULE = SelfLabels(iterations=3, dilations=(1, 2))
SIZE, STRIDE = (11, 18), 4
H, W = 3, 5
PRESENT = torch.tensor([[True, False, True], [False, False, True], [False, False, False]])


def problem(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Colours and masks of three images, float64."""
    rng = torch.Generator().manual_seed(seed)
    image = torch.rand(3, 3, H, W, generator=rng, dtype=torch.float64)
    masks = 3 * torch.randn(3, 4, H, W, generator=rng, dtype=torch.float64)
    return image, masks.softmax(1)


def by_loops(scores: Tensor, rule: SelfLabels, seen: Tensor) -> Tensor:
    """Labels (B, H, W) of scores (B, n, H, W), pixel by pixel."""
    labels = torch.full((len(scores), *scores.shape[2:]), IGNORE, dtype=torch.uint8)
    for b, maps in enumerate(scores):
        above: list[float] = []
        for c, one in enumerate(maps):
            highest = float(one[seen[b]].max()) if seen[b].any() else 0.0
            above.append(max(rule.lowest, (rule.top_fg if c else rule.top_bg) * highest))
        for i in range(scores.shape[2]):
            for j in range(scores.shape[3]):
                sure = [c for c, least in enumerate(above) if maps[c, i, j] > least]
                if len(sure) == 1 and seen[b, i, j]:
                    labels[b, i, j] = sure[0]
    return labels


@pytest.mark.parametrize("rule", [RULE, SelfLabels(0.9, 0.3, 0.1, iterations=0)])
@pytest.mark.parametrize("seed", range(4))
def test_labels_are_those_of_loops(rule: SelfLabels, seed: int) -> None:
    image, masks = problem(seed)
    seen = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(seed)) < 0.8
    refined = pamr(image, masks, iterations=rule.iterations, dilations=rule.dilations)
    refined[:, 1:] *= PRESENT[:, :, None, None]
    expected = by_loops(upsample_grid(refined, SIZE, STRIDE), rule, seen)
    found = self_labels(image, masks, PRESENT, SIZE, STRIDE, rule, seen)
    assert found.dtype == torch.uint8
    assert torch.equal(found, expected)
    assert len(found.unique()) > 2  # a problem that says something
    all_seen = torch.ones_like(seen)
    expected = by_loops(upsample_grid(refined, SIZE, STRIDE), rule, all_seen)
    assert torch.equal(self_labels(image, masks, PRESENT, SIZE, STRIDE, rule), expected)


def enlarged_by_loops(maps: Tensor, cells: Tensor) -> Tensor:
    """Bilinear between the centres of cells that are seen, of one image (n, h, w)."""
    large = torch.zeros(len(maps), *SIZE, dtype=maps.dtype)
    for i in range(SIZE[0]):
        for j in range(SIZE[1]):
            y, x = (i + 0.5) / STRIDE - 0.5, (j + 0.5) / STRIDE - 0.5
            total = 0.0
            for a in (math.floor(y), math.floor(y) + 1):
                for b in (math.floor(x), math.floor(x) + 1):
                    at = (min(max(a, 0), H - 1), min(max(b, 0), W - 1))
                    if cells[at]:
                        weight = (1 - abs(y - a)) * (1 - abs(x - b))
                        large[:, i, j] += weight * maps[(slice(None), *at)]
                        total += weight
            large[:, i, j] /= total or 1
    return large


def with_padding() -> tuple[Tensor, Tensor]:
    """Pixels of three images, and the cells that hold some: aligned, across cells, a sliver."""
    seen = torch.zeros(3, *SIZE, dtype=torch.bool)
    seen[0, :8, 4:] = seen[1, 2:7, :10] = seen[2, :, 11:13] = True
    cells = torch.zeros(3, H, W, dtype=torch.bool)
    cells[0, :2, 1:] = cells[1, :2, :3] = cells[2, :, 2:4] = True
    return seen, cells


@pytest.mark.parametrize("seed", range(4))
def test_padding_has_no_part_in_labels(seed: int) -> None:
    image, masks = problem(seed)
    seen, cells = with_padding()
    found = self_labels(image, masks, PRESENT, SIZE, STRIDE, RULE, seen)
    refined = pamr(image, masks, iterations=3, dilations=(1, 2), seen=cells)
    refined[:, 1:] *= PRESENT[:, :, None, None]
    large = torch.stack([enlarged_by_loops(*one) for one in zip(refined, cells, strict=True)])
    assert torch.equal(found, by_loops(large, RULE, seen))
    assert (found[seen] != IGNORE).any()
    outside = ~cells[:, None]
    for value in (0.0, 1.0, 50.0):
        changed = image.masked_fill(outside, -value), masks.masked_fill(outside, value)
        assert torch.equal(self_labels(*changed, PRESENT, SIZE, STRIDE, RULE, seen), found)


def test_where_all_is_seen_nothing_changes() -> None:
    image, masks = problem()
    seen = torch.ones(3, *SIZE, dtype=torch.bool)
    found = self_labels(image, masks, PRESENT, SIZE, STRIDE, RULE)
    assert torch.equal(self_labels(image, masks, PRESENT, SIZE, STRIDE, RULE, seen), found)
    seen[1] = False
    other = self_labels(image, masks, PRESENT, SIZE, STRIDE, RULE, seen)
    assert torch.equal(other[[0, 2]], found[[0, 2]])
    assert (other[1] == IGNORE).all()


def test_absent_classes_never_come_out_and_do_not_change_anything() -> None:
    image, masks = problem()
    labels = self_labels(image, masks, PRESENT, SIZE, STRIDE, RULE)
    for row, present in zip(labels, PRESENT, strict=True):
        allowed = {0, IGNORE, *(present.nonzero()[:, 0] + 1).tolist()}
        assert set(row.unique().tolist()) <= allowed
    other = masks.clone()
    other[:, 2] = torch.rand(3, H, W, dtype=torch.float64)  # absent from all
    assert torch.equal(self_labels(image, other, PRESENT, SIZE, STRIDE, RULE), labels)


@given(st.integers(0, 99), st.floats(0.5, 1))
def test_a_weaker_class_keeps_its_set_above_the_floor(seed: int, part: float) -> None:
    scores = torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(seed))
    scores[0, 1, 0, 0], scores[:, 0] = 1, 0
    rule = SelfLabels(lowest=0.2)
    weaker = scores.clone()
    weaker[:, 1] *= part  # its threshold, 0.6 of its highest, stays above 0.2
    sure = sure_channels(scores, rule) == 1
    assert torch.equal(sure_channels(weaker, rule) == 1, sure)
    assert sure.sum() < 16


def test_where_two_are_sure_none_is() -> None:
    scores = torch.tensor([[[0.9, 0.9, 0.1, 0.19]], [[0.9, 0.1, 0.9, 0.19]]])[None]
    assert sure_channels(scores, SelfLabels()).tolist() == [[[2, 0, 1, 2]]]
    flat = torch.full((1, 2, 1, 4), 0.2)
    assert (sure_channels(flat, SelfLabels()) == 2).all()  # strictly above the floor


def test_images_without_classes_and_wrong_shapes() -> None:
    image, masks = problem()
    none = torch.zeros(3, 3, dtype=torch.bool)
    labels = self_labels(image, masks, none, SIZE, STRIDE, RULE)
    assert set(labels.unique().tolist()) == {0, IGNORE}
    with pytest.raises(ValueError, match="masks for 2 classes"):
        self_labels(image, masks, none[:, :2], SIZE, STRIDE, RULE)
    with pytest.raises(ValueError, match=r"0\.\.1"):
        SelfLabels(top_fg=1.1)
    with pytest.raises(ValueError, match="iterations"):
        SelfLabels(iterations=-1)


def loss_by_loops(logits: Tensor, labels: Tensor, present: Tensor, seen: Tensor) -> Tensor:
    losses = torch.zeros(len(logits), dtype=torch.float64)
    for b in range(len(logits)):
        known = [int(v) for v in labels[b].flatten() if v != IGNORE]
        if len(set(known)) != int(present[b].sum()) + 1:
            continue
        total = 0.0
        for i in range(logits.shape[2]):
            for j in range(logits.shape[3]):
                label = int(labels[b, i, j])
                if label == IGNORE:
                    continue
                powers = [math.exp(float(v)) for v in logits[b, :, i, j]]
                weight = (len(known) - known.count(label)) / (1 + len(known))
                total -= weight * math.log(powers[label] / sum(powers))
        losses[b] = total / int(seen[b].sum())
    return losses


def lesson() -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(5)
    logits = torch.randn(3, 4, 4, 5, generator=rng, dtype=torch.float64)
    labels = torch.full((3, 4, 5), IGNORE, dtype=torch.uint8)
    labels[0, 0, :], labels[0, 1, :2], labels[0, 2, 0] = 0, 1, 3
    labels[1, 0, :3], labels[1, 1, 3] = 0, 3
    labels[2, :3] = 0
    seen = torch.ones(3, 4, 5, dtype=torch.bool)
    seen[:, 3] = False
    return logits, labels, seen


def test_the_loss_is_that_of_loops() -> None:
    logits, labels, seen = lesson()
    expected = loss_by_loops(logits, labels, PRESENT, seen)
    assert (expected[:2] > 0).all()
    assert expected[2] == 0  # background alone has no weight
    assert torch.allclose(balanced_losses(logits, labels, PRESENT, seen), expected)
    everywhere = loss_by_loops(logits, labels, PRESENT, torch.ones_like(seen))
    assert torch.allclose(balanced_losses(logits, labels, PRESENT), everywhere)
    assert torch.autograd.gradcheck(
        lambda t: balanced_losses(t, labels, PRESENT, seen), logits.requires_grad_()
    )


def test_a_missing_class_silences_the_image_and_unlabelled_pixels_teach_nothing() -> None:
    logits, labels, _ = lesson()
    more = PRESENT.clone()
    more[1, 0] = True
    assert balanced_losses(logits, labels, more)[1] == 0
    logits.requires_grad_()
    balanced_losses(logits, labels, PRESENT).sum().backward()
    assert logits.grad is not None
    slopes = logits.grad.abs().sum(1)
    assert (slopes[labels == IGNORE] == 0).all()
    assert (slopes[0][labels[0] != IGNORE] > 0).all()
    empty = torch.full_like(labels, IGNORE)
    assert torch.equal(balanced_losses(logits, empty, PRESENT), torch.zeros(3).double())
