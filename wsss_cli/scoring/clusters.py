"""Which images are drawn together: frames of a video, tiles of a picture, views of a thing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import WsssError
from ..formats.csv_rows import read_cells

COLUMNS = ["image", "cluster"]


def read_clusters(path: Path, ids: Sequence[str]) -> np.ndarray:
    """(I,) int64: the number of each image's cluster, 0..G-1 in the order of the images.

    Args:
        path: a CSV file with the columns image and cluster, a row an image; images that are not
            among `ids` may stand there.
        ids: the images.

    Raises:
        WsssError: unreadable, other columns, an image that stands twice, or one that is not there.
    """
    rows, lines = read_cells(path, set(COLUMNS))
    hint = "a first line `image,cluster`, then a line for each image"
    if [cell.lower() for cell in rows[0]] != COLUMNS:
        raise WsssError(f"{path}: its first row is not `image,cluster`", hint)
    cluster: dict[str, str] = {}
    for row, line in zip(rows[1:], lines[1:], strict=True):
        if len(row) != 2 or not all(row):
            raise WsssError(f"{path}: line {line} does not hold an image and a cluster", hint)
        if row[0] in cluster:
            raise WsssError(f"{path}: image {row[0]!r} stands twice, again in line {line}")
        cluster[row[0]] = row[1]
    lacking = [image_id for image_id in ids if image_id not in cluster]
    if lacking:
        raise WsssError(
            f"{path}: lacks {len(lacking)} of the {len(ids)} images scored, first {lacking[0]!r}"
        )
    numbers: dict[str, int] = {}
    found = [numbers.setdefault(cluster[image_id], len(numbers)) for image_id in ids]
    return np.array(found, np.int64)
