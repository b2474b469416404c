"""The options that only train-seg's method rrm has."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import UsageError
from ...options.groups import given as chosen

if TYPE_CHECKING:
    from ...core.crf import CrfParams
    from ...core.rrm import Mining
    from ...training.reliable import Energy

FINE = 1, 16  # pixels of a cell of the dense energy


class Gradient(str, enum.Enum):
    """Of the dense energy."""

    gated = "gated"
    exact = "exact"


@dataclass(frozen=True, kw_only=True)
class Rrm:
    """What only rrm has; None being the default that the help names."""

    classify_first: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="rrm: part of the run in which tags alone teach. Default: 0.5; 0 from a trained "
            "classifier.",
        ),
    ] = None
    classify_lr: Annotated[
        float | None,
        typer.Option(metavar="RATE", help="rrm: --lr of that part. Default: 0.001."),
    ] = None
    flat_restart: Annotated[
        bool | None,
        typer.Option(
            "--flat-restart/--own-restart",
            help="rrm: all layers go on at --lr then, as in RRM's code, or each at its own "
            "multiple. Default: own.",
        ),
    ] = None
    tag_dropout: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="rrm: of channels the tags do without. Default: 0."),
    ] = None
    cam_scales: Annotated[
        str | None,
        typer.Option(
            metavar="S,...", help="rrm: sizes that maps are drawn at. Default: 0.5,1,1.5,2."
        ),
    ] = None
    alphas: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="rrm: of the background scores of the two CRFs. Default: 4,32.",
        ),
    ] = None
    mine_top: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="rrm: of a class's cells, those mined. Default: 0.4."),
    ] = None
    mine_floor: Annotated[
        float | None,
        typer.Option(help="rrm: map above which a cell counts among these. Default: 0.1."),
    ] = None
    mine_bg: Annotated[
        float | None,
        typer.Option(help="rrm: background score above which it is mined. Default: 0.8."),
    ] = None
    mine_sure: Annotated[
        float | None,
        typer.Option(help="rrm: probability by the CRFs from which on it is. Default: 0.8."),
    ] = None
    energy_weight: Annotated[
        float | None,
        typer.Option(help="rrm: of the dense energy loss; 0: without. Default: 1e-7."),
    ] = None
    energy_stride: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="rrm: side of its cells, whose pairs are all summed; weighs the same at any. "
            "Published: 2. Default: 4.",
        ),
    ] = None
    energy_sxy: Annotated[
        float | None, typer.Option(metavar="PIXELS", help="rrm: its reach. Default: 100.")
    ] = None
    energy_srgb: Annotated[
        float | None,
        typer.Option(metavar="LEVELS", help="rrm: its reach in colour. Default: 15."),
    ] = None
    energy_gradient: Annotated[
        Gradient | None,
        typer.Option(
            help="rrm: exact, or gated as in RRM's code, where a sure cell is not drawn to its "
            "neighbours. Default: gated."
        ),
    ] = None

    def mining(self, crf: CrfParams) -> Mining:
        """How labels are mined.

        Raises:
            UsageError: options out of range.
        """
        from ...core.rrm import Mining

        given: dict[str, Any] = {
            "top": self.mine_top,
            "floor": self.mine_floor,
            "sure_bg": self.mine_bg,
            "sure": self.mine_sure,
        }
        if self.alphas is not None:
            low, _, high = self.alphas.partition(",")
            try:
                given["alpha_low"], given["alpha_high"] = float(low), float(high)
            except ValueError:
                raise UsageError(f"--alphas {self.alphas}: need LOW,HIGH") from None
        try:
            return Mining(crf=crf, **chosen(given))
        except ValueError as err:
            raise UsageError(f"--method rrm: {err}") from None

    def energy(self) -> Energy:
        """The dense energy loss.

        Raises:
            UsageError: options out of range.
        """
        from ...training.reliable import Energy

        gradient = self.energy_gradient
        given = {
            "weight": self.energy_weight,
            "stride": self.energy_stride,
            "sigma_xy": self.energy_sxy,
            "sigma_rgb": self.energy_srgb,
            "exact_gradient": None if gradient is None else gradient is Gradient.exact,
        }
        energy = Energy(**chosen(given))
        for name, value, fits in (
            ("weight", energy.weight, 0 <= energy.weight < math.inf),
            ("stride", energy.stride, FINE[0] <= energy.stride <= FINE[1]),
            ("sxy", energy.sigma_xy, 0 < energy.sigma_xy < math.inf),
            ("srgb", energy.sigma_rgb, 0 < energy.sigma_rgb < math.inf),
        ):
            if not fits:
                raise UsageError(f"--energy-{name} {value}: out of range")
        return energy
