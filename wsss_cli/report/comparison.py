"""A comparison of two systems as tables, and in words what it shows and what not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from ..console import table
from .scores import LEVEL, in_percent, intervals_line


def print_comparison(found: dict[str, Any]) -> None:
    """What was compared and how, the tables, and the verdict, on stdout."""
    for key, text in protocol_lines(found):
        typer.echo(f"{key:<13}{text}")
    typer.echo("")
    one, two, miou = found["first"], found["second"], found["miou"]
    header = ["", "A %", "B %", "B - A", LEVEL, "p"]
    rows = [["mIoU", *_row(one["miou"], two["miou"], miou)]]
    trainings = found["trainings"]
    if trainings is not None:
        deviations = [f"{100 * sd:.2f}" for sd in (one["sd"], two["sd"], trainings["sd"])]
        rows.append(["sd over trainings", *deviations, "", ""])
        over = in_percent(trainings["interval"], "+")
        rows.append(["trainings drawn, too", "", "", "", over, f"{trainings['p']:.2g}"])
    table(header, rows)
    typer.echo("")
    labels = [
        [
            one["label"],
            one["images"],
            *_row(one["first"], one["second"], one),
            f"{one['p_holm']:.2g}",
        ]
        for one in found["labels"]
    ]
    table(["label", "images", *header[1:], "p (Holm)"], labels)
    typer.echo("")
    for text in verdict(found):
        typer.echo(text)


def _row(first: float, second: float, difference: dict[str, Any]) -> list[str]:
    return [
        f"{100 * first:.2f}",
        f"{100 * second:.2f}",
        f"{100 * difference['difference']:+.2f}",
        in_percent(difference["interval"], "+"),
        f"{difference['p']:.2g}",
    ]


def protocol_lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What was compared and how, in words."""
    lines = []
    for name, side in (("A", found["first"]), ("B", found["second"])):
        for file, scored in zip(side["files"], side["scored"], strict=True):
            lines.append((name, f"{file}: {scored}"))
        lines += [(f"{name} at", f"{side['point']}: {how}") for how in side["how"]]
    swapped, drawn = found["permutation"], found["bootstrap"]["drawn"]
    lines += [
        ("images", f"{found['images']}, the same in all (data set of run {found['data_run']})"),
        ("average", found["average"]),
        ("intervals", f"{intervals_line(found['bootstrap'])}; the same weights for A and B"),
        (
            "p",
            f"{swapped['swaps']} random swaps of A and B within {drawn} "
            f"(seed {swapped['seed']}), two-sided; Holm's corrects for the number of labels",
        ),
    ]
    if "oracle" in (found["first"]["point"], found["second"]["point"]):
        lines.append(("oracle", "thresholds chosen with these masks are taken as given"))
    if found["trainings"] is not None:
        lines.append(
            (
                "trainings",
                "paired in the order given; drawn with replacement, images weighed; set apart by "
                "sqrt(S / (S - 1)), as few drawn trainings spread too little. p flips the signs "
                "of the pairs",
            )
        )
    return lines


def verdict(found: dict[str, Any]) -> list[str]:
    """What the figures show, and what they do not."""
    trainings = found["trainings"]
    of = "of these two files" if trainings is None else "of these trainings"
    lines = [_of_images(found["miou"], found["permutation"]["alpha"], of)]
    if trainings is None:
        lines.append(
            "Of the methods behind them this says nothing: another training would score "
            "otherwise. `vs` compares several of each."
        )
    else:
        lines.append(_of_methods(trainings, found["permutation"]["alpha"]))
    changed = [one for one in found["labels"] if one["p_holm"] <= found["permutation"]["alpha"]]
    for name, sign in (("B", 1), ("A", -1)):
        ahead = [one["label"] for one in changed if sign * one["difference"] > 0]
        if ahead:
            lines.append(f"By label, {name} leads on {', '.join(ahead)} (Holm).")
    if not changed:
        lines.append("By label, no lead is shown (Holm).")
    return lines


def _of_images(miou: dict[str, Any], alpha: float, of: str) -> str:
    difference = miou["difference"]
    clear, rejected = _excludes_zero(miou["interval"]), miou["p"] <= alpha
    said = f"{in_percent(miou['interval'], '+')}, p = {miou['p']:.2g}"
    if clear and rejected:
        name = "B" if difference > 0 else "A"
        text = f"{name} leads by {100 * abs(difference):.2f} points (B - A {said})"
        return f"{text}: a lead on images such as these, {of}."
    text = f"B - A is {100 * difference:+.2f} points ({said})"
    if clear or rejected:
        return f"{text}: no clear lead on images such as these, as interval and test disagree."
    return f"{text}: no lead is shown on images such as these."


def _of_methods(trainings: dict[str, Any], alpha: float) -> str:
    pairs, least = trainings["pairs"], trainings["least_p"]
    differences: Sequence[float] = trainings["differences"]
    wins = max(sum(d > 0 for d in differences), sum(d < 0 for d in differences))
    name = "B" if sum(differences) > 0 else "A"
    said = (
        f"over trainings and images {in_percent(trainings['interval'], '+')}, "
        f"p = {trainings['p']:.2g} of {pairs} pairs"
    )
    clear = _excludes_zero(trainings["interval"])
    if clear and trainings["p"] <= alpha:
        return f"Of the methods: {name} leads ({said})."
    if clear and least > alpha and wins == pairs:
        return (
            f"Of the methods: this points to {name} ({said}), but {pairs} pairs cannot show it: "
            f"their p is never below {least:.2g}. Six can."
        )
    return f"Of the methods: no lead is shown ({said}; {pairs} pairs reach {least:.2g} at best)."


def _excludes_zero(ends: Sequence[float] | None) -> bool:
    return ends is not None and (ends[0] > 0 or ends[1] < 0)
