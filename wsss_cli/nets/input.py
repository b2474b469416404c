"""The first step of a network that wants its images in another normalisation than ImageNet's.

Images travel as bytes, and every batch is normalised in one way, by ImageNet's constants
(`core.images.batch_to_input`), in which 0 is the mean colour of photographs: what lies outside an
image, or is hidden, is 0. What the network itself wants is its own affair: this step, in front of
its first layer, so that no method can forget it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..core.normalisation import IMAGENET, Normalisation


class Renormalise(nn.Module):
    """From ImageNet's normalisation to another: a scale and a shift of each colour, no weights."""

    def __init__(self, normalisation: Normalisation) -> None:
        super().__init__()
        scale, shift = normalisation.change_from(IMAGENET)
        self.scale: Tensor
        self.shift: Tensor
        # on no device but a real one, and in no state dict: they are no weights
        with torch.device("cpu"):
            self.register_buffer("scale", torch.tensor(scale)[:, None, None], persistent=False)
            self.register_buffer("shift", torch.tensor(shift)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) of such."""
        return torch.addcmul(self.shift.to(x), x, self.scale.to(x))


def recorded_normalisation(config: Mapping[str, Any]) -> Normalisation | None:
    """What a weights file's config says of the images of its backbone; None for nothing.

    Raises:
        ValueError: something that is no normalisation.
    """
    mean, std = config.get("mean"), config.get("std")
    if mean is None and std is None:
        return None
    if not (isinstance(mean, list) and isinstance(std, list)):
        raise ValueError("its config has a mean or std that is no list of three numbers")
    return Normalisation(tuple(mean), tuple(std))


def taking(normalisation: Normalisation) -> Renormalise | None:
    """What stands in front of a network of this normalisation; None where it is ImageNet's."""
    return None if normalisation == IMAGENET else Renormalise(normalisation)
