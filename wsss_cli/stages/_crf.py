"""The CRF's options, for every stage that refines with one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError

if TYPE_CHECKING:
    from ..core.crf import CrfParams

NONE = "none"


def _names() -> list[str]:
    from ..core.crf import PRESETS

    return [NONE, *PRESETS]


Crf = Annotated[
    str | None,
    typer.Option(
        "--crf",
        metavar="PRESET",
        autocompletion=_names,
        help="CRF with the settings of psa, irn, seam-rw, deeplab-v2 or other code; or none.",
    ),
]
Iterations = Annotated[
    int | None,
    typer.Option("--crf-iterations", min=0, metavar="N", help="In place of the preset's."),
]
GaussianSxy = Annotated[
    float | None,
    typer.Option("--crf-gaussian-sxy", metavar="PIXELS", help="In place of the preset's."),
]
GaussianCompat = Annotated[
    float | None,
    typer.Option(
        "--crf-gaussian-compat", metavar="W", help="In place of the preset's; 0: no such term."
    ),
]
BilateralSxy = Annotated[
    float | None,
    typer.Option("--crf-bilateral-sxy", metavar="PIXELS", help="In place of the preset's."),
]
BilateralSrgb = Annotated[
    float | None,
    typer.Option("--crf-bilateral-srgb", metavar="LEVELS", help="In place of the preset's."),
]
BilateralCompat = Annotated[
    float | None,
    typer.Option(
        "--crf-bilateral-compat", metavar="W", help="In place of the preset's; 0: no such term."
    ),
]


def crf_params(
    preset: str | None, default: str, changes: Mapping[str, float | None]
) -> CrfParams | None:
    """The CRF that the options ask for, None for no CRF.

    Args:
        preset: as given, if given.
        default: the preset where none is given; "none" for no CRF.
        changes: by the names of `CrfParams`; None where not given.

    Raises:
        UsageError: an unknown preset, a value out of range, or changes to no CRF.
    """
    from dataclasses import replace

    from ..core.crf import PRESETS

    name = default if preset is None else preset
    given = {key: value for key, value in changes.items() if value is not None}
    if name == NONE:
        if given:
            raise UsageError(
                f"{option_name(next(iter(given)))}: there is no CRF", "--crf names one"
            )
        return None
    if name not in PRESETS:
        raise UsageError(f"--crf {name}: unknown", f"one of {', '.join(_names())}")
    for key, value in given.items():
        if not math.isfinite(value):
            raise UsageError(f"{option_name(key)} {value}: must be finite")
    try:
        return replace(PRESETS[name], **given)  # type: ignore[arg-type]  # typed by the options
    except ValueError as err:
        raise UsageError(str(err)) from None


def option_name(field: str) -> str:
    """The option that sets a field of `CrfParams`."""
    return f"--crf-{field.replace('_', '-')}"
