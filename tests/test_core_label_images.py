"""Label images of other tools: exact numbers and colours, or a reason why not."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wsss_cli.core.images import decode_mask, encode_mask
from wsss_cli.core.label_images import decode_stored, read_labels
from wsss_cli.core.mask_values import ValueTable

LABELS = np.array([[0, 2, 2, 5], [0, 5, 255, 2]], np.uint8)  # not all numbers from 0 on
COLOURED = np.array([[[0, 0, 0], [9, 8, 7]]], np.uint8)


def saved(image: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    found = image if isinstance(image, Image.Image) else Image.fromarray(image)
    found.save(stream, kind, **options)
    return stream.getvalue()


def palette(colours: np.ndarray, labels: np.ndarray = LABELS) -> Image.Image:
    image = Image.fromarray(labels)
    image.putpalette(colours.astype(np.uint8).tobytes())
    return image


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF", "BMP"])
def test_greys_of_every_lossless_format(kind: str) -> None:
    png, labels = read_labels(saved(LABELS, kind))
    assert labels.tolist() == LABELS.tolist()
    assert decode_mask(png).tolist() == LABELS.tolist()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_palettes_give_their_indices(kind: str) -> None:
    colours = np.random.default_rng(0).permutation(768).reshape(256, 3) % 256
    assert read_labels(saved(palette(colours), kind))[1].tolist() == LABELS.tolist()


def test_the_palette_of_a_gif_is_no_numbering() -> None:
    # Pillow and others number the palette anew when they save.
    voc = Image.open(io.BytesIO(encode_mask(LABELS)))
    with pytest.raises(ValueError, match="is in colours, such as 0,128,0"):
        read_labels(saved(voc, "GIF"))
    named = {(0, 0, 0): 0, (0, 128, 0): 2, (128, 0, 128): 5, (224, 224, 192): 255}
    table = ValueTable(colours=named)
    assert read_labels(saved(voc, "GIF"), table)[1].tolist() == LABELS.tolist()


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiffs_without_loss(compression: str | None) -> None:
    data = saved(LABELS, "TIFF", compression=compression)
    assert read_labels(data)[1].tolist() == LABELS.tolist()


@pytest.mark.parametrize("dtype", ["u2", "i4"])
def test_wide_numbers_that_fit(dtype: str) -> None:
    assert read_labels(saved(LABELS.astype(dtype), "TIFF"))[1].tolist() == LABELS.tolist()
    wide = np.array([[0, 26001]], dtype)
    assert read_labels(saved(wide, "TIFF"), ValueTable({26001: 7}))[1].tolist() == [[0, 7]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_one_bit_is_0_and_1(kind: str) -> None:
    assert read_labels(saved(LABELS > 0, kind))[1].tolist() == (LABELS > 0).astype(int).tolist()


def test_a_png_of_labels_is_kept_as_it_is() -> None:
    data = encode_mask(LABELS)
    assert read_labels(data)[0] == data
    png, labels = read_labels(data, ValueTable({2: 3}))
    assert png != data
    assert decode_mask(png).tolist() == labels.tolist()
    assert labels.tolist() == np.where(LABELS == 2, 3, LABELS).tolist()


def test_three_equal_channels_are_greys() -> None:
    assert read_labels(saved(np.dstack([LABELS] * 3), "PNG"))[1].tolist() == LABELS.tolist()
    opaque = np.full_like(LABELS, 255)
    assert read_labels(saved(np.dstack([LABELS, opaque]), "PNG"))[1].tolist() == LABELS.tolist()
    four = np.dstack([LABELS] * 3 + [opaque])
    assert read_labels(saved(four, "PNG"))[1].tolist() == LABELS.tolist()


def test_a_colour_may_be_grey() -> None:
    data = saved(np.dstack([np.array([[0, 2]], np.uint8)] * 3), "PNG")
    lines = ValueTable({0: 5, 2: 6}, {(0, 0, 0): 0, (2, 2, 2): 7}, closed=True)
    assert read_labels(data, lines)[1].tolist() == [[0, 7]]


def test_colours_stay_colours() -> None:
    stored = decode_stored(saved(COLOURED, "PNG"))
    assert stored.numbers is None
    assert stored.colours is not None
    assert stored.colours.tolist() == COLOURED.tolist()


def white_is_zero() -> bytes:
    data = bytearray(saved(LABELS, "TIFF"))
    place = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00\x01\x00")  # photometric: black is zero
    data[place + 8] = 0
    return bytes(data)


def sixteen_bit_colours() -> bytes:
    data = bytearray(saved(COLOURED, "PNG"))
    data[24] = 16
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"no image", "not an image of a known format, or damaged at its start"),
        (encode_mask(LABELS)[:60], "cannot be used: cannot open: Truncated"),
        (encode_mask(LABELS)[:-24], "cannot decode: "),
        (saved(LABELS, "JPEG"), "JPEG changes numbers when it is saved"),
        (saved(LABELS, "WEBP"), "WEBP changes numbers"),
        (saved(LABELS, "TIFF", compression="jpeg"), "a TIFF with lossy compression"),
        (white_is_zero(), "a TIFF in which 0 is white"),
        (sixteen_bit_colours(), "colours of 16 bits"),
        (saved(LABELS.astype(np.float32), "TIFF"), "pixels of mode F"),
        (saved(np.array([[-1, 0]], np.int32), "TIFF"), "beyond 0..65535"),
        (saved(np.array([[1 << 16]], np.int32), "TIFF"), "beyond 0..65535"),
        (saved(np.dstack([LABELS, LABELS]), "PNG"), "transparent pixels"),
        (saved(np.dstack([LABELS] * 4), "PNG"), "transparent pixels"),
        (
            saved(LABELS, "GIF", save_all=True, append_images=[Image.fromarray(LABELS[::-1])]),
            "a moving image of 2 frames",
        ),
        (
            saved(LABELS, "TIFF", save_all=True, append_images=[Image.fromarray(LABELS)]),
            "a TIFF of 2 pages",
        ),
    ],
)
def test_what_cannot_be_read_exactly_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_labels(data)


@settings(deadline=None)
@given(st.sampled_from(["PNG", "TIFF", "GIF", "BMP"]), st.integers(0, 10**6), st.integers(0, 255))
def test_changed_bytes_give_labels_or_a_value_error(kind: str, place: int, value: int) -> None:
    data = bytearray(saved(LABELS, kind))
    data[place % len(data)] = value
    try:
        png, labels = read_labels(bytes(data))
    except ValueError:
        return
    assert decode_mask(png).tolist() == labels.tolist()
