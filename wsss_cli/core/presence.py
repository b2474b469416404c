"""How a network that tells which classes an image holds labels it; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

MIN_CLASS, BACKGROUND_POWER = 0.1, 3.0


@dataclass(frozen=True)
class PresenceRule:
    """How a class is found absent, and how much the background counts.

    Attributes:
        min_class: a class whose probability of being in the image at all, the highest of all
            views, is not above this labels nothing.
        background_power: the background's probability is raised to this.

    Source: the published code of Araslanov and Roth (CVPR 2020).
    """

    min_class: float = MIN_CLASS
    background_power: float = BACKGROUND_POWER
