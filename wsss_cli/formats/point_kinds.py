"""Which files of points a source holds, and of which kind."""

from __future__ import annotations

from pathlib import Path

from ..errors import WsssError
from .place import Place
from .point_files import is_qupath, names_in
from .point_rows import RESULTS, kind_of_head

ROI, QUPATH = "ImageJ regions", "QuPath points"
SOME = 50  # files of a folder that are looked into to find out what it is
NAMES = ("*.csv", "*.tsv", "*.roi", "*.zip", "*.txt")


def files_of(place: Place) -> tuple[str, list[Path], list[str]]:
    """The kind of a source, and its files; remarks on those that are left.

    Raises:
        WsssError: none, or several kinds.
    """
    found: dict[str, list[Path]] = {}
    for file in place.matching(*NAMES):
        kind = _kind(place, file)
        if kind is not None:
            found.setdefault(kind, []).append(file)
    if ROI in found and RESULTS in found:  # the same, measured
        del found[RESULTS]
    top = [kind for kind, files in found.items() if any(f.parent == place.root for f in files)]
    if not found:
        raise WsssError(
            f"{place.path}: holds no points that are read",
            "a table needs columns of the image, x, y and label",
        )
    if len(found) > 1 and len(top) != 1:
        names = " and ".join(sorted(f"{kind} ({found[kind][0].name})" for kind in found))
        raise WsssError(f"{place.path}: holds points of several kinds: {names}", "name one of them")
    kind = top[0] if top else next(iter(found))
    files = (
        [f for f in found[kind] if not top or f.parent == place.root] if len(found) > 1 else None
    )
    others = sorted(set(found) - {kind})
    said = [f"{' and '.join(others)} below it are not read"] if others else []
    return kind, files or found[kind], said


def _kind(place: Place, file: Path) -> str | None:
    """What kind of points a file holds, if any."""
    suffix = file.suffix.lower()
    if suffix == ".roi":
        return ROI
    if suffix == ".zip":
        names = names_in(file)
        if any(name.lower().endswith(".roi") for name in names):
            return ROI
        points = [name for name in names if name.rpartition("/")[2].startswith("Points ")]
        return QUPATH if points and all(name.endswith(".txt") for name in names) else None
    head = place.head(file)
    if suffix == ".txt":
        return QUPATH if is_qupath(head) else None
    return kind_of_head(head)


def detect(place: Place) -> str | None:
    """As `Reader.detect`."""
    kinds = [
        (file.parent != place.root, f"{file.name}: {kind}")
        for file in place.matching(*NAMES)[:SOME]
        if (kind := _kind(place, file)) is not None
    ]
    return min(kinds)[1] if kinds else None
