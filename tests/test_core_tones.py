"""Pixels of any depth, with transparency or further bands, as 8-bit RGB."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image
from rasters import encode, png, tiff

from wsss_cli.core import tones
from wsss_cli.core.images import decode_image, examine
from wsss_cli.core.percentiles import Tally
from wsss_cli.core.reading import Reading, Span

RNG = np.random.default_rng(0)
TWELVE = RNG.integers(0, 4096, (5, 7, 4)).astype(np.uint16)
BYTES = RNG.integers(0, 256, (5, 7, 5)).astype(np.uint8)


def ranged(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """The reference: a plain formula in float64."""
    plain = (values.astype(np.float64) - low) / (high - low) * 255
    found = np.rint(np.clip(plain, 0, 255)).astype(np.uint8)
    return np.repeat(found[..., None], 3, axis=-1) if values.ndim == 2 else found


@pytest.mark.parametrize(
    "values",
    [
        TWELVE[..., 0],
        TWELVE[..., 0].astype(np.int16) - 2000,
        TWELVE[..., 0].astype(np.int32) * 1000 - 2000,
        TWELVE[..., 0].astype(np.uint32) + np.uint32(2**32 - 4096),  # Pillow has no mode for these
        TWELVE[..., 0].astype(np.float32) / 7,
        TWELVE[..., :3],
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_range_maps_all_kinds_of_numbers(values: np.ndarray, order: str) -> None:
    if order == ">" and values.dtype == np.uint32:
        order = "<"  # the only order in which Pillow opens them
    low, high = float(values.min()), float(values.max())
    data = tiff(values, 2 if values.ndim == 3 else 1, order=order)
    _, span = examine(data)
    assert span is not None
    assert (span.low, span.high, span.whole) == (low, high, values.dtype != np.float32)
    found = decode_image(data, Reading(range=(low, high)))
    np.testing.assert_array_equal(found, ranged(values, low, high))
    inner = (low + (high - low) / 4, high - (high - low) / 4)  # what lies outside is clipped
    np.testing.assert_array_equal(decode_image(data, Reading(range=inner)), ranged(values, *inner))


@pytest.mark.parametrize("bands", [1, 3])
def test_a_range_maps_pngs(bands: int) -> None:
    values = TWELVE[..., 0] if bands == 1 else TWELVE[..., :3]
    data = png(values)
    assert examine(data)[1] == Span(values.min(), values.max(), 65535)
    found = decode_image(data, Reading(range=(0, 4095)))
    np.testing.assert_array_equal(found, ranged(values, 0, 4095))


def test_most_of_the_values_are_found() -> None:
    values = np.arange(1000, dtype=np.uint16).reshape(25, 40)
    values[0, 0] = 65535
    for data in (png(values), tiff(values, 1)):
        span = examine(data)[1]
        assert span is not None
        assert (span.low, span.high, span.most) == (1, 65535, (5, 995))
    signed = examine(tiff(values.astype(np.float32), 1))[1]
    assert signed is not None
    assert signed.most is None


def test_the_range_leaves_8_bit_images_alone() -> None:
    data = encode(Image.fromarray(BYTES[..., :3]))
    np.testing.assert_array_equal(decode_image(data, Reading(range=(0, 9))), BYTES[..., :3])


def test_white_as_0_is_turned() -> None:
    values = TWELVE[..., 0] * 16
    found = decode_image(tiff(values, 0))
    np.testing.assert_array_equal(found, ranged(65535 - values, 0, 65535))
    with pytest.raises(ValueError, match="whose 0 is white"):
        decode_image(tiff(values.astype(np.float32), 0), Reading(range=(0, 1)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_numbers_are_refused(bad: float) -> None:
    values = np.ones((3, 4), np.float32)
    values[1, 2] = bad
    for reading in (Reading(), Reading(range=(0, 2))):
        with pytest.raises(ValueError, match="infinite, or no numbers"):
            decode_image(tiff(values), reading)
    with pytest.raises(ValueError, match="infinite, or no numbers"):
        examine(tiff(values))


@pytest.mark.parametrize(
    "values", [TWELVE[..., 0], TWELVE[..., 0].astype(np.int16), TWELVE[..., 0] / np.float32(7)]
)
def test_what_becomes_0_by_a_stretch(values: np.ndarray) -> None:
    values = values.copy()
    values[0, 0] = values[2, 3] = 9999
    data, pair = tiff(values, nodata="9999"), ((0.0, 4000.0),)
    expected = ranged(values, 0, 4000)
    np.testing.assert_array_equal(decode_image(data, Reading(range=pair[0])), expected)
    expected[0, 0] = expected[2, 3] = 0
    stretched = Reading(range=pair, stretch=(2, 98))
    np.testing.assert_array_equal(decode_image(data, stretched), expected)
    own = Tally()
    span = examine(data, Reading(stretch=(2, 98)), own)[1]
    assert span is not None
    assert (own.pixels, own.empty, own.images) == (35, 2, {1: 1})
    assert span.high == values[values < 9999].max()
    odd = tiff(values, nodata="none")
    assert decode_image(odd, stretched)[0, 0].tolist() == [255] * 3


def test_each_band_has_its_own_ends() -> None:
    pairs = ((0, 4095), (1000, 2000), (100, 3000))
    found = decode_image(png(TWELVE[..., :3]), Reading(range=pairs))
    for band, (low, high) in enumerate(pairs):
        expected = ranged(TWELVE[..., band], low, high)[..., 0]
        np.testing.assert_array_equal(found[..., band], expected)
    with pytest.raises(ValueError, match="1 bands, and the data set was stretched with 3"):
        decode_image(png(TWELVE[..., 0]), Reading(range=pairs))


def test_transparent_pixels_do_not_count() -> None:
    values = TWELVE * 16
    values[0, :, 3], values[1:, :, 3] = 0, 65535
    for alpha, empty in (("white", 21), ("drop", 0)):
        own = Tally()
        examine(png(values), Reading(alpha=alpha, stretch=(2, 98)), own)
        assert (own.pixels, own.empty) == (105, empty)


def test_a_strip_without_numbers_is_seen_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tones, "STRIP", 7)  # a row at a time
    values = np.ones((5, 7), np.float32)
    values[1] = np.nan
    with pytest.raises(ValueError, match="infinite, or no numbers"):
        examine(tiff(values))


@pytest.mark.parametrize(
    ("data", "bands", "expected"),
    [
        (tiff(BYTES[..., :4], 2), (4, 1, 2), BYTES[..., [3, 0, 1]]),
        (tiff(BYTES[..., :4], 2, (2,)), (1, 2, 3), BYTES[..., :3]),
        (tiff(BYTES[..., :4], 2, (0,)), (3, 2, 1), BYTES[..., [2, 1, 0]]),
        (tiff(BYTES[..., :4], 2, (0,)), (4, 2, 1), BYTES[..., [3, 1, 0]]),
        (tiff(BYTES, 2, (0, 0)), (2,), BYTES[..., [1, 1, 1]]),
        (tiff(BYTES[..., :2], 1, (0,)), (1,), BYTES[..., [0, 0, 0]]),
        (encode(Image.fromarray(BYTES[..., :3])), (3, 2, 1), BYTES[..., [2, 1, 0]]),
    ],
)
def test_bands_are_those_asked_for(data: bytes, bands: tuple, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_image(data, Reading(bands=bands)), expected)
    assert examine(data, Reading(bands=bands)) == ((5, 7), None)


def test_bands_of_16_bits() -> None:
    reading = Reading(range=(0, 4095), bands=(4, 1, 2))
    found = decode_image(tiff(TWELVE, 2), reading)
    np.testing.assert_array_equal(found, ranged(TWELVE[..., [3, 0, 1]], 0, 4095))


def test_surplus_bands_are_neither_dropped_nor_laid_over_white_unasked() -> None:
    for data in (tiff(BYTES[..., :4], 2), tiff(BYTES, 2, (0, 0)), tiff(TWELVE, 2)):
        for function in (decode_image, examine):
            with pytest.raises(
                ValueError, match=r"\d bands of \d+ bits: choose with pack's --bands"
            ):
                function(data)


@pytest.mark.parametrize(
    ("data", "bands", "reason"),
    [
        (tiff(BYTES[..., :4], 2, (0,)), (5,), "3 of which can be read; --bands asks for number 5"),
        (tiff(BYTES[..., 0]), (1, 2, 3), "1 band of 8 bits, 1 of which.*number 3"),
        (tiff(BYTES[..., :4], 2, (1,)), (1, 2, 3), "multiplied"),
        (encode(Image.new("P", (2, 2))), (1,), "a palette"),
        (encode(Image.new("1", (2, 2))), (1,), "single bits"),
    ],
)
def test_bands_that_are_not_there(data: bytes, bands: tuple, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_image(data, Reading(bands=bands))


def test_transparency_of_16_bits() -> None:
    values = TWELVE * 16
    values[0, 0, 3], values[0, 1, 3] = 0, 65535
    data = png(values)
    with pytest.raises(ValueError, match="transparent"):
        decode_image(data)
    found = decode_image(data, Reading(alpha="black"))
    assert found[0, 0].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(found[0, 1], ranged(values[..., :3], 0, 65535)[0, 1])
    np.testing.assert_array_equal(
        decode_image(data, Reading(alpha="drop")), ranged(values[..., :3], 0, 65535)
    )


@pytest.mark.parametrize("bands", [1, 3])
def test_a_transparent_colour_of_16_bits(bands: int) -> None:
    values = np.arange(12).reshape(2, 2, 3).astype(np.uint16) * 5000
    shown = values[..., 0] if bands == 1 else values
    key = struct.pack(f">{bands}H", *shown[1, 0].reshape(-1))
    data = png(shown, (b"tRNS", key))
    with pytest.raises(ValueError, match="transparent"):
        examine(data)
    found = decode_image(data, Reading(alpha="white"))
    assert found[1, 0].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(found[0], ranged(shown, 0, 65535)[0])
