"""VGG-16's fully connected layers as convolutions, with what ImageNet taught them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FC_SIDE = 7  # cells of stride 32 that VGG-16's first fully connected layer sees, each way
FC6, FC7 = "classifier.0.", "classifier.3."  # in torchvision's VGG-16


class ConvolvedClassifier(nn.Module):
    """fc6 and fc7 of VGG-16 over every cell of its last map, ReLU and dropout after each.

    Args:
        inputs: channels of the map.
        width: channels of both layers; 4096 as in VGG-16, fewer in DeepLab.
        kernel: side of fc6; 7 as in VGG-16, 3 in DeepLab.
        dilation: of fc6.
        padding: of fc6, cells.
        dropout: share of channel cells that are dropped in training.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        kernel: int,
        dilation: int = 1,
        padding: int = 0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.fc6 = nn.Conv2d(inputs, width, kernel, padding=padding, dilation=dilation)
        self.fc7 = nn.Conv2d(width, width, 1)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.fc6, self.fc7):
            x = self.dropout(F.relu(layer(x)))
        return x

    @torch.no_grad()
    def load(self, entries: Mapping[str, Tensor]) -> bool:
        """Take both layers from the classifier of a VGG-16, thinned out where they are smaller.

        Every (n / width)-th channel is kept and, of a kernel of 3, rows and columns 0, 3 and 6: at
        stride 8 and dilation 12 those taps lie as many pixels apart, 96, as they did in VGG-16
        (the "decimation" of ParseNet and DeepLab's reduced VGG; Liu et al., arXiv:1506.04579).

        Args:
            entries: of torchvision's VGG-16.

        Returns:
            whether they hold such a classifier; if not, nothing has changed.
        """
        wide = len(entries.get(FC6 + "bias", ()))
        width, inputs, kernel, _ = self.fc6.weight.shape
        shapes = {
            FC6 + "weight": (wide, inputs * FC_SIDE**2),
            FC7 + "weight": (wide, wide),
            FC7 + "bias": (wide,),
        }
        fits = (name in entries and entries[name].shape == s for name, s in shapes.items())
        if wide == 0 or wide % width or not all(fits):
            return False
        channels, cells = slice(None, None, wide // width), _taps(kernel)
        fc6 = entries[FC6 + "weight"].unflatten(1, (inputs, FC_SIDE, FC_SIDE))
        self.fc6.weight.copy_(fc6[channels, :, cells, cells])
        self.fc7.weight.copy_(entries[FC7 + "weight"][channels, channels, None, None])
        for layer, name in ((self.fc6, FC6), (self.fc7, FC7)):
            assert layer.bias is not None
            layer.bias.copy_(entries[name + "bias"][channels])
        return True


def _taps(kernel: int) -> slice:
    """Which rows and columns of the fully connected layer a kernel of 3 or 7 keeps."""
    return slice(None, None, (FC_SIDE - 1) // (kernel - 1))
