"""The single-stage method's head, gate and rule of prediction, against plain arithmetic."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsss_cli.core.grid import upsample_grid
from wsss_cli.core.single_stage_pooling import Pooling, class_scores
from wsss_cli.methods.rebuild import rebuild_segmenter
from wsss_cli.nets.backbones import build_backbone, freeze_batchnorm
from wsss_cli.nets.folding import fold_batchnorm
from wsss_cli.nets.gated import GatedHead, GlobalCues, StochasticGate
from wsss_cli.nets.inference import label_probabilities
from wsss_cli.nets.segmentation import build_segmenter
from wsss_cli.nets.single_stage import PresenceRule, SingleStageNet, ruled
from wsss_cli.training.shares import Shares
from wsss_cli.training.team import Team

N = 4


def random(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(norm: str = "group", shallow: float = 0.3) -> SingleStageNet:
    """With statistics as of a while of training, and masks that say something."""
    torch.manual_seed(0)
    backbone = build_backbone("tiny", 8, dilated=True)
    freeze_batchnorm(backbone, affine=False)
    plain = build_segmenter("gated", backbone, N, norm=norm)
    net = SingleStageNet(plain, Pooling(), shallow).double().eval()
    for module in net.head.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net


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


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_folded_for_inference_it_gives_the_same(norm: str) -> None:
    net, x = network(norm), random(1, 3, 33, 41)
    with torch.no_grad():
        before = net.cells(x)
        torch.testing.assert_close(fold_batchnorm(net).cells(x), before)


def test_the_rule_pixel_by_pixel() -> None:
    masks = random(2, N, 3, 5).softmax(1)
    scores = torch.tensor([[3.0, -3.0, -2.0], [-9.0, -9.0, -9.0]])
    found = ruled(masks, scores, PresenceRule(0.1, 2))
    assert torch.equal(found[1, 0], torch.ones(3, 5).double())  # no class is present
    for i in range(3):
        for j in range(5):
            background, first, _, third = masks[0, :, i, j].tolist()
            total = background**2 + first + third  # sigmoid(-2) = 0.119, sigmoid(-3) = 0.047
            expected = [background**2 / total, first / total, 0, third / total]
            assert found[0, :, i, j].tolist() == pytest.approx(expected)
    everything = ruled(masks, None, PresenceRule(0.99, 1))
    torch.testing.assert_close(everything, masks)
    nothing = torch.zeros(1, 2, 1, 1)
    assert ruled(nothing, None, PresenceRule()).flatten().tolist() == [1, 0]


def test_several_views_of_several_images() -> None:
    net = network()
    size = (30, 44)
    images = [random(2, 3, 30, 44), random(2, 3, 45, 66, seed=8)]
    rule = PresenceRule(0.02, 3)
    with torch.no_grad():
        found = label_probabilities(net, images, True, size, None, rule)
        for b in range(2):
            masks, scores = [], []
            for x in images:
                for view in (x[b : b + 1], x[b : b + 1].flip(-1)):
                    mask, score = net.seen(view)
                    mask = mask.flip(-1) if len(masks) % 2 else mask
                    masks.append(F.interpolate(mask, size=size, mode="bilinear"))
                    scores.append(score)
            mean, highest = sum(masks) / 4, torch.cat(scores).amax(0, keepdim=True)
            torch.testing.assert_close(found[b], ruled(mean, highest, rule)[0])
        plain = label_probabilities(net, images[:1], False, size)
        torch.testing.assert_close(torch.stack(plain), net(images[0]))
        mirrored = [x.flip(-1) for x in images]
        again = label_probabilities(net, mirrored, True, size, None, rule)
        torch.testing.assert_close(torch.stack(again), torch.stack(found).flip(-1))


def test_among_given_labels_no_class_is_found_absent() -> None:
    net, x = network(), random(2, 3, 30, 44)
    labels = [torch.tensor([0, 2]), torch.tensor([0, 1, 3])]
    with torch.no_grad():
        masks, _ = net.seen(x)
        for rule in (PresenceRule(), PresenceRule(1.0)):
            found = label_probabilities(net, [x], False, (30, 44), labels, rule)
            for b, own in enumerate(labels):
                expected = ruled(masks[b : b + 1, own], None, PresenceRule())[0]
                torch.testing.assert_close(found[b], expected)


def test_only_a_gated_head_has_a_gate() -> None:
    plain = build_segmenter("unet", build_backbone("tiny", 16), 3)
    with pytest.raises(ValueError, match="gated head"):
        SingleStageNet(plain, Pooling(), 0.3)
    gated = build_segmenter("gated", build_backbone("tiny", 16), 3)
    with pytest.raises(ValueError, match="gated head"):
        SingleStageNet(gated, Pooling(), None)


def test_another_head_gives_the_classes_alone_and_the_background_is_fixed() -> None:
    torch.manual_seed(0)
    backbone = build_backbone("tiny", 8, dilated=True)
    freeze_batchnorm(backbone, affine=False)
    plain = build_segmenter("deeplabv1", backbone, N)
    net = SingleStageNet(plain, Pooling(2, 0.1), None).double()
    x = random(2, 3, 30, 44)
    with torch.no_grad():
        classes = plain.head(net.maps(x), (30, 44))[:, 1:]
        logits = torch.cat([torch.ones(2, 1, 4, 6), classes], 1)
        torch.testing.assert_close(net(x), logits)
        masks = upsample_grid(logits.softmax(1), (30, 44), 8)
        scores = class_scores(logits, Pooling(2, 0.1))
        expected = ruled(masks, scores, PresenceRule())
        torch.testing.assert_close(net.eval()(x), expected)
    config = {"backbone": "tiny", "output_stride": 8, "dilated": True, "model": "deeplabv1"}
    config |= {"norm": "group", "method": "single-stage", "focal_power": 2.0, "focal_offset": 0.1}
    again = rebuild_segmenter(config, N, net.state_dict()).double()
    with torch.no_grad():
        torch.testing.assert_close(again(x), expected, atol=1e-5, rtol=1e-4)  # kept in float32


def test_it_is_rebuilt_with_its_own_rule() -> None:
    net = network("batch", shallow=0.2)
    net.pooling = Pooling(2, 0.1)
    config = {"backbone": "tiny", "output_stride": 8, "dilated": True, "model": "gated"}
    config |= {"norm": "batch", "method": "single-stage"}
    with pytest.raises(ValueError, match="lacks focal_power"):
        rebuild_segmenter(config, N, net.state_dict())
    config |= {"focal_power": 2.0, "focal_offset": 0.1, "gate": 0.2}
    again = rebuild_segmenter(config, N, net.state_dict()).double()
    x = random(1, 3, 30, 44)
    with torch.no_grad():
        torch.testing.assert_close(again(x), net(x), atol=1e-5, rtol=1e-4)  # kept in float32
