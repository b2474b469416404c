"""The one interface of all backbones, and the removal of their strides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..artifacts.supervision import Taught
from ..core.grid import grid_size, pad_to_multiple
from ..core.normalisation import IMAGENET, Normalisation
from .depthwise import DilatedDepthwiseConv2d, is_dilated_depthwise
from .input import taking

STAGES = 5


class Backbone(nn.Module):
    """A feature extractor in five stages.

    State-dict keys are those of the network it was made from (torchvision's or timm's, less the
    classifier), whatever the output stride, so that one weights file fits all variants.

    Images are normalised by ImageNet's constants, whatever the network was trained on: the first
    step of `forward` brings them to its own (`nets.input`). Where its strides cut sides, images
    are padded on the right and below with 0, the mean colour, and maps keep the image's cells.

    Attributes:
        name: as in `names.BACKBONES`, or "timm:NAME".
        channels: of the five returned maps.
        strides: image pixels per cell of the five returned maps; rising, the last is the
            output stride.
        output_stride, dilated, multi_grid: what `build_backbone` was asked for.
        normalisation: of the images that the network itself wants.
        finer: stride and channels of the maps that `forward` gives before the five if asked to,
            the image first.
        classifier: how the names of tensors begin that are no part of it, but of the network
            that it was made from.
        inside: what stands before that network's own names in the state dict; mostly "".
        frozen_stages: how many stages, counted from the image, get no gradient.
        origin: where in a file of other people's its weights were found, in words; mostly "".
        taught: what taught the weights that it was filled with.
    """

    def __init__(
        self,
        name: str,
        body: Mapping[str, nn.Module],
        stages: Sequence[Sequence[str]],
        channels: Sequence[int],
        strides: Sequence[int],
        dilated: bool,
        inner: tuple[int, int, int] | None = None,
        normalisation: Normalisation = IMAGENET,
        floors: bool = False,
    ) -> None:
        """Wrap named modules; `stages` lists, per stage, the paths of those run in turn.

        `inner`, `normalisation` and `floors` are as in `names.BackboneFacts`.
        """
        super().__init__()
        if not len(stages) == len(channels) == len(strides) == STAGES:
            raise ValueError(f"a backbone has {STAGES} stages")
        for key, module in body.items():
            self.add_module(key, module)
        self.name = name
        self.channels = tuple(channels)
        self.strides = tuple(strides)
        self.output_stride = self.strides[-1]
        self.dilated = dilated
        self.multi_grid: tuple[int, ...] = ()
        self.finer = ((1, 3), *([] if inner is None else [inner[1:]]))
        self._inner = 0 if inner is None else inner[0]
        self.whole = self.output_stride if floors else 1
        self.normalisation = normalisation
        self.take = taking(normalisation)
        self.classifier: tuple[str, ...] = ("classifier.", "fc.")  # torchvision's
        self.inside = ""
        self.frozen_stages = 0
        self.origin = ""
        self.taught: tuple[Taught, ...] = ()
        self._paths = tuple(tuple(paths) for paths in stages)

    @property
    def config(self) -> dict[str, Any]:
        """Plain values that `build_backbone(**config)` rebuilds this architecture from."""
        found = {"name": self.name, "output_stride": self.output_stride, "dilated": self.dilated}
        return {**found, "multi_grid": list(self.multi_grid)} if self.multi_grid else found

    def in_stages(self) -> list[list[nn.Module]]:
        """The modules of each of the five stages, in the order they run."""
        return [[self.get_submodule(path) for path in paths] for paths in self._paths]

    def freeze_stages(self, count: int) -> Backbone:
        """Fix the first `count` stages: no gradient, no statistics, eval mode survives `.train()`.

        IRN's classifier trains with 2 (stem and the stride-4 stage), PSA's VGG with 1 (conv1 and
        conv2), IRNet with all 5. Stages already frozen stay frozen.

        Raises:
            ValueError: count is not 0..5.
        """
        if not 0 <= count <= STAGES:
            raise ValueError(f"freeze 0 to {STAGES} stages, not {count}")
        self.frozen_stages = max(self.frozen_stages, count)
        for module in self._frozen_modules():
            module.requires_grad_(False)
        return self.train(self.training)

    def _frozen_modules(self) -> list[nn.Module]:
        return [module for stage in self.in_stages()[: self.frozen_stages] for module in stage]

    def train(self, mode: bool = True) -> Backbone:
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        return self

    def forward(self, x: Tensor, finer: bool = False) -> list[Tensor]:
        """Five feature maps [stem, s4, s8, s16, last].

        Args:
            x: (B, 3, H, W) float, RGB normalised by ImageNet's constants; any H, W >= 1.
            finer: give the image, and what finer map there is within the stem, before the five.

        Returns:
            Map k is (B, channels[k], ceil(H / strides[k]), ceil(W / strides[k])). The maps of
            frozen stages are detached, from the image too.
        """
        whole = pad_to_multiple(x, self.whole)
        maps = self._maps(whole if self.take is None else self.take(whole), finer)
        if self.whole > 1:
            cells = [grid_size(x.shape[-2], x.shape[-1], stride) for stride in self.strides]
            maps = [m[..., :h, :w] for m, (h, w) in zip(maps, cells, strict=True)]
        return [x, *maps] if finer else maps

    def _maps(self, x: Tensor, finer: bool) -> list[Tensor]:
        """The five maps of images as the network wants them, the finer one before them."""
        maps, recording = [], torch.is_grad_enabled()
        for index, stage in enumerate(self.in_stages()):
            with torch.set_grad_enabled(recording and index >= self.frozen_stages):
                for count, module in enumerate(stage, start=1):
                    x = module(x)
                    if finer and index == 0 and count == self._inner:
                        maps.append(x)
            maps.append(x)
        return maps


def remove_strides(modules: Iterable[nn.Module], dilate: bool, dilation: int = 1) -> int:
    """Turn the strided convolutions of a stage into stride 1, in place.

    With `dilate`, convolutions after a removed stride get twice the dilation, while the one that
    had the stride keeps the dilation before it. On every second cell the result is then exactly
    that of the strided network (the "hole" algorithm; Chen et al., DeepLab, arXiv:1606.00915,
    section 3.1). For bottleneck ResNets this is torchvision's `replace_stride_with_dilation`.
    Without `dilate` later convolutions simply see a map twice as large, as in IRN's ResNet-50.

    Args:
        modules: of one stage, whose convolutions are registered in the order they run, apart from
            1 x 1 shortcuts.
        dilate: see above.
        dilation: in force before the stage.

    Returns:
        The dilation in force after the stage.
    """
    for module in modules:
        for conv in module.modules():
            if not isinstance(conv, nn.Conv2d):
                continue
            strided = conv.stride[0] > 1
            factor = conv.stride[0]
            conv.stride = (1, 1)
            if conv.kernel_size[0] == 1:
                continue  # a shortcut, beside the convolution that is counted, or no extent
            if dilate:
                conv.dilation = (dilation, dilation)
                side = dilation * (conv.kernel_size[0] - 1) // 2
                conv.padding = (side, side)
                if is_dilated_depthwise(conv):
                    conv.__class__ = DilatedDepthwiseConv2d
                dilation *= factor if strided else 1
    return dilation


def set_unit_rates(units: Sequence[nn.Module], rates: Sequence[int], dilation: int) -> None:
    """Give the residual units of a ResNet's stage rates of their own, in place ("multi-grid").

    All 3 x 3 convolutions of unit k get the dilation `dilation * rates[k]`. At output stride 16
    with rates 1, 2, 4 those of the last stage are 2, 4, 8 (Chen et al., DeepLab v3,
    arXiv:1706.05587, section 4.2). That holds for the first unit, too, whose convolution
    `remove_strides` leaves at the dilation before the stage, since in torchvision's networks it had
    the stride: in the published ones the stage before ends with it.

    Args:
        units: of one stage without a stride.
        rates: a multiple for each.
        dilation: in force after the stage.
    """
    for unit, rate in zip(units, rates, strict=True):
        for conv in unit.modules():
            if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3):
                conv.dilation = conv.padding = (dilation * rate, dilation * rate)
