"""The single-stage method's head and gate, against plain arithmetic."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from segmenters import random
from segmenters import single_stage_network as network
from torch import nn

from wsss_cli.core.grid import upsample_grid
from wsss_cli.core.single_stage_pooling import Pooling, class_scores
from wsss_cli.nets.gated import GatedHead, GlobalCues, StochasticGate
from wsss_cli.nets.single_stage import PresenceRule, ruled
from wsss_cli.training.shares import Shares
from wsss_cli.training.team import Team


def test_the_gate_takes_either_and_keeps_the_mean_of_the_deep() -> None:
    gate = StochasticGate(0.25)
    deep, shallow = random(2, 3, 50, 60), random(2, 3, 50, 60, seed=4)
    torch.manual_seed(5)
    mixed = gate(deep, shallow)
    taken = mixed == shallow
    assert torch.allclose(mixed[~taken], ((deep - 0.25 * shallow) / 0.75)[~taken])
    assert abs(float(taken.double().mean()) - 0.25) < 0.02
    means = torch.stack([gate(deep, shallow) for _ in range(400)]).mean(0)
    assert float((means - deep).abs().mean()) < 0.04
    torch.manual_seed(5)
    assert torch.equal(gate(deep, shallow), mixed)
    assert gate(deep[:1], shallow[:1]).shape == (1, 3, 50, 60)  # a smaller last batch


def test_the_gate_in_evaluation_and_without_shallow_features() -> None:
    deep, shallow = random(1, 2, 3, 4), random(1, 2, 3, 4, seed=4)
    assert torch.equal(StochasticGate(0.3).eval()(deep, shallow), 0.7 * deep + 0.3 * shallow)
    gate = StochasticGate(0.3)
    gate.shallow = 0.0
    assert torch.equal(gate(deep, shallow), deep)
    assert torch.equal(gate.eval()(deep, shallow), deep)
    for wrong in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="shallow"):
            gate.shallow = wrong


def test_a_team_draws_one_gate_for_all_images() -> None:
    deep, shallow = random(4, 2, 3, 5), random(4, 2, 3, 5, seed=4)
    torch.manual_seed(9)
    alone = StochasticGate(0.3)(deep, shallow)
    parts = []
    for rank in range(2):
        shares = Shares(images=4, world=2, rank=rank)
        gate = nn.Sequential(StochasticGate(0.3))
        Team(rank=rank, world=2).adapt(gate, shares)
        torch.manual_seed(9)
        mine = slice(2 * rank, 2 * rank + 2)
        parts.append(gate[0](deep[mine], shallow[mine]))
    assert torch.equal(torch.cat(parts), alone)


def test_cues_of_the_whole_image_scale_and_shift_shallow_features() -> None:
    torch.manual_seed(0)
    cues = GlobalCues(6, 5).double().eval()
    shallow, deep = random(2, 6, 4, 7), random(2, 5, 3, 3)
    found = F.relu(F.conv2d(deep, cues.cues[0].weight) / (1 + 1e-5) ** 0.5).amax((2, 3))
    own = F.conv2d(shallow, cues.features[0].weight) / (1 + 1e-5) ** 0.5
    assert cues.features[1].weight is None
    mixed = torch.stack(
        [own[b] * (1 + found[b, :256, None, None]) + found[b, 256:, None, None] for b in range(2)]
    )
    expected = F.conv2d(F.relu(mixed), cues.mix[0].weight) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(cues(shallow, deep), F.relu(expected))


def test_the_head_by_hand() -> None:
    net = network("batch")
    head = net.head
    assert isinstance(head, GatedHead)
    x = random(2, 3, 50, 70)
    with torch.no_grad():
        maps = net.backbone(x)
        deep = F.interpolate(head.aspp(maps[-1]), scale_factor=2, mode="bilinear")
        deep = head.join(torch.cat([deep[..., :13, :18], head.reduce(maps[1])], 1))
        mixed = 0.7 * deep + 0.3 * head.cues(maps[1], deep)
        logits = torch.cat([torch.ones(2, 1, 13, 18), head.decode(mixed)], 1)
        torch.testing.assert_close(net.cells(x), logits)
        masks, scores = net.seen(x)
        torch.testing.assert_close(masks, upsample_grid(logits.softmax(1), (50, 70), 4))
        torch.testing.assert_close(scores, class_scores(logits, Pooling()))
        torch.testing.assert_close(net(x), ruled(masks, scores, PresenceRule()))
        assert net.train()(x).shape == logits.shape
    dropouts = [m.p for m in head.modules() if isinstance(m, nn.Dropout)]
    assert dropouts == [0.5, 0.3, 0.5, 0.1]
