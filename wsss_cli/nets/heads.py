"""What the heads of segmentation networks have in common."""

from __future__ import annotations

from torch import Tensor, nn

from ..core.grid import grid_size


class Head(nn.Module):
    """From the backbone's maps to logits.

    `forward(maps, size)` takes the five maps, after finer ones if it wants these, and the (H, W)
    of the input, and returns logits (B, n_labels, ceil(H / stride), ceil(W / stride)).

    Attributes:
        stride: pixels per cell of the logits.
        frame: pixels of mean colour that the head wants around the image before the backbone sees
            it, a multiple of all strides; the maps are then those of the framed image, while size
            stays the input's.
        finer: it wants the maps that are finer than the five, too, the image first.
    """

    stride: int
    frame: int = 0
    finer: bool = False

    def start_from(self, weight: Tensor, bias: Tensor) -> None:
        """Make a head of one layer a classifier of the last map's cells; what else it sees, zero.

        Args:
            weight: (n_labels, channels of the last map).
            bias: (n_labels,).

        Raises:
            ValueError: a head of several layers.
        """
        raise ValueError("a head of several layers has no linear start")


class LastMapHead(Head):
    """A head that looks at the backbone's last map only."""

    def __init__(self, layers: nn.Module, stride: int) -> None:
        super().__init__()
        self.layers = layers
        self.stride = stride

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        return self.layers(maps[-1])


def unframed(maps: Tensor, stride: int, frame: int, size: tuple[int, int]) -> Tensor:
    """The cells of a framed image's map (B, C, h, w) that the image itself has."""
    if not frame:
        return maps
    first = frame // stride
    h, w = grid_size(*size, stride)
    return maps[..., first : first + h, first : first + w]


def conv_norm_relu(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    """A bias-free convolution that keeps the size, batch norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
