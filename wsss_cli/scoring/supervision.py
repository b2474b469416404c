"""What taught the predictions that eval scores, and whose truth chose the threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..artifacts.supervision import CHOSEN, MASKS, TRUE_BOXES, Taught, of_images, record_of
from .report import read_report

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader
    from ..options.thresholds import ThresholdChoice


def supervision_of(
    report: Mapping[str, Any], found: Artifact, truth: DatasetReader, choice: ThresholdChoice
) -> dict[str, Any]:
    """The report's entry `supervision`: that of the predictions, and the truth that chose.

    Args:
        report: without it.
        found: the predictions.
        truth: the data set.
        choice: where the threshold came from.
    """
    of_boxes = report["protocol"].get("truth") == "annotated"
    entry = Taught(TRUE_BOXES if of_boxes else MASKS, CHOSEN)
    more = []
    if choice.threshold_from is not None:
        more.append(_elsewhere(entry, read_report(choice.threshold_from, wanted=None), truth))
    elif choice.calibrate_split is not None:
        there = [one for one in truth.split(choice.calibrate_split) if one in found]
        known = truth.true_boxes if of_boxes else truth.mask
        more.append(of_images(entry, [one for one in there if known(one) is not None], truth))
    elif left_out := report.get("left_out"):
        more.append(of_images(entry, left_out, truth))
    return {"supervision": record_of([truth, found], report["ids"], (), more=more)}


def _elsewhere(entry: Taught, other: Mapping[str, Any], truth: DatasetReader) -> Taught:
    """The images that another eval scored, whose best threshold is taken."""
    ids, data = other["ids"], other["data"]
    if data["run"] == truth.run:
        return of_images(entry, ids, truth)
    return replace(of_images(entry, ids, None), file=data["file"], run=data["run"])
