"""What a stage refines with, the CRF or PAMR: the options of both, and their record."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.pamr_defaults import DILATIONS, ITERATIONS, STRIDE
from ..errors import UsageError
from .annotations import Default
from .crf import NONE, CrfOptions

if TYPE_CHECKING:
    from ..core.pamr import PamrParams
    from ..core.refine import Refinement

USUAL_CRF = "psa"  # of --refine crf, where the stage has no CRF of its own


class Refine(str, enum.Enum):
    """What follows the colours of the image."""

    crf = "crf"
    pamr = "pamr"
    none = "none"


@dataclass(frozen=True, kw_only=True)
class RefineOptions(CrfOptions):
    """Which CRF a stage refines with, or PAMR in its place."""

    refine: Annotated[
        Refine | None,
        typer.Option(
            "--refine",
            help="Method that refines by the colours of the image. Default: the CRF, if there is "
            "one.",
        ),
    ] = None
    pamr_iterations: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="pamr: number of averagings."),
        Default(ITERATIONS),
    ] = None
    pamr_dilations: Annotated[
        str | None,
        typer.Option(
            metavar="D,...",
            help="pamr: distances of a cell's neighbours, in cells.",
        ),
        Default(",".join(map(str, DILATIONS))),
    ] = None
    pamr_stride: Annotated[
        int | None,
        typer.Option(min=1, metavar="PIXELS", help="pamr: image pixels per cell of its grid."),
        Default(STRIDE),
    ] = None

    def refinement(self, default: str = NONE, device: str = "auto") -> Refinement | None:
        """What the options ask for; None for nothing.

        Args:
            default: the CRF's preset where none is given; "none" for no CRF.
            device: of PAMR.

        Raises:
            UsageError: options that contradict, or of what is not used, or out of range.
        """
        if self.refine is Refine.pamr:
            return self._pamr(device)
        for name in PAMR_OPTIONS:
            if getattr(self, name) is not None:
                raise UsageError(f"{_option(name)}: needs --refine pamr")
        if self.refine is Refine.none:
            self._refuse_crf()
            return None
        if self.refine is Refine.crf and self.crf in (None, NONE):
            usual = USUAL_CRF if default == NONE else default
            return replace(self, crf=usual).chosen()
        return self.chosen(default)

    def _pamr(self, device: str) -> PamrParams:
        from ..core.pamr import PamrParams
        from ..machine.devices import resolve_device

        self._refuse_crf()
        iterations, dilations = self.pamr_iterations, self.pamr_dilations
        try:
            return PamrParams(
                ITERATIONS if iterations is None else iterations,
                DILATIONS if dilations is None else _numbers(dilations),
                self.pamr_stride or STRIDE,
                str(resolve_device(device)),
            )
        except ValueError as err:
            raise UsageError(f"--refine pamr: {err}") from None

    def _refuse_crf(self) -> None:
        for name, value in self._crf_options().items():
            if value not in (None, NONE):
                raise UsageError(
                    f"{_option(name)}: is of the CRF, and there is none",
                    "--refine crf is the CRF",
                )


PAMR_OPTIONS = ("pamr_iterations", "pamr_dilations", "pamr_stride")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _numbers(text: str) -> tuple[int, ...]:
    """Raises UsageError where text is no list of whole numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--pamr-dilations {text}: need whole numbers, commas between") from None


def recorded(refinement: Refinement | None) -> dict[str, Any]:
    """A refinement as an artifact's params hold it: `crf`, and `pamr` where it was that."""
    from ..core.pamr import PamrParams

    if not isinstance(refinement, PamrParams):
        return {"crf": None if refinement is None else asdict(refinement)}
    settings = asdict(refinement)
    del settings["device"]  # no shard is of another run for being made on another machine
    return {"crf": None, "pamr": settings | {"dilations": list(refinement.dilations)}}


def in_this_process(refinement: Refinement | None) -> bool:
    """Whether workers would do no good: there is nothing to do for them, or a GPU does it."""
    return refinement is None or getattr(refinement, "device", "cpu") != "cpu"
