"""Intervals of an eval's scores, from the matrices of its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.bootstrap import LEVEL, LabelSet, by_cluster, interval, resampled
from ..core.image_counts import ImageCounts
from ..errors import UsageError
from .clusters import read_clusters

FEWEST, MOST = 100, 100_000  # resamples
# Units below which intervals are a tenth too narrow, as those of a mean: as a share of Student's,
# percentiles are sqrt((n - 1) / n) * 1.96 / t wide.
FEW = 18
DOUBTFUL = 0.1  # share of resamples without an mIoU that is warned of
TREATMENT = "the labels of the mean are those of all images; resamples that lack one are left out"


@dataclass(frozen=True)
class Resampling:
    """How images are drawn anew.

    Attributes:
        draws: how many times.
        seed: of the draws.
        clusters: a file of images that are drawn together; None draws each by itself.
    """

    draws: int
    seed: int
    clusters: Path | None = None

    def group(self, tallies: np.ndarray, ids: list[str]) -> np.ndarray:
        """(G, ...) tallies of what is drawn, of (I, ...) tallies of the images.

        Raises:
            WsssError: as `read_clusters`.
        """
        if self.clusters is None:
            return tallies
        return by_cluster(tallies, read_clusters(self.clusters, ids))

    def as_dict(self, units: int, lacking: float) -> dict[str, Any]:
        """For JSON; `lacking` is the share of resamples that lack a label."""
        return {
            "draws": self.draws,
            "seed": self.seed,
            "level": LEVEL,
            "drawn": "images" if self.clusters is None else "clusters",
            "units": units,
            "clusters_from": None if self.clusters is None else self.clusters.name,
            "lacking": lacking,
            "treatment": TREATMENT,
        }


def resampling(draws: int, seed: int, clusters: Path | None) -> Resampling | None:
    """What eval is asked for; None for no intervals.

    Raises:
        UsageError: too few or too many draws, or clusters without any.
    """
    if draws == 0:
        if clusters is not None:
            raise UsageError("--clusters: says which images are drawn together by --bootstrap")
        return None
    if not FEWEST <= draws <= MOST:
        raise UsageError(f"--bootstrap {draws}: 0, or {FEWEST} to {MOST} resamples")
    return Resampling(draws, seed, clusters)


def add_intervals(report: dict[str, Any], how: Resampling) -> None:
    """Add the intervals of mIoU and of each label's IoU to each operating point of a report.

    Raises:
        WsssError: as `read_clusters`.
    """
    n_labels = len(report["labels"])
    for name, lists in report["per_image"].items():
        images = ImageCounts.from_lists(n_labels, lists)
        tallies = how.group(images.tallies(), report["ids"])
        found = resampled(tallies, how.draws, how.seed)
        means = LabelSet.of(tallies.sum(axis=0), report["protocol"]["average"]).mean(found)
        point = report["scores"][name]
        point["miou_interval"] = interval(means)
        point["iou_interval"] = [interval(column) for column in found.T]
        # The truth is the same at each point, and so are the draws.
        report["bootstrap"] = how.as_dict(len(tallies), float(np.isnan(means).mean()))


def doubts(report: dict[str, Any]) -> list[str]:
    """What makes the intervals of a report doubtful, if it has any."""
    how, found = report.get("bootstrap"), []
    if how is None:
        return []
    if how["units"] < FEW:
        found.append(
            f"the intervals are drawn from {how['units']} {how['drawn']} only, and too narrow"
        )
    share = how["lacking"]
    if share < DOUBTFUL:
        return found
    return [
        *found,
        f"{100 * share:.0f} % of the resamples lack a label that is rare in these images; the "
        "intervals of mIoU are of the others, and too narrow",
    ]
