"""The single-stage loss against a plain computation, and the parts of images that it sees."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from wsss_cli.core.grid import upsample_grid
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.pamr import pamr
from wsss_cli.core.single_stage_labels import SelfLabels
from wsss_cli.core.single_stage_pooling import Pooling, with_background
from wsss_cli.methods.train_seg.single_stage.loss import SingleStageLoss
from wsss_cli.training.data import Sample

RULE = SelfLabels(iterations=2, dilations=(1, 2))
LOSS = SingleStageLoss(4, Pooling(2, 0.05), RULE, tag_epochs=3, mask_weight=0.5)
TAGS = torch.tensor([[1.0, 0, 1], [0, 1, 0]])


COARSE = SingleStageLoss(8, Pooling(2, 0.05), RULE, tag_epochs=3, mask_weight=0.5)


def lesson(epoch: int, stride: int = 4) -> tuple[Tensor, Sample]:
    """Logits of two images of 16 x 20, in double precision."""
    rng = torch.Generator().manual_seed(1)
    cells = (2, 4, 16 // stride, -(-20 // stride))
    logits = 3 * torch.randn(*cells, generator=rng, dtype=torch.float64)
    logits[:, 0] = 1
    image = torch.randn(2, 3, 16, 20, generator=rng, dtype=torch.float64)
    seen = torch.ones(2, 16, 20, dtype=torch.bool)
    seen[1, 12:] = False
    key = torch.tensor([[epoch, 0], [epoch, 1]])
    return logits, {"image": image, "tags": TAGS, "inside": seen, "key": key}


def plain_tag_loss(logits: Tensor, rows: int, tags: Tensor) -> float:
    """Of one image (n, h, w), whose first `rows` rows of cells are its own."""
    x = logits[:, :rows]
    masks = x.softmax(0)
    total = 0.0
    for c, tag in enumerate(tags.tolist(), start=1):
        mean = float(masks[c].mean())
        score = float((x[c] * masks[c]).sum() / (1 + masks[c].sum()))
        score += (1 - mean) ** 2 * math.log(0.05 + mean)
        total += math.log1p(math.exp(-score if tag else score))
    return total / len(tags)


def plain_mask_loss(logits: Tensor, image: Tensor, seen: Tensor, tags: Tensor) -> float:
    """Of an image that ends with a row of cells."""
    colours, cells = F.avg_pool2d(image, 4), seen[::4, ::4]
    refined = pamr(colours, logits.softmax(0), iterations=2, dilations=(1, 2), seen=cells)
    refined[1:] *= tags[:, None, None]
    rows = int(cells[:, 0].sum())
    scores = torch.zeros(4, 16, 20, dtype=torch.float64)
    scores[:, : 4 * rows] = upsample_grid(refined[:, :rows], (4 * rows, 20), 4)
    parts = [0.7, 0.6, 0.6, 0.6]
    sure = torch.stack(
        [one > max(0.2, part * float(one.max())) for one, part in zip(scores, parts, strict=True)]
    )
    labels = torch.where((sure.sum(0) == 1) & seen, sure.int().argmax(0), IGNORE)
    known = labels != IGNORE
    if len(labels[known].unique()) != int(tags.sum()) + 1:
        return 0.0
    log = upsample_grid(logits, (16, 20), 4).log_softmax(0)
    total = 0.0
    for label in labels[known].unique().tolist():
        own, n = labels == label, int(known.sum())
        total -= (n - int(own.sum())) / (1 + n) * float(log[label][own].sum())
    return total / int(seen.sum())


def test_the_loss_of_a_step() -> None:
    counts = torch.tensor([2, 6])
    logits, batch = lesson(epoch=2)
    tags = (plain_tag_loss(logits[0], 4, TAGS[0]) + plain_tag_loss(logits[1], 3, TAGS[1])) / 2
    assert math.isclose(float(LOSS.share(logits, batch, counts)), tags, rel_tol=1e-9)
    masks = [
        plain_mask_loss(logits[b], batch["image"][b], batch["inside"][b], TAGS[b]) for b in range(2)
    ]
    assert any(masks)
    logits, batch = lesson(epoch=3)
    expected = tags + 0.5 * sum(masks) / 2
    assert math.isclose(float(LOSS.share(logits, batch, counts)), expected, rel_tol=1e-9)


def test_masks_of_large_cells_are_refined_on_smaller_ones() -> None:
    logits, batch = lesson(epoch=9, stride=8)
    batch["inside"][:] = True
    labels = COARSE.labels(logits, batch)
    fine = upsample_grid(logits.softmax(1), (4, 5), 2)
    colours = F.avg_pool2d(batch["image"], 4)
    refined = pamr(colours, fine, iterations=2, dilations=(1, 2))
    for b in range(2):
        allowed = torch.cat([torch.ones(1), TAGS[b]])[:, None, None]
        scores = upsample_grid(refined[b : b + 1], (16, 20), 4)[0] * allowed
        parts = [0.7, 0.6, 0.6, 0.6]
        sure = torch.stack(
            [one > max(0.2, p * float(one.max())) for one, p in zip(scores, parts, strict=True)]
        )
        expected = torch.where(sure.sum(0) == 1, sure.int().argmax(0), IGNORE)
        assert torch.equal(labels[b].long(), expected)
    assert len(labels.unique()) > 2


@pytest.mark.parametrize(("stride", "loss"), [(4, LOSS), (8, COARSE)])
def test_padding_has_no_part_in_labels(stride: int, loss: SingleStageLoss) -> None:
    logits, batch = lesson(epoch=9, stride=stride)
    batch["inside"][0, :5] = False  # across cells
    batch["inside"][0, :, 14:] = False
    labels = loss.labels(logits, batch)
    assert len(labels.unique()) > 2
    cells = F.max_pool2d(batch["inside"][:, None].double(), stride, ceil_mode=True) > 0
    for value in (-9.0, 9.0):
        image = batch["image"].masked_fill(~batch["inside"][:, None], value)
        masks = logits.clone()
        masks[:, 1:] = logits[:, 1:].masked_fill(~cells, value)
        assert torch.equal(loss.labels(masks, {**batch, "image": image}), labels)


def test_parts_of_a_batch_add_up_and_labels_have_no_gradient() -> None:
    logits, batch = lesson(epoch=9)
    logits.requires_grad_()
    whole = LOSS.share(logits, batch, torch.tensor([2, 6]))
    halves = [
        LOSS.share(
            logits[b : b + 1], {k: t[b : b + 1] for k, t in batch.items()}, torch.tensor([2, 6])
        )
        for b in range(2)
    ]
    assert torch.allclose(whole, halves[0] + halves[1])
    assert torch.autograd.gradcheck(lambda t: LOSS.share(t, batch, torch.tensor([2, 6])), logits)


def taught_by_tags(tag_epochs: int, steps: int) -> list[float]:
    """IoU of background and classes that one linear layer on colours learns from tags.

    Each class has a colour of its own and is seen alone as well as beside each other one, so tags
    tell which colour is whose, whatever the layer starts from.
    """
    rng = torch.Generator().manual_seed(7)
    image = 0.2 * torch.rand(6, 3, 32, 32, generator=rng)
    mask, tags = torch.zeros(6, 32, 32, dtype=torch.long), torch.zeros(6, 3)
    for index, present in enumerate([(0,), (1,), (2,), (0, 1), (1, 2), (2, 0)]):
        for place, label in enumerate(present):
            top, left = 4 * index, 16 * place + 4 * (index % 2)
            image[index, label, top : top + 12, left : left + 12] += 0.8
            mask[index, top : top + 12, left : left + 12] = label + 1
            tags[index, label] = 1
    rule = SelfLabels(iterations=3, dilations=(1, 2))
    loss = SingleStageLoss(4, Pooling(), rule, tag_epochs=tag_epochs)
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 3, 1)
    sgd = torch.optim.SGD(layer.parameters(), lr=3, momentum=0.9)
    batch = {"image": image, "tags": tags, "inside": torch.ones(6, 32, 32, dtype=torch.bool)}

    def masks() -> Tensor:
        return with_background(layer(F.avg_pool2d(image, 4)))

    for step in range(steps):
        sgd.zero_grad()
        now = {**batch, "key": torch.tensor([[step, 0]])}
        loss.share(masks(), now, torch.tensor([6, 18])).backward()
        sgd.step()
    found = upsample_grid(masks().detach(), (32, 32), 4).argmax(1)
    both = [((found == label) & (mask == label)).sum() for label in range(4)]
    either = [((found == label) | (mask == label)).sum() for label in range(4)]
    return [float(one / other) for one, other in zip(both, either, strict=True)]


@pytest.mark.trains
@pytest.mark.parametrize(("tag_epochs", "least"), [(40, 0.5), (20, 0.8)])
def test_tags_alone_teach_where_classes_are(tag_epochs: int, least: float) -> None:
    """By tags to the end, and by labels of one's own from half-way; ten starts: 0.88, 0.98."""
    assert min(taught_by_tags(tag_epochs, steps=40)) > least
