"""info: say what a file is and where it came from; scores of several as one table."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import table
from ..errors import UsageError, WsssError
from ..options.files import Reads

if TYPE_CHECKING:
    from ..artifacts import Artifact

NAME = "info"
# what every file records of its making, in the order of printing
PROVENANCE = ["classes", "params", "seed", "shard", "run", "inputs", "data"]
PROVENANCE += ["created_by", "command"]
NUMBERS = ["images", "miou", "pixel_accuracy", "oracle_miou", "oracle_threshold"]  # of scores


def run(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Artifacts, weights, or scores of `wsss eval`."),
        Reads(),
    ],
    ids: Annotated[bool, typer.Option("--ids", help="Print the image ids, one a line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print kind, counts, options and provenance of files; scores as one table.

    Scores are the JSON files of `wsss eval --json`, one row each.

    Example: wsss info cam.h5
    """
    if ids:
        for file in files:
            _print_ids(file)
        return
    facts = [_describe(file) for file in files]
    scores = [row for row in facts if "scored" in row]
    if as_json:
        shown = facts[0] if len(facts) == 1 else facts
        typer.echo(json.dumps(finite(shown), ensure_ascii=False, allow_nan=False, indent=2))
        return
    for number, row in enumerate(row for row in facts if "scored" not in row):
        if number:
            typer.echo("")
        _print(row)
    if scores:
        _print_scores(scores)


def _print_ids(file: Path) -> None:
    if file.suffix in (".pt", ".json"):
        _describe(file)
        what = "weights" if file.suffix == ".pt" else "scores"
        raise UsageError(f"--ids: {file}: {what} hold no images")
    from ..artifacts import open_artifact

    with open_artifact(file) as artifact:
        # In UTF-8 whatever the locale, as --ids reads it.
        typer.echo("".join(f"{image_id}\n" for image_id in artifact.ids).encode(), nl=False)


def _describe(file: Path) -> dict[str, Any]:
    if file.suffix == ".pt":
        return _describe_weights(file)
    if file.suffix == ".json":
        return _describe_scores(file)
    from ..artifacts import open_artifact

    with open_artifact(file) as artifact:
        return _describe_artifact(artifact)


def _describe_scores(file: Path) -> dict[str, Any]:
    """One row of the table of scores; the oracle's threshold was chosen on the masks scored."""
    from ..scoring.protocol import read_report

    report = read_report(file)
    try:
        points, protocol = report["scores"], report["protocol"]
        oracle = points.get("oracle", {})
        facts = {
            "file": str(file),
            "kind": report["format"],
            "scored": report["predictions"]["file"],
            "split": protocol["split"],
            "images": protocol["images_counted"],
            "miou": report["miou"],
            "pixel_accuracy": (points.get("labels") or points["chosen"])["pixel_accuracy"],
            "oracle_miou": oracle.get("miou"),
            "oracle_threshold": oracle.get("threshold"),
        }
        if not all(isinstance(facts[name], float | int | None) for name in NUMBERS):
            raise TypeError
        return facts
    except (AttributeError, KeyError, TypeError):
        raise WsssError(f"{file}: scores with parts missing", "rerun `wsss eval --json`") from None


def _print_scores(rows: Sequence[dict[str, Any]]) -> None:
    def percent(value: float | None) -> str:
        return "" if value is None else f"{100 * value:.1f}"

    names = [row["scored"] for row in rows]
    if len(set(names)) < len(names):  # of several runs: their folders tell them apart
        names = [row["file"] for row in rows]
    table(
        ["scored", "split", "images", "mIoU %", "pixel accuracy %", "best threshold (oracle)"],
        [
            (
                name,
                row["split"] or "all",
                row["images"],
                percent(row["miou"]),
                percent(row["pixel_accuracy"]),
                f"{percent(row['oracle_miou'])} at {row['oracle_threshold']:g}"
                if row["oracle_miou"] is not None
                else "",
            )
            for name, row in zip(names, rows, strict=True)
        ],
    )


def _describe_artifact(artifact: Artifact) -> dict[str, Any]:
    """The root attributes, with counts, splits and the fields' types added."""
    attributes = artifact.attributes
    facts: dict[str, Any] = {
        "file": str(artifact.path),
        "kind": artifact.kind,
        "version": attributes["schema_version"],
        "items": len(artifact),
        "bytes": artifact.path.stat().st_size,
    }
    if artifact.kind == "wsss/dataset":
        from ..artifacts.dataset import DatasetReader

        with DatasetReader(artifact.path, attributes) as data:
            facts["splits"] = {name: len(data.split(name)) for name in data.splits}
    facts["fields"] = {}
    for field in artifact.schema.fields:
        column = artifact.column(field.name)
        if column.holds_values:
            held = int((column.shapes() >= 0).all(axis=1).sum())
            facts["fields"][field.name] = f"{column.dtype}, {field.ndim} axes, {held} items"
    return facts | {name: attributes.get(name) for name in PROVENANCE}


def _describe_weights(path: Path) -> dict[str, Any]:
    from ..artifacts import load_weights

    weights = load_weights(path)
    return {
        "file": str(path),
        "kind": weights.kind,
        "tensors": len(weights.state_dict),
        "parameters": sum(tensor.numel() for tensor in weights.state_dict.values()),
        "bytes": path.stat().st_size,
        "config": weights.config,
        "classes": weights.classes,
        "params": weights.params,
        "seed": weights.seed,
        "run": weights.run,
        "inputs": weights.inputs,
        "data": weights.data,
        "created_by": weights.created_by,
        "command": weights.command,
        "history": weights.history,
    }


def finite(value: Any) -> Any:
    """`value` with None for numbers that JSON has no word for: a training's loss may be NaN."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        if isinstance(value, dict):
            typer.echo(f"{name}:")
            for key, inner in value.items():
                typer.echo(f"  {key}: {_plain(inner)}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            typer.echo(f"{name}:")
            for row in value:
                typer.echo("  " + ", ".join(f"{key} {_plain(inner)}" for key, inner in row.items()))
        else:
            typer.echo(f"{name}: {_plain(value)}")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)
