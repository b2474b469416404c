"""The scores of each image alone, as a table to sort."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.placing import write_whole
from ..core.bootstrap import mean_ious, union
from ..core.image_counts import HIT, TRUTH, ImageCounts
from ..core.metrics import ratio


def table_of(report: dict[str, Any]) -> str:
    """CSV with a row an image: id, pixels, mIoU, pixel accuracy, and the IoU of each label there.

    An image's labels are those that its mask or its prediction holds; one that is only predicted
    has the IoU 0. mIoU is their mean. Of maps these are the scores at the chosen threshold.
    """
    name = "labels" if "labels" in report["per_image"] else "chosen"
    tallies = ImageCounts.from_lists(len(report["labels"]), report["per_image"][name]).tallies()
    pixels, hits = tallies[..., TRUTH].sum(axis=1), tallies[..., HIT].sum(axis=1)
    iou = ratio(tallies[..., HIT], union(tallies))
    with np.errstate(invalid="ignore"):  # of an image none of whose pixels is counted
        miou = mean_ious(tallies, "union")
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    names = [f"IoU {label}" for label in report["labels"]]
    rows.writerow(["image", "pixels", "mIoU", "pixel accuracy", *names])
    for image, image_id in enumerate(report["ids"]):
        shares = [miou[image], ratio(hits[image], pixels[image]), *iou[image]]
        rows.writerow([image_id, pixels[image], *map(_cell, shares)])
    return text.getvalue()


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6f}"


def write_table(report: dict[str, Any], target: Path) -> None:
    """
    Raises:
        WsssError: the disk is full or not writable.
    """
    write_whole(target, table_of(report).encode(errors="backslashreplace"))
