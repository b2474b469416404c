"""The head of the single-stage method: a pyramid whose deep and shallow features mix at random."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPP

from ..core.single_stage_pooling import with_background
from .base import Backbone
from .grids import to_stride
from .heads import Head, conv_norm_relu
from .pyramid import LOW_LEVEL_CHANNELS, LOW_LEVEL_STAGE, norm_each_image, rates_of

WIDTH = 256
SHALLOW = 0.3  # part of the shallow features in the mix


class StochasticGate(nn.Module):
    """Mixes deep and shallow features: at random in training, by their parts afterwards.

    In training each value is, with probability `shallow`, the shallow feature's, else
    (deep - shallow * its value) / (1 - shallow), so that its mean is the deep feature's: the deep
    ones have to do without knowing that the shallow ones will be there.

    Args:
        shallow: in 0..1, not 1. At 0 the deep features alone come out.

    Source: Araslanov and Roth (CVPR 2020), section 4.4. In evaluation the mean of both, weighed,
    is another one than in training; so it is in their code.
    """

    def __init__(self, shallow: float = SHALLOW) -> None:
        super().__init__()
        # dropout draws: its random numbers are those of the step, in a team too
        self.choice = nn.Dropout(shallow)

    @property
    def shallow(self) -> float:
        """Part of the shallow features."""
        inner = getattr(self.choice, "dropout", self.choice)  # wrapped where a team trains
        return float(inner.p)

    @shallow.setter
    def shallow(self, part: float) -> None:
        if not 0 <= part < 1:
            raise ValueError("the part of shallow features must lie in 0..1, and not be 1")
        self.choice = nn.Dropout(part)

    def forward(self, deep: Tensor, shallow: Tensor) -> Tensor:
        """(B, n, h, w) of two such."""
        part = self.shallow
        if not self.training:
            return (1 - part) * deep + part * shallow
        kept = self.choice(torch.ones_like(deep)) > 0
        return torch.where(kept, (deep - part * shallow) / (1 - part), shallow)


class GlobalCues(nn.Module):
    """Shallow features told what the whole image is about (global cue injection).

    Each channel of the deep features, projected, gives its maximum over the image; half of these
    scale the normalised shallow features, half shift them.

    Source: Araslanov and Roth (CVPR 2020), section 4.4, after adaptive instance normalisation.
    """

    def __init__(self, shallow: int, deep: int) -> None:
        super().__init__()
        self.cues = nn.Sequential(*conv_norm_relu(deep, 2 * WIDTH, 1))
        self.features = nn.Sequential(
            nn.Conv2d(shallow, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH, affine=False)
        )
        self.mix = nn.Sequential(*conv_norm_relu(WIDTH, WIDTH, 1))

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """(B, WIDTH, h, w) of shallow (B, s, h, w) and deep (B, d, h', w') features."""
        scale, shift = self.cues(deep).amax((-2, -1), keepdim=True).chunk(2, dim=1)
        return self.mix(F.relu(self.features(shallow) * (1 + scale) + shift))


class GatedHead(Head):
    """DeepLab v3+'s deep features, mixed with shallow ones that know of the whole image.

    Then twice 3 x 3 with normalisation, ReLU and dropout, and 1 x 1 to the classes' logits; the
    background's is always `BACKGROUND_LOGIT` of core.single_stage_pooling.

    Args:
        backbone: of any output stride; rates are those of stride 8, 12 to 36, scaled.
        n_labels: background included.

    Source: Araslanov and Roth (CVPR 2020), figure 3, and their code.
    """

    def __init__(self, backbone: Backbone, n_labels: int) -> None:
        super().__init__()
        self.coarse = backbone.output_stride
        self.stride = backbone.strides[LOW_LEVEL_STAGE]
        low = backbone.channels[LOW_LEVEL_STAGE]
        self.aspp = ASPP(backbone.channels[-1], rates_of(backbone), WIDTH)
        norm_each_image(self.aspp)
        self.reduce = nn.Sequential(*conv_norm_relu(low, LOW_LEVEL_CHANNELS, 1))
        self.join = nn.Sequential(*conv_norm_relu(WIDTH + LOW_LEVEL_CHANNELS, WIDTH, 3))
        self.cues = GlobalCues(low, WIDTH)
        self.gate = StochasticGate()
        self.decode = nn.Sequential(
            *conv_norm_relu(WIDTH, WIDTH, 3),
            nn.Dropout(0.5),
            *conv_norm_relu(WIDTH, WIDTH, 3),
            nn.Dropout(0.1),
            nn.Conv2d(WIDTH, n_labels - 1, 1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        low = maps[LOW_LEVEL_STAGE]
        deep = to_stride(self.aspp(maps[-1]), self.coarse, self.stride, size)
        deep = self.join(torch.cat([deep, self.reduce(low)], dim=1))
        return with_background(self.decode(self.gate(deep, self.cues(low, deep))))


def head(backbone: Backbone, n_labels: int) -> Head:
    """The single-stage method's."""
    return GatedHead(backbone, n_labels)
