"""What decides `random-walk --method nearest`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ...errors import UsageError, WsssError

if TYPE_CHECKING:
    from ...core.nearest import NearestParams

OWN = ("fg", "bg")  # options that only this method has
SHARED = ("beta",)


@dataclass(frozen=True)
class NearestSettings:
    """In the place of `_walk.Settings`."""

    params: NearestParams
    method: str = "nearest"
    threshold: float | None = None
    has_background: bool = True

    @property
    def stride(self) -> int:
        """Of the grid that scores live on."""
        from ...core.pseudo import PSA_STRIDE

        return PSA_STRIDE

    def walk_params(self) -> dict[str, Any]:
        """All that the scores depend on, for provenance."""
        return {"method": self.method, "stride": self.stride, **asdict(self.params)}

    def label_params(self) -> dict[str, Any]:
        """What the labels depend on besides."""
        return {}


def resolve_nearest(method: str, given: Mapping[str, Any]) -> NearestSettings:
    """The settings as given or else by default.

    Args:
        method: of the weights.
        given: options by name, None where they are not given.

    Raises:
        WsssError: weights without features of pixels.
        UsageError: an option of the walk, or a value out of range.
    """
    from ...core.nearest import NearestParams

    if method != "psa":
        raise WsssError(
            f"--method nearest: needs psa weights, and these are {method}",
            "psa learns features of pixels, irn only boundaries between them",
        )
    chosen = {name: value for name, value in given.items() if value is not None}
    for name in chosen:
        if name not in OWN + SHARED:
            raise UsageError(f"--{name}: is of the walk, and --method is nearest")
    try:
        return NearestSettings(NearestParams(**chosen))
    except ValueError as err:
        raise UsageError(f"--method nearest: {err}") from None
