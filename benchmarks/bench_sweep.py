"""Scoring maps at 60 thresholds: one pass over the images beside one pass a threshold.

    python benchmarks/bench_sweep.py --json sweep.json

Plain, as the published evaluation does it for each threshold: all 21 scores at full resolution,
argmax, then three masks for each of 21 labels. Its time is that of three thresholds, times 20,
whose counts are compared. Ours: `ThresholdSweep`. Images of 375x500, two or three classes.
"""

from __future__ import annotations

import numpy as np
import torch
from made import SIZE, class_maps, truth
from measuring import median_times, options, report, target

from wsss_cli.core.sweep import SWEEP, ThresholdSweep

LABELS = 21
IMAGES = 8
MEASURED = 3  # thresholds of the plain form

Item = tuple[np.ndarray, np.ndarray, np.ndarray]


def items() -> list[Item]:
    """(truth, maps, classes) of each image."""
    made = []
    for seed in range(IMAGES):
        rng = np.random.default_rng(seed)
        classes = np.sort(rng.choice(LABELS - 1, 2 + seed % 2, replace=False)).astype(np.uint16)
        maps = class_maps(len(classes), SIZE, seed)
        made.append((truth(classes, maps, seed), maps.numpy(), classes))
    return made


def plain_pass(images: list[Item], threshold: float) -> np.ndarray:
    """(21, 3) true positives, truth and predictions of each label."""
    counts = np.zeros((LABELS, 3), np.int64)
    for mask, maps, classes in images:
        scores = np.zeros((LABELS, *mask.shape), np.float32)
        scores[0] = threshold
        scores[classes.astype(int) + 1] = maps
        predicted = np.argmax(scores, axis=0).astype(np.uint8)
        valid = mask < 255
        correct = (predicted == mask) * valid
        for label in range(LABELS):
            counts[label] += (
                np.sum((mask == label) * correct),
                np.sum((mask == label) * valid),
                np.sum((predicted == label) * valid),
            )
    return counts


def sweep(images: list[Item]) -> np.ndarray:
    """(T, 21, 3) of the same."""
    counts = ThresholdSweep(LABELS)
    for item in images:
        counts.add(*item)
    found = counts.matrices()
    hits = np.diagonal(found, axis1=1, axis2=2)
    return np.stack([hits, found.sum(2), found[:, :, :LABELS].sum(1)], -1)


def main() -> None:
    arguments = options(__doc__).parse_args()
    torch.set_num_threads(arguments.threads)
    images = items()
    places = np.linspace(0, len(SWEEP) - 1, MEASURED).astype(int)
    plain, plain_cpu, expected = median_times(
        lambda: np.stack([plain_pass(images, float(np.float32(SWEEP[i]))) for i in places]),
        arguments.repeats,
    )
    ours, ours_cpu, found = median_times(lambda: sweep(images), arguments.repeats)
    if not np.array_equal(found[places], expected):
        raise SystemExit("counts differ between the two forms")
    times = len(SWEEP) / MEASURED
    rows = [
        {
            "form": f"plain, {len(SWEEP)} / {MEASURED} x {MEASURED} thresholds",
            "seconds an image": plain * times / IMAGES,
            "cpu seconds": plain_cpu * times / IMAGES,
        },
        {
            "form": "one pass",
            "seconds an image": ours / IMAGES,
            "cpu seconds": ours_cpu / IMAGES,
            "times faster": plain_cpu * times / ours_cpu,
        },
    ]
    check = f"counts equal at {MEASURED} thresholds"
    targets = [target("threshold sweep", plain_cpu * times / ours_cpu, 400, 900, check)]
    report(rows, arguments.threads, arguments.json, targets)


if __name__ == "__main__":
    main()
