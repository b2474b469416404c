"""Two systems on the same images: differences, intervals of them, tests, and what these allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import __version__
from ..core.bootstrap import (
    LabelSet,
    interval,
    ious,
    mean_ious,
    over_seeds,
    resampled,
)
from ..core.image_counts import TRUTH
from ..core.permutation import holm, p_values, sign_flips
from .comparable import Scored
from .intervals import Resampling
from .report import COMPARISON

VERSION = 1  # of the JSON
ALPHA = 0.05  # below which a p-value counts
MOST_TRAININGS = 20  # of each system: all 2^20 ways to flip signs are tried


@dataclass(frozen=True)
class System:
    """One side of a comparison: the tallies of its trainings on what is drawn.

    Attributes:
        tallies: (G, S, n, 3).
        rule: which labels mIoU averages.
    """

    tallies: np.ndarray
    rule: str

    @property
    def iou(self) -> np.ndarray:
        """(n,) IoU of each label, a mean over the trainings."""
        found: np.ndarray = ious(self.tallies.sum(axis=0)).mean(axis=0)
        return found

    @property
    def mious(self) -> np.ndarray:
        """(S,) mIoU of each training."""
        return mean_ious(self.tallies.sum(axis=0), self.rule)

    def drawn(self, how: Resampling) -> tuple[np.ndarray, np.ndarray]:
        """(draws, S) mIoU and (draws, n) mean IoU over the trainings, in each resample."""
        each = [resampled(one, how.draws, how.seed) for one in self.tallies.swapaxes(0, 1)]
        totals = self.tallies.sum(axis=0)
        means = [
            LabelSet.of(total, self.rule).mean(found)
            for total, found in zip(totals, each, strict=True)
        ]
        return np.stack(means, axis=1), np.mean(each, axis=0)


def compare(
    first: Sequence[Scored], second: Sequence[Scored], how: Resampling, permutations: int
) -> dict[str, Any]:
    """All that there is to say of two systems, each of one or several trainings, for JSON.

    Args:
        first, second: as many of each, of the same images (`comparable.check_pairs`); trainings are
            paired in their order.
        how: draws of images, the same for both.
        permutations: how many times images are swapped at random.

    Raises:
        WsssError: as `read_clusters`.
    """
    rule = first[0].protocol["average"]
    one, two = (_system(group, how, rule) for group in (first, second))
    found = _differences(one, two, how, permutations)
    pairs = two.mious - one.mious
    images = (first[0].counts.tallies()[..., TRUTH] > 0).sum(axis=0)
    return {
        "format": COMPARISON,
        "version": VERSION,
        "created_by": f"wsss {__version__}",
        "first": _side(first, one),
        "second": _side(second, two),
        "images": len(first[0].ids),
        "data_run": first[0].data_run,
        "average": rule,
        "bootstrap": how.as_dict(one.tallies[:, 0], first[0].labels),
        "permutation": {"swaps": permutations, "seed": how.seed, "alpha": ALPHA},
        "miou": {
            "difference": float(pairs.mean()),
            "interval": interval(found.means.mean(axis=1)),
            "p": float(found.p[0]),
        },
        "trainings": _trainings(pairs, found.means, how.seed) if len(first) > 1 else None,
        "labels": _labels(first[0].labels, images, one, two, found),
    }


def _system(group: Sequence[Scored], how: Resampling, rule: str) -> System:
    tallies = [how.group(scored.counts.tallies(), scored.ids) for scored in group]
    return System(np.stack(tallies, axis=1), rule)


def _side(group: Sequence[Scored], system: System) -> dict[str, Any]:
    mious = system.mious
    return {
        "files": [str(scored.path) for scored in group],
        "scored": [f"{scored.file} ({scored.kind}, run {scored.run})" for scored in group],
        "point": group[0].point,
        "how": sorted({scored.how for scored in group}),
        "mious": mious.tolist(),
        "miou": float(mious.mean()),
        "sd": float(mious.std(ddof=1)) if len(group) > 1 else None,
    }


@dataclass(frozen=True)
class Differences:
    """Of the second system less the first.

    Attributes:
        means: (draws, S) of mIoU, of each pair of trainings in each resample.
        labels: (draws, n) of the labels' IoU.
        p: (1 + n,) of mIoU and of each label; 1 for one that the truth lacks.
    """

    means: np.ndarray
    labels: np.ndarray
    p: np.ndarray


def _differences(one: System, two: System, how: Resampling, permutations: int) -> Differences:
    (means_one, labels_one), (means_two, labels_two) = one.drawn(how), two.drawn(how)

    def statistic(sums_one: np.ndarray, sums_two: np.ndarray) -> np.ndarray:
        """(P, 1 + n) of (P, S, n, 3)."""
        mean = mean_ious(sums_two, one.rule) - mean_ious(sums_one, one.rule)
        label = ious(sums_two) - ious(sums_one)
        return np.concatenate([mean.mean(axis=1)[:, None], label.mean(axis=1)], axis=1)

    p = p_values(one.tallies, two.tallies, statistic, permutations, how.seed)
    return Differences(means_two - means_one, labels_two - labels_one, p)


def _trainings(pairs: np.ndarray, means: np.ndarray, seed: int) -> dict[str, Any]:
    """What trainings drawn anew, too, would give; and the test that flips signs of pairs."""
    return {
        "pairs": len(pairs),
        "differences": pairs.tolist(),
        "sd": float(pairs.std(ddof=1)),
        "interval": interval(over_seeds(means, seed)),
        "p": sign_flips(pairs),
        "least_p": 2 / 2 ** len(pairs),
    }


def _labels(
    names: Sequence[str], images: np.ndarray, one: System, two: System, found: Differences
) -> list[dict[str, Any]]:
    """Of each label that the truth holds."""
    held = np.flatnonzero(images > 0)
    adjusted = dict(zip(held.tolist(), holm(found.p[1 + held]).tolist(), strict=True))
    first, second = one.iou, two.iou
    return [
        {
            "label": names[k],
            "images": int(images[k]),
            "first": float(first[k]),
            "second": float(second[k]),
            "difference": float(second[k] - first[k]),
            "interval": interval(found.labels[:, k]),
            "p": float(found.p[1 + k]),
            "p_holm": adjusted[k],
        }
        for k in held.tolist()
    ]
