"""Networks that learn which pixels belong together: AffinityNet and IRNet."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..machine.precision import full_precision, no_autocast
from .base import STAGES, Backbone
from .grids import to_stride

AFFINITY_STRIDE = 8
AFFINITY_WIDTHS = (64, 128, 256)  # of the projections of the last three stages, PSA's code
EDGE_STRIDE = 4
EDGE_WIDTH = 32


class AffinityNet(nn.Module):
    """Features whose mean absolute difference says how unlike two pixels are.

    The head of PSA (Ahn & Kwak, CVPR 2018, section 3.3; widths and initialisation from the
    published code): the last three stages, each through a 1 x 1 projection, normalisation if
    asked for, and ELU, meet at stride 8 and are mixed by one more 1 x 1 convolution and ELU.
    The backbone trains along; PSA starts it from ImageNet, not from the classifier, at output
    stride 8 dilated, with batch norm fixed and its early stages frozen.

    Attributes:
        width: D = 448 channels of the features.
        stride: 8.
    """

    def __init__(self, backbone: Backbone, group_norm: bool = False) -> None:
        """
        Args:
            backbone: of output stride 8, 16 or 32.
            group_norm: normalise the projections before ELU with 8, 16 and 32 groups, as PSA's
                VGG variant does, whose backbone has no batch norm.
        """
        super().__init__()
        self.backbone = backbone
        self.stride = AFFINITY_STRIDE
        self.width = sum(AFFINITY_WIDTHS)
        self.projections = nn.ModuleList(
            _projection(inputs, width, width // 8 if group_norm else 0)
            for inputs, width in zip(backbone.channels[-3:], AFFINITY_WIDTHS, strict=True)
        )
        self.mix = nn.Conv2d(self.width, self.width, 1, bias=False)
        nn.init.xavier_uniform_(self.mix.weight, gain=4)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, 448, ceil(H/8), ceil(W/8)) float32 of images (B, 3, H, W)."""
        size = (x.shape[-2], x.shape[-1])
        maps = self.backbone(x)[-3:]
        with no_autocast(x):
            parts = [
                to_stride(F.elu(project(full_precision(features))), stride, AFFINITY_STRIDE, size)
                for project, features, stride in zip(
                    self.projections, maps, self.backbone.strides[-3:], strict=True
                )
            ]
            return F.elu(self.mix(torch.cat(parts, dim=1)))


def _projection(inputs: int, outputs: int, groups: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 1, bias=False)
    nn.init.kaiming_normal_(conv.weight)
    return nn.Sequential(conv, nn.GroupNorm(groups, outputs) if groups else nn.Identity())


class EdgeHead(nn.Module):
    """Class boundary logits at stride 4 from all five stages (IRN; Ahn et al., CVPR 2019, 4.1)."""

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...]) -> None:
        super().__init__()
        self.strides = strides
        self.taps = nn.ModuleList(_projection(inputs, EDGE_WIDTH, 4) for inputs in channels)
        self.out = nn.Conv2d(EDGE_WIDTH * len(channels), 1, 1)

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """(B, 1, ceil(H/4), ceil(W/4)) from five stages of an input of size (H, W)."""
        parts = [
            F.relu(to_stride(tap(features), stride, EDGE_STRIDE, size))
            for tap, features, stride in zip(self.taps, maps, self.strides, strict=True)
        ]
        return self.out(torch.cat(parts, dim=1))


class MeanShift(nn.Module):
    """Subtract a stored mean, in eval mode only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.running_mean: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x if self.training else x - self.running_mean[:, None, None]


class DisplacementHead(nn.Module):
    """Vectors from each cell to its instance's centre at stride 4 (IRN, section 4.2).

    Widths and group counts from the published code: fine stages 64 and 128 channels at stride 4;
    the last three 256 each, joined at stride 8, reduced to 256, brought to stride 4.
    """

    WIDTHS = (64, 128, 256, 256, 256)
    GROUPS = (8, 16, 16, 16, 16)
    JOIN = 8  # stride at which the last three stages meet

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...]) -> None:
        super().__init__()
        self.strides = strides
        shapes = zip(channels, self.WIDTHS, self.GROUPS, strict=True)
        self.taps = nn.ModuleList(_projection(*shape) for shape in shapes)
        self.coarse = _projection(sum(self.WIDTHS[2:]), 256, 16)
        self.fine = _projection(sum(self.WIDTHS[:2]) + 256, 256, 16)
        self.out = nn.Conv2d(256, 2, 1, bias=False)
        self.mean_shift = MeanShift(2)

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """(B, 2, ceil(H/4), ceil(W/4)) (dy, dx) in cells, for an input of size (H, W)."""
        targets = (EDGE_STRIDE, EDGE_STRIDE, self.JOIN, self.JOIN, self.JOIN)
        parts = [
            F.relu(to_stride(tap(features), stride, target, size))
            for tap, features, stride, target in zip(
                self.taps, maps, self.strides, targets, strict=True
            )
        ]
        coarse = self.coarse(torch.cat(parts[2:], dim=1))
        coarse = F.relu(to_stride(coarse, self.JOIN, EDGE_STRIDE, size))
        fine = F.relu(self.fine(torch.cat([*parts[:2], coarse], dim=1)))
        return self.mean_shift(self.out(fine))


class IRNet(nn.Module):
    """Boundaries and displacements from a fixed ImageNet backbone (Ahn et al., CVPR 2019).

    Only the two heads train: the backbone is frozen, detached and in eval mode throughout. IRN
    uses a ResNet-50 at output stride 16 without dilation, and trains the displacement head at ten
    times the rate of the edge head.

    Attributes:
        edge, displacement: the heads.
        stride: 4, of both outputs.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone.freeze_stages(STAGES)
        self.edge = EdgeHead(backbone.channels, backbone.strides)
        self.displacement = DisplacementHead(backbone.channels, backbone.strides)
        self.stride = EDGE_STRIDE

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both outputs for images (B, 3, H, W), (h, w) = (ceil(H/4), ceil(W/4)).

        Returns:
            edge logits (B, 1, h, w) float32, boundary = sigmoid of them;
            displacement (B, 2, h, w) float32, (dy, dx) in cells.
        """
        size = (x.shape[-2], x.shape[-1])
        maps = self.backbone(x)
        with no_autocast(x):
            maps = [full_precision(features) for features in maps]
            return self.edge(maps, size), self.displacement(maps, size)

    def edge_logits(self, x: Tensor) -> Tensor:
        """The first output alone, without the cost of the other."""
        maps = self.backbone(x)
        with no_autocast(x):
            return self.edge([full_precision(features) for features in maps], x.shape[-2:])

    def set_mean_displacement(self, mean: Tensor) -> None:
        """Store the (2,) mean displacement, which eval mode subtracts.

        IRN takes it over the training images after training: displacements there should cancel,
        so what is left is a bias.
        """
        self.displacement.mean_shift.running_mean.copy_(mean)
