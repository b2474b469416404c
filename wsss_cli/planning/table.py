"""A plan for people, as a table, and for programs, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from ..console import table
from .measure import Rate
from .reckoning import STORED_LABELS, STORED_MAPS, TRAINING_STATE, VALIDATION, Row, Work, total

if TYPE_CHECKING:
    from ..artifacts import DatasetReader


def report_of(
    data: DatasetReader,
    work: Work,
    rows: Sequence[Row],
    rates: Mapping[str, Rate],
    shards: int,
) -> dict[str, Any]:
    """All that plan has to say, as it stands in the JSON."""
    return {
        "data": {"file": str(data.path), "run": data.run, "bytes": data.path.stat().st_size},
        "images": {
            name: {"count": len(found), "megapixels": found.megapixels()}
            for name, found in (("train", work.train), ("val", work.val))
        },
        "shards": shards,
        "stages": [asdict(row) for row in rows],
        "total": total(rows),
        "rates": {name: asdict(rate) for name, rate in rates.items()},
        "assumed": {
            "stored_maps": STORED_MAPS,
            "stored_labels": STORED_LABELS,
            "validation": VALIDATION,
            "training_state": TRAINING_STATE,
        },
    }


def print_plan(work: Work, rows: Sequence[Row], measured: bool, shards: int) -> None:
    """The table, and what it rests on, on stdout."""
    sums = total(rows)
    lines = [
        [row.stage, row.makes, _size(row.disk), _size(row.disk_at_peak), _size(row.memory)]
        for row in rows
    ]
    lines.append(["all", "", *(_size(sums[name]) for name in ("disk", "disk_at_peak", "memory"))])
    for line, seconds in zip(lines, [*(row.seconds for row in rows), sums["seconds"]], strict=True):
        line.append(_time(seconds))
    table(["stage", "makes", "disk", "at its peak", "memory", "time"], lines)
    typer.echo("")
    for name, found in (("train", work.train), ("val", work.val)):
        typer.echo(f"{name}: {len(found)} images, {found.megapixels():.1f} megapixels")
    if measured:
        processes = f"each stage in {shards} shards" if shards > 1 else "one process a stage"
        typer.echo(f"time and memory: measured on 4 images here, {processes}")
        typer.echo("memory: of the machine; what a GPU holds of its own is not counted")
    typer.echo(
        f"disk: maps at {STORED_MAPS:g}, labels at {STORED_LABELS:g} of their raw size, "
        "the largest seen; a stage's journal stands beside its file"
    )


def _size(number: float | None) -> str:
    """Bytes in kB, MB, GB or TB."""
    if number is None:
        return "-"
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 1000:
            return f"{number:.1f} {unit}" if number < 100 else f"{number:.0f} {unit}"
    return f"{number / 1000:.1f} TB"


def _time(seconds: float | None) -> str:
    """Seconds, minutes or hours."""
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
