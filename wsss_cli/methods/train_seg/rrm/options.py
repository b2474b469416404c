"""The options that only rrm has."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import UsageError
from ....options.crf import CrfOptions
from ....training.probes import Probed
from ....training.supervision import GridOptions

if TYPE_CHECKING:
    from ....core.crf import CrfParams
    from ....core.rrm import Mining
    from .loss import Energy

FINE = 1, 16  # pixels of a cell of the dense energy
CLASSIFY_FIRST, CLASSIFY_LR = 0.5, 1e-3  # without a trained classifier's head of tags


class Gradient(str, enum.Enum):
    """Of the dense energy."""

    gated = "gated"
    exact = "exact"


@dataclass(frozen=True, kw_only=True)
class Rrm(Probed, CrfOptions, GridOptions):
    """How labels are mined, what else teaches, and when."""

    classify_first: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Part of the run, from its start, in which only tags teach. Default: "
            f"{CLASSIFY_FIRST}; 0 from a trained classifier.",
        ),
    ] = None
    classify_lr: Annotated[
        float,
        typer.Option(metavar="RATE", help="Learning rate of that first part, in place of --lr."),
    ] = CLASSIFY_LR
    flat_restart: Annotated[
        bool,
        typer.Option(
            "--flat-restart/--own-restart",
            help="Learning rate after that part: --lr for all layers, as in RRM's code, or for "
            "each layer its own multiple of it.",
        ),
    ] = False
    tag_dropout: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Share of the feature channels that are dropped before tags are scored.",
        ),
    ] = 0.0
    cam_scales: Annotated[
        str,
        typer.Option(metavar="S,...", help="Sizes at which maps are drawn, relative to the crop."),
    ] = "0.5,1,1.5,2"
    alphas: Annotated[
        str,
        typer.Option(
            metavar="LOW,HIGH",
            help="Exponents of the background scores that the two CRFs start from.",
        ),
    ] = "4,32"
    mine_top: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Share of a class's cells that become labels, the strongest first.",
        ),
    ] = 0.4
    mine_floor: Annotated[
        float, typer.Option(help="Map value above which a cell counts as one of a class's cells.")
    ] = 0.1
    mine_bg: Annotated[
        float,
        typer.Option(help="Background score above which a cell can become a background label."),
    ] = 0.8
    mine_sure: Annotated[
        float,
        typer.Option(help="Probability, after the CRFs, from which a cell can become a label."),
    ] = 0.8
    energy_weight: Annotated[
        float, typer.Option(help="Weight of the dense energy loss; 0: no such loss.")
    ] = 1e-7
    energy_stride: Annotated[
        int,
        typer.Option(
            metavar="PIXELS",
            help="Cell size of the dense energy. Smaller is slower; the weight needs no change. "
            "Published: 2.",
        ),
    ] = 4
    energy_sxy: Annotated[
        float,
        typer.Option(
            metavar="PIXELS",
            help="Reach of the dense energy in the image, in pixels (standard deviation).",
        ),
    ] = 100.0
    energy_srgb: Annotated[
        float,
        typer.Option(
            metavar="LEVELS",
            help="Reach of the dense energy in colour, in levels of 0 to 255 (standard deviation).",
        ),
    ] = 15.0
    energy_gradient: Annotated[
        Gradient,
        typer.Option(
            help="Gradient of the dense energy: exact, or gated as in RRM's code, where a sure "
            "cell is not drawn to its neighbours."
        ),
    ] = Gradient.gated

    def check(self) -> None:
        """Raise UsageError for what is out of range, beside what mining and energy check."""
        for name in ("classify_first", "tag_dropout"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise UsageError(f"--{name.replace('_', '-')} {value}: must be 0 or more, below 1")
        if not 0 < self.classify_lr < math.inf:
            raise UsageError(f"--classify-lr {self.classify_lr}: must be above 0")

    def mining(self, crf: CrfParams) -> Mining:
        """How labels are mined.

        Raises:
            UsageError: options out of range.
        """
        from ....core.rrm import Mining

        low, _, high = self.alphas.partition(",")
        try:
            alphas: dict[str, Any] = {"alpha_low": float(low), "alpha_high": float(high)}
        except ValueError:
            raise UsageError(f"--alphas {self.alphas}: need LOW,HIGH") from None
        try:
            return Mining(
                **alphas,
                top=self.mine_top,
                floor=self.mine_floor,
                sure_bg=self.mine_bg,
                sure=self.mine_sure,
                crf=crf,
            )
        except ValueError as err:
            raise UsageError(f"--method rrm: {err}") from None

    def energy(self) -> Energy:
        """The dense energy loss.

        Raises:
            UsageError: options out of range.
        """
        from .loss import Energy

        for name, value, fits in (
            ("weight", self.energy_weight, 0 <= self.energy_weight < math.inf),
            ("stride", self.energy_stride, FINE[0] <= self.energy_stride <= FINE[1]),
            ("sxy", self.energy_sxy, 0 < self.energy_sxy < math.inf),
            ("srgb", self.energy_srgb, 0 < self.energy_srgb < math.inf),
        ):
            if not fits:
                raise UsageError(f"--energy-{name} {value}: out of range")
        return Energy(
            self.energy_weight,
            self.energy_stride,
            self.energy_sxy,
            self.energy_srgb,
            self.energy_gradient is Gradient.exact,
        )
