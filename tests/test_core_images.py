"""Decoding and encoding of images and masks, hostile bytes included."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from rasters import encode

from wsss_cli.core import images, tones
from wsss_cli.core.images import (
    decode_image,
    decode_mask,
    encode_mask,
    examine,
    image_size,
    is_wide,
    to_input,
    voc_palette,
)
from wsss_cli.core.reading import Reading, Span

CORNERS = np.array(  # 2 x 3, each pixel its own colour
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 0], [0, 255, 255], [255, 0, 255]]],
    np.uint8,
)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def test_rgb_png_is_exact_and_writeable() -> None:
    decoded = decode_image(encode(Image.fromarray(CORNERS)))
    np.testing.assert_array_equal(decoded, CORNERS)
    decoded[0, 0] = 0


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, CORNERS),
        (2, CORNERS[:, ::-1]),
        (3, CORNERS[::-1, ::-1]),
        (4, CORNERS[::-1]),
        (5, CORNERS.transpose(1, 0, 2)),
        (6, np.rot90(CORNERS, -1)),
        (7, CORNERS[::-1, ::-1].transpose(1, 0, 2)),
        (8, np.rot90(CORNERS, 1)),
        (9, CORNERS),
        (0, CORNERS),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_orientation(orientation: int, expected: np.ndarray, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(Image.fromarray(CORNERS), kind, exif=exif(orientation), **options)
    np.testing.assert_array_equal(decode_image(data), expected)
    assert image_size(data) == expected.shape[:2]


def test_orientation_of_a_jpeg() -> None:
    large = np.kron(CORNERS, np.ones((16, 16, 1), np.uint8))  # 32 x 48
    data = encode(Image.fromarray(large), "JPEG", quality=95, exif=exif(6))
    decoded = decode_image(data)
    assert decoded.shape == (48, 32, 3)
    assert image_size(data) == (48, 32)
    top_right = decoded[8, 24].astype(int)  # the stored image's top left
    assert np.abs(top_right - (255, 0, 0)).max() < 12


def test_damaged_exif_is_no_orientation() -> None:
    data = encode(Image.fromarray(CORNERS), exif=b"Exif\0\0not a TIFF header")
    np.testing.assert_array_equal(decode_image(data), CORNERS)
    assert image_size(data) == (2, 3)


def test_sixteen_bit_greys_keep_their_scale() -> None:
    grey = np.array([[0, 128, 129, 257 * 100, 65535]], np.uint16)
    expected = np.array([0, 0, 1, 100, 255])
    for data in (encode(Image.fromarray(grey)), encode(Image.fromarray(grey), "TIFF")):
        np.testing.assert_array_equal(decode_image(data)[0], np.repeat(expected[:, None], 3, 1))


def test_32_bit_greys_within_16_bits_are_read_and_others_need_a_range() -> None:
    data = encode(Image.fromarray(np.array([[65535, 0]], np.int32)), "TIFF")
    assert decode_image(data)[0, :, 0].tolist() == [255, 0]
    for value in (65536, -1):
        data = encode(Image.fromarray(np.array([[value, value + 10]], np.int32)), "TIFF")
        with pytest.raises(ValueError, match=f"{value}.*no fixed range"):
            decode_image(data)
        read = decode_image(data, Reading(range=(value, value + 10)))
        assert read[0, :, 0].tolist() == [0, 255]


def test_float_pixels_need_a_range() -> None:
    data = encode(Image.fromarray(np.array([[0.5, 1, 2.5]], np.float32)), "TIFF")
    with pytest.raises(ValueError, match=r"0.5..2.5 have no fixed range"):
        decode_image(data)
    assert decode_image(data, Reading(range=(1, 2)))[0, :, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_strips_give_what_the_whole_gives(
    orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).integers(0, 256, (7, 5, 4)).astype(np.uint8)
    data = encode(Image.fromarray(values), exif=exif(orientation))
    whole = decode_image(data, Reading(alpha="white"))
    monkeypatch.setattr(tones, "STRIP", 10)  # two rows of five pixels
    np.testing.assert_array_equal(decode_image(data, Reading(alpha="white")), whole)
    assert examine(data, Reading(alpha="white")) == (whole.shape[:2], None)


def test_examining_gives_the_displayed_size_and_the_values_of_deep_images() -> None:
    assert examine(encode(Image.fromarray(CORNERS), exif=exif(6))) == ((3, 2), None)
    deep = encode(Image.fromarray(np.array([[412, 3406]], np.uint16)), "TIFF")
    assert examine(deep) == ((1, 2), Span(412, 3406, 65535))
    assert (is_wide(deep), is_wide(encode(Image.fromarray(CORNERS)))) == (True, False)


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        (Image.new("L", (2, 1), 77), "PNG", (77, 77, 77)),
        (Image.new("1", (2, 1), 1), "PNG", (255, 255, 255)),
        (Image.new("CMYK", (2, 1), (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
        (Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG", (255, 255, 255)),
        (Image.new("RGBA", (2, 1), (10, 20, 30, 255)), "PNG", (10, 20, 30)),
        (Image.new("LA", (2, 1), (10, 255)), "PNG", (10, 10, 10)),
        (Image.new("RGB", (2, 1), (9, 8, 7)).quantize(2), "PNG", (9, 8, 7)),
        (Image.new("RGB", (2, 1), (9, 8, 7)).quantize(2), "GIF", (9, 8, 7)),
    ],
)
def test_other_modes_become_rgb(image: Image.Image, kind: str, expected: tuple) -> None:
    decoded = decode_image(encode(image, kind))
    assert decoded.shape == (image.height, image.width, 3)
    assert decoded.dtype == np.uint8
    assert (decoded == expected).all()


@pytest.mark.parametrize(("alpha", "expected"), [("white", 127), ("black", 0), ("drop", 0)])
def test_half_transparent_lies_over_what_is_asked_for(alpha: str, expected: int) -> None:
    data = encode(Image.new("RGBA", (1, 1), (0, 0, 0, 128)))
    assert decode_image(data, Reading(alpha=alpha))[0, 0].tolist() == [expected] * 3


def test_transparency_is_refused_unasked() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([5, 6, 7, 50, 60, 70])
    palette.putpixel((1, 0), 1)
    keyed = encode(palette, transparency=0)
    for data in (
        keyed,
        encode(Image.new("LA", (2, 1), (10, 0))),
        encode(Image.new("RGBA", (2, 1), (10, 20, 30, 254))),
        encode(Image.new("RGB", (2, 1), (10, 20, 30)), transparency=(10, 20, 30)),
    ):
        for function in (decode_image, examine):
            with pytest.raises(ValueError, match=r"transparent pixels: pack's --alpha"):
                function(data)
    white = decode_image(keyed, Reading(alpha="white"))
    assert white[0].tolist() == [[255, 255, 255], [50, 60, 70]]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_refused(kind: str) -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    for function in (decode_image, examine):
        with pytest.raises(ValueError, match="moving image of 2 frames: save the one"):
            function(data)


def test_one_pixel() -> None:
    data = encode(Image.new("RGB", (1, 1), (1, 2, 3)))
    assert decode_image(data).tolist() == [[[1, 2, 3]]]
    assert image_size(data) == (1, 1)
    assert to_input(decode_image(data)).shape == (3, 1, 1)


def noisy_jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    return encode(Image.fromarray(noise), "JPEG")


@pytest.mark.parametrize("part", [0.5, 0.9])
def test_truncated_jpeg(part: float) -> None:
    data = noisy_jpeg()
    with pytest.raises(ValueError, match=r"cannot decode.*truncated"):
        decode_image(data[: int(len(data) * part)])


def test_truncated_and_damaged_png() -> None:
    data = encode(Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)))
    with pytest.raises(ValueError, match="cannot"):
        decode_image(data[: len(data) // 2])
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 0xFF
    with pytest.raises(ValueError, match="cannot"):
        decode_image(bytes(damaged))


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\0" * 99])
def test_not_an_image(data: bytes) -> None:
    for function in (decode_image, decode_mask, image_size):
        with pytest.raises(ValueError, match=r"\S"):
            function(data)


def test_postscript_is_not_opened() -> None:
    """Pillow would start Ghostscript for it."""
    data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    with pytest.raises(ValueError, match="not an image of a known format"):
        decode_image(data)


def test_decompression_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(Image.new("L", (2000, 2000)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    for function in (decode_image, decode_mask, image_size, examine):
        with pytest.raises(ValueError, match="more than 2 million pixels: cut it into tiles"):
            function(data)


def test_pillow_does_not_warn() -> None:
    """Of large images and of odd metadata, with a path of site-packages."""
    code = """
