"""What a file says of itself: artifacts, weights, scores."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import UsageError, WsssError
from .label_facts import label_facts

if TYPE_CHECKING:
    from ..artifacts import Artifact

# what every file records of its making, in the order of printing
PROVENANCE = ["classes", "params", "seed", "shard", "run", "inputs", "data"]
PROVENANCE += ["created_by", "command"]
NUMBERS = ["images", "miou", "pixel_accuracy", "oracle_miou", "oracle_threshold"]  # of scores


def ids_of(file: Path) -> list[str]:
    """The images of an artifact.

    Raises:
        UsageError: weights or scores, which hold none.
        WsssError: no artifact.
    """
    if file.suffix in (".pt", ".json"):
        describe(file)
        what = "weights" if file.suffix == ".pt" else "scores"
        raise UsageError(f"--ids: {file}: {what} hold no images")
    from ..artifacts import open_artifact

    with open_artifact(file) as artifact:
        return list(artifact.ids)


def describe(file: Path) -> dict[str, Any]:
    """What an artifact, weights or the scores of an eval say of themselves, by name.

    Raises:
        WsssError: none of these, or damaged.
    """
    if file.suffix == ".pt":
        return _describe_weights(file)
    if file.suffix == ".json":
        return _describe_scores(file)
    from ..artifacts import open_artifact

    with open_artifact(file) as artifact:
        return _describe_artifact(artifact)


def _describe_scores(file: Path) -> dict[str, Any]:
    """One row of the table of scores; the oracle's threshold was chosen on the masks scored."""
    from ..scoring.localisation_report import facts_of
    from ..scoring.report import OF_BOXES, read_report

    report = read_report(file, wanted=None)
    if report["format"] == OF_BOXES:
        return {"file": str(file), **facts_of(file, report)}
    try:
        points, protocol = report["scores"], report["protocol"]
        oracle = points.get("oracle", {})
        headline = points.get("labels") or points["chosen"]
        facts = {
            "file": str(file),
            "kind": report["format"],
            "scored": report["predictions"]["file"],
            "split": protocol["split"],
            "images": protocol["images_counted"],
            "miou": report["miou"],
            "miou_interval": headline.get("miou_interval"),
            "pixel_accuracy": headline["pixel_accuracy"],
            "oracle_miou": oracle.get("miou"),
            "oracle_threshold": oracle.get("threshold"),
        }
        if not all(isinstance(facts[name], float | int | None) for name in NUMBERS):
            raise TypeError
        if not is_interval(facts["miou_interval"]):
            raise TypeError
        if facts["oracle_miou"] is not None and facts["oracle_threshold"] is None:
            raise TypeError
        return facts
    except (AttributeError, KeyError, TypeError):
        raise WsssError(f"{file}: scores with parts missing", "rerun `wsss eval --json`") from None


def is_interval(value: Any) -> bool:
    """Whether this is an interval as eval writes it, or none."""
    return value is None or (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(end, float | int) for end in value)
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

        with DatasetReader(artifact.path, attributes, artifact.stamp) as data:
            facts["splits"] = {name: len(data.split(name)) for name in data.splits}
        facts |= label_facts(artifact)
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


def print_facts(facts: dict[str, Any]) -> None:
    """One fact a line, on stdout; those that have parts, indented."""
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
        return ", ".join(
            f"[{_plain(one)}]" if isinstance(one, list) else _plain(one) for one in value
        )
    return f"{value:.4f}" if isinstance(value, float) else str(value)
