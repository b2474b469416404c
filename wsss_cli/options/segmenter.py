"""The options that say what segmentation network is trained, and the rate that it bears."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ..errors import UsageError
from ..nets.names import BACKBONE_FACTS, HEAD_NORMS, SEGMENTER_FACTS, SEGMENTERS
from .annotations import Default, in_words
from .cards import Due
from .shared import any_of, one_of

LOW_RATE = 1e-4  # what score layers with many taps bear on a MobileNet's features: networks.md
STRIDES = in_words({name: facts.strides[0] for name, facts in SEGMENTER_FACTS.items()})
AUX_WEIGHTS = in_words({name: f"{facts.aux_weight:g}" for name, facts in SEGMENTER_FACTS.items()})


def bearable(rate: float) -> Due:
    """A rate, or a lower one for networks that would not bear it."""
    fragile = " and ".join(name for name, facts in SEGMENTER_FACTS.items() if facts.many_taps)

    def of(options: Mapping[str, Any]) -> float:
        model, backbone = SEGMENTER_FACTS[options["model"]], BACKBONE_FACTS[options["backbone"]]
        return LOW_RATE if model.many_taps and backbone.low_rate else rate

    return Due(of, f"{rate:g}, or {LOW_RATE:g} for {fragile} on MobileNets")


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
            autocompletion=any_of(SEGMENTERS),
            help=f"Segmentation network, one of {', '.join(SEGMENTERS)}.",
        ),
    ] = "deeplabv2"
    output_stride: Annotated[
        int | None, typer.Option(help="Image pixels per cell of the features."), Default(STRIDES)
    ] = None
    head_norm: Annotated[
        Norm,
        typer.Option(help="Normalisation in the heads that have one: group norm or batch norm."),
    ] = Norm.group
    aux_weight: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Weight of the loss of an auxiliary head at stride 16; 0: no such head.",
        ),
        Default(AUX_WEIGHTS),
    ] = None

    @property
    def stride(self) -> int:
        """The output stride asked for, or else the one that the network was published with.

        Raises:
            UsageError: a stride at which there is no such network.
        """
        choices, given = SEGMENTER_FACTS[self.model].strides, self.output_stride
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
        return SEGMENTER_FACTS[self.model].aux_weight if given is None else given
