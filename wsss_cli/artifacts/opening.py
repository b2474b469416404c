"""Opening a data set, and refusing it where other inputs do not go with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import WsssError
from . import ledger, provenance
from .dataset import DatasetReader
from .provenance import Source
from .schema import DATASET
from .store import Artifact, open_artifact
from .wholes import TILING, WholeReader


def open_dataset(path: str | Path | None, *sources: Source) -> DatasetReader:
    """Open the data set at `path`, or else the one that the first of `sources` was made from.

    One of tiles is seen as whole images where these sources, or of a `path` artifacts among them,
    are of its whole images.

    Raises:
        WsssError: no path is given or recorded, the recorded file has gone or has changed since,
        or says of its pixels what makes no sense; the sources are of other classes, or of images
        of other sizes. And whatever `open_artifact` raises.
    """
    expected = None
    if path is None:
        path, expected = _recorded(sources)
    artifact = open_artifact(path, DATASET)
    if expected is not None and artifact.run != expected:
        raise WsssError(
            f"{path}: is not the data set that {sources[0].path} was made from",
            f"name it with --data {os.fspath(path)} to use it all the same",
        )
    reader = DatasetReader(artifact.path, artifact.attributes, artifact.stamp)
    if TILING in reader.params and _of_wholes(sources, expected is None):
        reader = WholeReader(reader)
    try:
        _ = reader.reading  # refused here where it makes no sense
        check_classes(reader, *sources)
        for source in sources:
            if isinstance(source, Artifact):
                check_sizes(reader, source)
    except BaseException:
        reader.close()
        raise
    ledger.read_many(reader.linked_files)
    return reader


def _of_wholes(sources: Sequence[Source], named: bool) -> bool:
    """Whether sources are of whole images; `named`: the data set is not found by the first."""
    told = [s for s in sources if s.data is not None and (isinstance(s, Artifact) or not named)]
    views = [s.data.get("view") == WholeReader.view for s in told if s.data is not None]
    return any(views) if named else views[:1] == [True]


def check_classes(first: Artifact, *others: Source) -> None:
    """Refuse inputs whose class names differ: their class indices would mean other things.

    Raises:
        WsssError: naming the first difference.
    """
    for other in others:
        names: Sequence[str] = getattr(other, "classes", first.classes)
        if list(names) != first.classes:
            pairs = zip([*first.classes, None], [*names, None], strict=False)
            mine, theirs = next((a, b) for a, b in pairs if a != b)
            raise WsssError(
                f"{first.path} and {other.path}: class names differ "
                f"(first {mine!r} against {theirs!r})",
                "use files that were made from the same classes",
            )


def check_sizes(data: DatasetReader, made: Artifact) -> None:
    """Refuse maps or labels of images that have another size in the data set.

    Raises:
        WsssError: naming the first.
    """
    ours, theirs = data.encoded_ids(), made.encoded_ids()
    known, row, other = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    expected, found = data.sizes()[row], made.sizes()[other]
    differ = (expected != found).any(axis=1)
    if differ.any():
        first = int(differ.argmax())
        (height, width), (h, w) = expected[first], found[first]
        raise WsssError(
            f"{known[first].decode()}: is {height}x{width} in {data.path}, but {h}x{w} in "
            f"{made.path}",
            f"name the data set that {made.path.name} was made from with --data",
        )


def _recorded(sources: Sequence[Source]) -> tuple[Path, str]:
    for source in sources:
        if source.data is not None:
            path = provenance.locate_data(source.data, source.path)
            if not path.exists():
                raise WsssError(
                    f"{path}: no such file (the data set that {source.path} records)",
                    "name the data set with --data or WSSS_DATA",
                )
            return path, source.data["run"]
    raise WsssError("no data set given", "name one with --data or WSSS_DATA; `wsss pack` makes one")
