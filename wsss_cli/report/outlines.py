"""Tables of outlines' scores and of scores by size of object."""

from __future__ import annotations

import itertools
from typing import Any

import typer

from ..console import table
from .scores import percent


def print_outlines(report: dict[str, Any]) -> None:
    """What an eval's JSON says of outlines and sizes, on stdout; nothing where it says nothing."""
    if "boundary" in report:
        _print_boundary(report["labels"], report["boundary"])
    if "object_sizes" in report:
        _print_sizes(report["labels"], report["object_sizes"])


def size_names(limits: list[float], shares: bool) -> list[str]:
    """The sizes in words, from the smallest.

    >>> size_names([1024, 9216], False), size_names([0.01], True)
    (['under 1024 px', '1024 to 9216 px', 'from 9216 px'], ['under 1 %', 'from 1 %'])
    """
    unit = "%" if shares else "px"
    told = [f"{limit * 100 if shares else limit:.10g}" for limit in limits]
    between = [f"{low} to {high} {unit}" for low, high in itertools.pairwise(told)]
    return [f"under {told[0]} {unit}", *between, f"from {told[-1]} {unit}"]


def _print_boundary(labels: list[str], found: dict[str, Any]) -> None:
    typer.echo("")
    _say(
        "outlines",
        f"band of {100 * found['band']:.10g} % of the image's diagonal, tolerance of "
        f"{100 * found['tolerance']:.10g} %",
    )
    _say("", found["rule"])
    typer.echo("")
    names = ["Boundary IoU %", "boundary F %"]
    table(["outlines", *names], [["mean", *map(percent, _means(found))]])
    typer.echo("")
    rows = zip(labels, found["iou"], found["f"], strict=True)
    table(["label", *names], [[name, percent(iou), percent(f)] for name, iou, f in rows])


def _means(found: dict[str, Any]) -> tuple[float | None, float | None]:
    return found["boundary_iou"], found["boundary_f"]


def _print_sizes(labels: list[str], found: dict[str, Any]) -> None:
    names = size_names(found["limits"], found["shares"])
    typer.echo("")
    _say("sizes", found["rule"])
    _say(
        "",
        f"{sum(found['elsewhere'])} pixels are predicted a class that the image has no object of: "
        "they belong to no size",
    )
    typer.echo("")
    table(
        ["size of object", "objects", "half found %", "recall %", "IoU %", "classes"],
        [
            [name, objects, percent(share), percent(recall), percent(iou), classes]
            for name, objects, share, recall, iou, classes in zip(
                names,
                found["objects"],
                found["found"],
                found["mean_recall"],
                found["mean_iou"],
                found["classes"],
                strict=True,
            )
        ],
    )
    typer.echo("")
    rows = list(zip(labels, found["iou"], strict=True))[1:]  # the background is no object
    table(["IoU %", *names], [[name, *map(percent, values)] for name, values in rows])


def _say(name: str, rule: str) -> None:
    """The parts of a rule, one a line."""
    for part in rule.split("; "):
        typer.echo(f"{name:<12}{part}")
        name = ""
