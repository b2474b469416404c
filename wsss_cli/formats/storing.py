"""Writing a checked collection into a data set, or the rest of it where that was interrupted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts import DATASET, create
from ..console import track
from ..core.images import decode_image, decode_mask, encode_image, encode_mask
from ..core.labels import IGNORE
from ..core.mark_kinds import BOX, COLUMNS, UNKNOWN
from ..core.marks import Marks, object_arrays
from ..core.reading import Reading
from ..core.tiles import tile_id
from ..errors import WsssError
from .check import Verdict, digest, read, read_mask
from .fitting import Fitted, fit
from .reading import PACK
from .sample import Collection, Sample
from .tile_items import cut_fitted, tile_fields
from .tile_tags import Part


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
    if found.tiles is not None:
        params |= found.tiles.record()
    drawn = [one.drawn for one in verdicts.values() if one.drawn is not None]
    sources = sorted({name for one in drawn for name in one.sources})
    if sources:
        params["mark_sources"] = sources
    blank = any(one.painted for one in drawn)
    places = dict(_places(samples, verdicts))
    opened: OpenSample | None = None
    writer = create(
        out, DATASET, classes=found.classes, params=params, ids=list(places), seed=seed,
        splits=splits, force=force,
    )  # fmt: skip
    with writer:
        for image_id in track(writer.todo, PACK, total=writer.total, quiet=quiet):
            sample, part = places[image_id]
            if opened is None or opened.sample is not sample:
                opened = None  # before the next is read: what is large is there once
                opened = OpenSample.of(sample, verdicts[sample.id], found, sources, blank)
            linked = opened.linked(out) if link else None
            writer.put(image_id, **(opened.whole(linked) if part is None else opened.tile(part)))


def _places(
    samples: Sequence[Sample], verdicts: Mapping[str, Verdict]
) -> Iterator[tuple[str, tuple[Sample, Part | None]]]:
    """The id of each item, with its sample, and the tile that it is, if one."""
    for sample in samples:
        cut = verdicts[sample.id].cut
        if cut is None:
            yield sample.id, (sample, None)
            continue
        for part in cut.parts:
            yield tile_id(sample.id, part.window), (sample, part)


@dataclass
class OpenSample:
    """A sample as it is being written: its files read once, also where many tiles are cut of it.

    Attributes:
        sample, verdict: what is known of it.
        image: its file.
        mask: of its own mask the PNG, as a data set keeps it.
        fitted: what was drawn on it.
        reading: of its pixels.
        numbers: class index by name.
        maker: number of each source of marks by name.
        blank: whether images without outlines get a mask of background.
    """

    sample: Sample
    verdict: Verdict
    image: bytes
    mask: bytes | None
    fitted: Fitted | None
    reading: Reading
    numbers: Mapping[str, int]
    maker: Mapping[str, int]
    blank: bool

    @classmethod
    def of(
        cls,
        sample: Sample,
        verdict: Verdict,
        found: Collection,
        sources: Sequence[str],
        blank: bool,
    ) -> OpenSample:
        """Read what a verdict was given on.

        Raises:
            WsssError: it has changed since.
        """
        numbers = {name: number for number, name in enumerate(found.classes)}
        maker = {name: number for number, name in enumerate(sources)}
        image, mask = read(sample.image), read_mask(sample, found.masks.table)
        drawing = sample.drawn()
        fitted = None if drawing is None else fit(drawing, verdict.size, numbers, found.use)
        if digest(sample, image, mask, fitted) != verdict.digest:
            raise WsssError(f"{sample.id}: changed while it was packed", "pack again")
        reading = Reading.of(found.notes)
        return cls(sample, verdict, image, mask, fitted, reading, numbers, maker, blank)

    def linked(self, out: Path) -> dict[str, np.ndarray]:
        """The image's path and digest, in place of its bytes."""
        return _linked(self.sample, self.image, out)

    def whole(self, linked: dict[str, np.ndarray] | None) -> dict[str, Any]:
        """The fields of the whole image."""
        mask, fitted = self.mask, self.fitted
        if mask is None and fitted is not None:
            mask = _painted(fitted, self.verdict.size, self.blank)
        return {
            **(linked or {"image": _bytes(self.image)}),
            **self._said(self.sample.tags, self.sample.absent),
            "size": np.array(self.verdict.size, np.int32),
            "mask": None if mask is None else _bytes(mask),
            **({} if fitted is None else _fields(fitted, self.maker, self.blank)),
        }

    def tile(self, part: Part) -> dict[str, Any]:
        """The fields of a tile."""
        window, size = part.window, self.verdict.size
        side = (window.height, window.width)
        mask, fields = None, {}
        if self.labels is not None:
            mask = encode_mask(self.labels[window.slices])
        if self.fitted is not None:
            cut = cut_fitted(self.fitted, window, size)
            mask = mask or _painted(cut.fitted, side, self.blank)
            fields = {**_fields(cut.fitted, self.maker, self.blank), **cut.numbers(self.blank)}
        return {
            "image": _bytes(encode_image(self.pixels[window.slices])),
            **self._said(part.tags, part.absent),
            "size": np.array(side, np.int32),
            "mask": None if mask is None else _bytes(mask),
            **fields,
            **tile_fields(self.sample.id, window, size),
        }

    @cached_property
    def pixels(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright."""
        return decode_image(self.image, self.reading)

    @cached_property
    def labels(self) -> np.ndarray | None:
        """(H, W) uint8 of its own mask."""
        return None if self.mask is None else decode_mask(self.mask)

    def _said(self, tags: Sequence[str], absent: Sequence[str] | None) -> dict[str, Any]:
        return {
            "tags": _indices(tags, self.numbers),
            "absent": None if absent is None else _indices(absent, self.numbers),
        }


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
