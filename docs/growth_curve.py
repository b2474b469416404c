"""Draw what DSRG learns from, by epoch: precision, recall and IoU, as its paper's figure does.

    for f in cues sup-0 sup-1 ...; do wsss eval $f.h5 --split train --json $f.json; done
    python docs/growth_curve.py cues.json sup-0.json sup-1.json ... -o growth.png

The first file is of the seeds, drawn dotted; the others are `train-seg --supervision`'s, whose
epochs stand in their names. Prints the table too. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

MEASURES = {"precision": "#1b9e77", "recall": "#d95f02", "iou": "#7570b3"}
COVERAGE = "coverage"


def measured(path: Path) -> dict[str, float]:
    """Percentages: means over the labels, and the share of pixels labelled."""
    scores: dict[str, Any] = json.loads(path.read_text())["scores"]["labels"]
    found = {COVERAGE: 100 * scores[COVERAGE]}
    for name in MEASURES:
        known = [value for value in scores[name] if value is not None]
        found[name] = 100 * sum(known) / len(known)
    return found


def epoch_of(path: Path) -> int:
    """The last number in a file's name."""
    numbers = re.findall(r"\d+", path.name.partition(".")[0])
    if not numbers:
        raise SystemExit(f"{path}: no epoch in its name")
    return int(numbers[-1])


def draw(seeds: dict[str, float], epochs: dict[int, dict[str, float]], out: Path) -> None:
    """Write the curves as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3.2), dpi=110)
    for name, colour in MEASURES.items():
        values = [row[name] for row in epochs.values()]
        axes.plot(list(epochs), values, marker="o", ms=3, color=colour, label=name)
        axes.axhline(seeds[name], color=colour, lw=0.8, ls=":")
    axes.set(xlabel="epoch", ylabel="%, mean over labels", ylim=(0, 100))
    axes.set_title("what DSRG learns from; dotted: the seeds", fontsize=9)
    axes.legend(frameon=False, ncol=3, loc="upper center")
    figure.tight_layout()
    figure.savefig(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("seeds", type=Path, help="scores of the seeds")
    parser.add_argument("supervision", type=Path, nargs="+", help="scores of each epoch's labels")
    parser.add_argument("--out", "-o", type=Path, default=Path("growth.png"))
    given = parser.parse_args()
    seeds = measured(given.seeds)
    paths = sorted(given.supervision, key=epoch_of)
    epochs = {epoch_of(path): measured(path) for path in paths}
    columns = (*MEASURES, COVERAGE)
    print("epoch", *columns)
    for name, row in [("seeds", seeds), *epochs.items()]:
        print(name, *(f"{row[column]:.1f}" for column in columns))
    draw(seeds, epochs, given.out)


if __name__ == "__main__":
    main()
