"""Decoding images and masks once: what fits, what is said of what does not."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import encode_png
from PIL import Image
from rasters import png

from wsss_cli.core.images import encode_mask
from wsss_cli.core.mask_values import ValueTable
from wsss_cli.core.percentiles import Tally
from wsss_cli.core.reading import Reading
from wsss_cli.formats.check import (
    Verdict,
    check_all,
    check_sample,
    digest,
    held_labels,
    read,
    read_mask,
)  # fmt: skip
from wsss_cli.formats.sample import Collection, Problem, Sample

CLASSES = ("cat", "dog")
IMAGE = encode_png(np.zeros((4, 6, 3), np.uint8)).tobytes()
COLOURED = encode_png(np.tile(np.array([1, 2, 3], np.uint8), (4, 6, 1))).tobytes()


def labels(*values: int, size: tuple[int, int] = (4, 6)) -> bytes:
    """A mask of background that holds these labels."""
    mask = np.zeros(size, np.uint8)
    mask.flat[: len(values)] = values
    return encode_mask(mask)


def test_a_sample_that_fits() -> None:
    sample = Sample("a", IMAGE, ("cat",), labels(1, 255))
    found = check_sample(sample, 2)
    assert found == Verdict((4, 6), digest(sample, IMAGE, labels(1, 255)), (0, 1, 255))
    found = check_sample(replace(sample, mask=None), 2)
    assert (found.size, found.held) == ((4, 6), None)


@pytest.mark.parametrize("threads", [1, 3])
def test_values_of_what_can_be_packed_are_counted(threads: int) -> None:
    values = np.arange(24, dtype=np.uint16).reshape(4, 6)
    deep = [png(values + np.uint16(100 * number)) for number in range(4)]
    samples = [Sample(str(number), data, ("cat",)) for number, data in enumerate(deep)]
    samples[1] = replace(samples[1], mask=labels(1, size=(2, 2)))  # which does not fit
    tally = Tally()
    found = list(
        check_all(Collection(CLASSES, tuple(samples)), threads, Reading(stretch=(0, 100)), tally)
    )
    assert [isinstance(one, Problem) for one in found] == [False, True, False, False]
    assert (tally.images, tally.pixels, tally.empty) == ({1: 3}, 72, 0)
    pooled = np.concatenate([values + 100 * number for number in (0, 2, 3)])
    assert tally.percentiles(0, (0, 40, 100)) == np.percentile(pooled, (0, 40, 100)).tolist()


def test_a_mask_is_stored_by_what_its_numbers_stand_for() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 6), 9, np.uint8)).save(stream, "TIFF")
    sample, table = Sample("a", IMAGE, ("dog",), stream.getvalue()), ValueTable({9: 2})
    stored = encode_mask(np.full((4, 6), 2, np.uint8))
    assert read_mask(sample, table) == stored
    assert check_sample(sample, 2, table) == Verdict((4, 6), digest(sample, IMAGE, stored), (2,))
    assert held_labels(stream.getvalue(), table, 2) == (2,)
    with pytest.raises(ValueError, match="its mask holds label 2, there are 1 classes"):
        held_labels(stream.getvalue(), table, 1)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (labels(size=(4, 5)), "its mask is 5x4, the image 6x4"),
        (labels(size=(6, 4)), "its mask is 4x6, the image 6x4 as displayed (turned by EXIF?)"),
        (labels(1, 3), "its mask holds label 3, there are 2 classes"),
        (b"", "its mask cannot be used: an empty file"),
        (COLOURED, "its mask is in colours, such as 1,2,3: labels need a palette or greys"),
    ],
)
def test_masks_that_do_not_fit(mask: bytes, said: str) -> None:
    with pytest.raises(ValueError, match="its mask") as caught:
        check_sample(Sample("a", IMAGE, ("cat",), mask), 2)
    assert str(caught.value).startswith(said)


def test_the_size_is_that_of_the_image_as_displayed() -> None:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[274] = 6  # orientation: a quarter turn
    Image.new("RGB", (6, 4)).save(stream, "JPEG", exif=exif)
    sample = Sample("a", stream.getvalue(), (), labels(size=(6, 4)))
    assert check_sample(sample, 2).size == (6, 4)
    with pytest.raises(ValueError, match=r"is 6x4, the image 4x6 as displayed \(turned by EXIF"):
        check_sample(replace(sample, mask=labels()), 2)


def test_the_digest_changes_with_each_part() -> None:
    sample = Sample("a", IMAGE, ("cat",))
    found = {
        digest(sample, b"image", None),
        digest(replace(sample, id="b"), b"image", None),
        digest(replace(sample, tags=("cat", "dog")), b"image", None),
        digest(replace(sample, tags=()), b"image", None),
        digest(sample, b"imag", b"e"),
        digest(sample, b"image", b"mask"),
    }
    assert len(found) == 6
    assert {len(one) for one in found} == {32}
    assert digest(replace(sample, splits=("train",)), b"image", None) in found


@pytest.mark.parametrize("threads", [1, 3])
def test_reasons_stand_in_the_place_of_verdicts(tmp_path: Path, threads: int) -> None:
    (tmp_path / "a.png").write_bytes(IMAGE)
    (tmp_path / "torn.png").write_bytes(IMAGE[:20])
    samples = [
        Sample("a", tmp_path / "a.png", ()),
        Sample("b", tmp_path / "gone.png", ()),
        Sample("c", tmp_path / "torn.png", ()),
        Sample("d", tmp_path / "a.png", (), labels(7)),
        *(Sample(f"e{number:02}", tmp_path / "a.png", ()) for number in range(20)),
    ]
    found = list(check_all(Collection(CLASSES, tuple(samples)), threads))
    assert [type(one) for one in found[:4]] == [Verdict, Problem, Problem, Problem]
    assert found[1] == Problem("b", "No such file or directory")
    assert found[3] == Problem("d", "its mask holds label 7, there are 2 classes")
    hints = [one.hint for one in found[1:4] if isinstance(one, Problem)]
    assert hints == [None, None, "--mask-values says what numbers and colours of masks stand for"]
    digests = [one.digest for one in found[4:] if isinstance(one, Verdict)]
    assert digests == [digest(sample, IMAGE, None) for sample in samples[4:]]


def test_bytes_are_read_from_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"content")
    assert (read(path), read(b"own")) == (b"content", b"own")
    assert read_mask(Sample("a", b"own", ())) is None
    path.write_bytes(labels(1))
    assert read_mask(Sample("a", b"own", (), path)) == labels(1)
