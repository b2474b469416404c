"""Decoding every image and mask of a collection once, to find what cannot be used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..artifacts import ledger, zips
from ..artifacts.inputs import contents
from ..core.images import examine
from ..core.label_images import read_labels
from ..core.labels import IGNORE
from ..core.mask_values import PLAIN, NoLabel, ValueTable
from ..core.percentiles import Tally
from ..core.reading import AS_IT_IS, Reading, Span
from ..errors import WsssError
from .fitting import Fitted, fit
from .masks import way_out
from .sample import Collection, Problem, Sample
from .shapes import USUAL, Drawing, Use
from .tile_tags import Cut, Tiles, cut_sample


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is kept of a drawing, which is fitted again as it is written.

    Attributes:
        sources: who made its marks.
        marks: how many.
        shapes: how many there were.
        left_out, cut: as `Fitted` has them.
        painted: whether its outlines paint a mask.
        objects: how many true instances.
        boxes: how many true boxes, and how many of them are difficult; None where unknown.
        file: what messages call it.
    """

    sources: tuple[str, ...]
    marks: int
    shapes: int
    left_out: int
    cut: int
    painted: bool
    objects: int
    boxes: tuple[int, int] | None
    file: str

    @classmethod
    def of(cls, drawing: Drawing, fitted: Fitted) -> Drawn:
        boxes = fitted.boxes
        return cls(
            fitted.sources,
            len(fitted.marks),
            len(drawing.shapes),
            fitted.left_out,
            fitted.cut,
            fitted.label is not None,
            len(fitted.objects),
            None if boxes is None else (len(boxes.classes), int(boxes.difficult.sum())),
            drawing.file,
        )


@dataclass(frozen=True)
class Verdict:
    """What was found in the files of one sample.

    Attributes:
        size: (H, W) of the image as displayed.
        digest: of id, tags, image, mask and what was drawn; see `digest`.
        held: all labels that the mask holds, rising, 0 and 255 among them; None without a mask.
        span: of an image of more than 8 bits, what values it holds.
        drawn: what is known of its drawing, if it has one.
        cut: its tiles, where it is cut into some.
    """

    size: tuple[int, int]
    digest: bytes
    held: tuple[int, ...] | None = None
    span: Span | None = None
    drawn: Drawn | None = None
    cut: Cut | None = None


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
            verdict = check_sample(
                sample,
                len(found.classes),
                found.masks.table,
                reading,
                own,
                numbers,
                found.use,
                found.tiles,
            )
        except OSError as err:
            return Problem(sample.id, err.strerror or str(err))
        except ValueError as err:
            return Problem(sample.id, str(err), way_out(err))
        if tally is not None and own is not None:
            tally.add(own)  # of what can be packed alone
        return verdict

    numbers = {name: index for index, name in enumerate(found.classes)}
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


def check_links(samples: Iterable[Sample]) -> None:
    """
    Raises:
        WsssError: an image is in a zip, where nothing can link to.
    """
    first: dict[Path, Path] = {}  # image of each folder
    for sample in samples:
        if isinstance(sample.image, Path):
            first.setdefault(sample.image.parent, sample.image)
    for folder, image in first.items():
        found = zips.outer(folder)
        if found is not None:
            raise WsssError(
                f"{image}: --link links to files, and this image is in a zip",
                f"unpack {found[0]}, or leave --link out",
            )


def check_sample(
    sample: Sample,
    classes: int,
    table: ValueTable = PLAIN,
    reading: Reading = AS_IT_IS,
    tally: Tally | None = None,
    numbers: Mapping[str, int] | None = None,
    use: Use = USUAL,
    tiles: Tiles | None = None,
) -> Verdict:
    """Decode a sample's image and mask, and fit to it what was drawn on it.

    A mask must have the image's size as displayed. Where EXIF turns the image, a mask drawn on
    the unturned pixels is refused and not turned along: for a half turn, whose size is the same,
    nobody could tell.

    Args:
        classes: how many there are.
        table: what the mask's numbers and colours stand for.
        tally: counts the values of an image of more than 8 bits.
        numbers: class index of each class, for what was drawn and for tiles.
        use: what becomes of that.
        tiles: how large images are cut.

    Raises:
        ValueError: undecodable, a mask of another size or with labels above C, or a drawing that
            does not fit the image.
        OSError: unreadable.
    """
    image = read(sample.image)
    size, span = examine(image, reading, tally)
    drawing, fitted, drawn = sample.drawn(), None, None
    if drawing is not None:
        fitted = fit(drawing, size, numbers or {}, use)
        drawn = Drawn.of(drawing, fitted)
    mask, labels, held = None, None, None
    if sample.mask is not None:
        mask, labels = _labels(sample.mask, table)
        _check_shape(labels.shape, size)
        held = _held(labels, classes)
    cut = (
        None
        if tiles is None
        else cut_sample(sample, size, labels, fitted, list(numbers or {}), tiles)
    )
    return Verdict(size, digest(sample, image, mask, fitted), held, span, drawn, cut)


def _check_shape(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    height, width = size
    if shape != size:
        turned = " as displayed (turned by EXIF?)" if shape == (width, height) else ""
        raise ValueError(f"its mask is {shape[1]}x{shape[0]}, the image {width}x{height}{turned}")


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


def digest(sample: Sample, image: bytes, mask: bytes | None, fitted: Fitted | None = None) -> bytes:
    """SHA-256 that changes with the sample's id, tags, image, mask or what was drawn on it."""
    parts = [sample.id.encode(), "\n".join(sample.tags).encode(), image, mask or b""]
    if sample.absent is not None:
        parts += [b"absent", "\n".join(sample.absent).encode()]
    if fitted is not None:
        parts.append(b"".join(fitted.digest_parts()))
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
