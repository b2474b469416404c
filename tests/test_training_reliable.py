"""RRM's loss: what a step weighs, parts that add up; and the restart of its rates."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from segmenters import CLASSES
from segmenters import tagged_network as network
from torch import Tensor

from wsss_cli.core.crf import PRESETS
from wsss_cli.core.dense_energy import dense_energy
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.rrm import Mining
from wsss_cli.methods.train_seg.rrm.loss import Energy, ReliableLoss
from wsss_cli.nets.rrm import TaggedSegmenter
from wsss_cli.training.data import Sample
from wsss_cli.training.schedule import Restart
from wsss_cli.training.seeded import to_cells

ENERGY = Energy(weight=1e-4, stride=4, sigma_xy=20)
MINING = Mining(crf=PRESETS["rrm-train"].shrunk(4), sure=0.5)


def batch_of(count: int = 3, side: int = 40, epoch: int = 5) -> Sample:
    """Coloured halves, the second image without tags, the last with padding on the right."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(90, 110, (count, 3, side, side), generator=generator)
    pixels[:, 0, :, side // 2 :] += 100
    inside = torch.ones(count, side, side, dtype=torch.bool)
    inside[-1, :, -12:] = False
    tags = torch.zeros(count, CLASSES)
    tags[0, 1] = tags[-1, 0] = tags[-1, 2] = 1
    return {
        "image": pixels.float() / 100 - 1,
        "pixels": pixels.to(torch.uint8),
        "inside": inside,
        "tags": tags,
        "key": torch.tensor([[epoch, i] for i in range(count)]),
    }


def loss_of(model: TaggedSegmenter, alone: int = 0, energy: Energy = ENERGY) -> ReliableLoss:
    return ReliableLoss(model, MINING, energy, (0.5, 1.0), 4, 0.4, alone)


def part(batch: Sample, rows: slice) -> Sample:
    return {name: tensor[rows] for name, tensor in batch.items()}


def test_while_tags_teach_alone_the_other_head_rests() -> None:
    net, batch = network().train(), batch_of(epoch=1)
    loss = loss_of(net, alone=2)
    targets, counts = loss.prepare(batch)
    assert counts.tolist() == [3, 3 * CLASSES, 0, 0]
    outputs = net(batch["image"])
    assert list(outputs) == ["tags"]
    value = loss.share(outputs, targets, counts)
    expected = F.binary_cross_entropy_with_logits(outputs["tags"], batch["tags"])
    torch.testing.assert_close(value, expected)
    value.backward()
    assert all((p.grad == 0).all() for p in net.head.parameters() if p.grad is not None)
    assert all(p.grad is not None for p in net.parameters() if p.requires_grad)
    assert (net.tag_head.weight.grad != 0).any()
    loss.prepare(batch_of(epoch=2))
    assert net.segments


def test_the_loss_of_a_step_term_by_term() -> None:
    net, batch = network("deeplabv3", 16, aux=True).train(), batch_of()
    loss = loss_of(net)
    targets, counts = loss.prepare(batch)
    labels = targets["label"]
    assert labels.shape == (3, 10, 10)
    assert (labels[1] == 0).all()  # no tags, all background
    assert set(labels[0].unique().tolist()) <= {0, 2, IGNORE}
    assert set(labels[2].unique().tolist()) <= {0, 1, 3, IGNORE}
    assert (labels[2, :, 7:] == IGNORE).all()
    background, classes = (labels == 0).sum(), ((labels > 0) & (labels != IGNORE)).sum()
    assert counts.tolist() == [3, 3 * CLASSES, int(background), int(classes)]
    assert classes > 0
    torch.manual_seed(3)
    outputs = net(batch["image"])
    expected = F.multilabel_soft_margin_loss(outputs["tags"], batch["tags"])
    for name, weight in (("out", 1.0), ("aux", 0.4)):
        logs = to_cells(outputs[name], 4).log_softmax(1)
        picked = logs.gather(1, labels.long().clamp(max=CLASSES)[:, None])[:, 0]
        for chosen in (labels == 0, (labels > 0) & (labels != IGNORE)):
            expected = expected - weight * picked[chosen].mean()
    p = to_cells(outputs["out"].softmax(1), 4)
    thumbs, seen = loss.on_grid(batch, 4)
    for row in range(3):
        energy = dense_energy(p[row], thumbs[row], labels[row], seen[row], sigma_xy=5)
        expected = expected + 1e-4 * 16 * energy / 3
    value = loss.share(outputs, targets, counts)
    torch.testing.assert_close(value, expected)
    without = loss_of(net, energy=Energy(weight=0)).share(outputs, targets, counts)
    assert without > value  # the energy is negative


def test_parts_of_a_batch_add_up() -> None:
    net, batch = network().eval(), batch_of()
    loss = loss_of(net)

    def outputs(x: Tensor) -> dict[str, Tensor]:
        """Of the network in eval mode, for which images are independent."""
        logits = net(x)
        assert isinstance(logits, Tensor)
        return {"tags": net.classifier(x), "out": logits}

    targets, counts = loss.prepare(batch)
    whole = loss.share(outputs(batch["image"]), targets, counts)
    parts = [part(batch, slice(0, 1)), part(batch, slice(1, 3))]
    prepared = [loss.prepare(one) for one in parts]
    assert torch.equal(prepared[0][1] + prepared[1][1], counts)
    shares = [loss.share(outputs(one["image"]), one, counts) for one, _ in prepared]
    torch.testing.assert_close(sum(shares), whole)


def test_labels_reach_the_energys_cells_whatever_the_two_strides() -> None:
    net, batch = network().train(), batch_of(side=44)
    values = []
    for stride in (2, 4, 8):
        loss = loss_of(net, energy=Energy(weight=1e-4, stride=stride, sigma_xy=20))
        targets, counts = loss.prepare(batch)
        value = loss.share(net(batch["image"]), targets, counts)
        plain = loss_of(net, energy=Energy(weight=0)).share(net(batch["image"]), targets, counts)
        values.append(float((value - plain).detach()))
    assert max(values) < 0
    assert values[1] == pytest.approx(values[0], rel=0.2)


def test_rates_restart_for_each_layer_or_for_all_alike() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]

    def rates(schedule: Restart) -> list[list[float]]:
        groups = [{"params": [p], "lr": lr} for p, lr in zip(parameters, (0.1, 1.0), strict=True)]
        optimizer = torch.optim.SGD(groups, lr=0.1)
        found = []
        for step in range(4):
            schedule.apply(optimizer, step)
            found.append([group["lr"] for group in optimizer.param_groups])
        return found

    half = 0.5**0.9
    own = rates(Restart(total=4, until=0.5, first=3))
    assert own == [
        pytest.approx(row)
        for row in ([0.3, 3.0], [0.3 * half, 3 * half], [0.1, 1.0], [0.1 * half, half])
    ]
    flat = rates(Restart(total=4, until=0.5, first=3, flat=0.1))
    assert flat[:2] == own[:2]
    assert flat[2:] == [pytest.approx([0.1, 0.1]), pytest.approx([0.1 * half] * 2)]
    assert rates(Restart(total=4, until=0))[0] == pytest.approx([0.1, 1.0])
