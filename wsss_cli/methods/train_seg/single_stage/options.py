"""The options that only single-stage has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import UsageError
from ....options.cards import Due
from ....training.probes import Probed
from ....training.stairs import Stepped

if TYPE_CHECKING:
    from .loss import SingleStageLoss

GATED = "gated"
MODELS = (GATED, "deeplabv1", "deeplabv2")


@dataclass(frozen=True, kw_only=True)
class SingleStage(Stepped, Probed):
    """How masks become scores of tags, and which of their pixels teach."""

    tag_epochs: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Number of first epochs in which only tags teach."),
    ] = 5
    mask_weight: Annotated[
        float,
        typer.Option(min=0, help="Weight of the loss on labels that the network gives itself."),
    ] = 1.0
    gate: Annotated[
        float | None,
        typer.Option(help="Share of shallow features in --model gated, 0 or more, below 1."),
    ] = None
    focal_power: Annotated[
        float,
        typer.Option(
            help="Exponent of the penalty for small masks; larger lets smaller masks pass."
        ),
    ] = 3.0
    focal_offset: Annotated[
        float, typer.Option(help="Number whose logarithm is the score of a class without any mask.")
    ] = 0.01
    sure_fg: Annotated[
        float,
        typer.Option(
            help="A pixel is sure of a class above this part of the class's highest probability in "
            "the image."
        ),
    ] = 0.6
    sure_bg: Annotated[
        float,
        typer.Option(
            help="The same for background: the part of its highest probability in the image."
        ),
    ] = 0.7
    sure_least: Annotated[
        float, typer.Option(help="Least probability of a sure pixel, of a class or background.")
    ] = 0.2
    pamr_iterations: Annotated[
        int,
        typer.Option(
            metavar="N", help="Number of averagings that refine the network's masks (PAMR)."
        ),
    ] = 10
    area: Annotated[
        str | None,
        typer.Option(
            metavar="LO,HI",
            help="Range of the share of an image's area that is cut out and stretched to the "
            "crop, unless --rescale or --long-side is given.",
        ),
    ] = None

    def check(self, model: str) -> None:
        """Raise UsageError for what is out of range, or not for this network."""
        if self.gate is not None and model != GATED:
            raise UsageError(f"--gate: --model {model} has no gate")
        if self.gate is not None and not 0 <= self.gate < 1:
            raise UsageError(f"--gate {self.gate}: must be 0 or more, below 1")
        self.loss(1)

    def loss(self, stride: int) -> SingleStageLoss:
        """The loss that the options ask for, on cells of a stride.

        Raises:
            UsageError: options out of range.
        """
        from ....core.single_stage_labels import SelfLabels
        from ....core.single_stage_pooling import Pooling
        from .loss import SingleStageLoss

        try:
            pooling = Pooling(self.focal_power, self.focal_offset)
            rule = SelfLabels(self.sure_fg, self.sure_bg, self.sure_least, self.pamr_iterations)
        except ValueError as err:
            raise UsageError(f"--method single-stage: {err}") from None
        return SingleStageLoss(stride, pooling, rule, self.tag_epochs, self.mask_weight)


def _stretches(options: Mapping[str, Any]) -> bool:
    return options["rescale"] is None and options["long_side"] is None


# of options that only some networks and crops have: as published
OWN: dict[str, Due] = {
    "gate": Due(lambda given: 0.3 if given["model"] == GATED else None, "0.3"),
    "area": Due(lambda given: "0.9,1" if _stretches(given) else None, "0.9,1"),
}
