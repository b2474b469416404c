"""Where the threshold of maps comes from: eval's options, and a score that may be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..errors import UsageError
from .files import Reads

AUTO: Final = "auto"  # in a threshold's place: chosen by the maps alone
Score = Any  # a float, or AUTO: Typer knows no unions


def score_or_auto(text: str) -> Score:
    """The score that an option names, or auto.

    Raises:
        BadParameter: neither a number nor auto.

    >>> score_or_auto("0.3"), score_or_auto("auto")
    (0.3, 'auto')
    """
    if text == AUTO:
        return AUTO
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text}: needs a number, or {AUTO}") from None


@dataclass(frozen=True, kw_only=True)
class ThresholdChoice:
    """Where the threshold comes from that the scored masks have no say in; at most one is set."""

    threshold: Annotated[
        Score | None,
        typer.Option(
            parser=score_or_auto,
            metavar="SCORE|auto",
            help="Maps: score at this threshold; auto: at one that the maps of FILE choose, "
            "without masks.",
        ),
    ] = None
    threshold_from: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON",
            help="Maps: score at the best threshold of another eval, read from its --json file.",
        ),
        Reads(),
    ] = None
    calibrate_split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Maps: score at the threshold that is best on this other split."
        ),
    ] = None
    calibrate: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Maps: score at the threshold that is best on N images drawn from those to "
            "score, and score the others.",
        ),
    ] = None
    calibrate_ids: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Maps: score at the threshold that is best on the images whose ids FILE lists, "
            "one per line, and score the others.",
        ),
        Reads(but=("-",)),
    ] = None

    def __post_init__(self) -> None:
        """Raises UsageError for two choices, or a threshold outside 0..1."""
        if len(self._made) > 1:
            raise UsageError(f"{', '.join(SPELLED)}: give only one")
        if self.given is not None and not 0 <= self.given <= 1:
            raise UsageError(f"--threshold {self.threshold}: must lie in 0..1")

    @property
    def _made(self) -> list[str]:
        names = (option.removeprefix("--").replace("-", "_") for option in SPELLED)
        return [name for name in names if getattr(self, name) is not None]

    @property
    def is_made(self) -> bool:
        """Whether there is a choice."""
        return bool(self._made)

    @property
    def of_boxes(self) -> bool:
        """Whether `eval --boxes` knows this choice."""
        return self.threshold != AUTO and self.calibrate is None and self.calibrate_ids is None

    @property
    def given(self) -> float | None:
        """The number of --threshold, if it is one."""
        return None if self.threshold == AUTO else self.threshold


SPELLED = (
    "--threshold",
    "--threshold-from",
    "--calibrate-split",
    "--calibrate",
    "--calibrate-ids",
)
