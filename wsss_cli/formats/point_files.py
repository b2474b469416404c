"""Points and regions in files of their own: ImageJ's .roi and RoiSet.zip, QuPath's points.

Source: RoiDecoder of github.com/imagej/ImageJ; PointIO of github.com/qupath/qupath.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..artifacts import ledger
from ..artifacts.inputs import contents, decoded, is_file
from ..errors import WsssError

CORNER, CENTRE, ONE = "corner", "centre", "one"  # where whole numbers lie
MOST = 1 << 28  # bytes that the members of one zip may have
Place = tuple[float, float]


@dataclass(frozen=True)
class Drawn:
    """What a file of points says of an image, before anything is known of the image.

    Attributes:
        image: what the file calls the image; None where that is the file's own name.
        label: its class, None where the file has none.
        kind: "point", "line", "box", "polygon" or "ellipse"; "" where nothing was drawn.
        xy: its points, as the file has them.
        frame: CORNER, or CENTRE where whole numbers are centres of pixels.
        source: who drew it.
        rank: its place in an order.
        holes: further rings of a polygon.
        line: of the file.
        problem: why it cannot be read.
    """

    image: str | None
    label: str | None = None
    kind: str = ""
    xy: tuple[Place, ...] = ()
    frame: str = CORNER
    source: str | None = None
    rank: int | None = None
    holes: tuple[tuple[Place, ...], ...] = ()
    line: int = 0
    problem: str | None = None


def members(path: Path, *endings: str) -> dict[str, bytes]:
    """What a zip holds under names with these endings.

    Raises:
        WsssError: no zip, broken, or larger than any set of points.
    """
    ledger.read(path)
    try:
        with zipfile.ZipFile(io.BytesIO(contents(path))) as archive:
            wanted = [one for one in archive.infolist() if one.filename.lower().endswith(endings)]
            if sum(one.file_size for one in wanted) > MOST:
                raise WsssError(f"{path}: its files of points are of more than {MOST >> 20} MB")
            return {one.filename: archive.read(one) for one in wanted}
    except OSError as err:
        raise WsssError(f"{path}: {err.strerror or err}") from err
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as err:
        raise WsssError(f"{path}: is a broken zip ({err})") from None
    except ValueError as err:
        raise WsssError(f"{path}: is a broken zip ({err})") from None


def names_in(path: Path) -> list[str]:
    """The names in a zip; none where it is none, or larger than any set of points."""
    try:
        if is_file(path) and os.path.getsize(path) > MOST:
            return []
    except OSError:
        return []
    try:
        with zipfile.ZipFile(io.BytesIO(contents(path))) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return []


def class_of_region(name: str) -> str | None:
    """The class in the name of a region of ImageJ; None where it is but numbers.

    >>> class_of_region("0003-red car"), class_of_region("0012-0345"), class_of_region("cell")
    ('red car', None, 'cell')
    """
    found = re.sub(r"^\d{3,}-", "", name.strip())
    return None if re.fullmatch(r"[\d-]*", found) else found


def regions_of(files: Mapping[str, bytes], source: str) -> Iterator[Drawn]:
    """Regions of ImageJ, by the name of their file.

    Raises:
        WsssError: roifile is not installed, or a file is no region.
    """
    try:
        import roifile
    except ImportError:
        raise WsssError(
            f"{source}: ImageJ's regions are read by roifile, which is not installed",
            "pip install 'wsss-cli[imagej]'",
        ) from None
    found = {}
    for name, data in files.items():
        try:
            region = roifile.ImagejRoi.frombytes(data)
            found[name] = region, class_of_region(region.name or _stem(name))
        except Exception as err:  # of any kind, of a file that is no region
            raise WsssError(f"{source}: {name} is no region of ImageJ ({err})") from None
    labels = {label for _, label in found.values()}
    for name, (region, label) in found.items():
        if label is not None and (again := re.fullmatch(r"(.+)-\d+", label)) is not None:
            label = again[1] if again[1] in labels else label  # of one name twice
        try:
            drawn = _of_region(region, label)
        except (ValueError, TypeError, IndexError) as err:
            raise WsssError(f"{source}: {name} is no region of ImageJ ({err})") from None
        yield from drawn


def _of_region(region: Any, label: str | None) -> list[Drawn]:
    kind = region.roitype.name
    if kind == "NOROI":
        return []
    rings = [
        tuple((float(x), float(y)) for x, y in ring)
        for ring in region.coordinates(multi=True)
        if len(ring)
    ]
    if kind == "POINT":
        return [Drawn(None, label, "point", (place,)) for ring in rings for place in ring]
    if kind in ("LINE", "FREELINE", "POLYLINE", "ANGLE"):
        return [Drawn(None, label, "line", ring) for ring in rings]
    if not rings:
        raise ValueError("an outline without points")
    if kind in ("RECT", "OVAL") and region.multi_coordinates is None:
        low = min(x for x, _ in rings[0]), min(y for _, y in rings[0])
        high = max(x for x, _ in rings[0]), max(y for _, y in rings[0])
        if kind == "RECT":
            return [Drawn(None, label, "box", (low, high))]
        return [Drawn(None, label, "ellipse", (low, (high[0], low[1]), high, (low[0], high[1])))]
    return [Drawn(None, label, "polygon", rings[0], holes=tuple(rings[1:]))]


def is_qupath(text: str) -> bool:
    """Whether a text begins as QuPath's points do."""
    return re.match(r"Name\t[^\n]*\n(Color\t[^\n]*\n)?Coordinates\t\d+", text) is not None


def points_of(files: Mapping[str, bytes], source: str) -> Iterator[Drawn]:
    """Points of QuPath, one class a file.

    Raises:
        WsssError: other files.
    """
    for name, data in files.items():
        try:
            text = decoded(data)
            if not is_qupath(text):
                raise ValueError("no points of QuPath")
            head, _, body = text.partition("Coordinates\t")
            count, *lines = body.rstrip("\n").split("\n")
            label = head.split("\n", 1)[0].partition("\t")[2].strip() or None
            places = [_place(line) for line in lines]
            if int(count) != len(places):
                raise ValueError(f"{len(places)} points where {count} are said")
        except ValueError as err:
            raise WsssError(f"{source}: {name}: {err}") from None
        for place in places:
            yield Drawn(None, label, "point", (place,))


def _place(line: str) -> Place:
    """
    Raises:
        ValueError: not two numbers.
    """
    parts = line.split("\t")
    if len(parts) < 2:
        raise ValueError(f"{line[:40]!r} is no point")
    return float(parts[0].replace(",", ".")), float(parts[1].replace(",", "."))


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]
