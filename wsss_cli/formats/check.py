"""Decoding every image and mask of a collection once, to find what cannot be used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..artifacts import ledger
from ..artifacts.inputs import contents
from ..core.images import examine
from ..core.label_images import read_labels
from ..core.labels import IGNORE
from ..core.mask_values import PLAIN, NoLabel, ValueTable
from ..core.percentiles import Tally
from ..core.reading import AS_IT_IS, Reading, Span
from .masks import way_out
from .sample import Collection, Problem, Sample
from .true_boxes import Drawn


@dataclass(frozen=True)
class Verdict:
    """What was found in the files of one sample.

    Attributes:
        size: (H, W) of the image as displayed.
        digest: of id, tags, image and mask; see `digest`.
        held: all labels that the mask holds, rising, 0 and 255 among them; None without a mask.
        span: of an image of more than 8 bits, what values it holds.
        boxes: the sample's, within the image.
    """

    size: tuple[int, int]
    digest: bytes
    held: tuple[int, ...] | None = None
    span: Span | None = None
    boxes: Drawn | None = None


def check_all(
    found: Collection, threads: int, reading: Reading = AS_IT_IS, tally: Tally | None = None
) -> Iterator[Verdict | Problem]:
    """A verdict, or the problem why there is none, for each sample in order.

    `reading` says how pixels are read that 8-bit RGB cannot hold; `tally` counts those of more
    than 8 bits. Threads, since decoders and hashes let go of Python's lock.
    """

    def check(sample: Sample) -> Verdict | Problem:
        try:
            own = tally and Tally()
            verdict = check_sample(sample, len(found.classes), found.masks.table, reading, own)
        except OSError as err:
            return Problem(sample.id, err.strerror or str(err))
        except ValueError as err:
            return Problem(sample.id, str(err), way_out(err))
        if tally is not None and own is not None:
            tally.add(own)  # of what can be packed alone
        return verdict

    ledger.read_many(lambda: _files(found))
    step = 16 * threads  # results that may wait for the caller
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(found.samples), step):
            yield from pool.map(check, found.samples[start : start + step])


def _files(found: Collection) -> Iterator[Path]:
    for sample in found.samples:
        for one in (sample.image, sample.mask):
            if isinstance(one, Path):
                yield one


def check_sample(
    sample: Sample,
    classes: int,
    table: ValueTable = PLAIN,
    reading: Reading = AS_IT_IS,
    tally: Tally | None = None,
) -> Verdict:
    """Decode a sample's image and mask.

    A mask must have the image's size as displayed. Where EXIF turns the image, a mask drawn on
    the unturned pixels is refused and not turned along: for a half turn, whose size is the same,
    nobody could tell.

    Args:
        classes: how many there are.
        table: what the mask's numbers and colours stand for.
        tally: counts the values of an image of more than 8 bits.

    Raises:
        ValueError: undecodable, a mask of another size or with labels above C, or a box that is
            not within the image.
        OSError: unreadable.
    """
    image = read(sample.image)
    (height, width), span = examine(image, reading, tally)
    boxes = None if sample.boxes is None else sample.boxes.fitted((height, width))
    if sample.mask is None:
        return Verdict((height, width), digest(sample, image, None), None, span, boxes)
    mask, labels = _labels(sample.mask, table)
    if labels.shape != (height, width):
        turned = " as displayed (turned by EXIF?)" if labels.shape == (width, height) else ""
        raise ValueError(
            f"its mask is {labels.shape[1]}x{labels.shape[0]}, the image {width}x{height}{turned}"
        )
    held = _held(labels, classes)
    return Verdict((height, width), digest(sample, image, mask), held, span, boxes)


def read(source: Path | bytes) -> bytes:
    """The encoded bytes of an image or mask."""
    return contents(source) if isinstance(source, Path) else source


def read_mask(sample: Sample, table: ValueTable = PLAIN) -> bytes | None:
    """A sample's mask as a data set stores it: a PNG whose numbers are labels.

    Raises:
        ValueError: as `check_sample`.
    """
    return None if sample.mask is None else _labels(sample.mask, table)[0]


def held_labels(mask: Path | bytes, table: ValueTable, classes: int) -> tuple[int, ...]:
    """All labels that a mask holds, rising.

    Raises:
        ValueError, OSError: as `check_sample`.
    """
    return _held(_labels(mask, table)[1], classes)


def digest(sample: Sample, image: bytes, mask: bytes | None) -> bytes:
    """SHA-256 that changes with the sample's id, tags, image, mask or boxes."""
    parts = [sample.id.encode(), "\n".join(sample.tags).encode(), image, mask or b""]
    if sample.boxes is not None:
        parts += [repr(one).encode() for one in sample.boxes.boxes] + [b"boxes"]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def _labels(mask: Path | bytes, table: ValueTable) -> tuple[bytes, np.ndarray]:
    """The mask as a data set stores it, and its labels."""
    try:
        return read_labels(read(mask), table)
    except ValueError as err:
        named = f" {mask.name}" if isinstance(mask, Path) else ""
        kind = NoLabel if isinstance(err, NoLabel) else ValueError
        raise kind(f"its mask{named} {err}") from None


def _held(labels: np.ndarray, classes: int) -> tuple[int, ...]:
    """All labels that a mask holds.

    Raises:
        NoLabel: one above C.
    """
    held = np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist()
    strange = [label for label in held if classes < label < IGNORE]
    if strange:
        raise NoLabel(f"its mask holds label {strange[-1]}, there are {classes} classes")
    return tuple(held)
