"""What eval has to say, as it stands in its JSON: made, warned of, written and read again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import __version__
from ..errors import WsssError
from ..formats.lists import read_json

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader
    from .counts import Outcome
    from .protocol import Rules

FORMAT, VERSION = "wsss/eval", 2  # of the JSON that eval writes; 1 had no `per_image`
OF_BOXES, VERSION_OF_BOXES = "wsss/localisation", 1  # of `eval --boxes`
COMPARISON = "wsss/compare"  # of `compare --json`, which nothing reads
EVAL = "`wsss eval --json`"


class Known(NamedTuple):
    """A JSON of ours.

    Attributes:
        newest: its highest version that is read; None for one that nothing reads.
        holds: what it is, in words.
        made: what writes it.
    """

    newest: int | None
    holds: str
    made: str


KNOWN = {
    FORMAT: Known(VERSION, "scores of pixels", EVAL),
    OF_BOXES: Known(VERSION_OF_BOXES, "scores of boxes", "`wsss eval --boxes --json`"),
    COMPARISON: Known(None, "a comparison", "`wsss compare --json`"),
}
AVERAGES = {
    "union": "mean over the labels that truth or prediction holds",
    "truth": "mean over the labels that the truth holds",
    "all": "mean over all labels, 0 for one that neither truth nor prediction holds",
}
UNLABELLED = {
    "error": "a predicted 255 is a miss of the true label, and no prediction",
    "background": "a predicted 255 counts as background",
}
VOID = "pixels that are 255 in the mask are not counted"
RESOLUTION = {
    "wsss/label": "the masks' own; labels must be of the same size",
    "wsss/cam": "the masks' own; maps enlarged bilinearly, cell centres in place",
}
TIES = "a class wins strictly above the threshold (float32); of equal classes the first"


@dataclass(frozen=True)
class Asked:
    """How a command line chooses and counts images, for the protocol.

    Attributes:
        split: the split scored; None for all images of the file.
        ids_from: the list of ids that narrows it.
        missing: how many images with a mask the file lacks.
        rules: how pixels are counted and averaged.
    """

    split: str | None
    ids_from: str | None
    missing: int
    rules: Rules


def protocol_of(found: Artifact, asked: Asked, outcome: Outcome) -> dict[str, Any]:
    """All that makes the scores comparable, in names and in words."""
    rules = asked.rules
    of_kind: dict[str, Any] = {"thresholds": rules.sweep, "ties": TIES}
    if found.kind == "wsss/label":
        words = UNLABELLED[rules.unlabelled]
        of_kind = {"unlabelled": rules.unlabelled, "unlabelled_rule": words}
    return {
        "split": asked.split,
        "ids_from": asked.ids_from,
        "images_counted": len(outcome.counted),
        "images_without_mask": outcome.without_mask,
        "images_missing": asked.missing,
        "images_left_out": len(outcome.left_out),
        "resolution": RESOLUTION[found.kind],
        "void": VOID,
        "average": rules.average,
        "average_rule": AVERAGES[rules.average],
        **of_kind,
    }


def report_of(
    found: Artifact, truth: DatasetReader, asked: Asked, outcome: Outcome
) -> dict[str, Any]:
    """All that eval has to say, as it stands in the JSON; the tables are drawn from it."""
    points = {name: point.as_dict() for name, point in outcome.points.items()}
    headline = points.get("labels") or points["chosen"]
    labels = ["background", *truth.classes]
    pixels = next(iter(outcome.points.values())).scores.matrix.sum(axis=1)
    report: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "created_by": f"wsss {__version__}",
        "miou": headline["miou"],  # never the oracle's
        "predictions": {"file": found.path.name, "kind": found.kind, "run": found.run},
        "data": {"file": truth.path.name, "run": truth.run},
        "protocol": protocol_of(found, asked, outcome),
        "labels": labels,
        "labels_without_truth": [labels[k] for k in np.flatnonzero(pixels == 0)],
        "scores": points,
    }
    if outcome.sweep:
        curve = [{"threshold": t, "miou": None if m != m else m} for t, m in outcome.sweep]
        report["sweep"] = curve
    if outcome.left_out:
        report["left_out"] = outcome.left_out
    order = sorted(range(len(outcome.counted)), key=outcome.counted.__getitem__)
    report["ids"] = [outcome.counted[place] for place in order]
    report["per_image"] = {
        name: point.images.take(order).as_lists()
        for name, point in outcome.points.items()
        if point.images is not None
    }
    return report | outcome.beside


def warnings(report: dict[str, Any]) -> list[str]:
    """What looks like a mistake."""
    counted = report["protocol"]["images_counted"]
    name = report["predictions"]["file"]
    found = []
    for key, point in report["scores"].items():
        if point["images_without_class"] == counted:
            where = "" if key == "labels" else f" ({key})"
            found.append(
                f"{name}{where}: only background is predicted, in every one of {counted} images"
            )
    if report["protocol"]["images_missing"]:
        missing = report["protocol"]["images_missing"]
        found.append(f"{name}: lacks {missing} images of the split: this is the score of a part")
    return found


def as_json(report: dict[str, Any]) -> str:
    """One line of JSON, without its end."""
    return json.dumps(report, ensure_ascii=False, allow_nan=False)


def write_report(report: dict[str, Any], target: Path) -> None:
    """
    Raises:
        WsssError: the disk is full or not writable.
    """
    from ..artifacts.placing import write_whole

    # A file's name may be no UTF-8; JSON's escapes spell it.
    write_whole(target, as_json(report).encode(errors="backslashreplace") + b"\n")


def read_report(path: Path, wanted: str | None = FORMAT) -> dict[str, Any]:
    """The JSON of an earlier `wsss eval --json`.

    Args:
        wanted: the format that is needed: pixels' scores or boxes'; None takes both.

    Raises:
        WsssError: unreadable, of a newer wsss, or not such a JSON; says what it is where it is
            another of ours.
    """
    report = read_json(path)
    found = report.get("format") if isinstance(report, dict) else None
    version = report["version"] if found is not None and "version" in report else None
    if not isinstance(found, str) or found not in KNOWN or type(version) is not int or version < 1:
        raise WsssError(f"{path}: not scores of wsss's", "`wsss eval --json` writes them")
    known = KNOWN[found]
    if known.newest is None or wanted not in (None, found):
        needed = "scores" if wanted is None else KNOWN[wanted].holds
        made = EVAL if wanted is None else KNOWN[wanted].made
        raise WsssError(f"{path}: holds {known.holds}, not {needed}", f"{made} writes those")
    if version > known.newest:
        raise WsssError(
            f"{path}: {known.holds} in version {version} of {found}; this wsss reads up to "
            f"{known.newest}",
            "a newer wsss wrote it",
        )
    return report


def texts(values: Any) -> list[str]:
    """What JSON should hold as a list of texts.

    Raises:
        TypeError: it does not.
    """
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError
    return values


def read_oracle(path: Path, wanted: str = FORMAT) -> tuple[float, list[str]]:
    """(best threshold, ids it was chosen on) of a JSON that eval wrote for maps.

    Args:
        wanted: as in `read_report`.

    Raises:
        WsssError: unreadable, or not such a JSON.
    """
    report = read_report(path, wanted)
    try:
        oracle = report["scores"]["oracle"]
        threshold, ids = oracle["threshold"], texts(report["ids"])
        if type(threshold) not in (float, int) or not 0 <= threshold <= 1 or not ids:
            raise ValueError
        if wanted == FORMAT and oracle["miou"] is None:  # no mask had a pixel that counts
            raise ValueError
        return float(threshold), ids
    except (KeyError, TypeError, ValueError):
        what = "maps" if wanted == FORMAT else "boxes"
        made = KNOWN[wanted].made
        raise WsssError(f"{path}: holds no best threshold of {what}", f"{made} writes it") from None
