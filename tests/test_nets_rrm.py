"""RRM's network: a segmenter with a second head, of tags."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from segmenters import CLASSES
from segmenters import tagged_network as network
from torch import nn

from wsss_cli.methods.rebuild import rebuild_segmenter


def test_in_eval_mode_it_is_the_segmenter_and_its_classifier() -> None:
    net = network("deeplabv3", 16, aux=True)
    x = torch.randn(2, 3, 33, 45)
    seen = net.train()(x)
    assert isinstance(seen, dict)
    assert {name: tuple(t.shape) for name, t in seen.items()} == {
        "tags": (2, CLASSES),
        "out": (2, CLASSES + 1, 33, 45),
        "aux": (2, CLASSES + 1, 33, 45),
    }
    net.eval()
    config = {"backbone": "tiny", "output_stride": 16, "dilated": False}
    saved = net.state_dict()
    assert "tag_head.weight" in saved
    rebuilt = rebuild_segmenter(
        {**config, "model": "deeplabv3", "norm": "group"}, CLASSES + 1, saved
    )
    torch.testing.assert_close(net(x), rebuilt(x))
    classifier = net.classifier
    assert not classifier.training
    maps = classifier.cam_logits(x).relu()
    torch.testing.assert_close(net.class_maps(x, [1.0], 16), maps)  # on its own grid: as they are


@pytest.mark.usefixtures("thin_vgg")
def test_maps_of_a_framed_network_are_of_the_image_itself() -> None:
    net = network("fcn32s", 32, backbone="vgg16").eval()
    assert net.head.frame > 0
    assert net.class_maps(torch.randn(1, 3, 50, 70), [0.5, 1.0], 8).shape == (1, CLASSES, 7, 9)


def test_scales_add_up_and_leave_the_network_as_it_was() -> None:
    net, x = network().train(), torch.randn(2, 3, 32, 48)
    before = {name: t.clone() for name, t in net.state_dict().items()}
    both = net.class_maps(x, [0.5, 1.0], 4)
    assert net.training
    assert both.shape == (2, CLASSES, 8, 12)
    assert (both >= 0).all()
    assert not both.requires_grad
    singles = [net.class_maps(x, [scale], 4) for scale in (0.5, 1.0)]
    torch.testing.assert_close(both, singles[0] + singles[1])
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())
    one = net.class_maps(x[1:], [0.5, 1.0], 4)
    torch.testing.assert_close(both[1:], one, rtol=1e-4, atol=1e-6)


def test_tags_are_the_mean_of_the_maps() -> None:
    net = network().double().train()
    x = torch.randn(2, 3, 40, 24, dtype=torch.float64)
    with torch.no_grad():
        features = net.backbone(x)[-1]
        weight = net.tag_head.weight[..., 0, 0]
        expected = torch.einsum("cd,bdhw->bchw", weight, features).mean((2, 3))
        torch.testing.assert_close(net(x)["tags"], expected.float(), check_dtype=False)


def test_a_head_that_rests_gets_zero_gradients() -> None:
    net = network(aux=True).train()
    net.segments = False
    out = net(torch.randn(1, 3, 24, 24))
    assert list(out) == ["tags"]
    out["tags"].sum().backward()
    for head in (net.head, net.aux_head):
        assert all(p.grad is not None and not p.grad.any() for p in head.parameters())
    assert net.tag_head.weight.grad.any()


def test_its_maps_by_hand() -> None:
    """At two scales: rectified, brought to the image's grid, added up."""
    net = network("fcn", 8).eval()
    with torch.no_grad():
        nn.init.normal_(net.tag_head.weight)
        x = torch.randn(1, 3, 32, 48)
        found = net.class_maps(x, [1.0, 2.0], 8)
        expected = F.conv2d(net.backbone(x)[-1], net.tag_head.weight).relu()
        large = F.interpolate(x, size=(64, 96), mode="bilinear", align_corners=False)
        maps = F.conv2d(net.backbone(large)[-1], net.tag_head.weight).relu()
        expected = expected + F.avg_pool2d(maps, 2)  # a cell's centre lies between four of these
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_its_classifier_shares_what_it_learns() -> None:
    net = network()
    assert net.classifier.head is net.tag_head
    assert net.classifier.backbone is net.backbone
    assert net.classifier.training
    assert not net.eval().classifier.training
