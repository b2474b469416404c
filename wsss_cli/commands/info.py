"""info: say what a file is and where it came from; scores of several as one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from ..options.files import Reads

NAME = "info"


def run(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Artifacts, weights, or JSON scores of `wsss eval`."
        ),
        Reads(),
    ],
    ids: Annotated[bool, typer.Option("--ids", help="Print the image ids, one per line.")] = False,
    supervision: Annotated[
        bool,
        typer.Option(
            "--supervision",
            help="Print which labels of how many images taught each file, over its whole chain; "
            "of a data set, which labels it holds.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
) -> None:
    """Print kind, counts, options and provenance of files; scores as one table.

    Scores are the JSON files of `wsss eval --json`, one row each.

    Example: wsss info cam.h5
    """
    from ..report.facts import describe, finite, ids_of, print_facts
    from ..report.scores import print_rows
    from ..report.supervision import print_supervision, supervision_of

    if ids and supervision:
        raise UsageError("--ids and --supervision: give one")
    if ids:
        for file in files:
            # In UTF-8 whatever the locale, as --ids reads it.
            typer.echo("".join(f"{image_id}\n" for image_id in ids_of(file)).encode(), nl=False)
        return
    facts = [(supervision_of if supervision else describe)(file) for file in files]
    if as_json:
        shown = facts[0] if len(facts) == 1 else facts
        typer.echo(json.dumps(finite(shown), ensure_ascii=False, allow_nan=False, indent=2))
        return
    for number, row in enumerate(row for row in facts if "scored" not in row):
        if number:
            typer.echo("")
        (print_supervision if supervision else print_facts)(row)
    scores = [row for row in facts if "scored" in row]
    if scores:
        print_rows(scores)
