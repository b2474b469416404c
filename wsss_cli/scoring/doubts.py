"""What looks like a mistake in an eval's scores, or makes them doubtful."""

from __future__ import annotations

from typing import Any

from . import intervals, localisation_report, report


def doubts(found: dict[str, Any]) -> list[str]:
    """Of an eval's JSON, of pixels or of boxes: a line each."""
    if found["format"] == report.OF_BOXES:
        return localisation_report.doubts(found)
    return [*report.warnings(found), *intervals.doubts(found)]
