"""Classifier, AffinityNet and IRNet against plain re-computations of their heads."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsss_cli.core.grid import grid_size
from wsss_cli.nets.affinity import AffinityNet, IRNet
from wsss_cli.nets.backbones import build_backbone, freeze_batchnorm, parameter_groups
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.grids import to_stride

SIZES = [(1, 1), (65, 97), (50, 33)]


def images(height: int, width: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(5))


# classifier


@pytest.mark.parametrize("size", SIZES)
def test_logits_are_the_mean_of_the_maps(size: tuple[int, int]) -> None:
    model = Classifier(build_backbone("tiny"), 4, dropout=0.5).eval()
    x = images(*size)
    with torch.no_grad():
        maps, logits = model.cam_logits(x), model(x)
    assert maps.shape == (2, 4, *grid_size(*size, model.stride))
    assert logits.shape == (2, 4)
    torch.testing.assert_close(maps.mean(dim=(2, 3)), logits, atol=1e-6, rtol=1e-5)


def test_maps_are_the_head_applied_to_each_cell() -> None:
    model = Classifier(build_backbone("tiny", 8), 3).double().eval()
    x = images(33, 40).double()
    with torch.no_grad():
        features = model.backbone(x)[-1]
        expected = torch.einsum("kd,bdhw->bkhw", model.head.weight[:, :, 0, 0], features)
        torch.testing.assert_close(model.cam_logits(x), expected)


def test_dropout_acts_in_training_only_and_on_whole_channels() -> None:
    model = Classifier(build_backbone("tiny"), 2, dropout=1.0)
    x = images(33, 33)
    assert torch.equal(model.train()(x), torch.zeros(2, 2))
    assert model.eval()(x).abs().min() > 0
    plain = Classifier(build_backbone("tiny"), 2)
    freeze_batchnorm(plain.backbone)
    assert torch.equal(plain.train()(x), plain.eval()(x))


def test_head_stays_in_float32_under_autocast() -> None:
    model = Classifier(build_backbone("tiny"), 5).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half, logits, maps = (
            model.backbone(images(65, 65))[-1],
            *(f(images(65, 65)) for f in (model, model.cam_logits)),
        )
        assert logits.dtype == maps.dtype == torch.float32
    with torch.no_grad():
        exact = F.conv2d(half.float(), model.head.weight)
        torch.testing.assert_close(maps, exact)
        torch.testing.assert_close(logits, exact.mean((2, 3)), atol=1e-6, rtol=1e-5)


def test_mirrored_kernels_mirror_the_maps() -> None:
    model = Classifier(build_backbone("tiny", 16), 3).double().eval()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = (module.weight + module.weight.flip(-1)).data / 2
    x = images(33, 65).double()
    with torch.no_grad():
        torch.testing.assert_close(model.cam_logits(x.flip(-1)).flip(-1), model.cam_logits(x))


def test_a_classifier_needs_a_class() -> None:
    assert Classifier(build_backbone("tiny"), 1)(images(8, 8)).shape == (2, 1)
    with pytest.raises(ValueError, match="0 classes"):
        Classifier(build_backbone("tiny"), 0)


# strides


def test_to_stride_enlarges_by_the_factor_then_crops() -> None:
    maps = torch.arange(6.0).reshape(1, 1, 2, 3)  # stride 16 of 17..32 x 33..48
    fine = to_stride(maps, 16, 8, (20, 40))
    whole = F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
    assert fine.shape == (1, 1, 3, 5)
    assert torch.equal(fine, whole[:, :, :3, :5])
    assert torch.equal(to_stride(maps, 16, 16, (20, 40)), maps)


def test_to_stride_averages_the_cells_there_are() -> None:
    maps = torch.tensor([[[[1.0, 3.0, 10.0], [5.0, 7.0, 20.0], [2.0, 4.0, 9.0]]]])
    coarse = to_stride(maps, 2, 4, (5, 6))
    assert torch.equal(coarse, torch.tensor([[[[4.0, 15.0], [3.0, 9.0]]]]))
    with pytest.raises(ValueError, match="cannot bring stride 3 to 4"):
        to_stride(maps, 3, 4, (5, 6))


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
