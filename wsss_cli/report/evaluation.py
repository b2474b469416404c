"""An eval's tables: those of pixels or of boxes, and of what was scored beside them."""

from __future__ import annotations

from typing import Any

from .faithfulness import print_faithfulness
from .localisation import print_localisation
from .outlines import print_outlines
from .scores import print_report


def print_evaluation(report: dict[str, Any]) -> None:
    """All that eval has to say, on stdout."""
    if "pairs" in report:
        print_localisation(report)
        return
    print_report(report)
    print_outlines(report)
    print_faithfulness(report)
