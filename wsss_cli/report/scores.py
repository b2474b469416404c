"""Tables of scores: all that eval says of one file, and a row for each of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from ..console import table

SUMMARY = {
    "miou": "mIoU %",
    "pixel_accuracy": "pixel accuracy %",
    "mean_accuracy": "mean accuracy %",
    "fw_iou": "frequency-weighted IoU %",
    "m_fp": "over-activation m_FP",
    "m_fn": "under-activation m_FN",
    "background_precision": "precision of background %",
    "foreground_precision": "precision of classes %",
    "coverage": "pixels labelled %",
    "images_without_class": "images without a class",
}
PER_LABEL = {
    "iou": "IoU %",
    "precision": "precision %",
    "recall": "recall %",
    "over": "over %",
    "under": "under %",
}
COUNTED_AS = {  # what a label that the truth lacks is in the mean
    "union": "; one that is predicted all the same counts as 0 in mIoU",
    "truth": "",
    "all": "; each counts as 0 in mIoU",
}
LEVEL = "95 % interval"
SHOWN = 6  # labels named in a line
RATIOS = ("m_fp", "m_fn")  # may exceed 1: shown as they are, not in percent


def print_report(report: dict[str, Any]) -> None:
    """The protocol of an eval, then its tables, on stdout."""
    points = report["scores"]
    for key, text in protocol_lines(report).items():
        typer.echo(f"{key:<12}{text}")
    typer.echo("")
    summary = [
        [title, *(_cell(point[key], key) for point in points.values())]
        for key, title in SUMMARY.items()
    ]
    if "bootstrap" in report:
        ends = [in_percent(point.get("miou_interval")) for point in points.values()]
        summary.insert(1, [LEVEL, *ends])
    table(["", *points], summary)
    typer.echo("")
    if "labels" in points:
        columns = {title: points["labels"][key] for key, title in PER_LABEL.items()}
    else:
        columns = {f"IoU % {key}": point["iou"] for key, point in points.items()}
    if "bootstrap" in report:  # of maps at the first point, which is chosen without these masks
        name, first = next(iter(points.items()))
        columns[LEVEL if name == "labels" else f"{LEVEL} {name}"] = first["iou_interval"]
    rows = zip(report["labels"], *columns.values(), strict=True)
    table(["label", *columns], [[name, *map(_cell, values)] for name, *values in rows])


def protocol_lines(report: dict[str, Any]) -> dict[str, str]:
    """What was scored and how, in words."""
    protocol, points = report["protocol"], report["scores"]
    source, data = report["predictions"], report["data"]
    images = f"{protocol['images_counted']} counted"
    if protocol["images_without_mask"]:
        images += f", {protocol['images_without_mask']} without a mask left out"
    if protocol["images_missing"]:
        images += f", {protocol['images_missing']} missing"
    if protocol.get("images_left_out"):
        images += f", {protocol['images_left_out']} that chose the threshold left out"
    of = f"split {protocol['split']}" if protocol["split"] else f"all of {source['file']}"
    of += f", those in {protocol['ids_from']}" if protocol["ids_from"] else ""
    lines = {
        "scored": f"{source['file']} ({source['kind']}, run {source['run']})",
        "data": f"{data['file']} (run {data['run']})",
        "images": f"{images} ({of})",
        "resolution": protocol["resolution"],
        "void": protocol["void"],
        "average": f"{protocol['average_rule']} ({protocol['average']})",
    }
    without = report["labels_without_truth"]
    if without:
        named = ", ".join(without[:SHOWN]) + (", ..." if len(without) > SHOWN else "")
        lines["not scored"] = f"no pixel of the truth holds {len(without)} labels: {named}"
        lines["not scored"] += COUNTED_AS[protocol["average"]]
    if "unlabelled" in protocol:
        lines["unlabelled"] = f"{protocol['unlabelled_rule']} ({protocol['unlabelled']})"
    else:
        lines["ties"] = protocol["ties"]
        for key, point in points.items():
            at = "" if point["threshold"] is None else f"threshold {point['threshold']:g}: "
            lines[key] = at + point["how"]
    if "bootstrap" in report:
        lines["intervals"] = intervals_line(report["bootstrap"])
    return lines


def intervals_line(bootstrap: dict[str, Any]) -> str:
    """How intervals were made, in words."""
    drawn = f"{bootstrap['units']} {bootstrap['drawn']}"
    drawn += f" of {bootstrap['clusters_from']}" if bootstrap["clusters_from"] else ""
    few = len(bootstrap["few"])
    labels = "1 label that is" if few == 1 else f"{few} labels that are"
    doubt = f"; too narrow for {labels} in fewer than ten {bootstrap['drawn']}" if few else ""
    return (
        f"{100 * bootstrap['level']:g} %, Bayesian bootstrap: {bootstrap['draws']} random "
        f"weightings of {drawn} (seed {bootstrap['seed']}){doubt}"
    )


def percent(value: float | None) -> str:
    """A share in percent, - where it is undefined."""
    return "-" if value is None else f"{100 * value:.2f}"


def in_percent(ends: Sequence[float] | None, sign: str = "") -> str:
    """An interval in percent, or in points with the sign +; - where there is none."""
    if ends is None:
        return "-"
    return "[" + ", ".join(f"{100 * end:{sign}.2f}" for end in ends) + "]"


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A row for each scored file, as `facts.describe` tells of it, on stdout."""

    def rounded(value: float | None) -> str:
        return "" if value is None else f"{100 * value:.1f}"

    intervals = any(row.get("miou_interval") for row in rows)
    names = [row["scored"] for row in rows]
    if len(set(names)) < len(names):  # of several runs: their folders tell them apart
        names = [row["file"] for row in rows]
    table(
        [
            *("scored", "split", "images", "mIoU %"),
            *([LEVEL] if intervals else []),
            *("pixel accuracy %", "best threshold (oracle)"),
        ],
        [
            (
                name,
                row["split"] or "all",
                row["images"],
                rounded(row["miou"]),
                *([in_percent(row.get("miou_interval"))] if intervals else []),
                rounded(row["pixel_accuracy"]),
                f"{rounded(row['oracle_miou'])} at {row['oracle_threshold']:g}"
                if row["oracle_miou"] is not None
                else "",
            )
            for name, row in zip(names, rows, strict=True)
        ],
    )


def _cell(value: float | int | Sequence[float] | None, key: str = "") -> str:
    """A share in percent, a ratio or a count as it is, - where it is undefined."""
    if value is None or isinstance(value, Sequence):
        return in_percent(value)
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if key in RATIOS else f"{100 * value:.2f}"
