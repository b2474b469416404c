"""Masks that annotation files hold as a picture."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from wsss_cli.formats import bitmaps
from wsss_cli.formats.bitmaps import bitmap, decoded_base64, inflated

MASK = np.array([[0, 1, 1], [1, 0, 0]], bool)


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def palette() -> Image.Image:
    image = Image.fromarray(MASK.astype(np.uint8))
    image = image.convert("P")
    image.putdata(MASK.astype(np.uint8).ravel().tolist())
    image.putpalette([0, 0, 0, 0, 0, 0])  # what counts is the number, not its colour
    return image


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(MASK.astype(np.uint8) * 255),
        Image.fromarray(MASK.astype(np.uint8)),
        Image.fromarray(MASK.astype(np.uint8) * 255).convert("1"),
        palette(),
        Image.fromarray(np.dstack([np.full((2, 3, 3), 7, np.uint8), MASK.astype(np.uint8) * 255])),
        Image.fromarray(np.dstack([MASK.astype(np.uint8) * 9] * 3)),
    ],
    ids=["grey", "one", "bit", "palette", "alpha", "colour"],
)
def test_what_is_not_0_or_is_opaque(image: Image.Image) -> None:
    assert (bitmap(encoded(image), "it") == MASK).all()


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", encoded(palette())[:40], encoded(Image.new("RGB", (3, 3)), "JPEG")],
    ids=["empty", "text", "cut", "JPEG"],
)
def test_what_is_no_png_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match="it is no PNG that can be read"):
        bitmap(data, "it")


def test_base64() -> None:
    assert decoded_base64(base64.b64encode(b"abc").decode(), "it") == b"abc"
    for odd, said in ((None, "it is null"), (3, "it is a number"), ("abc", "it is not base64")):
        with pytest.raises(ValueError, match=said):
            decoded_base64(odd, "it")
    with pytest.raises(ValueError, match="not base64"):
        decoded_base64("ä", "it")


def test_what_zlib_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zlib.compress(b"abc" * 50)
    assert inflated(packed, "it") == b"abc" * 50
    with pytest.raises(ValueError, match="it is not compressed by zlib"):
        inflated(b"abc", "it")
    with pytest.raises(ValueError, match="it is cut short"):
        inflated(packed[:-5], "it")
    monkeypatch.setattr(bitmaps, "MOST", 100)
    with pytest.raises(ValueError, match="grows beyond"):
        inflated(packed, "it")
