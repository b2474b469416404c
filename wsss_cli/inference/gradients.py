"""Class maps by gradients, at any layer of any classifier: what methods that do so share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..options.cards import Due
from .maps import CamCard

if TYPE_CHECKING:
    from ..nets.gradient import GradientClassifier

LAST = Due(lambda _: None, "the last")


@dataclass(frozen=True, kw_only=True)
class Gradients:
    """Where gradients are taken."""

    layer: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Layer of the network at which gradients are taken, for example layer3.",
        ),
    ] = None


def look(
    method: str, network: Any, outputs: Sequence[Sequence[int]] | None, options: Gradients
) -> tuple[GradientClassifier, dict[str, Any]]:
    """A classifier looked into at a layer, and what the artifact records of that.

    Raises:
        ValueError: there is no such layer, or the network takes images of one size only.
    """
    from ..nets.gradient import GradientClassifier

    model = GradientClassifier(network, method, options.layer, outputs)
    return model, {"method": method, "layer": model.layer}


def gradient_card(name: str, said: str, source: str) -> CamCard:
    """The card of a method of `core.gradcam`, by its name there."""
    return CamCard(
        name=name,
        said=said,
        options=Gradients,
        usual={"layer": LAST},
        look=partial(look, name),
        any_network=True,
        source=source,
        page="gradcam",
    )
