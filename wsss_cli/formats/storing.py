"""Writing a checked collection into a data set, or the rest of it where that was interrupted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts import DATASET, create
from ..console import track
from ..core.images import encode_mask
from ..core.labels import IGNORE
from ..core.mark_kinds import BOX, COLUMNS, UNKNOWN
from ..core.marks import Marks, object_arrays
from ..errors import WsssError
from .check import Verdict, digest, read, read_mask
from .fitting import Fitted, fit
from .reading import PACK
from .sample import Collection, Sample


def store(
    found: Collection,
    samples: Sequence[Sample],
    verdicts: Mapping[str, Verdict],
    splits: Mapping[str, list[str]],
    out: Path,
    link: bool,
    seed: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Put the samples into the artifact.

    Raises:
        WsssError: a file changed since it was checked.
    """
    # The unfinished file of an interrupted run is continued only for the very same contents.
    contents = hashlib.sha256(b"".join(verdicts[sample.id].digest for sample in samples))
    params = {**found.notes, "link": link, "contents": contents.hexdigest()[:16]}
    drawn = [one.drawn for one in verdicts.values() if one.drawn is not None]
    sources = sorted({name for one in drawn for name in one.sources})
    if sources:
        params["mark_sources"] = sources
    numbers = {name: number for number, name in enumerate(found.classes)}
    maker = {name: number for number, name in enumerate(sources)}
    blank = any(one.painted for one in drawn)
    by_id = {sample.id: sample for sample in samples}
    writer = create(
        out, DATASET, classes=found.classes, params=params, ids=list(by_id), seed=seed,
        splits=splits, force=force,
    )  # fmt: skip
    with writer:
        for image_id in track(writer.todo, PACK, total=writer.total, quiet=quiet):
            sample, verdict = by_id[image_id], verdicts[image_id]
            image, mask = read(sample.image), read_mask(sample, found.masks.table)
            drawing = sample.drawn()
            fitted = None if drawing is None else fit(drawing, verdict.size, numbers, found.use)
            if digest(sample, image, mask, fitted) != verdict.digest:
                raise WsssError(f"{image_id}: changed while it was packed", "pack again")
            if mask is None and fitted is not None:
                mask = _painted(fitted, verdict.size, blank)
            writer.put(
                image_id,
                **(_linked(sample, image, out) if link else {"image": _bytes(image)}),
                tags=_indices(sample.tags, numbers),
                absent=None if sample.absent is None else _indices(sample.absent, numbers),
                size=np.array(verdict.size, np.int32),
                mask=None if mask is None else _bytes(mask),
                **({} if fitted is None else _fields(fitted, maker, blank)),
            )


def _indices(names: Sequence[str], numbers: Mapping[str, int]) -> np.ndarray:
    return np.array(sorted(numbers[name] for name in names if name in numbers), np.uint16)


def _painted(fitted: Fitted, size: tuple[int, int], blank: bool) -> bytes | None:
    """The mask of outlines; where there are none, and others have some, of background.

    Nothing is known of the pixels in a box without an outline.
    """
    label = fitted.label
    if label is None and blank:
        label = np.zeros(size, np.uint8)
        for one in fitted.marks:
            if one.kind == BOX and one.label > 0:
                label[one.pixels(size)] = IGNORE
    return None if label is None else encode_mask(label)


def _fields(fitted: Fitted, maker: Mapping[str, int], outlined: bool) -> dict[str, Any]:
    """The fields of what was drawn on an image."""
    fields: dict[str, Any] = {}
    if fitted.marks:
        places = [maker[name] for name in fitted.sources]
        marks = Marks.of(fitted.marks)
        source = marks.table[:, COLUMNS.index("source")]
        source[:] = np.array([*places, UNKNOWN])[source]  # UNKNOWN is -1: the last
        fields |= {
            "mark": marks.table, "mark_ring": marks.ring, "mark_xy": marks.xy,
            "mark_run": marks.run,
        }  # fmt: skip
    if outlined:
        fields["true_object"], fields["true_object_run"] = object_arrays(fitted.objects)
    if fitted.boxes is not None:
        fields |= {
            "true_box": fitted.boxes.corners,
            "true_box_class": fitted.boxes.classes,
            "true_box_difficult": fitted.boxes.difficult.astype(np.uint8),
        }
    return fields


def _linked(sample: Sample, image: bytes, out: Path) -> dict[str, np.ndarray]:
    """The image's path as seen from the artifact's folder, links resolved, and its digest."""
    assert isinstance(sample.image, Path)  # drawn scenes are not linked
    real = Path(os.path.realpath(sample.image.parent), sample.image.name)
    relative = os.path.relpath(real, os.path.realpath(out.parent)).replace(os.sep, "/")
    return {"path": _bytes(os.fsencode(relative)), "digest": _bytes(hashlib.sha256(image).digest())}


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)
