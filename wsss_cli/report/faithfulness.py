"""Tables of what maps point at, and of whether the classifier's score follows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from ..console import table

ORDERS = ("maps", "random", "centre")
AREAS = {"insertion": "insertion (higher is better)", "deletion": "deletion (lower is better)"}
SHARES = {
    "average_drop": "average drop % (lower is better)",
    "average_increase": "average increase % (higher is better)",
}
STARTS = {
    "score": "of the whole image",
    "score_deleted": "all deleted",
    "score_uninserted": "nothing inserted",
}


def print_faithfulness(report: Mapping[str, Any]) -> None:
    """What an eval says of pointing and of faithfulness, on stdout; nothing where it says none."""
    pointing, answers = report.get("pointing"), report.get("faithfulness")
    if pointing is None:
        return
    typer.echo("")
    for key, text in lines(pointing, answers).items():
        typer.echo(f"{key:<12}{text}")
    typer.echo("")
    rows = [
        _row("pointing game, mean over classes %", pointing["mean"], 100),
        _row(f"pointing game, {pointing['difficult']['count']} difficult %", pointing["difficult"]),
    ]
    if answers is not None:
        for name, title in (AREAS | SHARES).items():
            values = {order: answers["mean"][order][name] for order in ORDERS}
            rows.append(_row(title, values, 100 if name in SHARES else 1))
    table(["", *ORDERS], rows)
    typer.echo("")
    _print_classes(pointing, answers)


def lines(pointing: Mapping[str, Any], answers: Mapping[str, Any] | None) -> dict[str, str]:
    """What was asked and how, in words."""
    rules = pointing["protocol"]
    left = [
        f"{pointing[key]} {what}"
        for key, what in {
            "maps_without_region": "of classes that the mask lacks left out",
            "regions_without_map": "classes of the masks have no map",
        }.items()
        if pointing[key]
    ]
    found = {
        "pointing": ", ".join([f"{pointing['maps']} maps", *left]),
        "hit": f"nearer than {rules['tolerance']} pixels; {rules['hit']}",
        "points": f"random: {rules['random']}; centre: {rules['centre']}",
    }
    if answers is None:
        return found
    rules, source = answers["protocol"], answers["weights"]
    images = f"{answers['count']} maps of {answers['images']} images"
    if answers["images"] < answers["images_with_maps"]:
        images += f", drawn from {answers['images_with_maps']}"
    side = f"longer side at most {rules['max_side']}" if rules["max_side"] else "at full size"
    starts = ", ".join(f"{answers[key]:.3f} {said}" for key, said in STARTS.items())
    return found | {
        "asked": f"{source['file']} ({source['kind']}, run {source['run']}) about {images}, {side}",
        "score": f"{rules['score']}: {starts}",
        "steps": f"{rules['steps']}; {rules['deletion_rule']}, {rules['insertion_rule']}",
        "orders": f"random: {rules['random']}; centre: {rules['centre']}",
        "coverage": f"{100 * answers['coverage']:.1f} % of each image is what maps show of it",
    }


def _print_classes(pointing: Mapping[str, Any], answers: Mapping[str, Any] | None) -> None:
    """A row a class that has a map."""
    head = ["class", "maps", *(f"pointing % {order}" for order in ORDERS)]
    if answers is not None:
        head += ["asked", *AREAS]
    rows = []
    for name, played in pointing["classes"].items():
        cells = [name, played["count"], *(_cell(played[order], 100) for order in ORDERS)]
        count = played["count"]
        if answers is not None:
            own = answers["classes"][name]
            count += own["count"]
            cells += [own["count"], *(_cell(own["mean"]["maps"][area]) for area in AREAS)]
        if count:
            rows.append(cells)
    table(head, rows)


def _row(title: str, values: Mapping[str, Any], factor: float = 100) -> list[str]:
    return [title, *(_cell(values[order], factor) for order in ORDERS)]


def _cell(value: float | None, factor: float = 1) -> str:
    """A share in percent or a score as it is, - where there is none."""
    if value is None:
        return "-"
    return f"{factor * value:.2f}" if factor != 1 else f"{value:.3f}"
