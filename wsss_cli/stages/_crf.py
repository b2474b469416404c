"""The CRF's options, for every stage that refines with one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated

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
            help="CRF with the settings of psa, irn, seam-rw, deeplab-v2 or other code; or none.",
        ),
    ] = None
    crf_iterations: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="In place of the preset's.")
    ] = None
    crf_gaussian_sxy: Annotated[
        float | None, typer.Option(metavar="PIXELS", help="In place of the preset's.")
    ] = None
    crf_gaussian_compat: Annotated[
        float | None,
        typer.Option(metavar="W", help="In place of the preset's; 0: no such term."),
    ] = None
    crf_bilateral_sxy: Annotated[
        float | None, typer.Option(metavar="PIXELS", help="In place of the preset's.")
    ] = None
    crf_bilateral_srgb: Annotated[
        float | None, typer.Option(metavar="LEVELS", help="In place of the preset's.")
    ] = None
    crf_bilateral_compat: Annotated[
        float | None,
        typer.Option(metavar="W", help="In place of the preset's; 0: no such term."),
    ] = None

    def chosen(self, default: str = NONE) -> CrfParams | None:
        """The CRF that the options ask for, None for no CRF.

        Args:
            default: the preset where none is given; "none" for no CRF.

        Raises:
            UsageError: an unknown preset, a value out of range, or changes to no CRF.
        """
        from ..core.crf import PRESETS

        name = default if self.crf is None else self.crf
        changes = {
            field.removeprefix("crf_"): value
            for field, value in asdict(self).items()
            if field != "crf" and value is not None
        }
        if name == NONE:
            if changes:
                raise UsageError(
                    f"{option_name(next(iter(changes)))}: there is no CRF", "--crf names one"
                )
            return None
        if name not in PRESETS:
            raise UsageError(f"--crf {name}: unknown", f"one of {', '.join(_names())}")
        for field, value in changes.items():
            if not math.isfinite(value):
                raise UsageError(f"{option_name(field)} {value}: must be finite")
        try:
            return replace(PRESETS[name], **changes)
        except ValueError as err:
            raise UsageError(str(err)) from None


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
