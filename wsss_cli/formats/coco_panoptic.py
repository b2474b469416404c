"""COCO panoptic: a PNG for each image whose colours are the numbers of segments.

A number is R + 256 G + 65536 B; the JSON says of which category each is. 0 is void, of which
nothing is known. An image that the JSON gives no segments shows nothing.

Source: panopticapi of github.com/cocodataset/panopticapi.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..artifacts.inputs import contents
from .coco_records import Id, Panoptic
from .shapes import BACKGROUND, IGNORED, Drawing, Shape, box, region

if TYPE_CHECKING:
    import numpy as np

VOID = 0


def segments_file(folder: Path, name: str) -> Path:
    """Where the PNG of a `file_name` lies.

    Raises:
        LookupError: the name leads out of the folder.
    """
    plain = PurePosixPath(name.replace("\\", "/"))
    if plain.is_absolute() or ".." in plain.parts:
        raise LookupError(f"its segments are called {name!r}, which leads out of {folder}")
    return folder / plain


def numbers_of(data: bytes) -> np.ndarray:
    """(H, W) int64 numbers of segments of a PNG's bytes.

    Raises:
        ValueError: no such PNG.
    """
    import numpy as np

    from ..core.label_images import decode_stored

    stored = decode_stored(data)
    found = stored.colours
    if stored.palette is not None and stored.numbers is not None:
        found = stored.palette[stored.numbers]
    if found is None:
        raise ValueError("is no RGB image, whose colours number segments")
    return found.astype(np.int64) @ np.array([1, 256, 65536])


def drawing_of(
    found: Panoptic,
    png: Path,
    names: Mapping[Id, str],
    things: Collection[Id],
    ignore_crowds: bool,
    file: str,
) -> Drawing:
    """The segments of an image.

    Args:
        found: what the JSON says of them, their categories known.
        png: the file of their pixels.
        names: of the class of each category.
        things: categories that can be counted.
        ignore_crowds: whether nothing is known of the pixels of crowds.
        file: what messages call the image.

    Raises:
        ValueError: no such PNG, or one that holds other segments than the JSON says.
    """
    import numpy as np

    from ..core.runs import cropped

    try:
        numbers = numbers_of(contents(png))
    except OSError as err:
        raise ValueError(f"its segments {png.name}: {err.strerror or err}") from None
    except ValueError as err:
        raise ValueError(f"its segments {png.name}: {err}") from None
    held, known = set(np.unique(numbers).tolist()), {one.id for one in found.segments}
    if held - known - {VOID}:
        raise ValueError(
            f"its segments {png.name}: hold number {min(held - known - {VOID})}, which the JSON "
            "does not name"
        )
    if known - held:
        raise ValueError(
            f"its segments {png.name}: do not hold number {min(known - held)}, which the JSON names"
        )
    shapes: list[Shape] = []
    if VOID in held and VOID not in known:
        shapes.append(region(IGNORED, numbers == VOID))
    for number, one in enumerate(found.segments):
        name, mask = names[one.category], numbers == one.id
        thing, crowd = one.category in things, ignore_crowds and one.crowd
        said = f"segment {one.id} ({name})"
        shapes.append(region(name, mask, object=number, crowd=crowd, thing=thing, said=said))
        if thing and name not in (BACKGROUND, IGNORED):
            corners = map(float, cropped(mask)[0])
            shapes.append(box(name, *corners, object=number, crowd=crowd, said=said))
    height, width = numbers.shape
    return Drawing(tuple(shapes), file, (height, width), true_boxes=bool(things))
