"""compare: whether one of two systems leads, from their scores of the same images."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import Annotated

import typer

from ..console import warn
from ..errors import UsageError
from ..options.files import Reads
from ..options.shared import Seed

NAME = "compare"
VERSUS = "vs"  # stands between the files of two systems


class At(str, enum.Enum):
    """Operating points of maps."""

    chosen = "chosen"
    background = "background"
    oracle = "oracle"


def run(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Two files of `wsss eval --json`, of A and of B. Or several of A, one for each "
            "training, the word vs, and as many of B.",
        ),
        Reads(but=(VERSUS,)),
    ],
    point: Annotated[
        At,
        typer.Option(
            help="Maps: the operating point to compare at. The oracle's threshold was chosen with "
            "the masks that it is scored on."
        ),
    ] = At.chosen,
    draws: Annotated[
        int,
        typer.Option(
            min=100,
            max=100_000,
            metavar="N",
            help="Random weightings of the images, for the intervals.",
        ),
    ] = 10_000,
    permutations: Annotated[
        int,
        typer.Option(
            min=10_000,
            max=1_000_000,
            metavar="N",
            help="Number of random swaps of A and B, for the p-values.",
        ),
    ] = 10_000,
    seed: Seed = 0,
    clusters: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="File with the columns image and cluster. Images of one cluster, such as frames "
            "of one video, are weighed and swapped together.",
        ),
        Reads(),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
) -> None:
    """Compare two systems by their scores of the same images.

    Gives the difference B - A of mIoU and of each label's IoU, each with a 95 % interval and a
    p-value, and says in words whether it is a lead. Files of different images, masks, labels or
    protocols are refused. Two files tell of two systems on images such as these; to tell of two
    methods, train each several times: compare A0.json A1.json vs B0.json B1.json.

    Example: wsss compare cam.json pseudo.json
    """
    from ..report.comparison import print_comparison
    from ..scoring.comparable import check_pairs, read_scored
    from ..scoring.comparing import compare
    from ..scoring.intervals import Resampling, doubts

    first, second = sides(files)
    one, two = ([read_scored(file, point.value) for file in group] for group in (first, second))
    check_pairs(one, two)
    found = compare(one, two, Resampling(draws, seed, clusters), permutations)
    for text in doubts(found):
        warn(text)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, allow_nan=False))
        return
    print_comparison(found)


def sides(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """The files of A and of B.

    Raises:
        UsageError: not two files, and not as many before the word vs as after it.
    """
    from ..scoring.comparing import MOST_TRAININGS

    words = [str(file) for file in files]
    hint = "wsss compare A.json B.json, or wsss compare A0.json A1.json vs B0.json B1.json"
    if VERSUS not in words and len(files) == 2:
        return files[:1], files[1:]
    if words.count(VERSUS) != 1:
        raise UsageError("compare takes two files, or several on both sides of one vs", hint)
    place = words.index(VERSUS)
    first, second = files[:place], files[place + 1 :]
    if len(first) != len(second) or not 0 < len(first) <= MOST_TRAININGS:
        raise UsageError(
            f"{len(first)} files before vs and {len(second)} after it: trainings are compared in "
            f"pairs, 1 to {MOST_TRAININGS}",
            hint,
        )
    return first, second
