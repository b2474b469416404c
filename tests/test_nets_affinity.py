"""AffinityNet and IRNet against plain re-computations of their heads."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pictures import SIZES, images
from torch import Tensor, nn

from wsss_cli.core.grid import grid_size
from wsss_cli.nets.affinity import AffinityNet, IRNet
from wsss_cli.nets.backbones import build_backbone
from wsss_cli.nets.parameters import parameter_groups

# AffinityNet


@pytest.mark.parametrize("name", ["tiny", "resnet18"])
@pytest.mark.parametrize("stride", [8, 32])
def test_affinity_features_at_stride_8(name: str, stride: int) -> None:
    net = AffinityNet(build_backbone(name, stride, dilated=True)).eval()
    assert (net.stride, net.width) == (8, 448)
    with torch.no_grad():
        for size in SIZES:
            assert net(images(*size)).shape == (2, 448, *grid_size(*size, 8))


def test_affinity_head_by_hand() -> None:
    net = AffinityNet(build_backbone("tiny", 16)).double().eval()
    x = images(40, 56, batch=1).double()  # 5 x 7 cells of 8, 3 x 4 of 16

    def mixed(weight: Tensor, maps: Tensor) -> Tensor:
        return F.elu(torch.einsum("od,bdhw->bohw", weight[:, :, 0, 0], maps))

    with torch.no_grad():
        maps = net.backbone(x)[-3:]
        parts = [mixed(p[0].weight, m) for p, m in zip(net.projections, maps, strict=True)]
        parts[1:] = [
            F.interpolate(p, scale_factor=2, mode="bilinear", align_corners=False)[..., :5, :7]
            for p in parts[1:]
        ]
        assert [p.shape[1] for p in parts] == [64, 128, 256]
        torch.testing.assert_close(net(x), mixed(net.mix.weight, torch.cat(parts, 1)))


def test_affinity_initialisation_and_norm() -> None:
    torch.manual_seed(0)
    net = AffinityNet(build_backbone("tiny", 8), group_norm=True)
    bound = 4 * (6 / (448 + 448)) ** 0.5  # xavier uniform, gain 4
    assert bound * 0.99 < net.mix.weight.abs().max() <= bound
    for projection, inputs in zip(net.projections, (64, 128, 160), strict=True):
        expected = (2 / inputs) ** 0.5  # kaiming normal, fan in
        assert abs(projection[0].weight.std() / expected - 1) < 0.05
    assert [p[1].num_groups for p in net.projections] == [8, 16, 32]
    assert all(p.bias is None for p in (net.mix, *(q[0] for q in net.projections)))


def test_affinity_backbone_trains_as_its_caller_froze_it() -> None:
    net = AffinityNet(build_backbone("tiny", 8).freeze_stages(2)).train()
    net(images(16, 16)).sum().backward()
    frozen = {k for k, p in net.named_parameters() if p.grad is None}
    assert frozen
    assert all(k.startswith(("backbone.stem.", "backbone.stage1.")) for k in frozen)


# IRNet


@pytest.mark.parametrize(
    ("name", "stride"), [("tiny", 16), ("tiny", 8), ("resnet18", 16), ("tiny", 32)]
)
def test_irnet_outputs_at_stride_4(name: str, stride: int) -> None:
    net = IRNet(build_backbone(name, stride)).train()
    for height, width in SIZES:
        edge, displacement = net(images(height, width))
        h, w = (height - 1) // 4 + 1, (width - 1) // 4 + 1
        assert edge.shape == (2, 1, h, w)
        assert displacement.shape == (2, 2, h, w)


def test_irnet_heads_by_hand() -> None:
    """The published layout on a ResNet, written out with plain interpolation and crops."""
    net = IRNet(build_backbone("resnet18", 16)).double().eval()
    x = images(50, 67, batch=1).double()
    maps = net.backbone(x)  # strides 4, 4, 8, 16, 16

    def up(maps: Tensor, factor: int) -> Tensor:
        if factor == 1:
            return maps
        return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)

    def tapped(block: nn.Sequential, maps: Tensor, factor: int, like: Tensor) -> Tensor:
        return F.relu(up(block(maps), factor))[..., : like.shape[2], : like.shape[3]]

    taps, factors = net.edge.taps, (1, 1, 2, 4, 4)
    edges = [tapped(t, m, f, maps[1]) for t, m, f in zip(taps, maps, factors, strict=True)]
    assert [(t[1].num_groups, t[1].num_channels) for t in taps] == [(4, 32)] * 5
    head = net.displacement
    shapes = [(t[1].num_groups, t[1].num_channels) for t in (*head.taps, head.coarse, head.fine)]
    assert shapes == [(8, 64), (16, 128)] + [(16, 256)] * 5
    fine = [tapped(head.taps[k], maps[k], 1, maps[1]) for k in (0, 1)]
    deep = [tapped(head.taps[k], maps[k], f, maps[2]) for k, f in ((2, 1), (3, 2), (4, 2))]
    coarse = tapped(head.coarse, torch.cat(deep, 1), 2, maps[1])
    expected = head.out(F.relu(head.fine(torch.cat([*fine, coarse], 1))))
    edge, displacement = net(x)
    torch.testing.assert_close(edge, net.edge.out(torch.cat(edges, 1)))
    torch.testing.assert_close(displacement, expected)


def test_irnet_subtracts_the_mean_in_eval_mode_only() -> None:
    net = IRNet(build_backbone("tiny", 16))
    x = images(32, 32)
    with torch.no_grad():
        before = net.eval()(x)[1]
        net.set_mean_displacement(torch.tensor([1.5, -2.0]))
        torch.testing.assert_close(net(x)[1], before - torch.tensor([1.5, -2.0])[:, None, None])
        torch.testing.assert_close(net.train()(x)[1], before)
    assert torch.equal(
        net.state_dict()["displacement.mean_shift.running_mean"], torch.tensor([1.5, -2.0])
    )


def test_irnet_trains_its_heads_only() -> None:
    net = IRNet(build_backbone("resnet18", 16)).train()
    assert not any(m.training for m in net.backbone.modules() if isinstance(m, nn.BatchNorm2d))
    before = {k: v.clone() for k, v in net.backbone.state_dict().items()}
    edge, displacement = net(images(32, 32))
    (edge.sum() + displacement.sum()).backward()
    for key, parameter in net.named_parameters():
        assert (parameter.grad is None) == key.startswith("backbone."), key
    assert all(torch.equal(v, before[k]) for k, v in net.backbone.state_dict().items())
    groups = parameter_groups(net, 0.1, 1e-4, bias_doubling=False, pretrained=[net.edge])
    sizes = {g["name"]: (g["lr"], len(g["params"])) for g in groups}
    assert sizes["pretrained weight"] == (0.1, 11)  # five projections and their norms, the output
    assert sizes["new weight"] == (1.0, 15)
