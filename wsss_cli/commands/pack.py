"""pack: bring images, tags and masks of any layout into one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..console import log
from ..formats.masks import MaskOptions
from ..formats.packing import NAME, OnError, pack
from ..formats.readers import READERS
from ..formats.reading import Asked, Unplaced
from ..formats.shapes import Outlines, Use
from ..options.files import Reads, Writes
from ..options.ids import select_ids
from ..options.pixels import AlphaOption, BandsOption, SpanOption, StretchOption, reading_of
from ..options.shared import Force, Ids, Quiet, Seed
from ..options.sources import Source, sourced, splits_of
from ..options.tiles import OverlapOption, TileOption, tiles_of

__all__ = ["NAME", "run"]


@sourced(READERS)
def run(
    source: Source,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the images. Default: the folder that the file is in."
        ),
        Reads(),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of label images (PNG, TIFF, GIF, BMP) named like the images, for scoring. "
            "Label 0 is background, classes begin at 1, 255 is no label.",
        ),
        Reads(),
    ] = None,
    mask_values: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VALUE=NAME",
            help="What a number or colour (R,G,B or #RRGGBB) of the masks stands for: a class, "
            "background or ignore. Repeatable. Or a file of such lines, as CVAT's labelmap.txt, "
            "or voc for VOC's colours.",
        ),
    ] = None,
    mask_suffix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What the name of a mask has behind the image's, such as _mask; OLD=NEW has NEW "
            "in the place of OLD; in mask_* the * is the image's name. Default: none, or the only "
            "one that fits all.",
        ),
    ] = None,
    first_label: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1,
            help="Number of the first class in the masks: 1, or 0 where no number is background. "
            "Given, 1 keeps masks that contradict the tags. Default: 1.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The data set to write."), Writes()
    ] = Path("data.h5"),
    classes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File of the class names in order, one per line."),
        Reads(),
    ] = None,
    negative: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG",
            help="Tag that says that an image shows none of the classes, such as 'No Finding': it "
            "is kept as background only. Repeatable.",
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=FILE]",
            help="Split to take, and no image outside; FILE lists its images. Repeatable.",
        ),
        Reads(after="="),
    ] = None,
    ids: Ids = None,
    link: Annotated[
        bool,
        typer.Option(
            "--link", help="Store the relative paths of the images instead of the images."
        ),
    ] = False,
    outlines: Annotated[
        Outlines | None,
        typer.Option(
            help="What polygons and drawn regions become: truth, which only scoring reads; marks "
            "to learn from; or both. Default: truth.",
        ),
    ] = None,
    fill_boxes: Annotated[
        bool,
        typer.Option("--fill-boxes", help="Paint boxes into true masks as if they were outlines."),
    ] = False,
    tile: TileOption = None,
    overlap: OverlapOption = None,
    tile_tags: Annotated[
        Unplaced | None,
        typer.Option(
            help="What tiles are tagged with where no mark or mask shows which tile a tag is of: "
            "all of the image's tags (inherit), or nothing is said of them (unsaid). Default: "
            "such images are refused.",
        ),
    ] = None,
    span: SpanOption = None,
    stretch: StretchOption = None,
    alpha: AlphaOption = None,
    bands: BandsOption = None,
    on_error: Annotated[
        OnError,
        typer.Option(
            help="What to do at an image that cannot be packed: stop, or skip it and list it."
        ),
    ] = OnError.stop,
    seed: Seed = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Number of threads that decode images. Default: as fits."
        ),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Bring images, their tags and, if there are any, masks into one file.

    The source is SOURCE, whose format is told by what it shows or named by --format, or one of
    {sources}. Formats: {formats}. Points, lines and boxes become marks, weak labels with a place.
    Images keep their original bytes; each is decoded once to see that it can
    be. An image with no tag stays, as background only. Transparency, bands beside the colours and
    values that would become nearly all black are refused until --alpha, --bands, --range or
    --stretch says how they are read. A folder may be a zip, and a path may lead into one:
    export.zip/tags.csv. --tile cuts large images with all that is said of them; `wsss merge
    --tiles` puts together again what is made of the tiles.

    Example: wsss pack --csv tags.csv --images photos -o data.h5
    """
    from ..artifacts.writer import check_target
    from ..formats.lists import read_classes

    splits = splits_of(split or [])
    reading, auto = reading_of(span, alpha, bands, stretch)
    tiles = tiles_of(tile, overlap, tile_tags, link)
    check_target(out, force, goes_on=True)
    names = read_classes(classes) if classes is not None else None
    of_masks = MaskOptions(tuple(mask_values or ()), mask_suffix, first_label)
    if source.told is not None:
        log(f"{NAME}: {source.name} is read as {source.reader.said}: {source.told}", quiet)
    found = source.read(Asked(images, masks, names, tuple(negative or ()), splits, seed, of_masks))
    found = replace(found, use=Use(outlines or Outlines.truth, fill_boxes), tiles=tiles)
    if ids is not None:
        found = found.only(set(select_ids(found.ids, ids, Path(source.name))))
    drawn_with = seed if source.reader.drawn else None
    pack(found, source.name, out, link, on_error, drawn_with, workers, force, quiet, reading, auto)
