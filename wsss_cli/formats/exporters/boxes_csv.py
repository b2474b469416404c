"""export --format boxes-csv: boxes around maps, all images' in one table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...console import track
from ..exporting import NAME, Exporter, Job

if TYPE_CHECKING:
    from ...artifacts import Artifact

FILE = "boxes"  # its name in the folder, without .csv
COLUMNS = ("image", "class", "score", "x0", "y0", "x1", "y1")


def write(job: Job) -> int:
    """One file, `boxes.csv`: a row for each box, images and classes rising.

    Raises:
        WsssError: maps that do not fit their image.
    """
    from ...artifacts.files import OutputFolder

    folder = OutputFolder(job.out, ".csv", [FILE], job.run, force=job.force)
    with folder:
        for name in folder.todo:
            stream = io.StringIO(newline="")
            table = csv.writer(stream, lineterminator="\n")
            table.writerow(COLUMNS)
            for image_id in track(sorted(job.ids), NAME, quiet=job.quiet):
                table.writerows(rows(job, image_id))
            folder.write(name, stream.getvalue().encode())
    return folder.total


def rows(job: Job, image_id: str) -> Iterator[tuple[object, ...]]:
    """An image's rows: its id, the class's name, the score, the corners.

    The score is the mean of the map within the box's part. Corners are whole pixels: x right, y
    down, the first pixel covers 0 to 1. A map of zeros has no box.
    """
    import numpy as np
    from scipy import ndimage

    from ...artifacts.maps import cam_stride, checked_item
    from ...core.boxes import parts, ranks_above
    from ...core.cam import enlarge

    source: Artifact = job.source
    item, size = checked_item(source, image_id)
    large = enlarge(item["cam"], size, cam_stride(source))
    for index, one in zip(item["classes"].tolist(), large, strict=True):
        found = parts(ranks_above(one, np.array([job.share])) > 0)
        every = range(len(found.area))
        for number in every if job.every else [found.largest] if every else []:
            score = float(ndimage.mean(one, found.labels, number + 1))
            corners = found.corners[number].tolist()
            yield image_id, source.classes[index], f"{score:.4f}", *corners


EXPORTER = Exporter(
    name="boxes-csv",
    said="one table of a box around each map, at --threshold",
    kind="wsss/cam",
    write=write,
    cuts=True,
)
