"""Intervals of an eval's scores, from the matrices of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.bootstrap import LEVEL, LabelSet, by_cluster, interval, resampled
from ..core.image_counts import TRUTH, ImageCounts
from ..errors import UsageError
from .clusters import read_clusters

FEWEST, MOST = 100, 100_000  # resamples
FEW = 10  # images that hold a label, below which its own interval is too narrow
WEIGHTS = "Dirichlet(1, ..., 1); each label's IoU corrected for bias and few images"
# Units below which intervals are a tenth too narrow or more: so much less is 1.96 than Student's t.
FEW_UNITS = 13


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

    def as_dict(self, tallies: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """For JSON, of (G, n, 3) tallies; `few` are labels that fewer than `FEW` of G hold."""
        holding = (tallies[..., TRUTH] > 0).sum(axis=0).tolist()
        return {
            "draws": self.draws,
            "seed": self.seed,
            "level": LEVEL,
            "drawn": "images" if self.clusters is None else "clusters",
            "units": len(tallies),
            "clusters_from": None if self.clusters is None else self.clusters.name,
            "weights": WEIGHTS,
            "few": {name: k for name, k in zip(labels, holding, strict=True) if 0 < k < FEW},
        }


def resampling(draws: int, seed: int, clusters: Path | None) -> Resampling | None:
    """What eval is asked for; None for no intervals.

    Raises:
        UsageError: too few or too many draws, or clusters without any.
    """
    if draws == 0:
        if clusters is not None:
            raise UsageError("--clusters: needs --bootstrap")
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
        report["bootstrap"] = how.as_dict(tallies, report["labels"])


def doubts(report: dict[str, Any]) -> list[str]:
    """What makes the intervals of a report doubtful, if it has any."""
    bootstrap, found = report.get("bootstrap"), []
    if bootstrap is None:
        return []
    units, kind = bootstrap["units"], bootstrap["drawn"]
    if units < FEW_UNITS:
        found.append(f"the intervals are drawn from {units} {kind} only, and too narrow")
    alone = [name for name, holding in bootstrap["few"].items() if holding == 1]
    if alone and units > 1:
        found.append(
            f"only one {kind.removesuffix('s')} holds {', '.join(alone)}: how that varies is "
            "unknown, and intervals are too narrow"
        )
    return found
