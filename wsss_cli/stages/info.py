"""info: say what an artifact or a weights file is and where it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..artifacts import Artifact

NAME = "info"
# what every file records of its making, in the order of printing
PROVENANCE = ["classes", "params", "seed", "shard", "run", "inputs", "data"]
PROVENANCE += ["created_by", "command"]


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An artifact or weights.")],
    ids: Annotated[bool, typer.Option("--ids", help="Print the image ids, one a line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print kind, counts, options and provenance of an artifact or a weights file.

    Example: wsss info cam.h5
    """
    if file.suffix == ".pt":
        facts = _describe_weights(file)
        if ids:
            raise typer.BadParameter("weights hold no images", param_hint="--ids")
    else:
        from ..artifacts import open_artifact

        with open_artifact(file) as artifact:
            if ids:
                typer.echo("\n".join(artifact.ids), nl=len(artifact) > 0)
                return
            facts = _describe_artifact(artifact)
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        _print(facts)


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