import sys
from PIL import Image
from wsss_cli.core.images import decode_image
Image.MAX_IMAGE_PIXELS = 3
print(decode_image(sys.stdin.buffer.read()).shape)
"""
    torn = encode(Image.fromarray(CORNERS[:, :2]), exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12")
    for data in (encode(Image.fromarray(CORNERS[:, :2])), torn):
        command = [sys.executable, "-c", code]
        found = subprocess.run(command, input=data, capture_output=True, check=False)
        assert (found.stdout.strip(), found.stderr) == (b"(2, 2, 3)", b"")


def test_a_bomb_of_zeros_is_refused_before_it_is_unpacked() -> None:
    """2.9 gigabytes in 30 kilobytes would take minutes and the memory of many machines."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(b"\0" * 60000)) + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match="179 million pixels"):
        decode_image(data)


def test_a_bomb_of_text_is_refused() -> None:
    text = b"Comment\0\1\0\0\0" + zlib.compress(b"\0" * (1 << 24))
    chunk = (
        struct.pack(">I", len(text))
        + b"iTXt"
        + text
        + struct.pack(">I", zlib.crc32(b"iTXt" + text))
    )
    data = encode(Image.fromarray(CORNERS))
    with pytest.raises(ValueError, match="too large"):
        decode_image(data[:33] + chunk + data[33:])


