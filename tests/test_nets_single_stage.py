"""The single-stage method's network and rule of prediction, against plain arithmetic."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from segmenters import N, random
from segmenters import single_stage_network as network

from wsss_cli.core.grid import upsample_grid
from wsss_cli.core.single_stage_pooling import Pooling, class_scores
from wsss_cli.methods.rebuild import rebuild_segmenter
from wsss_cli.nets.backbones import build_backbone, freeze_batchnorm
from wsss_cli.nets.folding import fold_batchnorm
from wsss_cli.nets.inference import label_probabilities
from wsss_cli.nets.segmentation import build_segmenter
from wsss_cli.nets.single_stage import PresenceRule, SingleStageNet, ruled


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
