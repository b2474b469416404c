"""The CRF's options, for every stage that refines with one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError, WsssError

if TYPE_CHECKING:
    from ..core.crf import CrfParams

NONE = "none"


def _names() -> list[str]:
    from ..core.crf import PRESETS

    return [NONE, *PRESETS]


@dataclass(frozen=True, kw_only=True)
class CrfOptions:
    """Which CRF a stage refines with, if any."""

    crf: Annotated[
        str | None,
        typer.Option(
            metavar="PRESET",
            autocompletion=_names,
            help="Preset of the dense CRF: the settings of psa, irn, seam-rw, deeplab-v2 or "
            "other code; or none.",
        ),
    ] = None
    crf_iterations: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Number of the CRF's iterations, in place of the preset's."
        ),
    ] = None
    crf_gaussian_sxy: Annotated[
        float | None,
        typer.Option(
            metavar="PIXELS",
            help="Reach of the CRF's term of position alone, in pixels, in place of the preset's.",
        ),
    ] = None
    crf_gaussian_compat: Annotated[
        float | None,
        typer.Option(
            metavar="W", help="Weight of that term, in place of the preset's; 0: no such term."
        ),
    ] = None
    crf_bilateral_sxy: Annotated[
        float | None,
        typer.Option(
            metavar="PIXELS",
            help="Reach in position of the CRF's term of position and colour, in pixels, "
            "in place of the preset's.",
        ),
    ] = None
    crf_bilateral_srgb: Annotated[
        float | None,
        typer.Option(
            metavar="LEVELS",
            help="Reach in colour of that term, in levels of 0 to 255, in place of the preset's.",
        ),
    ] = None
    crf_bilateral_compat: Annotated[
        float | None,
        typer.Option(
            metavar="W", help="Weight of that term, in place of the preset's; 0: no such term."
        ),
    ] = None

    def chosen(self, default: str = NONE) -> CrfParams | None:
        """The CRF that the options ask for, None for no CRF.

        Args:
            default: the preset where none is given; "none" for no CRF.

        Raises:
            UsageError: an unknown preset, a value out of range, or changes to no CRF.
        """
        from ..core.crf import PRESETS

        preset = default if self.crf is None else self.crf
        changes = {
            name.removeprefix("crf_"): value
            for name, value in self._crf_options().items()
            if name != "crf" and value is not None
        }
        if preset == NONE:
            if changes:
                raise UsageError(
                    f"{option_name(next(iter(changes)))}: there is no CRF", "--crf names one"
                )
            return None
        if preset not in PRESETS:
            raise UsageError(f"--crf {preset}: unknown", f"one of {', '.join(_names())}")
        for field, value in changes.items():
            if not math.isfinite(value):
                raise UsageError(f"{option_name(field)} {value}: must be finite")
        try:
            return replace(PRESETS[preset], **changes)
        except ValueError as err:
            raise UsageError(str(err)) from None

    def _crf_options(self) -> dict[str, Any]:
        """The fields of this class, by name; a class derived from it has others besides."""
        return {field.name: getattr(self, field.name) for field in fields(CrfOptions)}


def option_name(field: str) -> str:
    """The option that sets a field of `CrfParams`."""
    return f"--crf-{field.replace('_', '-')}"


@contextmanager
def fitting_crf(image_id: str) -> Iterator[None]:
    """Say of which image it is that the CRF cannot work on it.

    Raises:
        WsssError: naming it.
    """
    from ..core.crf import Unfit

    try:
        yield
    except Unfit as err:
        raise WsssError(f"{image_id}: {err}", "what is finished is kept") from None
