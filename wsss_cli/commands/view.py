"""view: a contact sheet of images, maps, labels and truth side by side."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from ..console import log, track
from ..errors import UsageError
from ..options.files import Reads, Writes
from ..options.shared import Data, Force, Ids, Quiet, Split
from ..report.choosing import ROWS, choose_images

NAME = "view"
MAX_PIXELS = 100_000_000  # of a sheet: 300 MB while it is drawn


def run(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES...", help="Files of labels and maps, from any stage."),
        Reads(),
    ] = None,
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="PNG file to write."), Writes()
    ] = Path("sheet.png"),
    split: Split = None,
    ids: Ids = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help=f"Largest number of images. Default: {ROWS}, or all of --ids."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Seed that chooses the N images at random. Default: no seed; the images are "
            "evenly spread over the data set.",
        ),
    ] = None,
    cell: Annotated[
        int,
        typer.Option(min=32, max=2048, metavar="PIXELS", help="Width of one picture, in pixels."),
    ] = 240,
    marks: Annotated[
        bool,
        typer.Option(
            "--marks/--no-marks",
            help="Draw the data set's marks over the images, in a column of their own.",
        ),
    ] = True,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Draw a contact sheet: one row an image, one column a file, the truth at the right.

    Marks: points as dots, lines, boxes, polygons and regions in their class's colour; those of the
    background black, those that say that nothing is said grey.

    Maps: each pixel in the colour of its strongest class, as bright as its score. Labels: classes
    in their colours, 255 (ignore) striped grey, background dimmed.

    Example: wsss view cam.h5 seeds.h5 pseudo.h5 --split train --limit 6 -o sheet.png
    """
    from ..artifacts import CAM, LABEL, open_artifact, open_dataset
    from ..artifacts.writer import check_target
    from ..report.overlays import draw
    from ..report.sheet import sheet_size, write_png

    check_target(out, force)
    with ExitStack() as stack:
        sources = [stack.enter_context(open_artifact(f, LABEL, CAM)) for f in files or []]
        truth = stack.enter_context(open_dataset(data, *sources))
        chosen = choose_images(truth, sources, split, ids, limit, seed)
        room = (cell * 3 // 4, cell)
        marks = marks and truth.column("mark").holds_values
        height, width = sheet_size(len(chosen), len(sources) + 2 + marks, room)
        if height * width > MAX_PIXELS:
            raise UsageError(
                f"a sheet of {width} x {height} pixels is too large", "lower --limit or --cell"
            )
        sheet = draw(truth, sources, track(chosen, NAME, quiet=quiet), room, marks)
    write_png(sheet, out)
    log(f"{NAME}: {len(chosen)} images -> {out}", quiet)
