"""What image files may be opened, and what is found in them beside 8-bit colours."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image
from rasters import encode, png, tiff

from wsss_cli.core.raster import (
    bands_of,
    check_one,
    check_pages,
    depth,
    in_words,
    low_bytes,
    open_image,
    subfiles,
    surplus,
    tiff_tags,
    told,
)

NOISE = np.random.default_rng(0).integers(0, 65536, (5, 7, 5)).astype(np.uint16)
BYTES = (NOISE >> 8).astype(np.uint8)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (BYTES, "5 bands of 8 bits"),
        (BYTES[..., :2], "2 bands of 8 bits"),
        (BYTES[..., :3], "3 bands of 8 bits"),  # greys, by its tags
        (NOISE[..., 0].astype(np.float64), "1 float band of 64 bits"),
        (NOISE[..., :3].astype(np.float32), "3 float bands of 32 bits"),
        (NOISE[..., :2].astype(np.int16), "2 signed bands of 16 bits"),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_that_cannot_be_read_says_what_is_in_it(
    values: np.ndarray, what: str, order: str
) -> None:
    with pytest.raises(ValueError, match=f"a TIFF of {what}: save it as RGB or grey"):
        open_image(tiff(values, order=order))


def test_a_damaged_tiff_is_no_tiff_of_bands() -> None:
    with pytest.raises(ValueError, match="not an image of a known format"):
        open_image(tiff(BYTES)[:40])


@pytest.mark.parametrize(
    ("bands", "photometric", "extra", "count"),
    [
        (1, 1, (), 0),
        (2, 1, (0,), 1),
        (2, 1, (2,), 0),
        (3, 2, (), 0),
        (4, 2, (), 1),  # red, green, blue and infrared, not transparency
        (4, 2, (0,), 1),
        (4, 2, (2,), 0),
        (5, 2, (2, 0), 1),
        (5, 2, (0, 0), 2),
        (4, 5, (), 0),
    ],
)
def test_bands_beside_the_colours_are_counted(
    bands: int, photometric: int, extra: tuple, count: int
) -> None:
    values = BYTES[..., 0] if bands == 1 else BYTES[..., :bands]
    with open_image(tiff(values, photometric, extra)) as image:
        assert surplus(image.tag_v2) == count
        assert bands_of(image).startswith(f"{bands} band")


def test_bands_of_another_format() -> None:
    with open_image(encode(Image.new("RGBA", (2, 2)))) as image:
        assert bands_of(image) == "4 bands"


@pytest.mark.parametrize(
    ("data", "bits"),
    [
        (encode(Image.new("L", (2, 2))), 8),
        (encode(Image.new("1", (2, 2))), 8),
        (encode(Image.new("1", (2, 2)), "TIFF"), 8),
        (encode(Image.new("L", (2, 2)), "JPEG"), 8),
        (encode(Image.new("L", (2, 2)), "JPEG2000"), 8),
        (encode(Image.new("I;16", (2, 2)), "JPEG2000"), 16),
        (encode(Image.new("I", (2, 2)), "PPM"), 16),
        (encode(Image.new("RGB", (2, 2)), "PPM"), 8),
        (b"P6 1 1 4095 " + b"\0" * 6, 16),
        (png(NOISE[..., 0]), 16),
        (png(NOISE[..., :3]), 16),
        (tiff(NOISE[..., :3], 2), 16),
        (tiff(NOISE[..., 0].astype(np.float32)), 32),
    ],
)
def test_depth(data: bytes, bits: int) -> None:
    with open_image(data) as image:
        assert depth(image, data) == bits


@pytest.mark.parametrize(
    "data",
    [
        png(NOISE[..., :3]),
        tiff(NOISE[..., :3], 2),
        tiff(NOISE[..., :3], 2, order=">"),
        tiff(NOISE[..., :3], 2, deflated=True),
        tiff(NOISE[..., :3], 2, order=">", deflated=True),
    ],
)
def test_both_bytes_of_16_bit_colours(data: bytes) -> None:
    with open_image(data) as high, low_bytes(high, data) as low:
        found = np.asarray(high).astype(np.uint16) * 256 + np.asarray(low)
    np.testing.assert_array_equal(found, NOISE[..., :3])


@pytest.mark.parametrize(
    "data", [tiff(NOISE[..., :4], 5), png(NOISE[..., :2]), b"P6 1 1 4095 " + b"\0" * 6]
)
def test_other_colours_of_16_bits_are_refused(data: bytes) -> None:
    with open_image(data) as image, pytest.raises(ValueError, match="colours of more than 8 bits"):
        low_bytes(image, data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pages_are_counted_without_copies_and_masks(order: str) -> None:
    for pages in ((0,), (0, 1, 1), (0, 4, 5)):
        data = tiff(BYTES[..., 0], order=order, pages=pages)
        with open_image(data) as image:
            check_one(image, data)
    data = tiff(BYTES[..., 0], order=order, pages=(0, 1, 0))
    with open_image(data) as image, pytest.raises(ValueError, match="a TIFF of 2 pages"):
        check_one(image, data)


def test_pages_of_a_tiff_with_long_offsets() -> None:
    first = Image.new("L", (2, 2))
    data = encode(first, "TIFF", save_all=True, append_images=[first] * 2, big_tiff=True)
    with open_image(data) as image, pytest.raises(ValueError, match="3 pages"):
        check_one(image, data)


def test_a_ring_of_pages_ends() -> None:
    data = bytearray(tiff(BYTES[..., 0]))
    data[-4:] = data[4:8]  # the last page names the first as the next
    with open_image(bytes(data)) as image:
        check_one(image, bytes(data))


def test_an_image_of_two_views_is_one() -> None:
    views = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = encode(views[0], "MPO", save_all=True, append_images=views[1:])
    with open_image(data) as image:
        assert image.format == "MPO"
        check_one(image, data)


def test_a_tiff_that_lacks_strips_is_refused() -> None:
    data = bytearray(tiff(BYTES[..., :3], 2))
    rows = data.index(struct.pack("<HHII", 278, 4, 1, 5))
    for fewer, whole in ((5, True), (9, True), (4, False), (1, False)):
        data[rows + 8 : rows + 12] = struct.pack("<I", fewer)
        with open_image(bytes(data)) as image:
            if whole:
                check_one(image, bytes(data))
            else:
                with pytest.raises(ValueError, match="is not there"):
                    check_one(image, bytes(data))


def test_tags_are_those_of_a_tiff_alone() -> None:
    tags = tiff_tags(tiff(NOISE[..., :4], 2))
    assert tags is not None
    assert (tags[256], tags[257], in_words(tags)) == (7, 5, "4 bands of 16 bits")
    for data in (png(NOISE[..., 0]), b"", b"II*\0", tiff(NOISE)[:40]):
        assert tiff_tags(data) is None


def test_kinds_of_pages() -> None:
    assert list(subfiles(tiff(BYTES[..., 0], pages=(0, 1, 4)))) == [0, 1, 4]
    check_pages(tiff(BYTES[..., 0], pages=(0, 1, 4)))
    with pytest.raises(ValueError, match="a TIFF of 2 pages"):
        check_pages(tiff(BYTES[..., 0], pages=(0, 0)))


def test_memory_errors_pass() -> None:
    with pytest.raises(MemoryError), told("decode"):
        raise MemoryError
    with pytest.raises(ValueError, match=r"^cannot decode: KeyError$"), told("decode"):
        raise KeyError
