"""The methods of train-seg: their defaults, and the options that say what network they train."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ..errors import UsageError
from ..nets.names import BACKBONE_FACTS, HEAD_NORMS, SEGMENTER_STRIDES, SEGMENTERS
from .groups import Due
from .shared import one_of

JITTER = "0.3,0.3,0.3,0.1"  # of single-stage
ATROUS = ("deeplabv1", "deeplabv2")  # whose score layers' many taps bear a low rate only
AUX_WEIGHT = {"deeplabv3": 0.5, "fcn": 0.5, "unet": 0.5}  # torchvision's; the others have none


class Method(str, enum.Enum):
    """What a segmentation network learns from, and how."""

    labels = "labels"
    rrm = "rrm"
    single_stage = "single-stage"


def _rate(options: Mapping[str, Any]) -> float:
    """SEAM's rate for its retraining, DSRG's own, or what bears a MobileNet's features.

    For the last see networks.md.
    """
    if options["model"] in ATROUS and BACKBONE_FACTS[options["backbone"]].low_rate:
        return 1e-4
    return 5e-4 if options.get("loss") == "dsrg" else 1e-3


RATE = Due(_rate, "0.001 (dsrg: 0.0005), or 0.0001 for deeplabv1 and deeplabv2 on MobileNets")
TAG_RATE = Due(_rate, "0.001, or 0.0001 for deeplabv1 and deeplabv2 on MobileNets")

# rrm: as its code trains from ImageNet, but for a tenth of its rates, since that goes without
# momentum, and they spoil the maps that labels are mined from. single-stage: as published.
DEFAULTS: dict[Method, dict[str, Any]] = {
    Method.labels: {
        "model": "deeplabv2",
        "epochs": 30,
        "batch_size": 8,
        "lr": RATE,
        "weight_decay": 1e-4,
        "jitter": None,
    },
    Method.rrm: {
        "model": "deeplabv1",
        "epochs": 24,
        "batch_size": 8,
        "lr": 1e-4,
        "weight_decay": 5e-4,
        "jitter": None,
    },
    Method.single_stage: {
        "model": "gated",
        "epochs": 24,
        "batch_size": 16,
        "lr": TAG_RATE,
        "weight_decay": 5e-4,
        "jitter": JITTER,
    },
}


class Norm(str, enum.Enum):
    """Normalisation in the head: group norm, or batch norm as published."""

    group = HEAD_NORMS[0]
    batch = HEAD_NORMS[1]


@dataclass(frozen=True, kw_only=True)
class Head:
    """Which segmentation network stands on the backbone."""

    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME",
            callback=one_of(SEGMENTERS),
            autocompletion=lambda: list(SEGMENTERS),
            help=f"One of {', '.join(SEGMENTERS)}. Default: deeplabv2 (labels), "
            "deeplabv1 (rrm), gated (single-stage).",
        ),
    ] = "deeplabv2"
    output_stride: Annotated[
        int | None,
        typer.Option(
            help="Pixels per cell of the features. Default: 8 (deeplabv1, deeplabv2), "
            "32 (fcn32s, fcn8s), 16 (others)."
        ),
    ] = None
    head_norm: Annotated[Norm, typer.Option(help="Normalisation in the head, if any.")] = Norm.group
    aux_weight: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Of the auxiliary loss at stride 16; 0: without. Default: 0.5 (deeplabv3, fcn, "
            "unet), 0 (others).",
        ),
    ] = None

    @property
    def stride(self) -> int:
        """The output stride asked for, or else the one that the network was published with.

        Raises:
            UsageError: a stride at which there is no such network.
        """
        choices, given = SEGMENTER_STRIDES[self.model], self.output_stride
        if given is None:
            return choices[0]
        if given not in choices:
            strides = " or ".join(map(str, sorted(choices)))
            raise UsageError(
                f"--output-stride {given}: {self.model} is a network of stride {strides}"
            )
        return given

    @property
    def aux(self) -> float:
        """The weight of the auxiliary loss."""
        given = self.aux_weight
        return AUX_WEIGHT.get(self.model, 0.0) if given is None else given
