"""Decoding every image and mask of a collection once, to find what cannot be used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..artifacts import ledger
from ..artifacts.inputs import contents
from ..core.images import decode_image, decode_mask
from ..core.labels import IGNORE
from .sample import Collection, Sample


@dataclass(frozen=True)
class Verdict:
    """What was found in the files of one sample.

    Attributes:
        size: (H, W) of the image as displayed.
        digest: of id, tags, image and mask; see `digest`.
        beyond: whether the mask holds classes that the tags lack.
    """

    size: tuple[int, int]
    digest: bytes
    beyond: bool


def check_all(found: Collection, threads: int) -> Iterator[Verdict | str]:
    """A verdict, or the reason why there is none, for each sample in order.

    Threads, since decoders and hashes let go of Python's lock.
    """

    def check(sample: Sample) -> Verdict | str:
        try:
            return check_sample(sample, found.classes)
        except OSError as err:
            return err.strerror or str(err)
        except ValueError as err:
            return str(err)

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


def check_sample(sample: Sample, classes: Sequence[str]) -> Verdict:
    """Decode a sample's image and mask.

    A mask must have the image's size as displayed. Where EXIF turns the image, a mask drawn on
    the unturned pixels is refused and not turned along: for a half turn, whose size is the same,
    nobody could tell.

    Raises:
        ValueError: undecodable, or a mask of another size or with labels above C.
        OSError: unreadable.
    """
    image, mask = read(sample.image), read_mask(sample)
    height, width, _ = decode_image(image).shape
    beyond = False
    if mask is not None:
        try:
            held = _held(mask, (height, width), len(classes))
        except ValueError as err:
            raise ValueError(f"its mask {err}") from None
        beyond = not {classes[label - 1] for label in held} <= set(sample.tags)
    return Verdict((height, width), digest(sample, image, mask), beyond)


def read(source: Path | bytes) -> bytes:
    """The encoded bytes of an image or mask."""
    return contents(source) if isinstance(source, Path) else source


def read_mask(sample: Sample) -> bytes | None:
    return None if sample.mask is None else read(sample.mask)


def digest(sample: Sample, image: bytes, mask: bytes | None) -> bytes:
    """SHA-256 that changes with the sample's id, tags, image or mask."""
    parts = [sample.id.encode(), "\n".join(sample.tags).encode(), image, mask or b""]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def _held(mask: bytes, size: tuple[int, int], classes: int) -> np.ndarray:
    """The foreground labels of a mask, rising."""
    try:
        label = decode_mask(mask)
    except ValueError as err:
        raise ValueError(f"cannot be used: {err}") from None
    if label.shape != size:
        turned = " as displayed (turned by EXIF?)" if label.shape == size[::-1] else ""
        raise ValueError(
            f"is {label.shape[1]}x{label.shape[0]}, the image {size[1]}x{size[0]}{turned}"
        )
    held = np.unique(label)
    held = held[(held > 0) & (held != IGNORE)]
    if held.size and held[-1] > classes:
        raise ValueError(f"holds label {held[-1]}, there are {classes} classes")
    return held
