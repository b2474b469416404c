"""The options that say what segmentation network is trained, and the rate that it bears."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ..errors import UsageError
from ..nets.names import (
    DECODER_STRIDES,
    HEAD_NORMS,
    SEGMENTER_FACTS,
    SEGMENTERS,
    check_decoder_stride,
    check_multi_grid,
    facts_of,
    usual_multi_grid,
)
from .annotations import Default, in_words
from .cards import Due
from .shared import any_of, one_of

LOW_RATE = 1e-4  # what score layers with many taps bear on a MobileNet's features: networks.md
STRIDES = in_words({name: facts.strides[0] for name, facts in SEGMENTER_FACTS.items()})
AUX_WEIGHTS = in_words({name: f"{facts.aux_weight:g}" for name, facts in SEGMENTER_FACTS.items()})

NONE = "none"
MULTI_GRIDS = "1,2,4 for deeplabv3 and deeplabv3plus on a ResNet of three such units, else none"


def bearable(rate: float) -> Due:
    """A rate, or a lower one for networks that would not bear it."""
    fragile = " and ".join(name for name, facts in SEGMENTER_FACTS.items() if facts.many_taps)

    def of(options: Mapping[str, Any]) -> float:
        model, backbone = SEGMENTER_FACTS[options["model"]], facts_of(options["backbone"])
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
    multi_grid: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...|none",
            help="Dilation of each unit of a ResNet's last stage, in multiples of the stage's own.",
        ),
        Default(MULTI_GRIDS),
    ] = None
    decoder_stride: Annotated[
        int | None,
        typer.Option(
            callback=one_of(DECODER_STRIDES),
            help="unet: image pixels per cell of the logits, 1, 2 or 4.",
        ),
        Default("that of the backbone's finest stage, 4 on ResNets and 2 on others"),
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

    @property
    def decoder(self) -> int | None:
        """Pixels per cell of the logits, where another number than the network's own is asked for.

        Raises:
            UsageError: a stride for such a network.
        """
        given = self.decoder_stride
        if given is None:
            return None
        try:
            check_decoder_stride(self.model, given)
        except ValueError as err:
            raise UsageError(f"--decoder-stride {given}: {err}") from None
        return given

    def unit_rates(self, backbone: str, dilated: bool) -> tuple[int, ...]:
        """The rates of the units of the backbone's last stage, as asked for or else as published.

        Raises:
            UsageError: rates that the backbone cannot have.
        """
        given = self.multi_grid
        if given is None:
            return usual_multi_grid(self.model, backbone, dilated)
        if given == NONE:
            return ()
        try:
            rates = tuple(int(part) for part in given.split(","))
        except ValueError:
            rates = ()
        try:
            check_multi_grid(backbone, dilated, rates)
        except ValueError as err:
            raise UsageError(f"--multi-grid {given}: {err}") from None
        return rates
