"""What `eval --boxes` has to say, as it stands in its JSON, and in few words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..core.localisation import BOUNDS, EVERY, LARGEST, USUAL_BOUND
from ..core.metrics import plain
from ..errors import WsssError
from .report import OF_BOXES, VERSION_OF_BOXES

if TYPE_CHECKING:
    from ..artifacts import Artifact
    from .localisation import BoxTruth, Localised
    from .report import Asked

BOXES = (
    "the smallest box around a map's pixels strictly above a share of its maximum: those of the "
    "largest part (MaxBoxAcc, CorLoc), or of each part (V2); parts joined by edges, exact areas"
)
PAIRS = "each image with each class that its true boxes show; a pair without a map is not found"
TRUTHS = {
    "annotated": "boxes that people drew",
    "masks": "the smallest boxes around the parts of each class's mask, parts joined by edges",
}
DIFFICULT = {
    True: "those marked difficult count",
    False: "those marked difficult are left out",
}


def localisation_report(
    found: Artifact, truth: BoxTruth, asked: Asked, outcome: Localised
) -> dict[str, Any]:
    """All of it; the tables are drawn from it."""
    row = {image_id: number for number, image_id in enumerate(sorted(outcome.images))}
    protocol = {
        "split": asked.split,
        "ids_from": asked.ids_from,
        "images_counted": len(outcome.images),
        "images_without_boxes": outcome.without_truth,
        "images_missing": asked.missing,
        "pairs": len(outcome.pairs),
        "pairs_without_map": outcome.without_map,
        "pairs_rule": PAIRS,
        "truth": truth.source,
        "truth_rule": TRUTHS[truth.source],
        "difficult": truth.difficult,
        "boxes": BOXES,
        "bounds": list(BOUNDS),
        "thresholds": list(asked.rules.sweep),
    }
    if truth.source == "annotated":
        protocol["difficult_rule"] = DIFFICULT[truth.difficult]
    return {
        "format": OF_BOXES,
        "version": VERSION_OF_BOXES,
        "created_by": f"wsss {__version__}",
        "predictions": {"file": found.path.name, "kind": found.kind, "run": found.run},
        "data": {"file": truth.data.path.name, "run": truth.data.run},
        "protocol": protocol,
        "classes": found.classes,
        "scores": _scores(outcome, asked.rules.sweep),
        "sweep": _sweep(outcome),
        "ids": sorted(outcome.images),
        "pairs": [
            [row[pair.image], pair.class_index, round(pair.largest, 6), round(pair.every, 6)]
            for pair in outcome.pairs
        ],
    }


def _scores(outcome: Localised, sweep: list[float]) -> dict[str, Any]:
    """At the chosen threshold, at the best ones, and by class at the chosen one."""
    counts, place = outcome.boxes, outcome.chosen
    accuracy, of_class = counts.accuracy(), counts.accuracy_of_class()
    tried = np.flatnonzero(np.isin(outcome.shares, np.asarray(sweep)))  # the chosen may be none
    one = accuracy[LARGEST, USUAL_BOUND, tried]
    every = accuracy[EVERY][:, tried]
    pixels = outcome.pixels
    return {
        "chosen": {
            "how": outcome.how,
            "threshold": float(outcome.shares[place]),
            "corloc": plain(counts.corloc(place)),
            "max_box_acc": float(accuracy[LARGEST, USUAL_BOUND, place]),
            "max_box_acc_v2": float(accuracy[EVERY, :, place].mean()),
            "every": accuracy[EVERY, :, place].tolist(),
        },
        "oracle": {
            "how": f"oracle (chosen with these boxes): best of {len(tried)}",
            "threshold": float(outcome.shares[tried[one.argmax()]]),
            "max_box_acc": float(one.max()),
            "max_box_acc_v2": float(every.max(axis=1).mean()),
            "every": every.max(axis=1).tolist(),
            "every_thresholds": outcome.shares[tried[every.argmax(axis=1)]].tolist(),
        },
        "pxap": None if pixels is None else plain(pixels.precision()),
        "of_class": {
            "pairs": counts.pairs.tolist(),
            "corloc": plain(of_class[LARGEST, :, USUAL_BOUND, place]),
            "max_box_acc_v2": plain(of_class[EVERY, :, :, place].mean(axis=1)),
            "pxap": None if pixels is None else plain(pixels.precision_of_class()),
        },
    }


def _sweep(outcome: Localised) -> list[dict[str, Any]]:
    accuracy = outcome.boxes.accuracy()
    return [
        {
            "threshold": float(share),
            "max_box_acc": float(accuracy[LARGEST, USUAL_BOUND, place]),
            "every": accuracy[EVERY, :, place].tolist(),
        }
        for place, share in enumerate(outcome.shares)
    ]


def doubts(report: dict[str, Any]) -> list[str]:
    """What looks like a mistake."""
    protocol, name, found = report["protocol"], report["predictions"]["file"], []
    if protocol["images_missing"]:
        missing = protocol["images_missing"]
        found.append(f"{name}: lacks {missing} images of the split: this is the score of a part")
    if protocol["pairs_without_map"]:
        found.append(
            f"{name}: {protocol['pairs_without_map']} of {protocol['pairs']} pairs of image and "
            "class have no map, and count as not found"
        )
    return found


def facts_of(path: Path, report: dict[str, Any]) -> dict[str, Any]:
    """The scores in few words, by name.

    Raises:
        WsssError: parts are missing.
    """
    try:
        scores, protocol = report["scores"], report["protocol"]
        chosen, oracle = scores["chosen"], scores["oracle"]
        return {
            "kind": report["format"],
            "localised": report["predictions"]["file"],
            "split": protocol["split"] or "all",
            "images": protocol["images_counted"],
            "pairs": protocol["pairs"],
            "truth": protocol["truth"],
            "threshold": chosen["threshold"],
            "corloc": chosen["corloc"],
            "max_box_acc": chosen["max_box_acc"],
            "max_box_acc_v2": chosen["max_box_acc_v2"],
            "oracle_threshold": oracle["threshold"],
            "oracle_max_box_acc": oracle["max_box_acc"],
            "oracle_max_box_acc_v2": oracle["max_box_acc_v2"],
            "pxap": scores["pxap"],
        }
    except (AttributeError, KeyError, TypeError):
        raise WsssError(f"{path}: scores with parts missing", "rerun `wsss eval --json`") from None
