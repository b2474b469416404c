"""Tables of `eval --boxes`."""

from __future__ import annotations

from typing import Any

import typer

from ..console import table
from .scores import percent


def print_localisation(report: dict[str, Any]) -> None:
    """The protocol, then the scores, over all pairs and by class, on stdout."""
    scores = report["scores"]
    for key, text in protocol_lines(report).items():
        typer.echo(f"{key:<12}{text}")
    typer.echo("")
    chosen, oracle = scores["chosen"], scores["oracle"]
    rows = [
        ("CorLoc %", percent(chosen["corloc"]), "-"),
        ("MaxBoxAcc %", percent(chosen["max_box_acc"]), _at(oracle["max_box_acc"], oracle)),
        ("MaxBoxAccV2 %", *(percent(one["max_box_acc_v2"]) for one in (chosen, oracle))),
    ]
    for place, bound in enumerate(report["protocol"]["bounds"]):
        best = {"threshold": oracle["every_thresholds"][place]}
        one = percent(chosen["every"][place]), _at(oracle["every"][place], best)
        rows.append((f"  any part at IoU {bound:g} %", *one))
    rows.append(("PxAP %", percent(scores["pxap"]), "-"))
    table(["", "chosen", "oracle"], rows)
    typer.echo("")
    of_class = scores["of_class"]
    pixels = of_class["pxap"] or [None] * len(report["classes"])
    columns = (of_class["corloc"], of_class["max_box_acc_v2"], pixels)
    table(
        ["class", "images", "CorLoc %", "V2 %", "PxAP %"],
        [
            [name, pairs, *map(percent, values)]
            for name, pairs, *values in zip(
                report["classes"], of_class["pairs"], *columns, strict=True
            )
        ],
    )


def protocol_lines(report: dict[str, Any]) -> dict[str, str]:
    """What was scored and how, in words."""
    protocol, scores = report["protocol"], report["scores"]
    source, data = report["predictions"], report["data"]
    images = f"{protocol['images_counted']} counted"
    if protocol["images_without_boxes"]:
        images += f", {protocol['images_without_boxes']} whose boxes are not known left out"
    if protocol["images_missing"]:
        images += f", {protocol['images_missing']} missing"
    of = f"split {protocol['split']}" if protocol["split"] else f"all of {source['file']}"
    of += f", those in {protocol['ids_from']}" if protocol["ids_from"] else ""
    truth = protocol["truth_rule"]
    truth += f"; {protocol['difficult_rule']}" if "difficult_rule" in protocol else ""
    points = {key: scores[key] for key in ("chosen", "oracle")}
    return {
        "scored": f"{source['file']} ({source['kind']}, run {source['run']})",
        "data": f"{data['file']} (run {data['run']})",
        "images": f"{images} ({of})",
        "pairs": f"{protocol['pairs']}: {protocol['pairs_rule']}",
        "truth": f"{truth} ({protocol['truth']})",
        "boxes": protocol["boxes"],
        **{key: f"share {one['threshold']:g}: {one['how']}" for key, one in points.items()},
    }


def _at(value: float, point: dict[str, Any]) -> str:
    return f"{percent(value)} at {point['threshold']:g}"
