"""random-walk --method nearest: the class whose sure pixels are most alike on average."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.seeds.defaults import IRN_BG, IRN_FG
from ...core.walk_defaults import NEAREST_BETA, PSA_STRIDE
from ...errors import UsageError, WsssError
from ...inference.walking import Exponent, WalkCard, features

if TYPE_CHECKING:
    from torch import Tensor

    from ...core.nearest import NearestParams
    from ...machine.place import Place


@dataclass(frozen=True, kw_only=True)
class SureScores(Exponent):
    """What the maps are sure of."""

    fg: Annotated[float, typer.Option(help="Score from which a class is sure.")] = IRN_FG
    bg: Annotated[
        float, typer.Option(help="Score of the strongest class below which background is sure.")
    ] = IRN_BG


@dataclass(frozen=True)
class Nearest:
    """Assignment by mean similarity; a `Spread`."""

    params: NearestParams
    threshold: float | None = None
    has_background: bool = True
    stride: int = PSA_STRIDE
    pad_to: int = 0

    def see(self, model: Any, x: Tensor, place: Place) -> Tensor:
        """(D, h, w) features of a padded image."""
        return features(model, x, place)

    def __call__(self, cam: Tensor, seen: Tensor, size: tuple[int, int], stride: int) -> Tensor:
        """(K + 1, h, w) scores of an image of (H, W), background first, cam being of `stride`."""
        from ...core.nearest import assign_nearest

        return assign_nearest(cam, seen, size, stride, params=self.params)

    def scores_record(self) -> dict[str, Any]:
        """All that the scores depend on, for provenance."""
        return {"method": CARD.name, "stride": self.stride, **asdict(self.params)}

    def labels_record(self) -> dict[str, Any]:
        """What the labels depend on besides."""
        return {}


def spread(trained_by: str, options: SureScores, crop: int = 0) -> Nearest:
    """The assignment as the options have it.

    Args:
        trained_by: the method that trained the weights.
        options: the method's own.
        crop: side of the crops that they trained on, which changes nothing.

    Raises:
        WsssError: weights without features of pixels.
        UsageError: a value out of range.
    """
    from ...core.nearest import NearestParams

    if trained_by != "psa":
        raise WsssError(
            f"--method {CARD.name}: needs psa weights, and these are {trained_by}",
            "psa learns features of pixels, irn only boundaries between them",
        )
    beta = NEAREST_BETA if options.beta is None else options.beta
    try:
        return Nearest(NearestParams(options.fg, options.bg, beta))
    except ValueError as err:
        raise UsageError(f"--method {CARD.name}: {err}") from None


CARD = WalkCard(
    name="nearest",
    said="take the class whose sure pixels are most alike on average (psa weights)",
    options=SureScores,
    spread=spread,
    page="nearest",
)
