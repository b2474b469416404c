"""export: write labels and maps as the plain files that other tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import log
from ..core.box_share import SHARE
from ..errors import UsageError
from ..formats.exporters import EXPORTERS
from ..formats.exporting import NAME, Job
from ..options.annotations import in_words
from ..options.files import Reads, Writes
from ..options.ids import select_ids
from ..options.shared import Force, Ids, Quiet, any_of, one_of

__all__ = ["NAME", "run"]

NAMES = [one.name for one in EXPORTERS]
# the first of each kind of artifact
USUAL = in_words({one.kind.removeprefix("wsss/"): one.name for one in reversed(EXPORTERS)})


def _said(kind: str) -> str:
    """The formats of a kind of artifact, for --help."""
    return "; ".join(f"{one.name}: {one.said}" for one in EXPORTERS if one.kind == kind)


def run(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="File of labels or maps, from any stage."),
        Reads(),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder to write the files into."),
        Writes(folder=True),
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar=f"<{'|'.join(NAMES)}>",
            callback=one_of(NAMES),
            autocompletion=any_of(NAMES),
            help=f"File format. Labels: {_said('wsss/label')}. Maps: {_said('wsss/cam')}. "
            f"Default: {USUAL}.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Boxes: share of a map's maximum above which it shows its class. Default: "
            f"{SHARE:g}, CAM's published constant.",
        ),
    ] = None,
    all_parts: Annotated[
        bool,
        typer.Option(
            "--all-parts",
            help="Boxes: one around each connected part of a map, not the largest alone.",
        ),
    ] = False,
    ids: Ids = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Write labels or maps as one plain file an image, or the boxes around maps as one table.

    An id's slashes make subfolders; nothing is written outside DIR. Interrupted, the same command
    goes on.

    Example: wsss export pseudo.h5 -o masks
    """
    from ..artifacts import CAM, LABEL, open_artifact

    with open_artifact(file, LABEL, CAM) as source:
        allowed = {one.name: one for one in EXPORTERS if one.kind == source.kind}
        if format_ is not None and format_ not in allowed:
            raise UsageError(
                f"--format {format_}: {file} holds {source.kind}",
                f"it goes out as {' or '.join(allowed)}",
            )
        exporter = allowed[format_ or next(iter(allowed))]
        if not exporter.cuts and (threshold is not None or all_parts):
            raise UsageError(f"--threshold and --all-parts do not go with --format {exporter.name}")
        share = (SHARE if threshold is None else threshold) if exporter.cuts else None
        wanted = select_ids(source.ids, ids, file)
        job = Job(source, wanted, out, exporter.name, share, all_parts, force, quiet)
        written = exporter.write(job)
    log(f"{NAME}: {written} files -> {out}", quiet)
