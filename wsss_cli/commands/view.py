"""view: a contact sheet of images, maps, labels and truth side by side."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..artifacts.maps import cam_stride, checked_item
from ..console import log, track
from ..errors import UsageError, WsssError
from ..options.ids import select_ids
from ..options.shared import Data, Force, Ids, Quiet, Split

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import Artifact, DatasetReader
    from ..report.sheet import Row

NAME = "view"
ROWS = 8  # images shown unless --limit or --ids says otherwise
MAX_PIXELS = 100_000_000  # of a sheet: 300 MB while it is drawn
Shown = set[int | None]  # class indices that need a line in the legend; None is the unlabelled


def run(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILES...", help="Labels and maps, any stage's.")
    ] = None,
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The PNG to write.")
    ] = Path("sheet.png"),
    split: Split = None,
    ids: Ids = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"At most N images. Default: {ROWS}, or all --ids."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Draw the N images at random. Default: evenly spread.")
    ] = None,
    cell: Annotated[
        int, typer.Option(min=32, max=2048, metavar="PIXELS", help="Width of one picture.")
    ] = 240,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Draw a contact sheet: one row an image, one column a file, the truth at the right.

    Maps: each pixel in the colour of its strongest class, as bright as its score. Labels: classes
    in their colours, 255 (ignore) striped grey, background dimmed.

    Example: wsss view cam.h5 seeds.h5 pseudo.h5 --split train --limit 6 -o sheet.png
    """
    from ..artifacts import CAM, LABEL, open_artifact, open_dataset
    from ..artifacts.writer import check_target
    from ..report.sheet import sheet_size

    check_target(out, force)
    with ExitStack() as stack:
        sources = [stack.enter_context(open_artifact(f, LABEL, CAM)) for f in files or []]
        truth = stack.enter_context(open_dataset(data, *sources))
        check_target(out, force, [truth.path, *(source.path for source in sources)])
        chosen = choose_images(truth, sources, split, ids, limit, seed)
        room = (cell * 3 // 4, cell)
        height, width = sheet_size(len(chosen), len(sources) + 2, room)
        if height * width > MAX_PIXELS:
            raise UsageError(
                f"a sheet of {width} x {height} pixels is too large", "lower --limit or --cell"
            )
        sheet = draw(truth, sources, track(chosen, NAME, quiet=quiet), room)
    _write_png(sheet, out)
    log(f"{NAME}: {len(chosen)} images -> {out}", quiet)


def choose_images(
    truth: DatasetReader,
    sources: Sequence[Artifact],
    split: str | None,
    listed: str | None,
    limit: int | None,
    seed: int | None,
) -> list[str]:
    """The images to show, rising (or as listed).

    Those of the split that every file holds; those of an --ids file even if a file lacks them.

    Raises:
        WsssError: there is none, or a listed one is not in the data set.
    """
    found = truth.split(split)
    if listed is not None:
        where = f"{truth.path}'s split {split}" if split else truth.path
        found = select_ids(found, listed, Path(where))
    else:
        found = [i for i in found if all(i in source for source in sources)]
        limit = limit or ROWS
    if not found:
        raise WsssError(
            f"{truth.path}: no image of it is in every file",
            "--ids shows images that some files lack",
        )
    if limit is None or limit >= len(found):
        return found
    if seed is not None:
        places = sorted(random.Random(seed).sample(range(len(found)), limit))
    else:
        places = [(2 * place + 1) * len(found) // (2 * limit) for place in range(limit)]
    return [found[place] for place in places]


def draw(
    truth: DatasetReader, sources: Sequence[Artifact], ids: Iterable[str], room: tuple[int, int]
) -> np.ndarray:
    """The sheet, (H, W, 3) uint8.

    Args:
        room: (h, w) of one picture.

    Raises:
        WsssError: an item that does not fit its image.
    """
    from ..core.render import class_colours
    from ..report.sheet import Row, contact_sheet

    colours = class_colours(len(truth.classes))
    rows: list[Row] = []
    shown: Shown = set()
    for image_id in ids:
        pictures, found = _pictures(truth, sources, image_id, room, colours)
        shown |= found
        tags = ", ".join(truth.classes[tag] for tag in truth.tags(image_id))
        rows.append(Row(pictures, f"{image_id}   {tags or 'no class'}"))
    titles = ["image", *short_names([source.path for source in sources]), "truth"]
    if all(row.pictures[-1] is None for row in rows):
        titles.pop()
        rows = [Row(row.pictures[:-1], row.caption) for row in rows]
    legend: list[tuple[str, tuple[int, int, int] | None]] = [
        (truth.classes[index], tuple(colours[index].tolist()))
        for index in sorted(index for index in shown if index is not None)
    ]
    if None in shown:
        legend.append(("ignore", None))
    return contact_sheet(titles, rows, legend, room)


def short_names(paths: Sequence[Path]) -> list[str]:
    """Each path's last parts, as many as tell it from the others of its name.

    >>> short_names([Path("a/x/cam.h5"), Path("b/x/cam.h5"), Path("b/x/seeds.h5")])
    ['a/x/cam.h5', 'b/x/cam.h5', 'seeds.h5']
    """
    names = []
    for path in paths:
        for length in range(1, len(path.parts) + 1):
            end = path.parts[-length:]
            if sum(other.parts[-length:] == end for other in paths) == 1:
                break
        else:  # the same file twice
            end = path.parts[-1:]
        names.append("/".join(end))
    return names


def _pictures(
    truth: DatasetReader,
    sources: Sequence[Artifact],
    image_id: str,
    room: tuple[int, int],
    colours: np.ndarray,
) -> tuple[list[np.ndarray | None], Shown]:
    """One row: the image, what each file makes of it, its mask; and what these show."""
    from ..core import render

    image = truth.image(image_id)
    small = render.resize_image(image, render.fit(image.shape[:2], room))
    pictures: list[np.ndarray | None] = [small]
    shown: Shown = set()
    for source in sources:
        picture = None
        if image_id in source:
            with _naming(source, image_id):
                picture, found = _paint(source, image_id, small, image, colours)
            shown |= found
        pictures.append(picture)
    mask, picture = truth.mask(image_id), None
    if mask is not None:
        with _naming(truth, image_id):
            picture, found = _paint_label(small, mask, image, colours)
        shown |= found
    return [*pictures, picture], shown


@contextmanager
def _naming(source: Artifact, image_id: str) -> Iterator[None]:
    """Say which item of which file does not fit its image."""
    try:
        yield
    except ValueError as err:
        raise WsssError(f"{source.path}: image {image_id!r}: {err}") from None


def _paint(
    source: Artifact, image_id: str, small: np.ndarray, image: np.ndarray, colours: np.ndarray
) -> tuple[np.ndarray, Shown]:
    """The picture of labels or maps, and what it shows."""
    if source.kind == "wsss/label":
        return _paint_label(small, source[image_id]["label"], image, colours)
    item, _ = checked_item(source, image_id)
    return _paint_maps(small, item, cam_stride(source), image, colours)


def _paint_label(
    small: np.ndarray, label: np.ndarray, image: np.ndarray, colours: np.ndarray
) -> tuple[np.ndarray, Shown]:
    """The picture, and what it shows."""
    import numpy as np

    from ..core import render
    from ..core.labels import IGNORE

    if label.shape != image.shape[:2]:
        raise ValueError(f"labels of {label.shape} for an image of {image.shape[:2]}")
    little = render.resize_label(label, small.shape[:2])
    shown: Shown = {None if v == IGNORE else v - 1 for v in np.unique(little[little > 0]).tolist()}
    return render.paint_label(small, little, colours), shown


def _paint_maps(
    small: np.ndarray,
    item: dict[str, np.ndarray],
    stride: int,
    image: np.ndarray,
    colours: np.ndarray,
) -> tuple[np.ndarray, Shown]:
    """The picture, and what it shows."""
    from ..core import render
    from ..core.cam import enlarge

    large = enlarge(item["cam"], image.shape[:2], stride)
    maps = render.resize_maps(large, small.shape[:2])
    classes = item["classes"]
    return render.paint_maps(small, maps, colours[classes]), set(classes.tolist())


def _write_png(sheet: np.ndarray, out: Path) -> None:
    from PIL import Image

    from ..artifacts.files import write_whole

    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, "PNG", optimize=True)
    write_whole(out, stream.getvalue())
