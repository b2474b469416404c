"""What is read of an eval's scores to compare them, and which may be compared with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.image_counts import TRUTH, ImageCounts
from ..core.labels import IGNORE
from ..core.metrics import RULES
from ..errors import WsssError
from .report import RESOLUTION, read_report, texts

SAME_IMAGES = "--split or --ids of `wsss eval` scores the same images in both"
OWN = {  # of the protocol: what may differ, or is compared by the images themselves
    *("split", "ids_from", "images_counted", "images_without_mask", "images_missing"),
    *("images_left_out", "thresholds"),
}


@dataclass(frozen=True)
class Scored:
    """One eval at one operating point.

    Attributes:
        path: its JSON.
        kind: of what was scored, "wsss/label" or "wsss/cam".
        file, run: name and run of what was scored.
        data_run: run of the data set.
        point: name of the operating point.
        how: what chose it, in words.
        protocol: how pixels were counted and averaged.
        labels: names of labels, background first.
        ids: the images, rising.
        counts: their matrices.
    """

    path: Path
    kind: str
    file: str
    run: str
    data_run: str
    point: str
    how: str
    protocol: dict[str, Any]
    labels: list[str]
    ids: list[str]
    counts: ImageCounts


def read_scored(path: Path, point: str) -> Scored:
    """The scores of labels, or of maps at an operating point.

    Raises:
        WsssError: unreadable, of an older version, damaged, or without that point.
    """
    report = read_report(path)
    if report["version"] == 1:
        raise WsssError(
            f"{path}: holds no counts of each image, as it is of an older wsss",
            "run `wsss eval --json` again",
        )
    try:
        return _scored(path, report, point)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError):
        raise WsssError(
            f"{path}: scores with parts missing or changed", "run `wsss eval --json` again"
        ) from None


def _scored(path: Path, report: dict[str, Any], point: str) -> Scored:
    if report["predictions"]["kind"] not in RESOLUTION:
        raise ValueError
    of_labels = report["predictions"]["kind"] == "wsss/label"
    name = "labels" if of_labels else point
    if not of_labels and name not in report["scores"]:
        there = ", ".join(map(str, report["scores"]))
        raise WsssError(f"{path}: holds no operating point {name}, but {there}")
    labels, ids = texts(report["labels"]), texts(report["ids"])
    if not 0 < len(labels) <= IGNORE:
        raise ValueError
    counts = ImageCounts.from_lists(len(labels), report["per_image"][name])
    found, protocol = report["scores"][name], report["protocol"]
    if not ids or len(counts) != len(ids) or ids != sorted(set(ids)):
        raise ValueError
    if counts.total().tolist() != found["matrix"] or protocol["average"] not in RULES:
        raise ValueError
    if not counts.total()[1:].any():  # eval refuses such a truth
        raise ValueError
    said = [report["predictions"][key] for key in ("kind", "file", "run")]
    said += [report["data"]["run"], found["how"]]
    kind, file, run, data_run, how = texts(said)
    if found.get("threshold") is not None:
        how = f"threshold {found['threshold']:g}: {how}"
    return Scored(path, kind, file, run, data_run, name, how, protocol, labels, ids, counts)


def check_pairs(first: Sequence[Scored], second: Sequence[Scored]) -> None:
    """See that all were scored alike, on the same images.

    Raises:
        WsssError: other labels, data set, protocol, images or masks; or a group that holds one run
            twice.
    """
    for one in [*first, *second][1:]:
        _refuse_apart(first[0], one)
    for group in (first, second):
        runs: dict[str, Scored] = {}
        for one in group:
            before = runs.get(one.run)
            runs[one.run] = one
            if before is not None:
                raise WsssError(
                    f"{one.path}: scores of the same run as {before.path} ({one.run}); each "
                    "training counts once"
                )


def _refuse_apart(one: Scored, other: Scored) -> None:
    if one.labels != other.labels:
        pairs = zip([*one.labels, None], [*other.labels, None], strict=False)
        mine, theirs = next(pair for pair in pairs if pair[0] != pair[1])
        raise WsssError(
            f"{other.path}: other labels than {one.path} (first {theirs!r} against {mine!r})"
        )
    if one.data_run != other.data_run:
        raise WsssError(
            f"{other.path}: scored with another data set than {one.path} "
            f"(run {other.data_run} against {one.data_run})",
            "score both with the same --data",
        )
    _refuse_protocol(one, other)
    if one.ids != other.ids:
        more, fewer = set(other.ids) - set(one.ids), set(one.ids) - set(other.ids)
        raise WsssError(
            f"{other.path}: of other images than {one.path}: {len(more)} more, {len(fewer)} fewer, "
            f"first {min(more | fewer)!r}",
            SAME_IMAGES,
        )
    here, there = (scored.counts.tallies()[..., TRUTH] for scored in (one, other))
    apart = np.flatnonzero((here != there).any(axis=1))
    if len(apart):
        raise WsssError(
            f"{other.path}: the masks of {len(apart)} images hold other pixels than those of "
            f"{one.path}, first {one.ids[apart[0]]!r}",
            "score both with the same --data",
        )


def _refuse_protocol(one: Scored, other: Scored) -> None:
    own = set(OWN)
    if "oracle" in (one.point, other.point):  # of more thresholds the best is better
        own.discard("thresholds")
    if one.kind != other.kind:  # both are scored at the masks' size
        own.add("resolution")
    for key, value in one.protocol.items():
        if key not in own and key in other.protocol and other.protocol[key] != value:
            raise WsssError(
                f"{other.path}: scored by another protocol than {one.path} ({key} "
                f"{_short(other.protocol[key])} against {_short(value)})",
                "run `wsss eval` on both with the same options",
            )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