@given(st.binary(max_size=300))
def test_any_bytes_give_an_image_or_a_value_error(tail: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"GIF89a", b"II*\0"):
        for function in (decode_image, decode_mask, image_size):
            with contextlib.suppress(ValueError):
                assert function(start + tail) is not None


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_mask_round_trip_is_exact(label: np.ndarray) -> None:
    data = encode_mask(label)
    np.testing.assert_array_equal(decode_mask(data), label)
    image = Image.open(io.BytesIO(data))
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), voc_palette()[label])


def test_mask_indices_survive_a_palette_with_equal_colours() -> None:
    image = Image.fromarray(np.array([[0, 7, 255]], np.uint8))
    image.putpalette([9, 9, 9] * 256)
    assert decode_mask(encode(image)).tolist() == [[0, 7, 255]]


def test_grey_and_one_bit_masks() -> None:
    assert decode_mask(encode(Image.fromarray(np.array([[0, 3, 255]], np.uint8)))).tolist() == [
        [0, 3, 255]
    ]
    bits = Image.fromarray(np.array([[False, True, True]]))
    assert decode_mask(encode(bits)).tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_small_palettes_keep_their_indices(bits: int) -> None:
    top = 2**bits - 1
    image = Image.fromarray(np.array([[0, top, 1]], np.uint8))
    image.putpalette(voc_palette()[: 2**bits].tobytes())
    data = encode(image, bits=bits)
    assert data[24] == bits
    assert decode_mask(data).tolist() == [[0, top, 1]]


@pytest.mark.parametrize("bits", [2, 4])
def test_packed_greys_are_not_spread_over_0_to_255(bits: int) -> None:
    """A grey PNG of 2 or 4 bits, written by hand: Pillow does not write them."""

    def chunk(name: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)

    values = [0, 1, 2, 3]
    packed = int("".join(f"{value:0{bits}b}" for value in values), 2)
    row = b"\0" + packed.to_bytes(bits * 4 // 8, "big")
    header = struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    assert decode_mask(data).tolist() == [values]


@pytest.mark.parametrize(
    ("image", "kind", "reason"),
    [
        (Image.new("RGB", (2, 2)), "PNG", "RGB colours"),
        (Image.new("RGBA", (2, 2)), "PNG", "RGBA colours"),
        (Image.new("LA", (2, 2)), "PNG", "LA colours"),
        (Image.new("I;16", (2, 2)), "PNG", "16-bit"),
        (Image.new("L", (2, 2)), "JPEG", "not a PNG"),
    ],
)
def test_masks_that_are_refused(image: Image.Image, kind: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_mask(encode(image, kind))


def test_truncated_mask() -> None:
    label = np.random.default_rng(0).integers(0, 255, (50, 50), np.uint8)
    with pytest.raises(ValueError, match="cannot"):
        decode_mask(encode_mask(label)[:900])


@pytest.mark.parametrize("label", [np.zeros((2, 2)), np.zeros(4, np.uint8), np.zeros((0, 2), "u1")])
def test_encode_mask_refuses(label: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        encode_mask(label)


def test_palette_is_vocs() -> None:
    """Against the kit's loop, and the first colours as published."""
    expected = np.zeros((256, 3), int)
    for label in range(256):
        rest = label
        for place in range(8):
            for channel in range(3):
                expected[label, channel] |= ((rest >> channel) & 1) << (7 - place)
            rest >>= 3
    np.testing.assert_array_equal(voc_palette(), expected)
    assert voc_palette()[20].tolist() == [0, 64, 128]


def test_to_input_normalises() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    result = to_input(image)
    expected = (image / 255.0 - images.IMAGENET_MEAN) / images.IMAGENET_STD
    assert str(result.dtype) == "torch.float32"
    assert result.permute(1, 2, 0).is_contiguous()
    np.testing.assert_allclose(result.numpy(), expected.transpose(2, 0, 1), atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 4)])
def test_to_input_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        to_input(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="float64"):
        to_input(np.zeros((4, 5, 3)))


def test_module_does_not_import_torch() -> None:
    code = "import sys, wsss_cli.core.images; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
